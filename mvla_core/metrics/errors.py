"""Errors of predicted chunks: RMSE, MAE and Huber, masked, per axis and over all axes.

Shapes: N windows, C steps of a chunk, A action dimensions, E episodes. A mask is True where the target step exists;
steps outside the recording count nowhere. Every mean says over what it goes: an overall figure is the mean over the
valid steps **and** the A real dimensions, never over padded ones. `docs/metrics.md` states each formula.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

HUBER_DELTA = 1.0
"""The briefing's delta: squared below an error of 1, linear above."""


def huber_terms(difference: Floats, delta: float = HUBER_DELTA) -> npt.NDArray[np.float64]:
    """Return the Huber loss of each element: d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2).

    Args:
        difference: Predicted minus true, any shape.
        delta: Where the loss turns from square to linear, in the unit of the difference; positive.

    Source: P. J. Huber, Robust Estimation of a Location Parameter (1964); the same as `torch.nn.HuberLoss`.
    """
    size = np.abs(difference.astype(np.float64))
    inside = np.minimum(size, delta)
    return inside * (size - 0.5 * inside)


@dataclass(frozen=True)
class ErrorSums:
    """Sums from which every mean can be made, one row an episode, so that episodes can be resampled.

    Attributes:
        squared: float64 (E, A), sum of squared errors over the valid steps, unit squared.
        absolute: float64 (E, A), sum of absolute errors.
        huber: float64 (E, A), sum of Huber terms.
        count: int64 (E,), number of valid steps (each step has A values).
    """

    squared: npt.NDArray[np.float64]
    absolute: npt.NDArray[np.float64]
    huber: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]

    @classmethod
    def join(cls, parts: Sequence[ErrorSums]) -> ErrorSums:
        """Stack the rows of several sums of the same action dimensions. At least one part is needed."""
        return cls(
            np.concatenate([part.squared for part in parts]),
            np.concatenate([part.absolute for part in parts]),
            np.concatenate([part.huber for part in parts]),
            np.concatenate([part.count for part in parts]),
        )

    def on_axes(self, axes: npt.NDArray[np.bool_] | slice) -> ErrorSums:
        """Return the sums of some of the action dimensions alone: a bool (A,) or a slice."""
        return ErrorSums(self.squared[:, axes], self.absolute[:, axes], self.huber[:, axes], self.count)

    @property
    def episode_squared(self) -> npt.NDArray[np.float64]:
        """float64 (E,): squared errors of each episode, summed over steps and axes; what `skill` takes."""
        return np.asarray(self.squared.sum(axis=1))

    @property
    def num_values(self) -> int:
        """How many single values the overall means go over: valid steps times dimensions."""
        return int(self.count.sum()) * int(self.squared.shape[1])

    def _mean(self, sums: npt.NDArray[np.float64]) -> float:
        return float(sums.sum() / self.num_values) if self.num_values else math.nan

    def _mean_per_axis(self, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        steps = int(self.count.sum())
        return sums.sum(axis=0) / steps if steps else np.full(sums.shape[1], math.nan)

    def rmse(self) -> float:
        """Root of the mean squared error over valid steps and axes; NaN where there is no valid step."""
        return math.sqrt(self._mean(self.squared))

    def mae(self) -> float:
        """Mean absolute error over valid steps and axes."""
        return self._mean(self.absolute)

    def huber_loss(self) -> float:
        """Mean Huber loss over valid steps and axes."""
        return self._mean(self.huber)

    def rmse_per_axis(self) -> npt.NDArray[np.float64]:
        """float64 (A,), each in the unit of its axis."""
        return np.sqrt(self._mean_per_axis(self.squared))

    def mae_per_axis(self) -> npt.NDArray[np.float64]:
        """float64 (A,), each in the unit of its axis."""
        return self._mean_per_axis(self.absolute)

    def huber_per_axis(self) -> npt.NDArray[np.float64]:
        """float64 (A,)."""
        return self._mean_per_axis(self.huber)


def error_sums(predicted: Floats, target: Floats, mask: Mask | None = None, delta: float = HUBER_DELTA) -> ErrorSums:
    """Sum the errors of one episode's windows (E = 1).

    Args:
        predicted: float (N, C, A), or any (..., A).
        target: Like `predicted`.
        mask: bool (N, C), or the shape of `predicted` without its last axis; None where every step is valid.
        delta: See `huber_terms`.

    Raises:
        ValueError: The shapes do not fit together.
    """
    if predicted.shape != target.shape or (mask is not None and mask.shape != target.shape[:-1]):
        found = None if mask is None else mask.shape
        raise ValueError(f"Shapes do not fit: predicted {predicted.shape}, target {target.shape}, mask {found}.")
    dims = target.shape[-1]
    difference = predicted.astype(np.float64) - target.astype(np.float64)
    valid = difference.reshape(-1, dims) if mask is None else difference[mask]
    return ErrorSums(
        squared=np.square(valid).sum(axis=0, keepdims=True),
        absolute=np.abs(valid).sum(axis=0, keepdims=True),
        huber=huber_terms(valid, delta).sum(axis=0, keepdims=True),
        count=np.array([len(valid)], dtype=np.int64),
    )


def rmse(predicted: Floats, target: Floats, mask: Mask | None = None) -> float:
    """Root mean squared error over valid steps and axes; see `error_sums` for the shapes."""
    return error_sums(predicted, target, mask).rmse()


def mae(predicted: Floats, target: Floats, mask: Mask | None = None) -> float:
    """Mean absolute error over valid steps and axes; see `error_sums` for the shapes."""
    return error_sums(predicted, target, mask).mae()


def huber(predicted: Floats, target: Floats, mask: Mask | None = None, delta: float = HUBER_DELTA) -> float:
    """Mean Huber loss over valid steps and axes; see `error_sums` for the shapes."""
    return error_sums(predicted, target, mask, delta).huber_loss()
