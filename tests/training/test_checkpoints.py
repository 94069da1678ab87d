"""Checkpoints that are damaged, half written or of an older program: a training goes on from the last whole one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mvla_core.errors import Stopped
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.progress import SILENT, Progress
from mvla_core.training import run_callback
from mvla_core.training.average import AVERAGE_FILE
from mvla_core.training.checkpoints import (
    MARK,
    STATE,
    damage_of,
    epochs_of_ended,
    finish_checkpoint,
    newest_checkpoint,
    part_folder,
    take_checkpoint,
)
from mvla_core.training.launch import prepare_run
from mvla_core.training.train import train_run

SETTINGS: dict[str, Any] = {
    "window_size": 3,
    "chunk_size": 4,
    "epochs": 3,
    "batch_size": 2,
    "head_dropout": 0.2,
    "ema_decay": 0.9,
}
FILES = (
    "adapter_model.safetensors",
    AVERAGE_FILE,
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    STATE,
)
"""Every kind of file that going on needs."""


class Told(Progress):
    """Keeps the notes, and asks to stop at a step."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.notes: list[str] = []
        self.steps: list[int] = []
        self._stop_at = stop_at

    def emit(self, event: str, **values: Any) -> None:
        if event == "note":
            self.notes.append(values["message"])
        elif event == "step":
            self.steps.append(values["step"])

    @property
    def stop_requested(self) -> bool:
        return self._stop_at is not None and self._stop_at - 1 in self.steps


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    """Change one byte: what was written has the same length."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def removed(path: Path) -> None:
    path.unlink()


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_callback, "CHECKPOINT_INTERVAL_S", 0.0)
    monkeypatch.setattr(run_callback, "WRITING_SHARE", float("inf"))


@pytest.fixture
def stopped_run(root: DataRoot, colours: str, every_step: None) -> RunFolder:
    """A run that was stopped at its eighth step of nine, with the checkpoints of steps 7 and 8."""
    run = prepare_run(root, colours, "tiny", SETTINGS, seed=2)
    with pytest.raises(Stopped):
        train_run(root, run, Told(stop_at=8))
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["checkpoint-7", "checkpoint-8"]
    return run


def test_damage_of_every_kind_in_every_file_is_seen(stopped_run: RunFolder, tmp_path: Path) -> None:
    newest = stopped_run.checkpoints / "checkpoint-8"
    assert damage_of(newest) == ""
    assert set(FILES) <= {path.name for path in newest.iterdir()}
    for number, spoil in enumerate((emptied, truncated, flipped, removed)):
        for name in FILES:
            copy = tmp_path / f"{name}-{number}"
            shutil.copytree(newest, copy)
            spoil(copy / name)
            assert name in damage_of(copy), spoil.__name__
    copy = tmp_path / "mark"
    shutil.copytree(newest, copy)
    emptied(copy / MARK)
    assert MARK in damage_of(copy)
    (copy / MARK).write_text("[]")
    assert damage_of(copy)


def test_a_checkpoint_of_an_older_program_is_read_through(stopped_run: RunFolder, tmp_path: Path) -> None:
    """It has no checksums; those in Trainer's own files, and their form, show what a power cut leaves."""
    newest = stopped_run.checkpoints / "checkpoint-8"
    (newest / MARK).unlink()
    assert damage_of(newest) == ""
    assert newest_checkpoint(stopped_run) == newest
    for number, spoil in enumerate((emptied, truncated)):
        for name in FILES:
            copy = tmp_path / f"{name}-{number}"
            shutil.copytree(newest, copy)
            spoil(copy / name)
            assert name in damage_of(copy), spoil.__name__
    (newest / STATE).unlink()
    assert "was not written to its end" in damage_of(newest)


@pytest.mark.parametrize(
    ("name", "spoil"), [("optimizer.pt", emptied), (STATE, truncated)], ids=["empty optimiser", "cut state"]
)
def test_the_one_before_a_damaged_checkpoint_leads_to_the_same_parameters(
    root: DataRoot, colours: str, stopped_run: RunFolder, name: str, spoil: Callable[[Path], None]
) -> None:
    whole = prepare_run(root, colours, "tiny", SETTINGS, seed=2)
    expected = train_run(root, whole, SILENT)
    spoil(stopped_run.checkpoints / "checkpoint-8" / name)
    half_written = part_folder(stopped_run.checkpoints) / "checkpoint-9"
    half_written.mkdir(parents=True)
    told = Told()
    result = train_run(root, stopped_run, told)
    assert told.steps == [8, 9]
    assert f"checkpoint-8 is damaged and not used: {name}" in told.notes[-2]
    assert told.notes[-1] == "Continue from checkpoint-7."
    assert result["val_loss"] == pytest.approx(expected["val_loss"], abs=1e-6)
    assert result["train_loss"] == pytest.approx(expected["train_loss"], abs=1e-6)
    for folder, other in ((whole.adapter, stopped_run.adapter), (whole.adapter_last, stopped_run.adapter_last)):
        there, here = (load_file(each / "adapter_model.safetensors") for each in (folder, other))
        assert all(torch.allclose(there[key], here[key], atol=1e-6) for key in there)
    # The damaged and the half written one went with the next good one.
    assert sorted(path.name for path in stopped_run.checkpoints.iterdir()) == ["checkpoint-8", "checkpoint-9"]


def _checkpoint(run: RunFolder, step: int, epoch: float = 1.0) -> Path:
    written = part_folder(run.checkpoints) / f"checkpoint-{step}"
    written.mkdir(parents=True)
    history = [{"eval_loss": 1.0 + each, "epoch": each + 1.0} for each in range(int(epoch))]
    (written / STATE).write_text(json.dumps({"epoch": epoch, "log_history": history}))
    finish_checkpoint(run.checkpoints, step, 1)
    return run.checkpoints / f"checkpoint-{step}"


def test_the_two_newest_are_kept_by_their_steps(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (9, 10, 100):
        _checkpoint(run, step)
    (run.checkpoints / "checkpoint-x").mkdir()
    assert sorted(path.name for path in run.checkpoints.iterdir()) == [
        "checkpoint-10",
        "checkpoint-100",
        "checkpoint-x",
    ]
    assert newest_checkpoint(run) == run.checkpoints / "checkpoint-100"


def test_without_a_whole_one_the_training_begins_again_and_says_so(tmp_path: Path) -> None:
    run, told = RunFolder(tmp_path), Told()
    assert take_checkpoint(run, told) is None
    assert told.notes == []
    truncated(_checkpoint(run, 3) / STATE)
    assert newest_checkpoint(run) is None
    assert take_checkpoint(run, told) is None
    assert told.notes[-1] == "No checkpoint is whole: the training begins again with its first step."
    assert [path.name for path in run.checkpoints.iterdir()] == ["damaged-checkpoint-3"]


@pytest.mark.parametrize(("patience", "ended"), [(0, None), (1, 3), (2, 3), (3, None)])
def test_an_ended_training_is_known_by_its_checkpoint(tmp_path: Path, patience: int, ended: int | None) -> None:
    assert epochs_of_ended(_checkpoint(RunFolder(tmp_path), 9, epoch=3.0), patience) == ended
