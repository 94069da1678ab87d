"""Opposite choices: the same instruction, passed on the left by some drivers and on the right by others. What a regression makes
of them is the mean, which drives straight on.

Only the driver's actions and the policy's predictions are read: whether a picture would have told the side is what the
prediction shows, by following the driver or by staying in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.metrics.intervals import bootstrap_ratio
from mvla_core.schema import ActionSequence

_ONE_SIDED = 0.5
"""An episode keeps to one side where that side's sideways motion is at least three times the other's: (3 - 1) / (3 + 1)."""


@dataclass(frozen=True)
class SidesDriven:
    """How many episodes of one instruction keep to each side."""

    instruction: str
    left: int
    right: int

    @property
    def rarer(self) -> float:
        """Share of the rarer side, 0 to 0.5."""
        return min(self.left, self.right) / max(self.left + self.right, 1)


def sides_driven(driven: Sequence[ActionSequence], axis: int, band: float) -> list[SidesDriven]:
    """Count the episodes that keep to one side, by instruction; those that go both ways or straight are left out.

    Args:
        driven: Episodes of the data set.
        axis: Column of the lateral velocity; positive is left.
        band: Velocities within it go straight.
    """
    counts: dict[str, list[int]] = {}
    for sequence in driven:
        sideways = sequence.actions[:, axis].astype(np.float64)
        sideways = sideways[np.abs(sideways) > band]
        lean = float(sideways.sum() / np.abs(sideways).sum()) if len(sideways) else 0.0
        if abs(lean) >= _ONE_SIDED:
            counts.setdefault(sequence.instruction, [0, 0])[int(lean < 0)] += 1
    return [SidesDriven(instruction, left, right) for instruction, (left, right) in sorted(counts.items())]


def measure_opposites(
    episodes: Sequence[EpisodePredictions], driven: Sequence[ActionSequence], scale: ActionScale
) -> dict[str, Any] | None:
    """Measure what the policy does where drivers with the same instruction go to opposite sides.

    Args:
        episodes: Predictions on the held-out episodes.
        driven: What was driven in all parts of the split.
        scale: Gives the action space and the dead bands.

    Returns:
        For the instruction whose rarer side has the most episodes: `axis`, `unit`, `instruction`, `left` and `right` (episodes
        of the data that keep to a side), `rarer` (share of the rarer side), `steps` (held-out actions that go sideways), and
        over these `strength` (mean size of the predicted sideways velocity, as a share of the driver's) and `agreement` (1 where
        every prediction goes to the driver's side, 0 where as much goes to the other), each `{value, low, high}`. None
        where no instruction is driven both ways, or none of its held-out episodes goes sideways.
    """
    axis_name = scale.space.lateral
    if axis_name is None:
        return None
    axis = scale.space.names.index(axis_name)
    band = float(scale.band[axis])
    sides = max(sides_driven(driven, axis, band), key=lambda each: min(each.left, each.right), default=None)
    if sides is None or not min(sides.left, sides.right):
        return None
    true, size, toward, steps = [], [], [], 0
    for episode in episodes:
        if episode.instruction != sides.instruction:
            continue
        target, predicted = (array[..., axis].astype(np.float64) for array in (episode.target, episode.predicted))
        sideways = episode.mask & (np.abs(target) > band)
        true.append(float(np.abs(target[sideways]).sum()))
        size.append(float(np.abs(predicted[sideways]).sum()))
        toward.append(float((predicted[sideways] * np.sign(target[sideways])).sum()))
        steps += int(sideways.sum())
    if not steps:
        return None
    return {
        "axis": axis_name,
        "unit": scale.space.units[axis],
        "instruction": sides.instruction,
        "left": sides.left,
        "right": sides.right,
        "rarer": sides.rarer,
        "steps": steps,
        "strength": bootstrap_ratio(np.array(size), np.array(true)).to_json(),
        "agreement": bootstrap_ratio(np.array(toward), np.array(size)).to_json(),
    }
