"""Opposite choices: the same instruction, passed on the left by some drivers and on the right by others. What a regression makes
of them is the mean, which drives straight on.

Only the driver's actions and the policy's predictions are read: whether a picture would have told the side is what the
prediction shows, by following the driver or by staying in the middle. An episode's side is where its way leads farther aside, so
that one which swerves to the left and comes back is one on the left; measured is the way out, where the side is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.evaluation.facts import above, below, threshold
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.metrics.intervals import bootstrap_ratio
from mvla_core.schema import Actions, ActionSequence, ActionSpace

_ONE_SIDED = 3.0
"""An episode keeps to one side where it goes at least so many times as far to that side as to the other."""


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


def side_of(actions: Actions, space: ActionSpace, band: float) -> int:
    """Return 1 where an episode's way leads to the left, -1 to the right, 0 where it goes both ways or straight on.

    A robot that drives sideways is as far aside as its sideways velocity adds up to; one that turns is where its heading leads it
    while it drives. Frames last equally long, and small turns are not told from their sine: only the sign is asked.

    Args:
        actions: float32 (T, A).
        space: Names the columns; it has a lateral axis.
        band: Lateral velocities within it go straight.
    """
    assert space.lateral is not None
    lateral = _column(actions, space, space.lateral)
    lateral = np.where(np.abs(lateral) > band, lateral, 0.0)
    if space.lateral == "angular_z":
        # The heading at a frame is what was turned before it and half of what is turned at it.
        heading = np.cumsum(lateral) - lateral / 2
        speed = _column(actions, space, "linear_x") if "linear_x" in space.names else np.ones_like(heading)
        aside = np.cumsum(speed * heading)
    else:
        aside = np.cumsum(lateral)
    left, right = float(max(aside.max(initial=0.0), 0.0)), float(max(-aside.min(initial=0.0), 0.0))
    # Sums of single precision leave a rest where a way comes back to its beginning.
    if max(left, right) <= 1e-6:
        return 0
    if left >= _ONE_SIDED * right:
        return 1
    return -1 if right >= _ONE_SIDED * left else 0


def sides_driven(driven: Sequence[ActionSequence], space: ActionSpace, band: float) -> list[SidesDriven]:
    """Count the episodes that keep to one side, by instruction; those that go both ways or straight are left out.

    Args:
        driven: Episodes of the data set.
        space: Their action dimensions, with a lateral one.
        band: Lateral velocities within it go straight.
    """
    counts: dict[str, list[int]] = {}
    for sequence in driven:
        side = side_of(sequence.actions, space, band)
        if side:
            counts.setdefault(sequence.instruction, [0, 0])[int(side < 0)] += 1
    return [SidesDriven(instruction, left, right) for instruction, (left, right) in sorted(counts.items())]


def measure_opposites(
    episodes: Sequence[EpisodePredictions], driven: Sequence[ActionSequence], scale: ActionScale
) -> dict[str, Any] | None:
    """Measure what the policy does where drivers with the same instruction go to opposite sides.

    Every instruction is measured whose rarer side has at least the share that the rule file asks ("opposite_share").

    Args:
        episodes: Predictions on the held-out episodes.
        driven: What was driven in all parts of the split, the held-out episodes among it.
        scale: Gives the action space and the dead bands.

    Returns:
        Of the instruction under which it fares worst: `axis`, `unit`, `instruction`, `left` and `right` (episodes of the data that
        keep to a side), `rarer` (share of the rarer side), `steps` (held-out actions that go to their episode's side), and over
        these `strength` (mean size of the predicted sideways velocity, as a share of the driver's) and `agreement` (1 where every
        prediction goes to the driver's side, 0 where as much goes to the other), each `{value, low, high}`; and `instructions`, the
        same of every measured one. None where no instruction is driven both ways so often, or none of its held-out episodes
        goes to a side.
    """
    space = scale.space
    if space.lateral is None:
        return None
    axis = space.names.index(space.lateral)
    band = float(scale.band[axis])
    side = {sequence.episode_id: side_of(sequence.actions, space, band) for sequence in driven}
    both = [each for each in sides_driven(driven, space, band) if each.rarer >= threshold("opposite_share")]
    found = [_measured(episodes, each, side, axis, scale) for each in both]
    measured = [each for each in found if each is not None]
    if not measured:
        return None
    worst = min(measured, key=_badness)
    return {**worst, "instructions": measured}


def _measured(
    episodes: Sequence[EpisodePredictions], sides: SidesDriven, side: Mapping[str, int], axis: int, scale: ActionScale
) -> dict[str, Any] | None:
    """The figures of one instruction; None where none of its held-out episodes goes to a side."""
    true, size, toward, steps = [], [], [], 0
    for episode in episodes:
        if episode.instruction != sides.instruction or not side[episode.episode_id]:
            continue
        own = side[episode.episode_id]
        # Seen from the side that the driver took; the way back is no choice of a side.
        target, predicted = (
            own * array[..., axis][episode.mask].astype(np.float64) for array in (episode.target, episode.predicted)
        )
        out = target > scale.band[axis]
        true.append(float(target[out].sum()))
        size.append(float(np.abs(predicted[out]).sum()))
        toward.append(float(predicted[out].sum()))
        steps += int(out.sum())
    if not steps:
        return None
    return {
        "axis": scale.space.names[axis],
        "unit": scale.space.units[axis],
        "instruction": sides.instruction,
        "left": sides.left,
        "right": sides.right,
        "rarer": sides.rarer,
        "steps": steps,
        "strength": bootstrap_ratio(np.array(size), np.array(true)).to_json(),
        "agreement": bootstrap_ratio(np.array(toward), np.array(size)).to_json(),
    }


def _badness(found: dict[str, Any]) -> tuple[bool, float]:
    """Least for the worst: first what is shown to go weakly and to no side, as the verdict asks, then the lowest strength."""
    undecided = not above(found["agreement"]["low"], threshold("opposite_agreement"))
    weak = below(found["strength"]["high"], threshold("opposite_strength"))
    return not (weak and undecided), float(found["strength"]["value"])


def _column(actions: Actions, space: ActionSpace, name: str) -> npt.NDArray[np.float64]:
    return actions[:, space.names.index(name)].astype(np.float64)
