"""Curves of runs as they are sent to be drawn: every lowest and highest value stays, everything else may go.

A curve that is longer than asked for is cut into as many stretches as fit, and of each its lowest and highest value are sent
(`tsdownsample`'s MinMax). MinMaxLTTB, which thins those again by the area they span, looks smoother but may drop the smaller of two
opposite spikes that share a stretch, so it is not used. Where values are not finite, the ends of each such stretch are sent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tsdownsample import MinMaxDownsampler

from mvla_core.errors import UserInputError
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.runs.columns import AXES, BUDGET_S, METRICS, Axis, Column, StepColumns, read_columns

EPOCH_METRICS = ("train_loss", "val_loss", "val_rmse", "val_huber")
"""What is known once an epoch; `train_loss` is the mean over the epoch."""
OVERLAYS = {
    **{f"epoch.{name}": name for name in EPOCH_METRICS},
    **{f"step.{name}": name for name in METRICS},
}
EPOCH_KEYS = ("time", "epoch", "epochs", "step", *EPOCH_METRICS, "val_rmse_axes", "best_epoch", "eta_seconds")
MUST_BE_FINITE = ("train_loss", "grad_norm")
MAX_POINTS = 8_000
"""Of one answer, over all its curves."""
MAX_RUNS = 20
_MAX_GAPS = 200
_DOWNSAMPLER = MinMaxDownsampler()


def kept_indices(values: Column, points: int) -> npt.NDArray[np.int64]:
    """Choose which values of a curve are sent, int64 ascending, about `points` of them.

    Kept are the first, the last, the lowest and the highest of each stretch, and the ends of stretches that are not finite.

    Args:
        values: (N,), NaN where not finite.
        points: At least 4.
    """
    if len(values) <= points:
        return np.arange(len(values), dtype=np.int64)
    missing = ~np.isfinite(values)
    picked = [np.array([0, len(values) - 1])]
    if missing.any():
        edges = np.flatnonzero(np.diff(np.concatenate(([0], missing.view(np.int8), [0]))))
        begins, ends = edges[::2], edges[1::2] - 1
        if len(begins) > _MAX_GAPS:
            every = np.linspace(0, len(begins) - 1, _MAX_GAPS).round().astype(np.int64)
            begins, ends = begins[every], ends[every]
        # With its neighbours: the line must end before the gap and begin after it.
        picked += [begins, ends, np.maximum(begins - 1, 0), np.minimum(ends + 1, len(values) - 1)]
        finite = np.flatnonzero(~missing)
        dense = np.ascontiguousarray(values[finite])
        picked.append(finite if len(dense) <= points else finite[_extremes(dense, points)])
    else:
        picked.append(_extremes(np.asarray(values), points))
    return np.unique(np.concatenate(picked).astype(np.int64))


def _extremes(values: npt.NDArray[Any], points: int) -> npt.NDArray[np.int64]:
    even = max(4, points // 2 * 2)
    return np.asarray(_DOWNSAMPLER.downsample(values, n_out=even), dtype=np.int64)


def run_curves(
    root: DataRoot,
    run: RunFolder,
    *,
    points: int = 2_000,
    begin: float | None = None,
    end: float | None = None,
    axis: Axis = "step",
    budget_s: float = BUDGET_S,
) -> dict[str, Any]:
    """Return all curves of one run for drawing, as JSON values.

    Args:
        root: The data root.
        run: An existing run folder.
        points: About how many logged steps at most; each metric keeps its own extremes, so that a few more come.
        begin: Where on the axis to begin; None is the first step. One step before it is sent too.
        end: Where to end; None is the last step.
        axis: What `begin` and `end` count.
        budget_s: See `read_columns`.

    Returns:
        "rows": logged steps in all; "complete": none of the range was left out; "steps": name -> list, null where not finite;
        "epochs": their events; "notes"; "began": when the first step was logged; "not_finite": metric -> how often, and where
        first; "offset": where the progress route goes on; "unread": bytes that wait.
    """
    read = read_columns(root, run, budget_s)
    first, last = _range(read, axis, begin, end)
    # The loss is always told: where none of it is finite, that is what must be seen.
    present = [name for name in METRICS if name == "train_loss" or _any_finite(read.columns[name][first:last])]
    share = max(4, min(points, MAX_POINTS) // max(1, len(present)))
    if last - first <= min(points, MAX_POINTS):
        index = np.arange(first, last)
    else:
        index = np.unique(np.concatenate([kept_indices(read.columns[name][first:last], share) for name in present]))
        index = index + first
    return {
        "rows": read.rows,
        "complete": len(index) == last - first,
        "steps": {name: _numbers(read.columns[name][index], name in AXES) for name in (*AXES, *present)},
        "epochs": [{key: row[key] for key in EPOCH_KEYS if key in row} for row in read.epochs],
        "notes": read.notes,
        "began": read.began,
        "not_finite": {name: found for name in MUST_BE_FINITE if (found := _not_finite(read, name))},
        "offset": read.offset,
        "unread": max(0, read.size - read.offset),
    }


def overlay(
    root: DataRoot,
    runs: Sequence[RunFolder],
    metric: str,
    *,
    axis: Axis = "epoch",
    points: int = MAX_POINTS,
    budget_s: float = BUDGET_S,
) -> dict[str, Any]:
    """Return one metric of several runs, as JSON values.

    Args:
        root: The data root.
        runs: At most `MAX_RUNS` existing run folders.
        metric: One of `OVERLAYS`, for example "epoch.val_loss".
        axis: What it is drawn over; time counts from each run's own first step.
        points: About how many at most, over all runs.
        budget_s: For reading, over all runs.

    Returns:
        "curves": for each run "run", "x", "y" (null where not finite); "unread": bytes that wait.

    Raises:
        UserInputError: The metric is unknown, or there are too many runs.
    """
    if metric not in OVERLAYS:
        raise UserInputError(f"There is no metric {metric[:40]!r}: expected one of {', '.join(OVERLAYS)}.")
    if len(runs) > MAX_RUNS:
        raise UserInputError(f"{len(runs)} runs are too many for one figure; choose at most {MAX_RUNS}.")
    each = max(8, min(points, MAX_POINTS) // max(1, len(runs)))
    kind, _, name = metric.partition(".")
    curves, unread = [], 0
    for run in runs:
        read = read_columns(root, run, budget_s / len(runs), (axis, name) if kind == "step" else ())
        unread += max(0, read.size - read.offset)
        if kind == "epoch":
            # The mean of an epoch belongs to its end.
            x, y = _epoch_curve(read, name, axis)
            index = kept_indices(y, each)
        else:
            x, y = read.columns[axis], read.columns[name]
            index = kept_indices(y, each)
        curves.append({"run": run.run_id, "x": _numbers(x[index], True), "y": _numbers(y[index], False)})
    return {"curves": curves, "unread": unread}


def _not_finite(read: StepColumns, name: str) -> dict[str, float] | None:
    missing = ~np.isfinite(read.columns[name])
    count = int(missing.sum())
    # A metric that was never logged is not one that failed.
    if count == 0 or (count == read.rows and name != "train_loss"):
        return None
    first = int(missing.argmax())
    return {
        "count": count,
        "step": float(read.columns["step"][first]),
        "epoch": round(float(read.columns["epoch"][first]), 4),
    }


def _epoch_curve(read: StepColumns, name: str, axis: Axis) -> tuple[Column, Column]:
    origin = 0.0
    if axis == "time" and read.epochs:
        origin = _value(read.epochs[0].get("time")) if read.began is None else read.began
    x = np.array([_value(row.get(axis)) - origin for row in read.epochs], dtype=np.float64)
    return x, np.array([_value(row.get(name)) for row in read.epochs], dtype=np.float64)


def _value(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _range(read: StepColumns, axis: Axis, begin: float | None, end: float | None) -> tuple[int, int]:
    if begin is None and end is None:
        return 0, read.rows
    along = read.columns[axis]
    first = 0 if begin is None else max(0, int(np.searchsorted(along, begin)) - 1)
    last = read.rows if end is None else min(read.rows, int(np.searchsorted(along, end, side="right")) + 1)
    return first, max(first, last)


def _any_finite(values: Column) -> bool:
    # The whole column is looked at only where its beginning says nothing.
    return bool(np.isfinite(values[:100]).any() or np.isfinite(values).any())


def _numbers(values: npt.NDArray[Any], exact: bool) -> list[float | int | None]:
    """Numbers as JSON has them, six digits that count, whole ones without a point, null where not finite."""
    numbers: list[float | int | None] = []
    for value in values.tolist():
        if not math.isfinite(value):
            numbers.append(None)
        elif value == int(value) and abs(value) < 1e15:
            numbers.append(int(value))
        else:
            numbers.append(round(value, 4) if exact else float(f"{value:.6g}"))
    return numbers
