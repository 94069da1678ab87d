"""Run folders as a training leaves them, small and of every condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mvla_core.files import append_json_line, write_json
from mvla_core.layout import DataRoot, RunFolder

MakeRun = Callable[..., RunFolder]


def step_event(step: int, loss: float | None, **more: Any) -> dict[str, Any]:
    values = {"step": step, "epoch": step / 10, "train_loss": loss, "learning_rate": 1e-3, "grad_norm": 1.0}
    return {"event": "step", "time": 1000.0 + step, **values, "windows_per_second": 9.5, **more}


def epoch_event(epoch: int, val_loss: float | None, **more: Any) -> dict[str, Any]:
    values = {"epoch": epoch, "epochs": 20, "step": 10 * epoch, "train_loss": 0.5 / epoch, "val_loss": val_loss}
    return {"event": "epoch", "time": 1000.0 + 10 * epoch, **values, "best_epoch": 1, "eta_seconds": 1.0, **more}


@pytest.fixture
def make_run(root: DataRoot) -> MakeRun:
    def make_run(
        run_id: str = "r1",
        losses: tuple[float | None, ...] = (),
        val_losses: tuple[float | None, ...] = (),
        *,
        seed: int = 0,
        split: dict[str, list[str]] | None = None,
        data: dict[str, Any] | None = None,
        result: dict[str, Any] | None = None,
        **recipe: Any,
    ) -> RunFolder:
        run = root.run(run_id)
        config = {"run_id": run_id, "dataset": "lab", "preset": "compact", "created": 1000.0, "seed": seed}
        write_json(run.config, {**config, "recipe": {"learning_rate": 1e-3, **recipe, "seed": seed}})
        write_json(run.split, split or {"train": ["a", "b"], "validation": ["c"], "test": ["d"]})
        write_json(run.provenance, {"data": data or {"snapshot": 1, "sha256": "0" * 64}})
        for step, loss in enumerate(losses, 1):
            append_json_line(run.progress, step_event(step, loss))
        for epoch, loss in enumerate(val_losses, 1):
            append_json_line(run.progress, epoch_event(epoch, loss))
        if result is not None:
            write_json(run.result, {"status": "succeeded", **result})
        return run

    return make_run
