"""Views that look the same and were driven in opposite directions: a regression averages them and drives straight on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.audit.likeness import mean_look
from mvla_core.datasets.split import GAP_FRAMES
from mvla_core.datasets.windows import chunk_targets
from mvla_core.episodes.looks import Vectors
from mvla_core.metrics.directions import dead_band
from mvla_core.metrics.nearest import Floats, nearest, unit_vectors
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo

MOST_FRAMES = 6_000
"""Turning frames to either side that are compared, evenly drawn where there are more."""
MOST_PAIRS = 50
_CANDIDATES = 60
"""Most alike opposed frames that are looked at for each, so that one of another stretch of the recording is found among them."""


@dataclass(frozen=True)
class FramePlace:
    """One frame, with what was commanded from it on."""

    episode_id: str
    frame: int
    """0-based, of the episode as it is curated."""
    lateral: float
    """Mean command of the lateral axis over the following chunk; positive is left."""


@dataclass(frozen=True)
class Conflict:
    """Two views that look the same, from which the robot was driven left and right."""

    left: FramePlace
    right: FramePlace
    likeness: float
    """Cosine of the two."""
    same_instruction: bool


@dataclass(frozen=True)
class ConflictEvidence:
    """How often the same view was answered in opposite ways.

    Attributes:
        turning_frames: Compared frames from which the robot was driven left or right.
        torn_frames: Those with a twin driven the other way under the same instruction: regression averages them.
        told_apart_frames: Those that only the instruction tells apart: a policy that does not listen averages them.
        likeness_needed: Cosine from which on two frames counted as the same view.
        pairs: The most alike pairs, at most 50, those of the same instruction first; each frame at most once.
        torn_by_episode: Episode id -> its torn frames.
    """

    turning_frames: int
    torn_frames: int
    told_apart_frames: int
    likeness_needed: float
    pairs: tuple[Conflict, ...]
    torn_by_episode: Mapping[str, int]

    @property
    def torn_share(self) -> float:
        return self.torn_frames / self.turning_frames if self.turning_frames else 0.0

    @property
    def told_apart_share(self) -> float:
        return self.told_apart_frames / self.turning_frames if self.turning_frames else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "turning_frames": self.turning_frames,
            "torn_frames": self.torn_frames,
            "torn_share": self.torn_share,
            "told_apart_frames": self.told_apart_frames,
            "told_apart_share": self.told_apart_share,
            "likeness_needed": self.likeness_needed,
            "pairs": [
                {
                    "left": vars(pair.left),
                    "right": vars(pair.right),
                    "likeness": pair.likeness,
                    "same_instruction": pair.same_instruction,
                }
                for pair in self.pairs
            ],
            "torn_by_episode": dict(self.torn_by_episode),
        }


@dataclass(frozen=True, eq=False)
class _Frames:
    """Frames of all episodes in one row."""

    vectors: Floats
    episode: npt.NDArray[np.int64]
    frame: npt.NDArray[np.int64]
    lateral: npt.NDArray[np.float64]

    def at(self, rows: npt.NDArray[np.int64]) -> _Frames:
        return _Frames(self.vectors[rows], self.episode[rows], self.frame[rows], self.lateral[rows])


def conflict_evidence(
    episodes: Sequence[EpisodeInfo],
    sequences: Sequence[ActionSequence],
    vectors: Mapping[str, Vectors],
    space: ActionSpace,
    chunk: int,
    likeness_needed: float,
) -> ConflictEvidence | None:
    """Look for opposed twins.

    Args:
        episodes: Episodes of one action space.
        sequences: Their actions, in the same order.
        vectors: Episode id -> float (num_frames, D), for every one of them.
        space: Says which axis steers to the side.
        chunk: Actions over which a direction is averaged, so that a command that flickers is not taken for a turn.
        likeness_needed: Cosine from which on two frames count as the same view: see `same_view_likeness`.

    Returns:
        The evidence; None where no axis steers to the side.
    """
    axis = space.column(space.lateral) if space.lateral else None
    if axis is None:
        return None
    frames = _joined(sequences, vectors, axis, chunk)
    band = dead_band(np.concatenate([sequence.actions for sequence in sequences]))[axis]
    left = frames.at(_thinned(np.flatnonzero(frames.lateral > band)))
    right = frames.at(_thinned(np.flatnonzero(frames.lateral < -band)))
    words = _numbers([sequence.instruction for sequence in sequences])
    torn, told = 0, 0
    by_episode: dict[str, int] = {}
    pairs: list[Conflict] = []
    for mine, others in ((left, right), (right, left)):
        twin, likeness = _twins(mine, others, episodes, words, same=True)
        is_torn = likeness >= likeness_needed
        twin_any, likeness_any = _twins(mine, others, episodes, words, same=False)
        only_words = (likeness_any >= likeness_needed) & ~is_torn
        torn, told = torn + int(is_torn.sum()), told + int(only_words.sum())
        for row in np.flatnonzero(is_torn):
            name = sequences[mine.episode[row]].episode_id
            by_episode[name] = by_episode.get(name, 0) + 1
        for row in np.flatnonzero(is_torn | only_words):
            same = bool(is_torn[row])
            other = int((twin if same else twin_any)[row])
            ends = (_place(mine, int(row), sequences), _place(others, other, sequences))
            there, here = ends if mine is left else ends[::-1]
            pairs.append(Conflict(there, here, float((likeness if same else likeness_any)[row]), same))
    return ConflictEvidence(
        turning_frames=len(left.frame) + len(right.frame),
        torn_frames=torn,
        told_apart_frames=told,
        likeness_needed=likeness_needed,
        pairs=_most_alike(pairs),
        torn_by_episode=dict(sorted(by_episode.items(), key=lambda item: (-item[1], item[0]))),
    )


def _joined(sequences: Sequence[ActionSequence], vectors: Mapping[str, Vectors], axis: int, chunk: int) -> _Frames:
    centre = mean_look(sequences, vectors)
    lateral = []
    for sequence in sequences:
        targets, mask = chunk_targets(sequence.actions, np.arange(sequence.num_frames), chunk)
        lateral.append((targets[..., axis] * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1))
    lengths = [sequence.num_frames for sequence in sequences]
    return _Frames(
        np.concatenate([unit_vectors(vectors[sequence.episode_id], centre) for sequence in sequences]),
        np.repeat(np.arange(len(sequences)), lengths),
        np.concatenate([np.arange(length) for length in lengths]),
        np.concatenate(lateral).astype(np.float64),
    )


def _thinned(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if len(rows) <= MOST_FRAMES:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST_FRAMES).round().astype(np.int64)]


def _numbers(names: Sequence[str]) -> npt.NDArray[np.int64]:
    number = {name: position for position, name in enumerate(sorted(set(names)))}
    return np.array([number[name] for name in names], dtype=np.int64)


def _twins(
    mine: _Frames, others: _Frames, episodes: Sequence[EpisodeInfo], words: npt.NDArray[np.int64], *, same: bool
) -> tuple[npt.NDArray[np.int64], Floats]:
    """For each frame its most alike opposed frame of another stretch, and their cosine; minus infinity where there is none."""
    if not len(mine.frame) or not len(others.frame):
        return np.zeros(len(mine.frame), np.int64), np.full(len(mine.frame), -np.inf, np.float32)
    allowed = ~np.eye(len(episodes), dtype=np.bool_)
    if same:
        allowed &= words[:, None] == words
    index, likeness = nearest(
        mine.vectors,
        others.vectors,
        _CANDIDATES,
        query_groups=mine.episode,
        reference_groups=others.episode,
        allowed=allowed,
    )
    recordings = _numbers([info.recording_id or f"episode {info.episode_id}" for info in episodes])
    starts = np.array([info.recording_start or 0 for info in episodes])
    here = (starts[mine.episode] + mine.frame)[:, None]
    there = starts[others.episode[index]] + others.frame[index]
    beside = (recordings[mine.episode][:, None] == recordings[others.episode[index]]) & (
        np.abs(here - there) <= GAP_FRAMES
    )
    likeness = np.where(beside, np.float32(-np.inf), likeness)
    best = likeness.argmax(axis=1)
    rows = np.arange(len(best))
    return index[rows, best], likeness[rows, best]


def _place(frames: _Frames, row: int, sequences: Sequence[ActionSequence]) -> FramePlace:
    return FramePlace(
        sequences[frames.episode[row]].episode_id, int(frames.frame[row]), round(float(frames.lateral[row]), 4)
    )


def _most_alike(pairs: Sequence[Conflict]) -> tuple[Conflict, ...]:
    """The most alike pairs, each frame at most once, those of the same instruction first."""
    used: set[tuple[str, int]] = set()
    kept = []
    for pair in sorted(
        pairs, key=lambda pair: (not pair.same_instruction, -pair.likeness, pair.left.episode_id, pair.left.frame)
    ):
        ends = {(end.episode_id, end.frame) for end in (pair.left, pair.right)}
        if not ends & used:
            used |= ends
            kept.append(pair)
    return tuple(kept[:MOST_PAIRS])
