"""Is the held-out part really new? Near-duplicate pictures across the split, and sessions that both sides share.

A frame is a near-duplicate of another where their perceptual hashes differ in at most four of 63 bits and they show the same view
(`same_view_likeness`). An episode is leaked where at least half of its frames have a near-duplicate in one training
episode: a single view that comes up again, such as the start of every episode, is no leak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.grouping import session_numbers
from mvla_core.datasets.split import Split
from mvla_core.episodes.looks import Looks
from mvla_core.metrics.nearest import unit_vectors
from mvla_core.schema import EpisodeInfo

HASH_DISTANCE = 4
"""Bits. Saving a frame again as JPEG, halving its size or a little noise changes at most 2, 15 % more light at most 4, on 1,000
real frames; consecutive frames of a driving robot differ in a median of 6 to 12."""
LEAKED_SHARE = 0.5
_FRAMES_OF_EPISODE = 24
"""Frames of a held-out episode that are looked up, evenly drawn where there are more."""
_BLOCK_PAIRS = 8_000_000


@dataclass(frozen=True)
class Twin:
    """A held-out episode whose pictures a training episode shows too."""

    episode_id: str
    part: str
    """"validation" or "test"."""
    train_episode: str
    share: float
    """Of its looked-up frames that have a near-duplicate there."""
    frame: int
    """A frame of it that has one, 0-based, and"""
    train_frame: int
    """that frame of the training episode."""


@dataclass(frozen=True)
class LeakEvidence:
    """What the held-out parts share with the training part.

    Attributes:
        held_out: Episodes of validation and test with known looks.
        twins: Those that are leaked, highest share first.
        seen_frames: Share of their looked-up frames that have a near-duplicate anywhere in the training part.
        shared_sessions: Held-out episodes recorded in a session that the training part knows; None where no times are known.
    """

    held_out: int
    twins: tuple[Twin, ...]
    seen_frames: float
    shared_sessions: int | None

    def to_json(self) -> dict[str, Any]:
        return {
            "held_out": self.held_out,
            "twins": [vars(twin) for twin in self.twins],
            "seen_frames": self.seen_frames,
            "shared_sessions": self.shared_sessions,
        }


def leak_evidence(
    episodes: Sequence[EpisodeInfo], split: Split, looks: Mapping[str, Looks], likeness_needed: float | None
) -> LeakEvidence | None:
    """Look for held-out episodes in the training part.

    Args:
        episodes: All episodes of the split.
        split: Who serves what.
        looks: Episode id -> looks; episodes without are left out.
        likeness_needed: Cosine from which on two frames count as the same view (see `same_view_likeness`); None goes by the
            hashes alone.

    Returns:
        The evidence; None where no training or no held-out episode has looks.
    """
    train = [name for name in split.train if name in looks]
    held_out = [(part, name) for part in ("validation", "test") for name in getattr(split, part) if name in looks]
    if not train or not held_out:
        return None
    centre = np.mean([np.asarray(looks[name].vectors, np.float64).mean(axis=0) for name in train], axis=0)
    hashes = np.concatenate([looks[name].hashes for name in train])
    owner = np.repeat(np.arange(len(train)), [len(looks[name]) for name in train])
    begins = np.concatenate(([0], np.cumsum([len(looks[name]) for name in train])))[:-1]
    twins, seen, asked_frames = [], 0, 0
    for part, name in held_out:
        asked = _evenly(len(looks[name]))
        pairs = _near_duplicates(looks[name].hashes[asked], hashes)
        # One look a training episode and frame is enough.
        _, first = np.unique(np.stack([pairs[0], owner[pairs[1]]]), axis=1, return_index=True)
        mine, theirs = pairs[0][first], pairs[1][first]
        alike = _cosines(looks, name, asked[mine], train, owner[theirs], theirs - begins[owner[theirs]], centre)
        same = np.ones(len(mine), np.bool_) if likeness_needed is None else alike >= likeness_needed
        mine, theirs = mine[same], theirs[same]
        seen, asked_frames = seen + len(np.unique(mine)), asked_frames + len(asked)
        if not len(mine):
            continue
        counts = np.bincount(owner[theirs], minlength=len(train))
        twin = int(counts.argmax())
        share = float(counts[twin] / len(asked))
        if share >= LEAKED_SHARE:
            shown = int(np.flatnonzero(owner[theirs] == twin)[0])
            at = int(theirs[shown] - begins[twin])
            twins.append(Twin(name, part, train[twin], share, int(asked[mine[shown]]), at))
    return LeakEvidence(
        held_out=len(held_out),
        twins=tuple(sorted(twins, key=lambda twin: (-twin.share, twin.episode_id))),
        seen_frames=seen / asked_frames,
        shared_sessions=shared_sessions(episodes, split),
    )


def shared_sessions(episodes: Sequence[EpisodeInfo], split: Split) -> int | None:
    """How many held-out episodes were recorded in a session of the training part.

    None where a time is not known, and for simulated episodes, whose worlds differ however close they were made.
    """
    if any(info.simulated for info in episodes):
        return None
    numbers = session_numbers(episodes)
    if any(number is None for number in numbers):
        return None
    session = {info.episode_id: number for info, number in zip(episodes, numbers, strict=True)}
    known = {session[name] for name in split.train}
    return sum(session[name] in known for name in (*split.validation, *split.test))


def _evenly(length: int) -> npt.NDArray[np.int64]:
    return np.unique(np.linspace(0, length - 1, min(_FRAMES_OF_EPISODE, length)).round().astype(np.int64))


def _near_duplicates(
    asked: npt.NDArray[np.uint64], known: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions of all pairs whose hashes differ in at most `HASH_DISTANCE` bits."""
    rows = max(1, _BLOCK_PAIRS // len(known))
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
    for begin in range(0, len(asked), rows):
        distance = np.bitwise_count(asked[begin : begin + rows, None] ^ known)
        mine, theirs = np.nonzero(distance <= HASH_DISTANCE)
        found.append((mine + begin, theirs))
    return np.concatenate([pair[0] for pair in found]), np.concatenate([pair[1] for pair in found])


def _cosines(
    looks: Mapping[str, Looks],
    name: str,
    frames: npt.NDArray[np.int64],
    train: Sequence[str],
    owners: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    centre: npt.NDArray[np.float64],
) -> npt.NDArray[np.float32]:
    if not len(frames):
        return np.zeros(0, dtype=np.float32)
    mine = unit_vectors(looks[name].vectors[frames], centre)
    theirs = np.stack([looks[train[owner]].vectors[place] for owner, place in zip(owners, places, strict=True)])
    return np.asarray((mine * unit_vectors(theirs, centre)).sum(axis=1))
