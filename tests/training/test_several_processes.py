"""The same training in several processes: under torchrun, and through submitit. Real processes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mvla_core.errors import JobError, RecipeError
from mvla_core.files import read_json, read_json_lines
from mvla_core.jobs.launch import CODE_FOLDER
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.progress import SILENT
from mvla_core.training import slurm
from mvla_core.training.distributed import EvenSampler, check_processes
from mvla_core.training.launch import prepare_run
from mvla_core.training.recipe import Recipe
from mvla_core.training.slurm import Cluster, submit, torchrun_command
from mvla_core.training.train import train_run

# Six training episodes in batches of four: the second batch is half empty, and one process of it has nothing at all.
SHORT = {"window_size": 3, "chunk_size": 4, "epochs": 2, "batch_size": 4}


STOPPED_IN_STEP_4 = """
import os, signal, sys, time
from mvla_core.__main__ import main
from mvla_core.jobs import worker
from mvla_core.progress import JobProgress

class Asked(JobProgress):
    def emit(self, event, **values):
        super().emit(event, **values)
        if event == "step" and values["step"] == 4:
            os.kill(os.getppid(), signal.SIGTERM)  # torchrun, which tells both
            while not self.stop_requested:
                time.sleep(0.01)

worker.JobProgress = Asked
sys.exit(main())
"""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def events(run: RunFolder, name: str) -> list[dict[str, object]]:
    return [row for row in read_json_lines(run.progress)[0] if row["event"] == name]


def test_two_processes_end_with_the_parameters_of_one(root: DataRoot, colours: str) -> None:
    alone = prepare_run(root, colours, "tiny", SHORT, seed=2)
    train_run(root, alone, SILENT)
    run = prepare_run(root, colours, "tiny", SHORT, seed=2)
    done = subprocess.run(
        torchrun_command(root, run, 2), cwd=CODE_FOLDER, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = read_json(run.result)
    assert result["status"] == "succeeded"
    assert read_json(run.path / "receipt.json")["processes"] == 2
    one, two = weights(alone.adapter_last), weights(run.adapter_last)
    assert one.keys() == two.keys()
    furthest = max(float((one[name] - two[name]).abs().max()) for name in one)
    assert furthest <= 1e-6, furthest
    # One process alone writes: every event is there once.
    assert [event["epoch"] for event in events(run, "epoch")] == [1, 2]
    assert len(events(run, "validation_set")) == 1
    assert result["val_loss"] == pytest.approx(events(run, "epoch")[result["best_epoch"] - 1]["val_loss"])


@pytest.mark.slow
def test_stopped_together_the_same_command_goes_on_to_the_same_parameters(
    root: DataRoot, colours: str, tmp_path: Path
) -> None:
    """With dropout, which every process draws for itself: the states of both generators are kept."""
    settings = {**SHORT, "epochs": 3, "head_dropout": 0.2}
    whole, run = (prepare_run(root, colours, "tiny", settings, seed=2) for _ in range(2))
    script = tmp_path / "stopped.py"
    script.write_text(STOPPED_IN_STEP_4)
    command = torchrun_command(root, run, 2)
    module = command.index("mvla_core")

    def torchrun(words: list[str]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(CODE_FOLDER), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            words, cwd=CODE_FOLDER, env=environment, capture_output=True, text=True, timeout=240, check=False
        )

    stopped = torchrun([*command[: module - 1], str(script), *command[module + 1 :]])
    assert read_json(run.result)["status"] == "stopped", stopped.stderr[-2000:]
    assert [path.name for path in run.checkpoints.iterdir()] == ["checkpoint-5"]  # within the last epoch
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= {
        path.name for path in (run.checkpoints / "checkpoint-5").iterdir()
    }
    for each in (run, whole):
        done = torchrun(torchrun_command(root, each, 2))
        assert done.returncode == 0, done.stderr[-2000:]
    assert read_json(run.path / "attempt-1" / "result.json")["status"] == "stopped"
    assert read_json(run.result)["status"] == "succeeded"
    assert [event["step"] for event in events(run, "step")] == [1, 2, 3, 4, 5, 6]
    for folder, other in ((whole.adapter, run.adapter), (whole.adapter_last, run.adapter_last)):
        there, here = weights(folder), weights(other)
        furthest = max(float((there[name] - here[name]).abs().max()) for name in there)
        assert furthest <= 1e-6, furthest


def test_a_batch_that_cannot_be_divided_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    check_processes(Recipe())
    with pytest.raises(RecipeError, match="batch of 3 items cannot be divided among 2 processes; choose a batch_size"):
        check_processes(Recipe(batch_size=3))


class Counted:
    """The order 0, 1, ... n - 1, and the last epoch that was named."""

    def __init__(self, count: int) -> None:
        self.count, self.epoch = count, -1

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self):
        return iter(range(self.count))


@pytest.mark.parametrize(("count", "filled"), [(6, 8), (8, 8), (1, 4)])
def test_a_last_batch_is_filled_with_what_counts_nothing(count: int, filled: int) -> None:
    order = Counted(count)
    sampler = EvenSampler(order, 4, silent=count)
    assert list(sampler) == [*range(count), *[count] * (filled - count)]
    assert len(sampler) == filled
    sampler.set_epoch(3)
    assert order.epoch == 3


def test_a_prepared_run_is_trained_by_submitit_on_this_machine(root: DataRoot, colours: str) -> None:
    pytest.importorskip("submitit")
    run = prepare_run(root, colours, "tiny", {**SHORT, "epochs": 1}, seed=2)
    job = submit(root, run, Cluster("local", hours=0.1))
    job.result()
    assert read_json(run.result)["status"] == "succeeded"
    assert (run.adapter_last / "policy.json").is_file()


def test_slurm_without_submitit_names_the_command(
    root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = prepare_run(root, colours, "tiny", SHORT, seed=2)
    monkeypatch.setattr(slurm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(JobError, match="pip install submitit"):
        submit(root, run, Cluster("gpu"))
