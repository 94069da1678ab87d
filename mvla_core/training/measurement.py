"""What a warm-up measured, and where it is kept, so that the next launch of the same kind need not warm up again. Torch-free."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from mvla_core.episodes.frame_features import cache_folder
from mvla_core.errors import MvlaError
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot
from mvla_core.schema import EpisodeInfo
from mvla_core.training.recipe import Recipe

FREE_SETTINGS = (
    *("epochs", "patience", "seed", "learning_rate", "weight_decay", "schedule", "warmup_steps", "gradient_clip"),
    *("huber_delta", "lora_alpha", "curriculum_epochs", "split_by"),
)
"""Settings that change neither the time of an epoch nor the memory: a warm-up with other values of them still holds."""


@dataclass(frozen=True)
class Work:
    """What one epoch computes.

    Attributes:
        steps: Optimiser steps.
        train_frames: Frames encoded for them.
        train_windows: Windows they teach.
        validation_windows: Windows of a validation.
        train_core_s: Core-seconds of the steps by the formula.
        validation_core_s: The same of the validation.
    """

    steps: int
    train_frames: int
    train_windows: int
    validation_windows: int
    train_core_s: float
    validation_core_s: float


@dataclass(frozen=True)
class WarmUp:
    """What a short real training on part of the data measured, on this machine, with this recipe.

    Attributes:
        measured: When, ISO 8601 with the offset of this machine.
        steps: Optimiser steps that were timed.
        frames: Frames of all its episodes.
        start_s: Libraries, weights, the first step's extra time, the last checkpoint; without picture features.
        feature_s: Wall seconds for the frozen features of a frame.
        train_s: Wall seconds of the steps of one epoch of the part.
        train_core_s: What the formula says of these steps.
        validation_s: Wall seconds of its validation.
        validation_core_s: What the formula says of that.
        fixed_s: Wall seconds of an epoch besides: telling and saving.
        memory_bytes: Peak memory of the process.
        gpu_memory_bytes: Peak memory on the GPU; None without one.
        run_bytes: Disk space of the run's folder at its fullest: adapters, the checkpoints that are kept, and one being written.
        encoder_keys: Names of the folders of the frozen features; several where they depend on the instruction.
    """

    measured: str
    steps: int
    frames: int
    start_s: float
    feature_s: float
    train_s: float
    train_core_s: float
    validation_s: float
    validation_core_s: float
    fixed_s: float
    memory_bytes: int
    gpu_memory_bytes: int | None
    run_bytes: int
    encoder_keys: tuple[str, ...]

    def epoch_s(self, work: Work) -> float:
        """Wall seconds of an epoch with so much work: the formula says how it grows, the measurement how fast this machine is."""
        train = self.train_s * work.train_core_s / self.train_core_s
        return train + self.validation_s * work.validation_core_s / self.validation_core_s + self.fixed_s

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        given = {each.name: value[each.name] for each in dataclasses.fields(cls)}
        return cls(**given | {"encoder_keys": tuple(given["encoder_keys"])})


def warm_up_key(recipe: Recipe, episodes: Iterable[EpisodeInfo], devices: Sequence[str], cores: int) -> str:
    """Return a text that is the same exactly where a warm-up would measure the same.

    Args:
        recipe: Its settings count, without `FREE_SETTINGS`.
        episodes: The episodes of the data set, as curated.
        devices: Names of the GPUs.
        cores: Of this machine.
    """
    settings = {name: value for name, value in recipe.to_json().items() if name not in FREE_SETTINGS}
    files = [(info.episode_id, info.num_frames, info.file_size, info.file_mtime_ns) for info in episodes]
    text = json.dumps([settings, files, list(devices), cores], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def keep_warm_up(root: DataRoot, key: str, warm_up: WarmUp) -> None:
    """Keep a measurement below the cache, which is safe to delete at any time."""
    write_json(_file(root, key), warm_up.to_json())


def known_warm_up(root: DataRoot, key: str) -> WarmUp | None:
    """Return a kept measurement, or None where there is none; one that cannot be read any more counts as none."""
    path = _file(root, key)
    if not path.is_file():
        return None
    try:
        return WarmUp.from_json(read_json(path))
    except (MvlaError, KeyError, TypeError):
        return None


def feature_files(root: DataRoot, dataset: str) -> set[Path]:
    """Return the cached features of a data set, of every encoder."""
    return set(cache_folder(root).glob(f"*/{dataset}/*.npy"))


def missing_frames(root: DataRoot, encoder_keys: Iterable[str], episodes: Iterable[EpisodeInfo]) -> int:
    """Count the frames whose frozen features are still to be computed, from the names in the cache."""
    folders = [cache_folder(root) / key for key in encoder_keys]
    missing = 0
    for info in episodes:
        pattern = f"{info.episode_id}-????????????????.npy"
        if not any(any((folder / info.dataset).glob(pattern)) for folder in folders):
            missing += info.num_frames
    return missing


def _file(root: DataRoot, key: str) -> Path:
    return root.cache / "warm_ups" / f"{key}.json"
