"""Every episode held out once: cross-validation over episodes that keeps neighbours of one recording apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mvla_core.datasets.split import GAP_FRAMES, WHOLE_RECORDINGS
from mvla_core.schema import EpisodeInfo

FOLDS = 10


@dataclass(frozen=True)
class Fold:
    """What is held out, and what may be learned from then.

    Attributes:
        held_out: Positions of the episodes that are predicted.
        train: Positions of those that may be used; neither held out nor next to a held-out part of the same recording.
    """

    held_out: tuple[int, ...]
    train: tuple[int, ...]


def held_out_folds(
    episodes: Sequence[EpisodeInfo], *, seed: int = 0, count: int = FOLDS, gap_frames: int = GAP_FRAMES
) -> list[Fold]:
    """Deal episodes to folds, each held out once.

    Recordings of their own are dealt at random, whole recordings together. Where fewer than `WHOLE_RECORDINGS` exist, each is cut
    in time order, and whole episodes of at least `gap_frames` frames beside a held-out part are not learned from.

    Args:
        episodes: At least two.
        seed: Deals them.
        count: Folds, at most; no more than there is to deal.
        gap_frames: Frames left out at either side of a held-out part of a cut recording.
    """
    groups: dict[str, list[int]] = {}
    for position, info in enumerate(episodes):
        own = f"episode {info.episode_id}" if info.recording_id is None else f"recording {info.recording_id}"
        groups.setdefault(own, []).append(position)
    units = [sorted(group, key=lambda position: episodes[position].recording_start or 0) for group in groups.values()]
    cut = len(units) < WHOLE_RECORDINGS
    pieces = [block for unit in units for block in _blocks(unit, count)] if cut else units
    order = np.arange(len(pieces)) if cut else np.random.default_rng(seed).permutation(len(pieces))
    fold_of = np.zeros(len(episodes), dtype=int)
    for piece, place in zip(pieces, order, strict=True):
        fold_of[list(piece)] = place % min(count, len(pieces))
    folds = []
    for number in range(int(fold_of.max()) + 1):
        held_out = [position for position in range(len(episodes)) if fold_of[position] == number]
        beside = (
            {neighbour for unit in units for neighbour in _beside(unit, held_out, episodes, gap_frames)}
            if cut
            else set()
        )
        train = [
            position for position in range(len(episodes)) if fold_of[position] != number and position not in beside
        ]
        if train:
            folds.append(Fold(tuple(held_out), tuple(train)))
    return folds


def _blocks(unit: Sequence[int], count: int) -> list[Sequence[int]]:
    """Cut a recording in time order into at most `count` blocks of nearly the same number of episodes."""
    return [[int(position) for position in block] for block in np.array_split(unit, min(count, len(unit)))]


def _beside(unit: Sequence[int], held_out: Sequence[int], episodes: Sequence[EpisodeInfo], gap_frames: int) -> set[int]:
    """The episodes of a recording that lie within the gap before or after its held-out ones."""
    found: set[int] = set()
    held = set(held_out)
    for ordered in (unit, unit[::-1]):
        missing = 0
        for position in ordered:
            if position in held:
                missing = gap_frames
            elif missing > 0:
                found.add(position)
                missing -= episodes[position].num_frames
    return found
