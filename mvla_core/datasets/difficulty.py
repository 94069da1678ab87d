"""How hard an episode's path is, from its actions alone, and which episodes a curriculum teaches first.

Difficulty is compared in this order: turns, different actions, length. All three are measured against the whole training part:
an axis counts as moving beyond 10 % of its largest value there, and two actions count as the same within a tenth of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mvla_core.metrics.directions import dead_band
from mvla_core.schema import ActionSequence


@dataclass(frozen=True, order=True)
class Difficulty:
    """How hard a path is; compares in the order of its fields.

    Attributes:
        turns: How often the direction of driving (the sign of each axis beyond its dead band) differs from the frame before.
        distinct_actions: Different actions, rounded to a tenth of each axis' largest value.
        frames: Length.
    """

    turns: int
    distinct_actions: int
    frames: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def difficulties(sequences: Sequence[ActionSequence]) -> list[Difficulty]:
    """Return the difficulty of each episode, measured against all of them; all of one action space."""
    if not sequences:
        return []
    band = dead_band(np.concatenate([sequence.actions for sequence in sequences]))
    step = np.where(band > 0, band, 1.0)
    measured = []
    for sequence in sequences:
        actions = sequence.actions.astype(np.float64)
        signs = np.where(np.abs(actions) > band, np.sign(actions), 0.0)
        turns = int((signs[1:] != signs[:-1]).any(axis=1).sum())
        distinct = len(np.unique(np.round(actions / step), axis=0))
        measured.append(Difficulty(turns, distinct, len(actions)))
    return measured


def simplest_first(sequences: Sequence[ActionSequence]) -> list[int]:
    """Return the positions of the episodes from the simplest to the hardest; equally hard ones in the order of their ids."""
    found = difficulties(sequences)
    return sorted(range(len(sequences)), key=lambda index: (found[index], sequences[index].episode_id))


def episodes_of_epoch(count: int, epoch: int, epochs_until_all: int) -> int:
    """Return how many of `count` episodes, simplest first, an epoch (0-based) uses: equal steps until all take part."""
    # Whole numbers: 25 * (7 / 25) is a little more than 7, and rounded up one episode too many.
    return min(count, -(-count * (epoch + 1) // epochs_until_all))
