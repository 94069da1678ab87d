"""Augmented copies as a training would make them: of the curated episode, with the training's seed."""

from __future__ import annotations

from functools import lru_cache

from app.annotated import read_annotations
from app.catalogues import find_episode
from app.session import data_root
from mvla_core.datasets.augmentation.copies import EpisodeCopy, draw_copy
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.datasets.augmentation.transform import EpisodeLabels
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import curated_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import EpisodeInfo


def as_trained(root: DataRoot, dataset: str, episode_id: str) -> EpisodeInfo:
    """The episode as a training would take it: with its trim, its colours and the instruction that it was given.

    Raises:
        UserInputError: There is no such episode, or it lacks frames of its trim.
        MvlaError: The annotations are damaged.
    """
    annotations = read_annotations(root, dataset)
    info = find_episode(root, dataset, episode_id)
    return curated_episode(info, annotations.of(episode_id), annotations.dataset_settings.color_order)


def labels_of(root: DataRoot, info: EpisodeInfo) -> EpisodeLabels:
    """What is known of an episode besides its pictures.

    Raises:
        EpisodeError: Its file was removed or broken.
    """
    return _labels(root.path.as_posix(), info)


def drawn(info: EpisodeInfo, recipe: AugmentationRecipe, copy: int, seed: int) -> EpisodeCopy:
    """One copy of an episode, without its pictures; those that were asked for last are kept.

    Args:
        info: From `as_trained`.
        recipe: What is done.
        copy: 1 to `recipe.copies`.
        seed: Of the training.

    Raises:
        UserInputError: There is no such copy.
        EpisodeError: Its file was removed or broken.
    """
    return _drawn(data_root().path.as_posix(), info, recipe, copy, seed)


@lru_cache(maxsize=64)
def _drawn(root: str, info: EpisodeInfo, recipe: AugmentationRecipe, copy: int, seed: int) -> EpisodeCopy:
    return draw_copy(_labels(root, info), recipe, copy, seed)


@lru_cache(maxsize=64)
def _labels(root: str, info: EpisodeInfo) -> EpisodeLabels:
    # The size and the time of change of the file are part of `info`, so that a changed file is another key.
    (sequence,) = load_sequences([info], DataRoot.resolve(root))
    return EpisodeLabels.of(info, sequence)
