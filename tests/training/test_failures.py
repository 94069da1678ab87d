"""Running out of memory or disk while training: recognised, and told in one sentence with the setting to change."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mvla_core.errors import RecipeError, RunError, Stopped
from mvla_core.jobs.diagnosis import diagnose_exception, diagnose_text
from mvla_core.jobs.launch import CODE_FOLDER
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT
from mvla_core.training import failures, train
from mvla_core.training.failures import explained
from mvla_core.training.launch import prepare_run
from mvla_core.training.machine import check_machine, cuda_devices
from mvla_core.training.recipe import PRESETS, Recipe


def told(root: DataRoot, error: BaseException, recipe: Recipe) -> str:
    with pytest.raises(RunError) as caught, explained(recipe, root.run("r")):
        raise error
    assert caught.value.__cause__ is error
    return str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to allocate"
        ),
    ],
    ids=["gpu", "python", "torch on the processor"],
)
def test_out_of_memory_names_what_to_make_smaller(root: DataRoot, error: BaseException) -> None:
    sentence = told(root, error, PRESETS["briefing-fast"].recipe)
    assert sentence.startswith(
        f"The {'GPU' if isinstance(error, torch.OutOfMemoryError) else 'machine'} ran out of memory"
    )
    assert "turn gradient_checkpointing on, or choose fewer windows_per_item than 8" in sentence
    assert "batch_size below" not in sentence  # it is 1


def test_only_settings_that_can_be_made_smaller_are_named(root: DataRoot) -> None:
    compact = told(root, MemoryError(), Recipe(batch_size=4, gradient_accumulation=2))
    assert "batch_size below 4 (with gradient_accumulation 8 and batch_size 1" in compact
    assert "gradient_checkpointing on" not in compact
    assert "tuning lora" in told(root, MemoryError(), PRESETS["full"].recipe)
    assert "preset top-layers" in told(root, MemoryError(), PRESETS["briefing"].recipe)
    smallest = replace(PRESETS["top-layers"].recipe, windows_per_item=1, gradient_checkpointing=True)
    assert "use a machine with more" in told(root, MemoryError(), smallest)


@pytest.fixture
def full_file(tmp_path: Path) -> Path:
    """A file that takes nothing. It is a link: whoever replaces it by a rename replaces the link, never the device."""
    if not Path("/dev/full").is_char_device():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "full").symlink_to("/dev/full")
    return tmp_path / "full"


def test_a_full_disk_names_the_folder_and_the_way_on(root: DataRoot, full_file: Path) -> None:
    with pytest.raises(OSError, match="No space") as caught, open(full_file, "wb", buffering=0) as file:
        file.write(b"x")
    sentence = told(root, caught.value, Recipe())
    assert sentence.startswith(f"The disk that holds {root.run('r').path} is full")
    assert "then resume" in sentence
    assert diagnose_exception(RunError(sentence)) == "disk_full"


@pytest.mark.parametrize("numbers", [10, 3_000_000])
def test_torch_that_cannot_write_is_a_full_disk_only_where_the_disk_is_full(
    root: DataRoot, full_file: Path, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.run("r").path.mkdir(parents=True)
    with pytest.raises(RuntimeError) as caught:
        torch.save({"moments": torch.zeros(numbers)}, full_file)
    error = caught.value
    with pytest.raises(RuntimeError) as passed, explained(Recipe(), root.run("r")):
        raise error
    assert passed.value is error, "the run's own disk has space: something else is wrong"
    assert diagnose_text(str(error), root.run("r").path) == ""
    monkeypatch.setattr(failures, "is_full", lambda folder: folder == root.run("r").path)
    assert told(root, error, Recipe()).startswith(f"The disk that holds {root.run('r').path} is full")


SAVES_STATE = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from mvla_core.errors import RunError
from mvla_core.jobs.diagnosis import diagnose_exception, diagnose_text
from mvla_core.layout import DataRoot
from mvla_core.training.failures import explained
from mvla_core.training.recipe import Recipe

run = DataRoot(Path(sys.argv[1])).run("r")
run.path.mkdir(parents=True)
state = {"moments": torch.zeros(1_000_000)}
for save in (lambda: save_file(state, run.path / "adapter.safetensors"), lambda: torch.save(state, run.path / "optimizer.pt")):
    try:
        with explained(Recipe(), run):
            save()
    except RunError as error:
        cause = str(error.__cause__)
        print(str(error).partition(",")[0], diagnose_exception(error), diagnose_text(cause, run.path), "No space" in cause, sep="|")
"""


def test_state_that_does_not_fit_a_truly_full_disk_is_told(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    unshare = shutil.which("unshare") or "unshare"
    script = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
    command = [unshare, "--map-root-user", "--mount", "sh", "-c", script, str(mount)]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("this user may not mount a small file system in a namespace of its own")
    done = subprocess.run(
        [*command, sys.executable, "-c", SAVES_STATE, str(mount)],
        cwd=CODE_FOLDER,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    sentence = f"The disk that holds {mount}/runs/r is full|disk_full|disk_full|"
    # Of torch's own writer nobody hears the reason: that is why the disk is asked.
    assert done.stdout.splitlines() == [f"{sentence}True", f"{sentence}False"]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes do not match"),
        RuntimeError("PytorchStreamReader failed reading zip archive: not a ZIP archive (inline_container.cc)"),
        ValueError("x"),
        Stopped("as asked"),
        OSError(5, "I/O"),
    ],
)
def test_everything_else_passes(root: DataRoot, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "is_full", lambda folder: True)
    with pytest.raises(type(error)) as caught, explained(Recipe(), root.run("r")):
        raise error
    assert caught.value is error


def test_a_training_on_a_full_disk_fails_with_that_sentence(
    root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = prepare_run(root, colours, "tiny", {"window_size": 3, "chunk_size": 4, "epochs": 1}, seed=2)

    def full(policy: Any, folder: Path, extra: dict[str, Any]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    monkeypatch.setattr(train, "save_policy", full)
    with pytest.raises(RunError, match="is full, so that the training could not save"):
        train.train_run(root, run, SILENT)


def test_a_gpu_that_was_given_and_cannot_be_used_is_no_training_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    check_machine(Recipe(), has_cuda=True)
    with pytest.raises(RecipeError, match="CUDA_VISIBLE_DEVICES='1' gives this process a GPU that it cannot use"):
        check_machine(Recipe(), has_cuda=False)
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        check_machine(Recipe(), has_cuda=False)


def test_the_driver_is_asked_for_visible_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'GPU-8f6c2f1e-aaaa, Stand, In'\necho 'GPU-8f6c77aa-bbbb, Other'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert cuda_devices() == ("Stand, In", "Other")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert cuda_devices() == ("Other",)
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert cuda_devices() == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora_top_layers": 1, "backbone_dropout": 0.1, "backbone": "tiny"}, "would change at every step"),
        ({"lora_top_layers": 1, "lora_targets": "all", "backbone": "tiny"}, "trains the vision"),
        ({"lora_top_layers": 3, "backbone": "tiny"}, "more than the 2 layers"),
        ({"lora_top_layers": 25, "backbone": "kosmos2"}, "more than the 24 layers"),
        ({"lora_top_layers": 1, "tuning": "full", "backbone": "tiny"}, "does nothing with tuning 'full'"),
        ({"tuning": "full"}, "does not fit the backbone 'compact'"),
        ({"action_head": "direction"}, "Did you mean 'directions'"),
        ({"ema_decay": 1.0}, "a number from 0 to"),
        ({"curriculum": "hard_first"}, "expected one of none, simple_first"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Recipe().changed(changes)
