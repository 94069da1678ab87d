"""What Trainer's log says: which epoch was the best, its training loss, and whether patience has run out. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Best:
    """The epoch with the lowest validation loss."""

    epoch: int
    val_loss: float


def best_of(history: History) -> Best | None:
    """Return the best epoch of Trainer's log history, which a resumed training has read back; None before the first.

    A validation loss that is not finite is never the best.
    """
    evaluated = [Best(round(entry["epoch"]), entry["eval_loss"]) for entry in history if "eval_loss" in entry]
    finite = [each for each in evaluated if math.isfinite(each.val_loss)]
    return min(finite, key=lambda best: best.val_loss, default=None)


def is_out_of_patience(history: History, epoch: float, patience: int) -> bool:
    """Return whether so many whole epochs have passed since the best one that the training ends.

    Args:
        history: Trainer's log.
        epoch: Epochs done, perhaps with a part of one.
        patience: Epochs without a better validation loss; 0 never ends it.
    """
    best = best_of(history)
    return bool(patience) and best is not None and math.floor(epoch) - best.epoch >= patience


def train_loss_of(history: History, epoch: int) -> float:
    """Return the mean training loss of an epoch (1-based) from Trainer's log history; not a number where none was logged.

    An entry holds the mean over the steps since the entry before it.
    """
    total, steps, before = 0.0, 0, 0
    for entry in history:
        if "loss" in entry:
            if epoch - 1 < entry["epoch"] <= epoch:
                total += entry["loss"] * (entry["step"] - before)
                steps += entry["step"] - before
            before = entry["step"]
    return total / steps if steps else math.nan
