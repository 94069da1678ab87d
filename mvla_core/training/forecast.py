"""What a training will take, before it starts. Rough by design, and it says what it rests on. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mvla_core.datasets.windows import last_frames
from mvla_core.policies.parameters import TOTAL_KOSMOS2, trainable_parameters
from mvla_core.policies.spec import TEXT_ONLY_TARGETS
from mvla_core.training.recipe import Recipe


@dataclass(frozen=True)
class Costs:
    """Measured costs of a backbone on a CPU.

    Attributes:
        start_s: Loading libraries and weights.
        feature_core_s: Core-seconds to compute a frame's frozen features, once.
        frame_core_s: Core-seconds for a frame forward and backward.
        step_core_s: Core-seconds of an optimiser step besides its frames: the text model, the optimiser.
        epoch_s: Seconds of an epoch besides its steps and validation: saving and telling.
        memory_bytes: Memory of the process with one item in work.
        feature_bytes: Disk space of a frame's features.
    """

    start_s: float
    feature_core_s: float
    frame_core_s: float
    step_core_s: float
    epoch_s: float
    memory_bytes: int
    feature_bytes: int


_COMPACT = Costs(8.0, 0.022, 0.0006, 0.04, 0.08, 1_000_000_000, 112 * 14 * 14 * 2)
_TINY = Costs(8.0, 0.004, 0.004, 0.02, 0.05, 800_000_000, 64 * 64 * 4)
_KOSMOS2_FROZEN_VISION = Costs(60.0, 1.2, 3.4, 0.2, 5.0, 7_000_000_000, 64 * 2048 * 2)
_KOSMOS2_TRAINED_VISION = Costs(60.0, 0.01, 6.9, 0.2, 5.0, 9_700_000_000, 3 * 224 * 224)

_PARALLEL = 0.7
"""Share of each further core that speeds work up: two cores compute pictures 1.7 times as fast as one."""


@dataclass(frozen=True)
class Forecast:
    """What a training is expected to take.

    Attributes:
        train_episodes: Episodes that teach, without their augmented copies.
        validation_episodes: Episodes that choose the checkpoint.
        train_windows: Windows of an epoch, with those of augmented copies.
        validation_windows: Windows of a validation.
        frames_per_epoch: Frames encoded in an epoch; fewer than windows x window size where windows share frames.
        steps_per_epoch: Optimiser steps.
        steps: Of all epochs, without early stopping.
        seconds: Wall time of all epochs; None where nothing comparable was measured.
        memory_bytes: Peak memory of the process; None where nothing comparable was measured.
        cache_bytes: Disk space of the frozen features.
        parameters: Trainable parameters by part, and "total"; exact.
        frozen_parameters: Of the base model, about.
        basis: In words, what the estimate rests on.
    """

    train_episodes: int
    validation_episodes: int
    train_windows: int
    validation_windows: int
    frames_per_epoch: int
    steps_per_epoch: int
    steps: int
    seconds: float | None
    memory_bytes: int | None
    cache_bytes: int
    parameters: dict[str, int]
    frozen_parameters: int
    basis: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def estimate(
    recipe: Recipe,
    *,
    train_frames: Sequence[int],
    validation_frames: Sequence[int],
    action_dims: int,
    cores: int,
    has_cuda: bool,
    copies: int = 0,
) -> Forecast:
    """Estimate a training from the lengths of its episodes.

    Args:
        recipe: What to train.
        train_frames: Number of frames of each training episode.
        validation_frames: The same of the validation episodes.
        action_dims: Number of action dimensions.
        cores: Cores the trainer may use.
        has_cuda: Whether it will run on a GPU, for which no time was measured.
        copies: Augmented copies of each training episode; they teach, and their frames are encoded, like the episode's own.
    """
    taught = list(train_frames) * (1 + copies)
    items, frames = 0, 0
    for length in taught:
        windows = len(last_frames(length, recipe.window))
        segments = math.ceil(windows / recipe.windows_per_item)
        items += segments
        frames += windows + segments * (recipe.window_size - 1)
    batches = math.ceil(items / recipe.batch_size)
    steps_per_epoch = math.ceil(batches / recipe.gradient_accumulation)
    validation_windows = sum(len(last_frames(length, recipe.window)) for length in validation_frames)
    costs = _costs(recipe)
    all_frames = sum(taught) + sum(validation_frames)
    speed = 1 + _PARALLEL * (min(cores, 8) - 1)
    # The small networks train on one core: see `mvla_core.policies.threads`.
    train_speed = speed if recipe.backbone == "kosmos2" else 1.0
    work = (frames + sum(validation_frames) / 3) * costs.frame_core_s + steps_per_epoch * costs.step_core_s
    epoch_s = work / train_speed + costs.epoch_s
    seconds = costs.start_s + all_frames * costs.feature_core_s / speed + recipe.epochs * epoch_s
    frozen = {"compact": 26_000_000, "kosmos2": TOTAL_KOSMOS2, "tiny": 300_000}[recipe.backbone]
    basis = (
        "No time was measured on a GPU like this one: the first epoch will tell. Memory is unknown for the same reason."
        if has_cuda
        else f"Core-seconds a frame measured on two cores, scaled to {cores}; first use of the pictures, all epochs, no early "
        "stop. Other work on the machine adds to it."
    )
    if copies:
        basis += f" Each training episode counts {1 + copies} times: itself and {copies} augmented."
    return Forecast(
        train_episodes=len(train_frames),
        validation_episodes=len(validation_frames),
        train_windows=sum(len(last_frames(length, recipe.window)) for length in taught),
        validation_windows=validation_windows,
        frames_per_epoch=frames,
        steps_per_epoch=steps_per_epoch,
        steps=steps_per_epoch * recipe.epochs,
        seconds=None if has_cuda else round(seconds, 1),
        memory_bytes=None if has_cuda else costs.memory_bytes,
        cache_bytes=all_frames * costs.feature_bytes,
        parameters=trainable_parameters(
            recipe.backbone,
            rank=recipe.lora_rank,
            targets=recipe.lora_targets,
            head_hidden=recipe.head_hidden,
            head_layers=recipe.head_layers,
            outputs=recipe.chunk_size * action_dims,
            visual_channels=recipe.visual_channels,
        ),
        frozen_parameters=frozen,
        basis=basis,
    )


def _costs(recipe: Recipe) -> Costs:
    if recipe.backbone == "kosmos2":
        frozen = recipe.lora_targets in TEXT_ONLY_TARGETS
        return _KOSMOS2_FROZEN_VISION if frozen else _KOSMOS2_TRAINED_VISION
    return _COMPACT if recipe.backbone == "compact" else _TINY
