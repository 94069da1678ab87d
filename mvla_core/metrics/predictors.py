"""Predictors that never look at a picture. A policy that does not beat them has not shown that it looks.

Each is fitted on the training episodes only, and predicts at frame `t` from what a clock, the instruction or the action
before (`actions[t - 1]`) tells; `actions[t]` and everything later is what it has to predict and is never read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from mvla_core.errors import DatasetError
from mvla_core.schema import Actions, ActionSequence

LastFrames = npt.NDArray[np.int64]
Chunks = npt.NDArray[np.float32]
"""float32 (N, chunk, A), units of the actions."""


class Predictor(Protocol):
    """Fitted once on the training episodes, then asked for the chunk that follows each observed frame."""

    @classmethod
    def fit(cls, train: Sequence[ActionSequence]) -> Self:
        """Learn from the training episodes; they must share one action space."""
        ...

    def predict(self, sequence: ActionSequence, last_frames: LastFrames, chunk: int) -> Chunks:
        """Predict for each last observed frame t the actions t .. t + chunk - 1, float32 (N, chunk, A)."""
        ...


def _joined(train: Sequence[ActionSequence]) -> Actions:
    """All training actions, float32 (frames, A)."""
    used = [sequence.actions for sequence in train if sequence.num_frames]
    if not used:
        raise DatasetError(
            "A baseline cannot be fitted: the training part holds no frame; add episodes to the data set."
        )
    return np.concatenate(used)


@dataclass(frozen=True)
class Constant:
    """The mean action of all training frames, always.

    Attributes:
        mean: float32 (A,).
    """

    mean: Actions

    @classmethod
    def fit(cls, train: Sequence[ActionSequence]) -> Self:
        return cls(_joined(train).mean(axis=0, dtype=np.float64).astype(np.float32))

    def predict(self, sequence: ActionSequence, last_frames: LastFrames, chunk: int) -> Chunks:
        return np.broadcast_to(self.mean, (len(last_frames), chunk, len(self.mean))).copy()


@dataclass(frozen=True)
class FrameIndexClock:
    """The mean action of the training episodes at the same frame index; past the longest of them, the mean of all
    frames.

    Attributes:
        by_index: float32 (longest, A).
        episodes: int64 (longest,), how many training episodes reach each index.
        otherwise: float32 (A,), the mean of all training frames.
    """

    by_index: Actions
    episodes: npt.NDArray[np.int64]
    otherwise: Actions

    @classmethod
    def fit(cls, train: Sequence[ActionSequence]) -> Self:
        actions = _joined(train).astype(np.float64)
        index = np.concatenate([np.arange(sequence.num_frames) for sequence in train])
        episodes = np.bincount(index)
        sums = np.stack([np.bincount(index, weights=column) for column in actions.T], axis=1)
        return cls((sums / episodes[:, None]).astype(np.float32), episodes, actions.mean(axis=0).astype(np.float32))

    def predict(self, sequence: ActionSequence, last_frames: LastFrames, chunk: int) -> Chunks:
        table = np.concatenate([self.by_index, self.otherwise[None]])
        index = np.minimum(last_frames[:, None] + np.arange(chunk), len(self.by_index))
        return np.asarray(table[index], dtype=np.float32)


@dataclass(frozen=True)
class InstructionClock:
    """A frame-index clock for each instruction. What an instruction's episodes do not reach, the clock of all
    answers.
    """

    clocks: Mapping[str, FrameIndexClock]
    all_episodes: FrameIndexClock

    @classmethod
    def fit(cls, train: Sequence[ActionSequence]) -> Self:
        groups: dict[str, list[ActionSequence]] = {}
        for sequence in train:
            if sequence.num_frames:
                groups.setdefault(sequence.instruction, []).append(sequence)
        return cls(
            {instruction: FrameIndexClock.fit(group) for instruction, group in groups.items()},
            FrameIndexClock.fit(train),
        )

    def predict(self, sequence: ActionSequence, last_frames: LastFrames, chunk: int) -> Chunks:
        general = self.all_episodes.predict(sequence, last_frames, chunk)
        clock = self.clocks.get(sequence.instruction)
        if clock is None:
            return general
        reached = last_frames[:, None] + np.arange(chunk) < len(clock.by_index)
        return np.where(reached[..., None], clock.predict(sequence, last_frames, chunk), general)


@dataclass(frozen=True)
class RepeatLast:
    """The action before the last observed frame, `actions[t - 1]`, for the whole chunk; standing still at t = 0."""

    num_dims: int

    @classmethod
    def fit(cls, train: Sequence[ActionSequence]) -> Self:
        return cls(_joined(train).shape[1])

    def predict(self, sequence: ActionSequence, last_frames: LastFrames, chunk: int) -> Chunks:
        still = np.zeros((1, self.num_dims), dtype=np.float32)
        before = np.concatenate([still, sequence.actions])[last_frames]
        return np.repeat(before[:, None, :], chunk, axis=1).astype(np.float32, copy=False)


TRIVIAL_PREDICTORS: dict[str, type[Predictor]] = {
    "constant": Constant,
    "frame_index": FrameIndexClock,
    "instruction_clock": InstructionClock,
    "repeat_last": RepeatLast,
}
"""Name in every JSON, table and page -> the predictor."""
