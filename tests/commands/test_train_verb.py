"""`train` as scripts use it: check, seeds, extension, prepare. Real jobs of the miniature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mvla_core.__main__ import main
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.simulation.record import simulate_episodes
from mvla_core.training.recipe import PRESETS

SHORT = ["--preset", "tiny", "--epochs", "2", "--chunk-size", "4"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    root = DataRoot(tmp_path_factory.mktemp("train") / "data")
    simulate_episodes(root, "lab", count=8, seed=1, image_size=32, workers=1)
    return root


def ask(capsys: pytest.CaptureFixture[str], root: DataRoot, *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--data-root", str(root.path), "--json"]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return value


@pytest.mark.slow
def test_check_then_seeds_then_extension(recorded: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    checked = ask(capsys, recorded, "train", "lab", *SHORT, "--check")
    assert checked["forecast"]["measured"]
    assert checked["forecast"]["seconds"] > 0
    assert checked["warm_up"]["steps"] > 0
    assert not recorded.runs.exists(), "a check trains nothing"

    trained = ask(capsys, recorded, "train", "lab", *SHORT, "--seeds", "2", "--seed", "3")
    assert [run["status"] for run in trained["runs"]] == ["succeeded", "succeeded"]
    assert trained["seeds"] == [3, 4]
    assert trained["val_rmse"]["count"] == 2
    assert trained["val_rmse"]["low"] <= trained["val_rmse"]["mean"] <= trained["val_rmse"]["high"]
    check = trained["runs"][0]["forecast_check"]
    assert check["measured"], "the warm-up of the check was used"
    assert check["seconds"] > 0
    listed = ask(capsys, recorded, "runs")
    assert [group["group"] for group in listed["groups"]] == [trained["group"]]
    assert all(run["forecast_check"] for run in listed["runs"])

    parent = trained["runs"][0]["run_id"]
    longer = ask(capsys, recorded, "train", "--extend", parent, "--epochs", "1")
    assert longer["status"] == "succeeded"
    config = read_json(recorded.run(longer["run_id"]).config)
    assert config["extends"]["run_id"] == parent
    assert config["recipe"]["epochs"] == 1


@pytest.mark.slow
def test_a_seed_that_fails_leaves_the_others_trained(
    recorded: DataRoot, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mvla_core.training import groups

    prepare = groups.prepare_group

    def first_is_damaged(*arguments: Any, **options: Any) -> list[RunFolder]:
        runs = prepare(*arguments, **options)
        runs[0].split.unlink()
        return runs

    monkeypatch.setattr(groups, "prepare_group", first_is_damaged)
    words = ["train", "lab", "--preset", "tiny", "--epochs", "1", "--chunk-size", "4", "--seeds", "2", "--skip-check"]
    assert main([*words, "--data-root", str(recorded.path), "--json"]) != 0
    out, error = capsys.readouterr()
    runs = json.loads(out)["runs"]
    assert [run["status"] for run in runs] == ["failed", "succeeded"]
    assert "split.json" in runs[0]["message"]
    assert f"1 of 2 runs of the group failed: {runs[0]['run_id']}." in error


def test_options_that_contradict_or_do_nothing_are_refused(
    recorded: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(list(recorded.runs.glob("*")))
    for words, told in (
        ("lab --seeds 0", "--seeds must be 2 or more; found 0"),
        ("lab --gpus 1", "--gpus and --hours are what Slurm is asked for"),
        ("lab --hours 2 --prepare", "--gpus and --hours are what Slurm is asked for"),
        ("lab --slurm gpu --hours 0", "--hours must be above 0"),
        ("lab --check --seeds 3", "--check trains nothing"),
        ("lab --check --detach", "--check trains nothing"),
        ("lab --check --slurm gpu", "--check measures one process on this machine"),
        ("lab --check --prepare", "--check measures one process on this machine"),
        ("lab --check --skip-check", "choose one of them"),
        ("lab --detach --prepare", "leave out --detach"),
        ("lab --processes 2", "started by torchrun"),
        ("lab --prepare --slurm gpu", "choose one of them"),
        ("--extend r --epochs 3 --preset tiny", "leave out --preset and --recipe"),
        ("--extend r --epochs 3 --seeds 0", "leave out the data set, --seeds"),
        ("--extend r", "Say how many more epochs"),
        ("--preset tiny", "Say which data set to train on"),
        ("lab --preset tiny --batch-size 3 --prepare --processes 2", "batch of 3 items cannot be divided among 2"),
        ("lab --curriculum-epochs 3", "does nothing without a curriculum"),
    ):
        assert main(["train", *words.split(), "--data-root", str(recorded.path)]) != 0, words
        assert told in capsys.readouterr().err, words
    assert len(list(recorded.runs.glob("*"))) == before


def test_a_login_node_without_a_gpu_submits_what_needs_one(
    recorded: DataRoot, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    words = [
        "train",
        "lab",
        "--data-root",
        str(recorded.path),
        "--preset",
        "briefing",
        "--chunk-size",
        "4",
        "--slurm",
        "gpu",
    ]
    assert main([*words, "--gpus", "4"]) != 0
    assert "3 of 4 GPUs would do nothing" in capsys.readouterr().err
    assert main([*words, "--gpus", "1"]) != 0
    error = capsys.readouterr().err
    # It gets as far as the cluster, of which this machine has none, and says what was not judged.
    assert "The cluster does not take the run" in error
    assert "its memory and its base weights were not judged" in error


def test_a_recipe_is_read_from_a_file(recorded: DataRoot, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def prepared(*words: str) -> dict[str, Any]:
        (run,) = ask(capsys, recorded, "train", "lab", *words, "--prepare")["runs"]
        config: dict[str, Any] = read_json(recorded.run(run["run_id"]).config)
        return config

    mine = tmp_path / "mine.json"
    mine.write_text('{"backbone": "tiny", "epochs": 7, "chunk_size": 4, "seed": 9}')
    config = prepared("--recipe", str(mine), "--epochs", "8")
    assert config["preset"] == "compact"
    assert (
        config["recipe"]
        == PRESETS["compact"].recipe.changed({"backbone": "tiny", "epochs": 8, "chunk_size": 4, "seed": 9}).to_json()
    )
    config = prepared("--recipe", str(mine), "--preset", "tiny", "--seed", "3")
    assert (config["preset"], config["recipe"]["epochs"], config["recipe"]["lora_rank"]) == ("tiny", 7, 4)
    assert config["recipe"]["seed"] == 3
    # A run's own configuration gives the same recipe again.
    run = recorded.run(config["run_id"])
    again = prepared("--recipe", str(run.config))
    assert (again["preset"], again["recipe"]) == ("tiny", config["recipe"])

    def refused(text: str, *words: str) -> str:
        mine.write_text(text)
        assert main(["train", "lab", "--recipe", str(mine), *words, "--data-root", str(recorded.path)]) != 0
        return capsys.readouterr().err

    assert "has no setting 'learning_rat'. Did you mean 'learning_rate'?" in refused('{"learning_rat": 0.1}')
    assert "mine.json cannot be used: The setting epochs cannot be 0" in refused('{"epochs": 0}')
    assert "holds no recipe: expected a JSON object of settings" in refused("[3]")
    assert "cannot be read as JSON" in refused("{")
    assert "huber_delta 3 does nothing" in refused('{"action_head": "directions"}', "--huber-delta", "3")
    mine.unlink()
    assert main(["train", "lab", "--recipe", str(mine), "--data-root", str(recorded.path)]) != 0
    assert "is missing" in capsys.readouterr().err


def test_prepare_prints_the_command_of_torchrun(recorded: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    prepared = ask(capsys, recorded, "train", "lab", *SHORT, "--prepare", "--processes", "2")
    (run,) = prepared["runs"]
    command = run["command"]
    assert command[command.index("--nproc-per-node") + 1] == "2"
    assert command[command.index("-m", 2) :][0] == "-m"
    assert Path(command[command.index("--folder") + 1]).name == run["run_id"]
    assert recorded.run(run["run_id"]).config.is_file()
    assert not recorded.run(run["run_id"]).record.exists(), "the queue knows nothing of it"
