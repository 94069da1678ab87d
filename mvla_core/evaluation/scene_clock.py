"""How far one look at the first picture goes on this data, and whether the held-out episodes begin in scenes that training knows.

First pictures are described in two ways: by the looks that the job `features` leaves, where every episode has them, and by their
mean colours, which need no network, so that this is always measured. The training episodes choose; see `first_picture.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mvla_core.datasets.folds import held_out_folds
from mvla_core.episodes.looks import load_looks
from mvla_core.episodes.reader import open_known
from mvla_core.evaluation.coarse_picture import mean_colours
from mvla_core.evaluation.first_picture import FirstPictureClock, Vectors, explained_by_replay
from mvla_core.evaluation.measure_baselines import FIRST_PICTURE
from mvla_core.evaluation.results import Chunks
from mvla_core.evaluation.scale import ActionScale
from mvla_core.layout import DataRoot
from mvla_core.metrics.nearest import unit_vectors
from mvla_core.metrics.predictors import LastFrames
from mvla_core.schema import ActionSequence, EpisodeInfo

MOST_EPISODES = 600
"""Episodes that are held out in turn, evenly drawn where there are more."""
_USUAL_EPISODES = 60
_USUAL_PLACES = (0.25, 0.5, 0.75)
"""Where in an episode two consecutive frames are compared, as shares of its length."""


@dataclass(frozen=True, eq=False)
class SceneClock:
    """What the scene clock predicts, and what is known of the scenes.

    Attributes:
        chunks: float32 (N, C, A) of each held-out episode.
        evidence: `{"baseline", "described_by", "neighbours", "value", "low", "high", "episodes", "known", "held_out"}`: the share
            of a constant's squared error that replaying removes with every one of `episodes` held out once, and how many of the
            `held_out` episodes begin with a picture that is as like a training episode's first one as two consecutive frames
            of an episode usually are to each other (a known scene), by either description.
    """

    chunks: list[Chunks]
    evidence: dict[str, Any]


def scene_clock(
    root: DataRoot,
    train: Sequence[ActionSequence],
    test: Sequence[ActionSequence],
    everyone: Sequence[EpisodeInfo],
    sequences: Sequence[ActionSequence],
    lasts: Sequence[LastFrames],
    chunk: int,
    scale: ActionScale,
) -> SceneClock:
    """Predict the held-out windows from the first pictures alone, and look how far that goes on all of the data.

    Args:
        root: The data root, which keeps the looks.
        train: The training episodes.
        test: The held-out episodes; their instructions are read, never their actions.
        everyone: All episodes of the split.
        sequences: Their actions, in the same order.
        lasts: The last observed frames of each held-out episode's windows.
        chunk: Actions to predict.
        scale: Gives the weights of the axes.

    Raises:
        EpisodeError: A frame cannot be read.
    """
    by_id = {info.episode_id: info for info in everyone if info.num_frames}
    train = [sequence for sequence in train if sequence.num_frames]
    first, between = _described(root, list(by_id.values()), [by_id[sequence.episode_id] for sequence in train])
    taught = {name: np.stack([found[each.episode_id] for each in train]) for name, found in first.items()}
    clock = FirstPictureClock.fit(train, taught, scale.weights)
    chunks = [
        clock.predict(sequence, {name: found[sequence.episode_id] for name, found in first.items()}, last, chunk)
        for sequence, last in zip(test, lasts, strict=True)
    ]
    asked = {name: np.stack([found[each.episode_id] for each in test]) for name, found in first.items()}
    replayed = [by_id[each.episode_id] for each in sequences if each.num_frames]
    if len(replayed) > MOST_EPISODES:
        replayed = [replayed[k] for k in np.linspace(0, len(replayed) - 1, MOST_EPISODES).round().astype(int)]
    actions = {sequence.episode_id: sequence for sequence in sequences}
    explained = explained_by_replay(
        [actions[info.episode_id] for info in replayed],
        np.stack([first[clock.described_by][info.episode_id] for info in replayed]),
        _learned_from(replayed),
        clock.neighbours,
        scale.weights,
    )
    return SceneClock(
        chunks,
        {
            "baseline": FIRST_PICTURE,
            "described_by": clock.described_by,
            "neighbours": clock.neighbours,
            **explained.to_json(),
            "episodes": len(replayed),
            "known": max(_known(taught[name], asked[name], between[name]) for name in first),
            "held_out": len(test),
        },
    )


def _described(
    root: DataRoot, everyone: Sequence[EpisodeInfo], train: Sequence[EpisodeInfo]
) -> tuple[dict[str, dict[str, Vectors]], dict[str, Vectors]]:
    """By the name of a description: the first picture (D,) of each episode, and pairs of consecutive frames (P, 2, D)."""
    chosen = np.unique(np.linspace(0, len(train) - 1, min(_USUAL_EPISODES, len(train))).round().astype(int))
    places = [
        (train[row], round(share * (train[row].num_frames - 2)))
        for row in chosen
        for share in _USUAL_PLACES
        if train[row].num_frames > 1
    ]
    first: dict[str, dict[str, Vectors]] = {}
    between: dict[str, Vectors] = {}
    looks = load_looks(root, everyone)
    if len(looks) == len(everyone):
        first["looks"] = {name: look.vectors[0] for name, look in looks.items()}
        pairs = [looks[info.episode_id].vectors[at : at + 2] for info, at in places]
        between["looks"] = np.stack(pairs) if pairs else np.zeros((0, 2, 1))
    first["colours"] = {info.episode_id: _colours(info, 0) for info in everyone}
    pairs = [np.stack([_colours(info, at), _colours(info, at + 1)]) for info, at in places]
    between["colours"] = np.stack(pairs) if pairs else np.zeros((0, 2, 1))
    return first, between


def _colours(info: EpisodeInfo, frame: int) -> Vectors:
    with open_known(info) as reader:
        return mean_colours(reader.frame(frame)).ravel()


def _known(taught: Vectors, asked: Vectors, between: Vectors) -> int:
    """How many first pictures (M, D) are as like one of the taught (N, D) as consecutive frames (P, 2, D) are to each other."""
    if not len(between):
        return 0
    centre = np.concatenate([taught, between.reshape(-1, taught.shape[1])]).astype(np.float32).mean(axis=0)
    usual = np.median((unit_vectors(between[:, 0], centre) * unit_vectors(between[:, 1], centre)).sum(axis=1))
    alike = unit_vectors(asked, centre) @ unit_vectors(taught, centre).T
    return int((alike.max(axis=1) >= usual).sum())


def _learned_from(everyone: Sequence[EpisodeInfo]) -> list[Sequence[int]]:
    """For each episode those that may be replayed for it: not itself, and no neighbour in the same recording."""
    if len(everyone) < 2:
        return [()] * len(everyone)
    found: list[Sequence[int]] = [()] * len(everyone)
    for fold in held_out_folds(everyone):
        for place in fold.held_out:
            found[place] = fold.train
    return found
