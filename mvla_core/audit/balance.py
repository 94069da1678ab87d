"""How a data set's episodes and commands are spread: lengths, times of day, instructions, scenarios, transitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mvla_core.audit.distributions import ACTION_RESOLUTION, Counts, Values, transition_counts
from mvla_core.audit.thresholds import Thresholds
from mvla_core.audit.wording import percent
from mvla_core.metrics.directions import DIRECTION_NAMES, direction_classes
from mvla_core.schema import Actions, ActionSequence, ActionSpace, EpisodeInfo, Finding

LENGTH_CLASSES: tuple[tuple[str, int, int | None], ...] = (
    ("short", 1, 10),
    ("medium", 11, 25),
    ("long", 26, 50),
    ("extra_long", 51, None),
)
"""Name, fewest and most frames; None is without end. The robot project's classes."""

TIMES_OF_DAY = ("dawn", "morning", "evening", "night")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Group:
    """The episodes that share an instruction, a scenario, a length class or a time of day."""

    name: str
    episodes: int
    frames: int
    share: float
    """0 to 1, of the episodes."""

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Transitions:
    """Which direction follows which: a Markov chain of first order.

    Attributes:
        names: The N directions that occur, in the order of `DIRECTION_NAMES`.
        counts: int64 (N, N), row = the frame before, column = the frame after, within episodes.
        probabilities: float64 (N, N), each row sums to 1, or is 0 where a direction is never followed.
    """

    names: tuple[str, ...]
    counts: Counts
    probabilities: Values

    def to_json(self) -> dict[str, Any]:
        return {
            "names": list(self.names),
            "counts": self.counts.tolist(),
            "probabilities": self.probabilities.tolist(),
        }


def length_class(num_frames: int) -> str:
    """Return the class of an episode with at least one frame."""
    return next(name for name, _, most in LENGTH_CLASSES if most is None or num_frames <= most)


def by_length(episodes: Sequence[EpisodeInfo]) -> tuple[Group, ...]:
    """Return a group for every class of `LENGTH_CLASSES`, empty ones included."""
    return _groups(episodes, lambda info: length_class(info.num_frames), [name for name, _, _ in LENGTH_CLASSES])


def by_time_of_day(episodes: Sequence[EpisodeInfo]) -> tuple[Group, ...]:
    """Return a group for every time of day, empty ones included, then "unknown" where an episode does not tell."""
    return _groups(episodes, lambda info: info.scenario.time_of_day or UNKNOWN, TIMES_OF_DAY)


def by_instruction(episodes: Sequence[EpisodeInfo]) -> tuple[Group, ...]:
    """Return a group for every instruction, the commonest first; "" is no instruction."""
    return _groups(episodes, lambda info: info.instruction)


def by_scenario(episodes: Sequence[EpisodeInfo]) -> tuple[Group, ...]:
    """Return a group for every scenario, whatever the time of day, the commonest first; "unknown" where none is told."""
    return _groups(episodes, lambda info: info.scenario.label() or UNKNOWN)


def transitions(sequences: Sequence[ActionSequence], space: ActionSpace, band: Values) -> Transitions:
    """Count which direction follows which.

    Args:
        sequences: Actions of one action space.
        space: Names the columns.
        band: float64 (A,), the dead band of each axis.
    """
    counts = transition_counts(sequences, space, band)
    seen = np.zeros(len(DIRECTION_NAMES), dtype=np.bool_)
    for sequence in sequences:
        seen[direction_classes(sequence.actions, space, band)] = True
    kept = np.flatnonzero(seen)
    inner = counts[np.ix_(kept, kept)]
    rows = inner.sum(axis=1, keepdims=True)
    return Transitions(tuple(DIRECTION_NAMES[index] for index in kept), inner, inner / np.maximum(rows, 1))


def keyboard_directions(actions: Actions, space: ActionSpace, band: Values) -> tuple[str, ...]:
    """Return the directions that the data set's own keys can drive, in the order of `DIRECTION_NAMES`.

    These are all combinations of the signs that each axis takes anywhere in the data: with forward, still, left and right
    there are forward-left and forward-right too.

    Args:
        actions: float32 (frames, A) with at least one frame.
        space: Names the columns.
        band: float64 (A,).
    """
    signs = np.where(actions > band, 1, np.where(actions < -band, -1, 0))
    axes = np.meshgrid(*(np.unique(column) for column in signs.T), indexing="ij")
    combined = np.stack([axis.reshape(-1) for axis in axes], axis=1).astype(np.float64)
    found = np.unique(direction_classes(combined, space, np.full(len(space), 0.5)))
    return tuple(DIRECTION_NAMES[index] for index in found)


def check_rare_directions(
    dataset: str, actions: Actions, space: ActionSpace, band: Values, counts: Counts, thresholds: Thresholds
) -> list[Finding]:
    """Return `rare_direction` (info) for directions of the data set's keyboard that hardly occur, or never.

    Args:
        dataset: Named in the finding.
        actions: float32 (frames, A).
        space: Names the columns.
        band: float64 (A,).
        counts: int64 (11,), frames of each direction.
        thresholds: `rare_direction_share`, and `keyboard_levels`: a joystick has no keys.
    """
    levels = [len(np.unique(np.round(column / ACTION_RESOLUTION))) for column in actions.T]
    if not len(actions) or max(levels) > thresholds["keyboard_levels"].needed:
        return []
    wanted, total = thresholds["rare_direction_share"], int(counts.sum())
    shares = {
        name: float(counts[DIRECTION_NAMES.index(name)] / total) for name in keyboard_directions(actions, space, band)
    }
    rare = {name: share for name, share in shares.items() if not wanted.meets(share, wanted.shown)}
    if not rare:
        return []
    shown = ", ".join(f"{name} {percent(share)}" for name, share in rare.items())
    return [
        Finding(
            "info",
            "rare_direction",
            dataset,
            f"Directions that this keyboard drives hardly occur (under {percent(wanted.shown)} of the frames): {shown}.",
            "Record ways that need them, or judge the policy without them.",
            {"directions": list(rare), "shares": rare},
        )
    ]


def _groups(
    episodes: Sequence[EpisodeInfo], name_of: Callable[[EpisodeInfo], str], always: Sequence[str] = ()
) -> tuple[Group, ...]:
    """Groups in the order of `always`, then the others, the commonest first."""
    counts: Counter[str] = Counter()
    frames: Counter[str] = Counter()
    for info in episodes:
        counts[name_of(info)] += 1
        frames[name_of(info)] += info.num_frames
    others = sorted(counts.keys() - set(always), key=lambda name: (-counts[name], name))
    total = max(1, len(episodes))
    return tuple(Group(name, counts[name], frames[name], counts[name] / total) for name in (*always, *others))
