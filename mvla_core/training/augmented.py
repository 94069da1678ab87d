"""Augmented copies in a training: of training episodes alone, checked before the start, their frames encoded once and kept.

A cached file of augmented frames is named by all that they depend on: the recording as for plain frames, and besides it the
digest of the augmentation, the training's seed, the copy and the episode's trim. A plain frame's features can never stand in
for them, nor those of another copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mvla_core.datasets.augmentation.copies import EpisodeCopy, augmented_frames, draw_copy
from mvla_core.datasets.augmentation.label_check import check_labels, refuse_wrong_labels
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.datasets.augmentation.store import load_augmentation
from mvla_core.datasets.augmentation.transform import EpisodeLabels
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.frame_features import Features, FrameEncoder, cache_folder
from mvla_core.episodes.reader import open_known
from mvla_core.files import replacing
from mvla_core.layout import DataRoot
from mvla_core.progress import Progress
from mvla_core.schema import ActionSequence, EpisodeInfo, Finding
from mvla_core.training.recipe import Recipe

_FRAMES_AT_ONCE = 64
"""As many as plain frames are decoded at a time."""


@dataclass(frozen=True, eq=False)
class AugmentedCopy:
    """One copy of a training episode, without its pictures.

    Attributes:
        info: The episode it is made of.
        drawn: What was drawn for it.
    """

    info: EpisodeInfo
    drawn: EpisodeCopy

    @property
    def sequence(self) -> ActionSequence:
        """Its actions and instruction, under a name of its own."""
        name = f"{self.info.episode_id} copy {self.drawn.number}"
        return ActionSequence(name, self.drawn.labels.actions, self.drawn.labels.instruction)


def augmentation_of(root: DataRoot, recipe: Recipe) -> AugmentationRecipe | None:
    """Return the stored augmentation that a training recipe names; None where it names none.

    Raises:
        UserInputError: There is no augmentation of this name.
        RecipeError: The stored one cannot be used.
    """
    return load_augmentation(root, recipe.augmentation) if recipe.augmentation else None


def copies_of(augmentation: AugmentationRecipe | None) -> int:
    """Return how many copies of each training episode are made."""
    return augmentation.copies if augmentation else 0


def check_augmentation(
    root: DataRoot, augmentation: AugmentationRecipe, train: Sequence[EpisodeInfo], seed: int
) -> list[Finding]:
    """Check the labels that the copies of the training episodes would get; return what is no reason to refuse.

    Raises:
        RecipeError: A label would be wrong.
        EpisodeError: An episode cannot be read.
    """
    sequences = load_sequences(train, root)
    labels = [EpisodeLabels.of(info, sequence) for info, sequence in zip(train, sequences, strict=True)]
    findings = check_labels(augmentation, labels, seed)
    refuse_wrong_labels(augmentation, findings)
    return findings


def draw_copies(
    augmentation: AugmentationRecipe, train: Sequence[EpisodeInfo], sequences: Sequence[ActionSequence], seed: int
) -> list[AugmentedCopy]:
    """Draw all copies of the training episodes: first every first copy, then every second one, and so on."""
    return [
        AugmentedCopy(info, draw_copy(EpisodeLabels.of(info, sequence), augmentation, number, seed))
        for number in range(1, augmentation.copies + 1)
        for info, sequence in zip(train, sequences, strict=True)
    ]


def augmented_features(
    root: DataRoot,
    encoder: FrameEncoder,
    augmentation: AugmentationRecipe,
    copy: AugmentedCopy,
    seed: int,
    progress: Progress,
) -> Features:
    """Return the features of a copy's frames, from the cache or made and cached.

    Args:
        root: The data root.
        encoder: As for plain frames.
        augmentation: That the copy was drawn from.
        copy: Whose frames.
        seed: That it was drawn with.
        progress: Asked between blocks of frames whether to stop.

    Returns:
        Read-only (num_frames, *encoder.shape), mapped from the disk.

    Raises:
        EpisodeError: The episode cannot be read.
        Stopped: The user asked.
    """
    path = _cache_file(root, encoder, augmentation, copy, seed)
    cached = _read(path, encoder, copy)
    if cached is not None:
        path.touch()
        return cached
    count = copy.drawn.num_frames
    computed = np.empty((count, *encoder.shape), dtype=encoder.dtype)
    with open_known(copy.info) as episode:
        stored: Iterator[Any] = (episode.frame(index) for index in range(episode.info.num_frames))
        frames = augmented_frames(stored, copy.drawn)
        for begin in range(0, count, _FRAMES_AT_ONCE):
            progress.check()
            block = np.stack(list(islice(frames, _FRAMES_AT_ONCE)))
            computed[begin : begin + len(block)] = encoder.encode(block)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, computed, allow_pickle=False)
    written: Features = np.load(path, mmap_mode="r", allow_pickle=False)
    return written


def _cache_file(
    root: DataRoot, encoder: FrameEncoder, augmentation: AugmentationRecipe, copy: AugmentedCopy, seed: int
) -> Path:
    info = copy.info
    depends_on = (
        *(info.path.name, info.file_size, info.file_mtime_ns, info.image_key, info.color_order, info.trim),
        *(augmentation.digest, seed, copy.drawn.number),
    )
    digest = hashlib.sha256(repr(depends_on).encode()).hexdigest()[:16]
    folder = cache_folder(root) / encoder.key / info.dataset
    return folder / f"{info.episode_id}-copy{copy.drawn.number}-{digest}.npy"


def _read(path: Path, encoder: FrameEncoder, copy: AugmentedCopy) -> Features | None:
    """Return the cached features, or None where they are missing, damaged or of another form (they are then remade)."""
    try:
        cached: Features = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = cached.shape == (copy.drawn.num_frames, *encoder.shape) and cached.dtype == encoder.dtype
    return cached if fits else None
