"""The run's own losses, epoch by epoch, with what the briefing's loss analysis derives from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mvla_core.files import read_json_lines
from mvla_core.layout import RunFolder

_KEPT = ("train_loss", "val_loss", "val_rmse")


def read_losses(run: RunFolder) -> dict[str, Any]:
    """Read the `epoch` events of a run's progress file and analyse them; an epoch repeated after a resume counts once."""
    epochs: dict[int, dict[str, Any]] = {}
    offset = 0
    while True:
        rows, end = read_json_lines(run.progress, offset)
        epochs |= {row["epoch"]: row for row in rows if row.get("event") == "epoch"}
        if end == offset:
            break
        offset = end
    rows = [epochs[number] for number in sorted(epochs)]
    return analyse_losses([{"epoch": row["epoch"], **{key: row.get(key) for key in _KEPT}} for row in rows])


def analyse_losses(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return gap, improvement and reduction of a loss table.

    Args:
        rows: One an epoch, in order: `epoch`, `train_loss`, `val_loss`, and optionally `val_rmse`; None where unknown.

    Returns:
        `epochs`: the rows with `gap` = |train - validation| and `train_improvement`, `val_improvement` = (previous - this) /
        previous, the briefing's formulas. Then `train_reduction`, `val_reduction` = (first - last) / first, `mean_gap`,
        `last_gap`, `best_epoch` (the lowest validation loss), and how many epochs made the validation loss worse.
    """
    table: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        before = rows[index - 1] if index else {}
        train, val = row["train_loss"], row["val_loss"]
        table.append(
            {
                **row,
                "gap": abs(train - val) if train is not None and val is not None else None,
                "train_improvement": _fall(before.get("train_loss"), train),
                "val_improvement": _fall(before.get("val_loss"), val),
            }
        )
    gaps = [row["gap"] for row in table if row["gap"] is not None]
    measured = [row for row in table if row["val_loss"] is not None]
    return {
        "epochs": table,
        "train_reduction": _fall(table[0]["train_loss"], table[-1]["train_loss"]) if table else None,
        "val_reduction": _fall(table[0]["val_loss"], table[-1]["val_loss"]) if table else None,
        "mean_gap": sum(gaps) / len(gaps) if gaps else None,
        "last_gap": table[-1]["gap"] if table else None,
        "best_epoch": min(measured, key=lambda row: row["val_loss"])["epoch"] if measured else None,
        "worse_epochs": sum((row["val_improvement"] or 0) < 0 for row in table),
    }


def _fall(before: float | None, after: float | None) -> float | None:
    """By which share a loss fell; None where either is unknown or the first is zero."""
    return (before - after) / before if before and after is not None else None
