"""The scene clock: recognise the place by its first picture, then replay what was driven there, frame by frame.

It looks once and never again. Where every place has one script of its own, it knows as much as there is to know, and a policy that
is no better has not shown that it looks while it drives. How places are compared and how many of them are averaged is chosen on the
training episodes, each of them held out of its own neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mvla_core.evaluation.results import Chunks
from mvla_core.metrics.intervals import Interval, skill
from mvla_core.metrics.nearest import Floats, unit_vectors
from mvla_core.metrics.predictors import InstructionClock, LastFrames
from mvla_core.schema import ActionSequence

NEIGHBOURS = (1, 3, 5, 10)
"""How many training episodes may be averaged."""
_CHOOSING_EPISODES = 300

Vectors = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FirstPictureClock:
    """Averages, at each frame index, what the training episodes with the most alike first pictures did there.

    Only episodes with the same instruction are compared, where there are any. Past the end of all of them the clock of the
    instruction answers.

    Attributes:
        train: The remembered episodes, E of them.
        views: By the name of the description, float32 (E, D), unit vectors of the first pictures.
        centres: By the same names, float32 (D,), the mean that was taken away before.
        clock: What answers past the end.
        described_by: The description that predicts the training episodes best.
        neighbours: How many episodes are averaged, likewise chosen.
    """

    train: tuple[ActionSequence, ...]
    views: Mapping[str, Floats]
    centres: Mapping[str, Floats]
    clock: InstructionClock
    described_by: str
    neighbours: int

    @classmethod
    def fit(
        cls,
        train: Sequence[ActionSequence],
        pictures: Mapping[str, Vectors],
        axis_weights: npt.NDArray[np.float64],
    ) -> Self:
        """Remember the training episodes.

        Args:
            train: At least one episode with a frame, all of one action space.
            pictures: By the name of a description, float (E, D), of the first picture of each training episode; at least one.
            axis_weights: Factors of the squared errors by which description and neighbours are chosen.
        """
        centres = {name: np.asarray(vectors, np.float32).mean(axis=0) for name, vectors in pictures.items()}
        views = {name: unit_vectors(vectors, centres[name]) for name, vectors in pictures.items()}
        described_by, neighbours = _chosen(train, views, axis_weights)
        return cls(tuple(train), views, centres, InstructionClock.fit(train), described_by, neighbours)

    def predict(
        self, sequence: ActionSequence, pictures: Mapping[str, Vectors], last_frames: LastFrames, chunk: int
    ) -> Chunks:
        """Predict for each last observed frame t the actions t .. t + chunk - 1.

        Args:
            sequence: Its instruction is read, never its actions.
            pictures: By the name of a description, float (D,), of its first picture.
            last_frames: int64 (N,).
            chunk: Actions to predict.

        Returns:
            float32 (N, chunk, A).
        """
        seen = unit_vectors(pictures[self.described_by][None], self.centres[self.described_by])[0]
        order = _ranked(self.train, self.views[self.described_by] @ seen, sequence.instruction)
        told = ActionSequence(sequence.episode_id, sequence.actions[:0], sequence.instruction)
        indices = np.arange(int(last_frames.max(initial=0)) + chunk)
        otherwise = self.clock.predict(told, indices, 1)[:, 0].astype(np.float64)
        replayed = _replayed(self.train, order[: self.neighbours], otherwise)
        return np.asarray(replayed[last_frames[:, None] + np.arange(chunk)], dtype=np.float32)


def explained_by_replay(
    sequences: Sequence[ActionSequence],
    pictures: Vectors,
    learned_from: Sequence[Sequence[int]],
    neighbours: int,
    axis_weights: npt.NDArray[np.float64],
) -> Interval:
    """Return the share of a constant's squared error that replaying removes, every episode held out once.

    Args:
        sequences: E episodes of one action space; each frame is compared once.
        pictures: float (E, D), of the first pictures.
        learned_from: For each episode, the positions of those that may be replayed for it.
        neighbours: How many are averaged.
        axis_weights: Factors of the squared errors.
    """
    units = unit_vectors(pictures, np.asarray(pictures, np.float32).mean(axis=0))
    mean = _mean_action(sequences)
    replay, constant = np.zeros(len(sequences)), np.zeros(len(sequences))
    for place, own in enumerate(sequences):
        order = _ranked(sequences, units @ units[place], own.instruction, learned_from[place])
        otherwise = np.tile(mean, (own.num_frames, 1))
        replayed = _replayed(sequences, order[:neighbours], otherwise)
        replay[place] = (np.square(replayed - own.actions) @ axis_weights).sum()
        constant[place] = (np.square(otherwise - own.actions) @ axis_weights).sum()
    return skill(replay, constant)


def _ranked(
    train: Sequence[ActionSequence], alike: Floats, instruction: str, allowed: Sequence[int] | None = None
) -> Integers:
    """Positions of the allowed episodes, most alike first; those of the instruction alone, where there are any."""
    places = [place for place in (range(len(train)) if allowed is None else allowed) if train[place].num_frames]
    same = [place for place in places if train[place].instruction == instruction]
    kept = np.array(same or places, dtype=np.int64)
    return kept[np.argsort(-alike[kept], kind="stable")]


def _replayed(
    train: Sequence[ActionSequence], chosen: Integers, otherwise: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The mean of the chosen episodes at each index, `otherwise` float64 (length, A) where none of them goes on for so long."""
    sums, count = np.zeros_like(otherwise), np.zeros(len(otherwise))
    for place in chosen:
        actions = train[place].actions[: len(otherwise)]
        sums[: len(actions)] += actions
        count[: len(actions)] += 1
    return np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], otherwise)


def _mean_action(sequences: Sequence[ActionSequence]) -> npt.NDArray[np.float64]:
    return np.asarray(np.concatenate([sequence.actions for sequence in sequences]).mean(axis=0, dtype=np.float64))


def _chosen(
    train: Sequence[ActionSequence], views: Mapping[str, Floats], weights: npt.NDArray[np.float64]
) -> tuple[str, int]:
    """Return the description and the number of neighbours that predict the training episodes best, each without itself."""
    asked = np.unique(np.linspace(0, len(train) - 1, min(_CHOOSING_EPISODES, len(train))).round().astype(np.int64))
    mean = _mean_action(train)
    best, least = (next(iter(views)), NEIGHBOURS[0]), np.inf
    for name, units in views.items():
        errors = np.zeros(len(NEIGHBOURS))
        for place in asked:
            own = train[place]
            others = [other for other in range(len(train)) if other != place]
            order = _ranked(train, units @ units[place], own.instruction, others)
            for row, count in enumerate(NEIGHBOURS):
                replayed = _replayed(train, order[:count], np.tile(mean, (own.num_frames, 1)))
                errors[row] += float((np.square(replayed - own.actions) @ weights).sum())
        if errors.min() < least:
            best, least = (name, NEIGHBOURS[int(errors.argmin())]), float(errors.min())
    return best
