"""Progress as a file that pages poll, and the way a stop request travels."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mvla_core.errors import Stopped
from mvla_core.files import read_json_lines
from mvla_core.progress import SILENT, ConsoleProgress, JobProgress


def test_a_job_writes_events_that_others_can_poll(tmp_path: Path) -> None:
    progress = JobProgress(tmp_path / "progress.jsonl")
    progress.stage("Encoding frames")
    for done in range(100):
        progress.update(done + 1, 100)
    progress.emit("epoch", epoch=1, epochs=2, train_loss=float("nan"), val_loss=0.5)
    rows, _ = read_json_lines(progress.path)
    assert rows[0]["event"] == "stage"
    updates = [row for row in rows if row["event"] == "progress"]
    assert 1 <= len(updates) < 100, "quick updates are thinned"
    assert updates[-1]["done"] == 100, "the last one is always written"
    assert rows[-1]["train_loss"] is None, "NaN is not JSON"
    assert all(row["time"] > 0 for row in rows)


def test_a_stop_request_ends_the_work_at_the_next_unit(tmp_path: Path) -> None:
    progress = JobProgress(tmp_path / "progress.jsonl")
    progress.update(1, 3)
    progress.request_stop()
    with pytest.raises(Stopped):
        progress.update(2, 3)
    SILENT.update(1, 1)


def test_the_console_tells_epochs_and_missing_losses() -> None:
    stream = io.StringIO()
    console = ConsoleProgress(stream)
    console.emit("epoch", epoch=1, epochs=20, train_loss=0.126, val_loss=None, best_epoch=1)
    console.note("slow disk", level="warning")
    assert "epoch 1/20  train loss 0.1260  validation loss -" in stream.getvalue()
    assert "warning: slow disk" in stream.getvalue()
