"""Whether a training has begun to memorise, read from its epochs while it runs, with its uncertainty.

Two figures are compared by validation episode, because windows of one episode resemble each other: how far the validation loss lies
above the training loss now, and how much it has changed since the best epoch. Both get the percentile interval of
`mvla_core.metrics.intervals`. The training loss is the mean over the epoch, with dropout and while the weights still moved: early
in a training it may lie above the validation loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mvla_core.metrics.intervals import Interval, bootstrap_ratio

Advice = Literal["wait", "go on", "soon", "stop"]
FLAT_EPOCHS = 5
"""After so many epochs without a better one, and a fifth of those planned, going on is not worth its time."""
FLAT_SHARE = 0.2
FEW_EPISODES = 8
_RESAMPLES = 1_000


@dataclass(frozen=True)
class OverfitReading:
    """What the epochs so far say.

    Attributes:
        epoch: Last one validated; 0 before the first.
        epochs: Planned; None before the first.
        best_epoch: None before the first, or where no validation loss was finite.
        best_val_loss: Its validation loss.
        patience_left: Epochs until the training stops by itself; None where it never does.
        gap: Validation loss minus training loss of the last epoch, by validation episode; None where it is not known.
        change: Validation loss of the last epoch minus that of the best, each half of the episodes beside the epoch that is best
            for the other half; None where the last one is the best.
        episodes: Validation episodes behind the intervals; 0 where they were not recorded.
        advice: "wait" (too early), "go on", "soon" (it is about to stop by itself), "stop".
        reason: Why, in one sentence.
    """

    epoch: int
    epochs: int | None
    best_epoch: int | None
    best_val_loss: float | None
    patience_left: int | None
    gap: Interval | None
    change: Interval | None
    episodes: int
    advice: Advice
    reason: str


def read_overfitting(
    epochs: Sequence[Mapping[str, Any]], validation_set: Mapping[str, Any], patience: int, *, diverged: bool = False
) -> OverfitReading:
    """Read the epochs of a run.

    Args:
        epochs: Its `epoch` events, ascending; values may be missing or null.
        validation_set: Its `validation_set` event; empty where it has none, then there are no intervals.
        patience: Epochs without a better one after which it stops; 0 never.
        diverged: A logged training loss was not finite.
    """
    losses = [(int(row["epoch"]), _number(row.get("val_loss"))) for row in epochs]
    finite = [(epoch, loss) for epoch, loss in losses if loss is not None]
    last = dict(epochs[-1]) if epochs else {}
    epoch = losses[-1][0] if losses else 0
    best_epoch, best_loss = min(finite, key=lambda pair: pair[1]) if finite else (None, None)
    weights = _weights(validation_set)
    by_epoch = {int(row["epoch"]): _by_episode(row, len(weights)) for row in epochs}
    gap = change = None
    if epochs:
        gap = _gap(last, by_epoch[epoch], weights)
    if best_epoch is not None and best_epoch != epoch:
        change = _change(last, epochs, best_epoch, by_epoch, weights)
    planned = last.get("epochs")
    reading = OverfitReading(
        epoch=epoch,
        epochs=planned if isinstance(planned, int) else None,
        best_epoch=best_epoch,
        best_val_loss=best_loss,
        patience_left=None if not patience or best_epoch is None else max(0, patience - (epoch - best_epoch)),
        gap=gap,
        change=change,
        episodes=len(weights) if epochs and by_epoch[epoch] is not None else 0,
        advice="wait",
        reason="",
    )
    advice, reason = _judge(reading, epochs, diverged or (bool(losses) and losses[-1][1] is None))
    return OverfitReading(**{**reading.__dict__, "advice": advice, "reason": reason})


def _judge(reading: OverfitReading, epochs: Sequence[Mapping[str, Any]], diverged: bool) -> tuple[Advice, str]:
    if diverged:
        return "stop", (
            "The loss is no longer a number: the training has diverged and learns nothing more; lower the learning rate."
        )
    if reading.best_epoch is None or reading.best_val_loss is None:
        return "wait", "No epoch has been validated yet."
    since = reading.epoch - reading.best_epoch
    if since == 0 and reading.epoch == 1:
        return "wait", "One epoch says nothing about the direction yet."
    if since == 0:
        return "go on", f"Epoch {reading.epoch} is the best so far: the validation loss still falls."
    change = reading.change
    kept = f"the policy of epoch {reading.best_epoch} is kept"
    few = "" if reading.episodes >= FEW_EPISODES else ", few to be sure of"
    if change is not None and change.low > 0 and since >= 2:
        how = (
            f"since epoch {reading.best_epoch} the validation loss has risen by {_signed(change.value)} (95 % interval "
            f"{_signed(change.low)} to {_signed(change.high)} over {reading.episodes} episodes{few})"
        )
        if _train_fell(epochs, reading.best_epoch):
            return "stop", f"It memorises: {how} while the training loss went on falling; {kept}."
        return "stop", f"It gets worse: {how}, and the training loss does not fall either; {kept}."
    if reading.patience_left is not None and reading.patience_left <= 1:
        return (
            "soon",
            f"No better epoch for {since}: it stops by itself after {reading.patience_left or 'no'} more; {kept}.",
        )
    flat = max(FLAT_EPOCHS, math.ceil(FLAT_SHARE * (reading.epochs or 0)))
    if since >= flat:
        return "stop", f"For {since} epochs nothing was better than epoch {reading.best_epoch}; {kept}."
    if change is None or math.isnan(change.low):
        return "go on", f"Epoch {reading.best_epoch} is the best; {_epochs(since)} without a better one may be chance."
    if change.low > 0:
        return "go on", f"The validation loss rose by {_signed(change.value)} in one epoch; one more will tell."
    return "go on", (
        f"No better for {_epochs(since)}, but the change of {_signed(change.value)} may be chance: over {reading.episodes} "
        f"episodes its 95 % interval is {_signed(change.low)} to {_signed(change.high)}."
    )


def _weights(validation_set: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    numbers = validation_set.get("numbers")
    if not isinstance(numbers, list) or not all(isinstance(n, int) and n > 0 for n in numbers):
        return np.empty(0)
    return np.asarray(numbers, dtype=np.float64)


def _by_episode(row: Mapping[str, Any], count: int) -> npt.NDArray[np.float64] | None:
    losses = row.get("val_loss_by_episode")
    if not isinstance(losses, list) or len(losses) != count or count == 0:
        return None
    values = [_number(loss) for loss in losses]
    return None if None in values else np.asarray(values, dtype=np.float64)


def _gap(
    row: Mapping[str, Any], losses: npt.NDArray[np.float64] | None, weights: npt.NDArray[np.float64]
) -> Interval | None:
    train, val = _number(row.get("train_loss")), _number(row.get("val_loss"))
    if train is None or val is None:
        return None
    if losses is None:
        return Interval(val - train, math.nan, math.nan)
    return bootstrap_ratio((losses - train) * weights, weights, resamples=_RESAMPLES)


def _change(
    last: Mapping[str, Any],
    epochs: Sequence[Mapping[str, Any]],
    best_epoch: int,
    by_epoch: Mapping[int, npt.NDArray[np.float64] | None],
    weights: npt.NDArray[np.float64],
) -> Interval | None:
    """How far the last epoch lies above the best one, without the luck of the best.

    The lowest of many noisy losses is low by chance too, and every later epoch would seem to be worse. So each half of the
    episodes is compared with the epoch that is best for the other half.
    """
    known = [losses for losses in by_epoch.values() if losses is not None]
    now = by_epoch[int(last["epoch"])]
    if now is None or len(now) < 2:
        val, best = _number(last.get("val_loss")), _loss_of(epochs, best_epoch, "val_loss")
        return None if val is None or best is None else Interval(val - best, math.nan, math.nan)
    table = np.stack(known)
    then = np.empty_like(now)
    for half in (slice(0, None, 2), slice(1, None, 2)):
        mean = table[:, half] @ weights[half] / weights[half].sum()
        other = slice(1 - (half.start or 0), None, 2)
        then[other] = table[int(mean.argmin()), other]
    return bootstrap_ratio((now - then) * weights, weights, resamples=_RESAMPLES)


def _train_fell(epochs: Sequence[Mapping[str, Any]], best_epoch: int) -> bool:
    now, then = _number(epochs[-1].get("train_loss")), _loss_of(epochs, best_epoch, "train_loss")
    return now is not None and then is not None and now < then


def _loss_of(epochs: Sequence[Mapping[str, Any]], epoch: int, key: str) -> float | None:
    return next((_number(row.get(key)) for row in epochs if row["epoch"] == epoch), None)


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


def _signed(value: float) -> str:
    return f"{value:+.4f}" if abs(value) >= 1e-3 else f"{value:+.1e}"


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
