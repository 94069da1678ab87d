"""Training items that share frames: an item is a stretch of an episode with all windows that lie in it.

Every frame of an item is encoded once, however many windows see it. Because frames are encoded by themselves, loss and gradient
are the same as those of its windows one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.datasets.windows import WindowSpec, chunk_targets, last_frames, observed_frames
from mvla_core.episodes.frame_features import Features
from mvla_core.schema import ActionSequence

EncodeInstructions = Callable[[list[str]], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class PreparedEpisode:
    """An episode as training sees it.

    Attributes:
        sequence: Its actions (physical units), id and instruction.
        features: (num_frames, ...), frozen picture features, perhaps mapped from the disk.
    """

    sequence: ActionSequence
    features: Features


@dataclass(frozen=True)
class Segment:
    """Consecutive windows of an episode with the frames they see.

    Attributes:
        episode: Where it lies.
        begin: Its first frame.
        end: One past its last frame.
        windows: int64 (N, W), observed frames counted from `begin`.
        labels: float32 (N, C, A), normalised; 0 where masked.
        mask: bool (N, C).
    """

    episode: PreparedEpisode
    begin: int
    end: int
    windows: Tensor
    labels: Tensor
    mask: Tensor


def cut_segments(
    episodes: Sequence[PreparedEpisode], window: WindowSpec, windows_per_item: int, normaliser: ActionNormaliser
) -> list[Segment]:
    """Cut episodes into segments of at most `windows_per_item` windows; episodes without a window give none."""
    segments = []
    for episode in episodes:
        actions = episode.sequence.actions
        last = last_frames(len(actions), window)
        targets, mask = chunk_targets(actions, last, window.chunk_size)
        labels = np.where(mask[..., None], normaliser.apply(targets), np.float32(0))
        for first in range(0, len(last), windows_per_item):
            chosen = slice(first, first + windows_per_item)
            observed = observed_frames(last[chosen], window.window_size)
            begin, end = int(observed[0, 0]), int(observed[-1, -1]) + 1
            segments.append(
                Segment(
                    episode,
                    begin,
                    end,
                    torch.from_numpy(observed - begin),
                    torch.from_numpy(labels[chosen]),
                    torch.from_numpy(mask[chosen]),
                )
            )
    return segments


class SegmentDataset(Dataset[Segment]):
    """Segments as a torch data set; their features are read when a batch is collated."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments

    def __len__(self) -> int:
        return len(self._segments)

    def __getitem__(self, index: int) -> Segment:
        return self._segments[index]


class Collator:
    """Joins segments into the arguments of `ActionPolicy.forward`; each different instruction appears once."""

    def __init__(self, encode_instructions: EncodeInstructions) -> None:
        self._encode = encode_instructions
        self._encoded: dict[tuple[str, ...], tuple[Tensor, Tensor]] = {}

    def __call__(self, segments: list[Segment]) -> dict[str, Any]:
        """Return features (F, ...), instruction ids, mask and index, windows (N, W), labels (N, C, A), labels_mask.

        Features of sequences that differ in length are padded at their end.
        """
        instructions = sorted({segment.episode.sequence.instruction for segment in segments})
        key = tuple(instructions)
        if key not in self._encoded:
            self._encoded[key] = self._encode(instructions)
        ids, mask = self._encoded[key]
        features, windows, index = [], [], []
        frames = 0
        for segment in segments:
            features.append(torch.from_numpy(np.array(segment.episode.features[segment.begin : segment.end])))
            windows.append(segment.windows + frames)
            length = segment.end - segment.begin
            index.append(torch.full((length,), instructions.index(segment.episode.sequence.instruction)))
            frames += length
        return {
            "features": _joined(features),
            "instruction_ids": ids,
            "instruction_mask": mask,
            "instruction_index": torch.cat(index),
            "window_index": torch.cat(windows),
            "labels": torch.cat([segment.labels for segment in segments]),
            "labels_mask": torch.cat([segment.mask for segment in segments]),
        }


def _joined(features: list[Tensor]) -> Tensor:
    """Join the features of segments, (F, ...). States of sequences (F, L, D) get zeros up to the longest L, which no other
    position sees."""
    if len({part.shape[1:] for part in features}) == 1:
        return torch.cat(features)
    frames, longest = sum(len(part) for part in features), max(part.shape[1] for part in features)
    joined = features[0].new_zeros((frames, longest, *features[0].shape[2:]))
    begin = 0
    for part in features:
        joined[begin : begin + len(part), : part.shape[1]] = part
        begin += len(part)
    return joined
