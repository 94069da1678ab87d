"""What the table of episodes shows of an episode's actions, computed once when its file is first looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from mvla_core.schema import Actions

DEAD_BAND = 0.05
"""m/s, rad/s, or normalised: a command this small counts as none. A fixed band, as one file does not tell the data set's range."""


@dataclass(frozen=True)
class EpisodeSummary:
    """Plain numbers of one episode's actions, all frames of the file. Axes are in the order of its action space."""

    mean: tuple[float, ...]
    """Of each axis, in its unit."""
    largest: tuple[float, ...]
    """Largest absolute value of each axis, in its unit."""
    idle_share: float
    """0 to 1: frames whose command is within `DEAD_BAND` on every axis."""
    dominant: tuple[int, ...]
    """The most frequent direction among the frames that move, as a sign for each axis: 1, 0 or -1; all 0 where none moves.

    `metrics.directions.direction_classes` names it, with a dead band of 0.5.
    """
    dominant_share: float
    """0 to 1: frames of the dominant direction among those that move; 0 where none moves."""
    unique_actions: int
    """Different commands."""

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> EpisodeSummary:
        """Raises KeyError or TypeError for anything but a summary."""
        fields: dict[str, Any] = {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}
        return cls(**fields)


def summarise(actions: Actions) -> EpisodeSummary:
    """Summarise actions, float32 (num_frames, num_dims) with at least one frame."""
    signs = np.where(actions > DEAD_BAND, 1, np.where(actions < -DEAD_BAND, -1, 0))
    moving = signs.any(axis=1)
    counts = Counter(map(tuple, signs[moving].tolist()))
    # Of directions that are equally frequent the first in order is taken, so that the same file always gives the same.
    dominant, frames = min(counts.items(), key=lambda item: (-item[1], item[0]), default=((0,) * actions.shape[1], 0))
    return EpisodeSummary(
        mean=tuple(actions.mean(axis=0, dtype=np.float64).tolist()),
        largest=tuple(np.abs(actions).max(axis=0).astype(np.float64).tolist()),
        idle_share=float(1 - moving.mean()),
        dominant=dominant,
        dominant_share=frames / int(moving.sum()) if frames else 0.0,
        unique_actions=len(np.unique(actions, axis=0)),
    )
