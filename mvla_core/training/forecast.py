"""What a training will take, before it starts: by a formula, or by the formula put right by a warm-up. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mvla_core.datasets.windows import last_frames
from mvla_core.policies.parameters import TOTAL_KOSMOS2
from mvla_core.training.costs import costs_of, parameters_of
from mvla_core.training.footprint import (
    beginning_bytes,
    frames_in_work,
    gpu_memory_bytes,
    memory_bytes,
    run_bytes,
    start_bytes,
)
from mvla_core.training.measurement import WarmUp, Work
from mvla_core.training.recipe import Recipe

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
        start_seconds: Before the first step and after the last: libraries, weights, picture features, the last checkpoint.
        epoch_seconds: Wall time of an epoch with its validation.
        seconds: Wall time of all epochs; this and the two above are None where nothing comparable was measured.
        memory_bytes: Peak memory of the process; None where nothing comparable was measured.
        gpu_memory_bytes: Peak memory of the training's tensors on a GPU; None without one.
        cache_bytes: Disk space of the frozen features that are not cached yet.
        run_bytes: Disk space of the run's folder at its fullest.
        parameters: Trainable parameters by part, and "total"; exact.
        frozen_parameters: Of the base model, about.
        measured: When a warm-up measured this machine with this data and recipe, ISO 8601; "" where none did.
        basis: In words, what the estimate rests on.
    """

    train_episodes: int
    validation_episodes: int
    train_windows: int
    validation_windows: int
    frames_per_epoch: int
    steps_per_epoch: int
    steps: int
    start_seconds: float | None
    epoch_seconds: float | None
    seconds: float | None
    memory_bytes: int | None
    gpu_memory_bytes: int | None
    cache_bytes: int
    run_bytes: int
    parameters: dict[str, int]
    frozen_parameters: int
    measured: str
    basis: str

    @property
    def disk_bytes(self) -> int:
        """What the training adds to the disk."""
        return self.cache_bytes + self.run_bytes

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"disk_bytes": self.disk_bytes}


def estimate(
    recipe: Recipe,
    *,
    train_frames: Sequence[int],
    validation_frames: Sequence[int],
    action_dims: int,
    cores: int,
    has_cuda: bool,
    copies: int = 0,
    warm_up: WarmUp | None = None,
    missing_frames: int | None = None,
    classes: int | None = None,
    extends: bool = False,
    processes: int = 1,
    place: str = "",
) -> Forecast:
    """Estimate a training from the lengths of its episodes.

    Args:
        recipe: What to train.
        train_frames: Number of frames of each training episode.
        validation_frames: The same of the validation episodes.
        action_dims: Number of action dimensions.
        cores: Cores the trainer may use.
        has_cuda: Whether it will run on a GPU, for which the formula has no times.
        copies: Augmented copies of each training episode; they teach, and their frames are encoded, like the episode's own.
        warm_up: What a warm-up with this data and recipe measured; None leaves the formula as it is.
        missing_frames: Frames whose frozen features are not on the disk yet; None where that is not known: all of them.
        classes: Actions that the head "directions" chooses from; None for the regression head.
        extends: Whether it begins with the parameters of another policy.
        processes: That divide each batch among them; the memory is that of one of them.
        place: What it will run on where that is not this machine; "" for this machine.
    """
    taught = list(train_frames) * (1 + copies)
    work = planned_work(recipe, taught, validation_frames)
    costs = costs_of(recipe)
    all_frames = sum(taught) + sum(validation_frames)
    missing = all_frames if missing_frames is None else missing_frames
    parameters = parameters_of(recipe, action_dims if classes is None else classes)
    total = parameters["total"]
    longest = max((len(last_frames(length, recipe.window)) for length in taught), default=0)
    in_work = math.ceil(frames_in_work(recipe, longest) / processes)
    memory = memory_bytes(recipe, total, in_work)
    start, epoch, gpu_memory = None, None, gpu_memory_bytes(recipe, total, in_work) if has_cuda else None
    process_memory: int | None = None if has_cuda else memory
    if warm_up is not None:
        start = warm_up.start_s + missing * warm_up.feature_s
        epoch = warm_up.epoch_s(work)
        # Features are mapped from the disk: those of frames that the warm-up did not see come on top.
        mapped = max(0, all_frames - warm_up.frames) * costs.feature_bytes
        process_memory, gpu_memory = warm_up.memory_bytes + mapped, warm_up.gpu_memory_bytes
    elif not has_cuda:
        start = costs.start_s + missing * feature_seconds(recipe, cores)
        # The small networks train on one core: see `mvla_core.policies.threads`.
        train_speed = _speed(cores) if recipe.backbone == "kosmos2" else 1.0
        epoch = (work.train_core_s + work.validation_core_s) / train_speed + costs.epoch_s
    if extends and process_memory is not None:
        process_memory = max(process_memory, beginning_bytes(recipe, total))
    disk = warm_up.run_bytes if warm_up is not None else run_bytes(recipe, total)
    frozen = {"compact": 26_000_000, "kosmos2": TOTAL_KOSMOS2, "tiny": 300_000}[recipe.backbone]
    return Forecast(
        train_episodes=len(train_frames),
        validation_episodes=len(validation_frames),
        train_windows=work.train_windows,
        validation_windows=work.validation_windows,
        frames_per_epoch=work.train_frames,
        steps_per_epoch=work.steps,
        steps=work.steps * recipe.epochs,
        start_seconds=None if start is None else round(start, 2),
        epoch_seconds=None if epoch is None else round(epoch, 4),
        seconds=None if start is None or epoch is None else round(start + recipe.epochs * epoch, 1),
        memory_bytes=process_memory,
        gpu_memory_bytes=gpu_memory,
        cache_bytes=missing * costs.feature_bytes,
        run_bytes=disk + (start_bytes(total) if extends else 0),
        parameters=parameters,
        frozen_parameters=0 if recipe.tuning == "full" else frozen,
        measured=warm_up.measured if warm_up is not None else "",
        basis=_basis(cores, has_cuda, copies, warm_up, place),
    )


def planned_work(recipe: Recipe, train_frames: Sequence[int], validation_frames: Sequence[int]) -> Work:
    """Count what one epoch computes.

    Args:
        recipe: How episodes are cut and batched.
        train_frames: Number of frames of each episode that teaches, augmented copies included.
        validation_frames: The same of the validation episodes.
    """
    items, frames, windows_taught = 0, 0, 0
    for length in train_frames:
        windows = len(last_frames(length, recipe.window))
        segments = math.ceil(windows / recipe.windows_per_item)
        items += segments
        windows_taught += windows
        frames += windows + segments * (recipe.window_size - 1)
    steps = math.ceil(math.ceil(items / recipe.batch_size) / recipe.gradient_accumulation)
    costs = costs_of(recipe)
    return Work(
        steps=steps,
        train_frames=frames,
        train_windows=windows_taught,
        validation_windows=sum(len(last_frames(length, recipe.window)) for length in validation_frames),
        train_core_s=frames * costs.frame_core_s + steps * costs.step_core_s,
        validation_core_s=sum(validation_frames) / 3 * costs.frame_core_s,
    )


def feature_seconds(recipe: Recipe, cores: int) -> float:
    """Estimate the wall seconds for the frozen features of a frame, on a CPU."""
    return costs_of(recipe).feature_core_s / _speed(cores)


def _speed(cores: int) -> float:
    return 1 + _PARALLEL * (min(cores, 8) - 1)


def _basis(cores: int, has_cuda: bool, copies: int, warm_up: WarmUp | None, place: str) -> str:
    if warm_up is not None:
        basis = (
            f"Measured on this machine at {warm_up.measured[11:16]}: {warm_up.steps} real steps with the longest items of "
            "this data set, one validation, one save; scaled to all episodes and epochs, no early stop."
        )
    elif has_cuda and place:
        basis = f"No time was measured on {place}, and the memory of its GPU is a formula's."
    elif has_cuda:
        basis = "No time was measured on a GPU like this one, and its memory is a formula's: check this training to measure both."
    else:
        basis = (
            f"Core-seconds a frame measured on two cores, scaled to {cores}{' of ' + place if place else ''}; first use of the "
            "pictures, all epochs, no early stop. Other work on the machine adds to it."
        )
    if copies:
        basis += f" Each training episode counts {1 + copies} times: itself and {copies} augmented."
    return basis
