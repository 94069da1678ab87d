"""The last word before the wheels: nothing leaves the limits of the data, and nothing old is driven on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mvla_core.schema import Actions

STALE_FRAMES = 3
"""A command that rests on a picture older than the steps it was meant for, by this many frames, is stale."""
SLOW_SHARE = 0.05
"""The slowest driving is the speed below which this share of the driving frames lies: a single frame decides nothing."""

Refusal = Literal["", "stale", "not_finite"]
"""Why the guard itself stops the robot; "" where it does not."""


@dataclass(frozen=True)
class Guard:
    """Limits of what may be commanded.

    Attributes:
        low: float (A,), least action of each axis, m/s and rad/s.
        high: Largest.
        dead_band: A planar speed below this, in m/s, and no turn beyond it in rad/s, is a stop.
        stale_frames: Frames after which a chunk that nobody renewed is no longer driven.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    dead_band: float
    stale_frames: int

    @classmethod
    def of_data(cls, actions: Actions, renewed_after: int) -> Guard:
        """Take the limits from training actions.

        The dead band is half of the driver's slowest driving, see `SLOW_SHARE`: what is predicted below lies nearer to a stop
        than to any driving.

        Args:
            actions: float32 (N, A), m/s and rad/s.
            renewed_after: Frames after which the loop asks for the next chunk, at least 1.
        """
        speeds = np.abs(actions).max(axis=1)
        moving = speeds[speeds > 0]
        dead_band = float(np.quantile(moving, SLOW_SHARE, method="lower")) / 2 if len(moving) else 0.0
        low, high = np.minimum(actions.min(axis=0), 0.0), np.maximum(actions.max(axis=0), 0.0)
        return cls(tuple(map(float, low)), tuple(map(float, high)), dead_band, renewed_after + STALE_FRAMES)

    def refusal(self, action: npt.NDArray[np.float32], age: int) -> Refusal:
        """Return why an action must not be driven at all, whatever its size; arguments as in `held`."""
        if age >= self.stale_frames:
            return "stale"
        return "" if np.isfinite(action).all() else "not_finite"

    def held(self, action: npt.NDArray[np.float32], age: int) -> npt.NDArray[np.float32]:
        """Return what may be commanded instead of an action.

        Args:
            action: (A,), may be anything, also NaN.
            age: Frames since the picture that it rests on.

        Returns:
            float32 (A,): the action within the limits; zeros, a stop, where it is stale, not finite or within the dead band.
        """
        if self.refusal(action, age) or np.abs(action).max() < self.dead_band:
            return np.zeros(len(self.low), np.float32)
        return np.clip(action, self.low, self.high).astype(np.float32)
