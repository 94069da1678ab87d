"""The way over the floor that velocity commands make, and how smoothly they change. Arrays in, numbers out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.schema import ActionSpace

Floats = npt.NDArray[np.floating[Any]]
Vector = npt.NDArray[np.float64]

LINEAR = ("linear_x", "linear_y")
TURN = "angular_z"


def moves_over_floor(space: ActionSpace) -> bool:
    """Whether the actions are velocities over a floor: each in m/s or rad/s, and at least one of them linear."""
    units = dict(zip(space.names, space.units, strict=True))
    expected = {**dict.fromkeys(LINEAR, "m/s"), TURN: "rad/s"}
    return any(name in units for name in LINEAR) and all(expected.get(name) == unit for name, unit in units.items())


def turns(space: ActionSpace) -> bool:
    """Whether the robot's heading changes, so that a path needs the frame rate even for its shape."""
    return space.column(TURN) is not None


def integrate(velocities: Floats, space: ActionSpace, seconds: float) -> npt.NDArray[np.float64]:
    """Return where the commands lead, as if the robot followed at once and without slip; it starts at 0, 0.

    Each command holds for one frame; a turn bends the way within the frame (midpoint rule: exact to second order in the turn).

    Args:
        velocities: float (T, A), m/s and rad/s in the robot's own frame; +x forward, +y left, +z counter-clockwise.
        space: Names the columns.
        seconds: Of one frame, positive.

    Returns:
        float64 (T + 1, 2), metres: forward and left of the start, before the first command and after each.
    """

    def column(name: str) -> Vector:
        at = space.column(name)
        return np.zeros(len(velocities)) if at is None else velocities[:, at].astype(np.float64)

    turn = column(TURN) * seconds
    heading = np.cumsum(turn) - turn / 2
    forward, left = column("linear_x") * seconds, column("linear_y") * seconds
    steps = np.stack(
        [forward * np.cos(heading) - left * np.sin(heading), forward * np.sin(heading) + left * np.cos(heading)], axis=1
    )
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def second_differences(velocities: Floats) -> npt.NDArray[np.float64]:
    """Return v[t + 1] - 2 v[t] + v[t - 1], float64 (max(0, T - 2), A): jerk in units of velocity a frame squared."""
    return np.diff(velocities.astype(np.float64), n=2, axis=0)
