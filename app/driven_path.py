"""The way over the floor that an episode's commands make: velocities integrated in the robot's own frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mvla_core.schema import NORMALISED, Actions, ActionSpace

ASSUMED_FRAME_RATE_HZ = 5.0
"""Of an episode whose file does not say how fast it was recorded: for playback, and for the shape of its way."""
ASSUMED_TURN_RATE = 1.0
"""rad/s of a full turn command where the recording has no physical scale: enough for the shape of the way."""


@dataclass(frozen=True)
class DrivenPath:
    """Where the commands lead, as if the robot followed them at once and without slip.

    Attributes:
        x: float64 (num_frames,), position before each command, forward of the start.
        y: float64 (num_frames,), left of the start.
        heading: float64 (num_frames,), radians, counter-clockwise from the start.
        unit: "m", or "" where the recording gives no speed in m/s or no frame rate, so that only the shape counts.
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    heading: npt.NDArray[np.float64]
    unit: str


def driven_path(
    actions: Actions, space: ActionSpace, frame_rate_hz: float | None, assumed_rate_hz: float
) -> DrivenPath:
    """Integrate the commands; each holds for one frame, and a turn bends the way within the frame.

    Args:
        actions: float32 (num_frames, num_dims), units of `space`.
        space: Names the columns.
        frame_rate_hz: Of the recording, None where it does not say.
        assumed_rate_hz: Taken where the recording does not say.
    """
    seconds = 1.0 / (frame_rate_hz or assumed_rate_hz)
    columns = {
        name: np.zeros(len(actions))
        if (column := space.column(name)) is None
        else actions[:, column].astype(np.float64)
        for name in ("linear_x", "linear_y", "angular_z")
    }
    turn = columns["angular_z"] * seconds * (ASSUMED_TURN_RATE if NORMALISED in space.units else 1.0)
    heading = _before_each(turn)
    # The mean heading within the frame: exact to second order in the turn.
    middle = heading + turn / 2
    forward, left = columns["linear_x"] * seconds, columns["linear_y"] * seconds
    return DrivenPath(
        x=_before_each(forward * np.cos(middle) - left * np.sin(middle)),
        y=_before_each(forward * np.sin(middle) + left * np.cos(middle)),
        heading=heading,
        unit="m" if frame_rate_hz and NORMALISED not in space.units else "",
    )


def _before_each(steps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The sum of all earlier steps."""
    return np.concatenate([[0.0], np.cumsum(steps)[:-1]])


def told_path(path: DrivenPath) -> str:
    """What the drawing of a path is, in one sentence."""
    if path.unit:
        return "Path that the commands make, seen from above; the robot's real way was not recorded."
    return "Shape of the path that the commands make, seen from above; the recording gives no metres."
