"""The last word before the wheels: nothing leaves the limits of the data, and nothing old is driven on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mvla_core.schema import Actions

STALE_FRAMES = 3
"""A command that rests on a picture older than the steps it was meant for, by this many frames, is stale."""


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
    def of_data(cls, actions: Actions, execute_steps: int) -> Guard:
        """Take the limits from training actions, float32 (N, A).

        The dead band is half of the slowest speed that the driver ever commanded: what is predicted below lies nearer to a stop
        than to any driving.
        """
        speeds = np.abs(actions).max(axis=1)
        moving = speeds[speeds > 0]
        dead_band = float(moving.min()) / 2 if len(moving) else 0.0
        low, high = np.minimum(actions.min(axis=0), 0.0), np.maximum(actions.max(axis=0), 0.0)
        return cls(tuple(map(float, low)), tuple(map(float, high)), dead_band, execute_steps + STALE_FRAMES)

    def held(self, action: npt.NDArray[np.float32], age: int) -> npt.NDArray[np.float32]:
        """Return what may be commanded instead of an action.

        Args:
            action: (A,), may be anything, also NaN.
            age: Frames since the picture that it rests on.

        Returns:
            float32 (A,): the action within the limits; zeros, a stop, where it is stale, not finite or within the dead band.
        """
        if age >= self.stale_frames or not np.isfinite(action).all() or np.abs(action).max() < self.dead_band:
            return np.zeros(len(self.low), np.float32)
        return np.clip(action, self.low, self.high).astype(np.float32)
