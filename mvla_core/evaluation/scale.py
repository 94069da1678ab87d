"""What an error means on each action dimension: unit, the driver's spread, and the dead band; from the training part alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mvla_core.metrics.directions import dead_band
from mvla_core.schema import ActionSequence, ActionSpace

Vector = npt.NDArray[np.float64]

FLOOR_SHARE = 0.01
"""A baseline's error counts as at least this share of the driver's deviation, so that a skill against a perfect clock is a
number: no robot executes a hundredth of it."""
_CONSTANT_BELOW = 1e-6
_SLOW_MOVES = 0.1


@dataclass(frozen=True)
class ActionScale:
    """What one unit of error means on each axis, from the training part alone.

    Attributes:
        space: Names and units of the A dimensions.
        spread: float64 (A,), population standard deviation of the training actions; 1 for an axis that never changes.
        band: float64 (A,), dead band of each axis: half of the speed that nine in ten of the driver's moves reach, so that a
            prediction counts as moving when it is nearer to a slow move than to standing still. For a keyboard that is the
            nearest key. Never below the dead band of the audit.
    """

    space: ActionSpace
    spread: Vector
    band: Vector

    @classmethod
    def fit(cls, train: Sequence[ActionSequence], space: ActionSpace) -> ActionScale:
        """Compute spread and dead band of the training episodes; at least one frame is needed."""
        actions = np.concatenate([sequence.actions for sequence in train]).astype(np.float64)
        spread = actions.std(axis=0)
        sizes, smallest = np.abs(actions), dead_band(actions)
        band = [
            max(float(still), float(np.quantile(size[size > still], _SLOW_MOVES)) / 2)
            if (size > still).any()
            else float(still)
            for size, still in zip(sizes.T, smallest, strict=True)
        ]
        return cls(space, np.where(spread < _CONSTANT_BELOW, 1.0, spread), np.array(band))

    @property
    def mixed_units(self) -> bool:
        return len(set(self.space.units)) > 1

    @property
    def weights(self) -> Vector:
        """float64 (A,): factors of the squared errors in a skill; 1 where all dimensions share one unit."""
        return 1.0 / np.square(self.spread) if self.mixed_units else np.ones(len(self.space))

    @property
    def floor(self) -> float:
        """The weighted squared error of one action that counts as none; see `FLOOR_SHARE`."""
        return float((np.square(FLOOR_SHARE * self.spread) * self.weights).sum())

    def averages(self) -> str:
        """What an overall error is a mean over, in words."""
        dims = ", ".join(f"{dim.name} ({dim.unit})" for dim in self.space.dims)
        return f"{dims}; every step of each chunk that lies inside its episode"
