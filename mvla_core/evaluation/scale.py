"""What an error means on each action dimension: unit, the driver's spread, and the dead band; from the training part alone."""

from __future__ import annotations

import math
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
STILL_SHARE = 0.01
"""An axis whose commands all lie within this share of the largest one of its unit is never moved: what is on it is noise."""
_NOTHING = 1e-6
_SLOW_MOVES = 0.1


@dataclass(frozen=True)
class ActionScale:
    """What one unit of error means on each axis, from the training part alone.

    Attributes:
        space: Names and units of the A dimensions.
        spread: float64 (A,), population standard deviation of the training actions; 1 for an axis that never varies.
        band: float64 (A,), dead band of each axis: half of the speed that nine in ten of the driver's moves reach, so that a
            prediction counts as moving when it is nearer to a slow move than to standing still. For a keyboard that is the
            nearest key. Never below the dead band of the audit. Infinite for an axis that is never moved: nothing that is
            predicted there is a direction that anybody drives in.
        varies: bool (A,), which axes vary in the training part: those whose deviation is more than `STILL_SHARE` of the largest
            of their unit. Means in training deviations go over these alone; where none varies, over all of them.
    """

    space: ActionSpace
    spread: Vector
    band: Vector
    varies: npt.NDArray[np.bool_]

    @classmethod
    def fit(cls, train: Sequence[ActionSequence], space: ActionSpace) -> ActionScale:
        """Compute spread and dead band of the training episodes; at least one frame is needed."""
        actions = np.concatenate([sequence.actions for sequence in train]).astype(np.float64)
        spread, sizes, smallest = actions.std(axis=0), np.abs(actions), dead_band(actions)
        moved, varies = _beyond_noise(sizes.max(axis=0), space), _beyond_noise(spread, space)
        band = [
            max(float(still), float(np.quantile(size[size > still], _SLOW_MOVES)) / 2) if moves else math.inf
            for size, still, moves in zip(sizes.T, smallest, moved, strict=True)
        ]
        kept = varies if varies.any() else np.ones_like(varies)
        return cls(space, np.where(varies, spread, 1.0), np.array(band), kept)

    @property
    def dead_bands(self) -> dict[str, float | None]:
        """The dead band of each axis by name, as JSON holds it: None for one that is never moved."""
        return {
            name: float(band) if math.isfinite(band) else None
            for name, band in zip(self.space.names, self.band, strict=True)
        }

    @property
    def mixed_units(self) -> bool:
        return len(set(self.space.units)) > 1

    @property
    def weights(self) -> Vector:
        """float64 (A,): factors of the squared errors in a skill; 1 where all dimensions share one unit."""
        return 1.0 / np.square(self.spread) if self.mixed_units else np.ones(len(self.space))

    @property
    def floor(self) -> float:
        """The weighted squared error of one action that counts as none, over the axes that vary; see `FLOOR_SHARE`."""
        return float((np.square(FLOOR_SHARE * self.spread) * self.weights)[self.varies].sum())

    def averages(self) -> str:
        """What an overall error is a mean over, in words."""
        dims = ", ".join(f"{dim.name} ({dim.unit})" for dim in self.space.dims)
        return f"{dims}; every step of each chunk that lies inside its episode"


def _beyond_noise(sizes: Vector, space: ActionSpace) -> npt.NDArray[np.bool_]:
    """bool (A,): which axes' sizes, of commands or deviations, are more than a hundredth of the largest in their unit."""
    units = np.array(space.units)
    largest = np.array([sizes[units == unit].max() for unit in units])
    return np.asarray(sizes > np.maximum(STILL_SHARE * largest, _NOTHING))
