"""The nearest-picture predictor: look for the training frames most alike, and do what was done there.

It learns nothing but remembers everything, so it shows what pictures are worth before anything is trained: where it beats every
clock, the pictures tell what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mvla_core.errors import DatasetError
from mvla_core.metrics.nearest import Flags, Floats, Integers, averaged_chunks, nearest, unit_vectors
from mvla_core.metrics.predictors import Chunks, LastFrames
from mvla_core.schema import ActionSequence

NEIGHBOURS = (1, 3, 5, 10, 20, 40)
"""How many nearest frames may be averaged; the training episodes choose."""
MOST_REFERENCES = 10_000
"""Training frames that are remembered, evenly drawn where there are more: memory and time stay bounded."""
_CHOOSING_FRAMES = 300

Vectors = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class NearestPicture:
    """Averages what followed the `neighbours` most alike training frames.

    Attributes:
        references: float32 (R, D), unit vectors of the remembered frames.
        centre: float32 (D,), the mean of the training vectors, taken away before frames are compared.
        chunks: float32 (R, C, A), the actions that followed each, 0 where the episode had ended.
        masks: bool (R, C), where it had not.
        mean: float32 (A,), mean action of the remembered frames.
        instructions: Instruction -> its number where only frames of the same instruction are compared; None compares all.
        of_instruction: int64 (R,), the number of each remembered frame's instruction.
        neighbours: Chosen on the training episodes, each of them held out of its own neighbours.
    """

    references: Floats
    centre: Floats
    chunks: Floats
    masks: Flags
    mean: Floats
    instructions: Mapping[str, int] | None
    of_instruction: Integers
    neighbours: int

    @classmethod
    def fit(
        cls,
        train: Sequence[ActionSequence],
        vectors: Mapping[str, Vectors],
        chunk: int,
        *,
        same_instruction: bool = False,
        axis_weights: npt.NDArray[np.float64] | None = None,
    ) -> Self:
        """Remember the training frames.

        Args:
            train: Episodes of one action space.
            vectors: Episode id -> float (num_frames, D), for every training episode.
            chunk: Actions to predict.
            same_instruction: Compare a frame only with those that were driven under the same words.
            axis_weights: Factors of the squared errors by which the number of neighbours is chosen; None weighs axes equally.

        Raises:
            DatasetError: No training frame is there.
        """
        used = [sequence for sequence in train if sequence.num_frames]
        if not used:
            raise DatasetError(
                "Nearest pictures cannot be looked for: the training part holds no frame; add episodes to the data set."
            )
        frames = _evenly([sequence.num_frames for sequence in used], MOST_REFERENCES)
        centre = np.mean([np.asarray(vectors[s.episode_id], np.float32).mean(axis=0) for s in used], axis=0)
        names = sorted({sequence.instruction for sequence in used})
        number_of = {name: number for number, name in enumerate(names)}
        parts = [_following(sequence.actions, kept, chunk) for sequence, kept in zip(used, frames, strict=True)]
        references = np.concatenate(
            [unit_vectors(vectors[s.episode_id][kept], centre) for s, kept in zip(used, frames, strict=True)]
        )
        chunks, masks = (np.concatenate([part[which] for part in parts]) for which in (0, 1))
        episode = np.repeat(np.arange(len(used)), [len(kept) for kept in frames])
        of_instruction = np.array([number_of[sequence.instruction] for sequence in used], dtype=np.int64)[episode]
        instructions = number_of if same_instruction else None
        mean = chunks[:, 0].mean(axis=0)
        remembered = cls(references, centre.astype(np.float32), chunks, masks, mean, instructions, of_instruction, 1)
        weights = np.ones(chunks.shape[2]) if axis_weights is None else axis_weights
        return replace(remembered, neighbours=remembered._choose(episode, weights))

    def predict(self, sequence: ActionSequence, vectors: Vectors, last_frames: LastFrames, chunk: int) -> Chunks:
        """Predict for each last observed frame t the actions t .. t + chunk - 1, from its picture alone.

        Args:
            sequence: Its instruction is read, never its actions.
            vectors: float (num_frames, D), of the same episode.
            last_frames: int64 (N,).
            chunk: At most that of `fit`.

        Returns:
            float32 (N, chunk, A).
        """
        return self.predict_each([sequence], [vectors], [last_frames], chunk)[0]

    def predict_each(
        self,
        sequences: Sequence[ActionSequence],
        vectors: Sequence[Vectors],
        last_frames: Sequence[LastFrames],
        chunk: int,
    ) -> list[Chunks]:
        """As `predict`, of many episodes at once: the remembered frames are gone through once for each instruction."""
        groups: dict[int | None, list[int]] = {}
        for position, sequence in enumerate(sequences):
            # Words that were never trained on are compared with all frames.
            own = None if self.instructions is None else self.instructions.get(sequence.instruction)
            groups.setdefault(own, []).append(position)
        predicted: dict[int, Chunks] = {}
        for own, members in groups.items():
            queries = unit_vectors(np.concatenate([vectors[k][last_frames[k]] for k in members]), self.centre)
            if own is None:
                index, _ = nearest(queries, self.references, self.neighbours)
            else:
                rows = np.flatnonzero(self.of_instruction == own)
                within, _ = nearest(queries, self.references[rows], self.neighbours)
                index = rows[within]
            chunks = averaged_chunks(index, self.chunks[:, :chunk], self.masks[:, :chunk], self.mean)
            ends = np.cumsum([len(last_frames[k]) for k in members])[:-1]
            predicted.update(zip(members, np.split(chunks, ends), strict=True))
        return [predicted[position] for position in range(len(sequences))]

    def _choose(self, episode: Integers, weights: npt.NDArray[np.float64]) -> int:
        """Return how many neighbours predict the training frames best, each frame's own episode left out."""
        asked = np.linspace(0, len(episode) - 1, min(_CHOOSING_FRAMES, len(episode))).round().astype(np.int64)
        first = np.unique(episode, return_index=True)[1]
        others = ~np.eye(len(first), dtype=np.bool_)
        if self.instructions is not None:
            words = self.of_instruction[first]
            others &= words[:, None] == words
        index, _ = nearest(
            self.references[asked],
            self.references,
            NEIGHBOURS[-1],
            query_groups=episode[asked],
            reference_groups=episode,
            allowed=others,
        )
        best, least = NEIGHBOURS[0], np.inf
        for count in NEIGHBOURS:
            predicted = averaged_chunks(index[:, :count], self.chunks, self.masks, self.mean)
            valid = self.masks[asked]
            error = float((np.square(predicted - self.chunks[asked])[valid] @ weights).sum())
            if error < least:
                best, least = count, error
        return best


def _evenly(lengths: Sequence[int], most: int) -> list[Integers]:
    """Return which frames of each episode are kept, int64 each, so that at most about `most` are kept altogether."""
    step = max(1.0, sum(lengths) / most)
    return [np.unique(np.arange(0, length, step).astype(np.int64)) for length in lengths]


def _following(actions: npt.NDArray[np.float32], frames: Integers, chunk: int) -> tuple[Floats, Flags]:
    """The actions from each frame on, float32 (N, chunk, A) with 0 past the end, and where they exist, bool (N, chunk)."""
    index = frames[:, None] + np.arange(chunk)
    mask = index < len(actions)
    return np.where(mask[..., None], actions[np.minimum(index, len(actions) - 1)], 0).astype(np.float32), mask
