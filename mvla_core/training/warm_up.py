"""The pre-flight: a short real training of part of the data, which measures time and memory and finds what would fail.

It is the trainer itself on a scratch run: weights are loaded, the longest items pass forward and backward, episodes are validated,
adapters and a checkpoint are saved, and the receipt is compared. The picture features that it computes stay in the cache, so
that the training need not compute them again.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from mvla_core.datasets.windows import last_frames
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.layout import DataRoot, JobFolder, RunFolder
from mvla_core.progress import Progress
from mvla_core.schema import EpisodeInfo
from mvla_core.training.augmented import copies_of
from mvla_core.training.footprint import MOST_CHECKPOINTS
from mvla_core.training.forecast import feature_seconds, planned_work
from mvla_core.training.launch import Plan, plan_training, write_inputs
from mvla_core.training.machine import cores
from mvla_core.training.measurement import WarmUp, feature_files, keep_warm_up
from mvla_core.training.recipe import Recipe

SMALL_EPOCHS = 4
LARGE_EPOCHS = 2
"""Epochs of the scratch run; the first, in which buffers are made, is not timed."""
_VALIDATION_EPISODES = 2


def run_preflight_job(
    root: DataRoot, folder: JobFolder, config: Mapping[str, Any], progress: Progress, *, began: float
) -> dict[str, Any]:
    """Do a job of the kind "preflight": plan, refuse what cannot fit, warm up, keep what was measured, look again whether it fits.

    Args:
        root: The data root.
        folder: The job's; the scratch run lies in it until the end.
        config: "dataset", "preset" and "recipe", complete.
        progress: Told the stages.
        began: When this process began, seconds since the epoch: loading the libraries counts.

    Returns:
        "forecast" with the measurement in it, "warm_up", and a `message`.

    Raises:
        RecipeError: It cannot fit this machine, or the trainer's receipt differs from the recipe.
        MvlaError: As the training itself would raise.
    """
    plan = plan_training(root, config["dataset"], config["preset"], config["recipe"])
    plan.check_fit()
    warm_up = warm_up_plan(plan, RunFolder(folder.path / "scratch"), progress, began)
    keep_warm_up(root, plan.warm_up_key, warm_up)
    plan.check_fit()
    found = plan.forecast()
    assert found.seconds is not None, "what was measured is known"
    message = f"Warmed up in {warm_up.steps} steps: the training would take about {found.seconds:.0f} s."
    return {"message": message, "forecast": found.to_json(), "warm_up": warm_up.to_json()}


def warm_up_plan(plan: Plan, scratch: RunFolder, progress: Progress, began: float) -> WarmUp:
    """Train on the longest items for a few epochs and return what that took; the scratch folder is deleted.

    `began` is when this process began, seconds since the epoch.
    """
    from mvla_core.training.train import train_run

    short = _short_plan(plan)
    infos = [plan.data.by_id(name) for name in short.split.train + short.split.validation]
    before = feature_files(plan.root, plan.ref.name)
    shutil.rmtree(scratch.path, ignore_errors=True)
    scratch.path.mkdir(parents=True)
    watched = _Watched(progress, began)
    try:
        write_inputs(short, scratch, {})
        result = train_run(plan.root, scratch, watched)
        watched.end = time.time()
        size = _run_bytes(scratch)
    finally:
        shutil.rmtree(scratch.path, ignore_errors=True)
    new = feature_files(plan.root, plan.ref.name) - before
    lately = {path for path in before if path.exists() and path.stat().st_mtime >= watched.warmed}
    keys = {path.parent.parent.name for path in new | lately}
    encoded = sum(
        _frames_in(path) for path in new if any(path.name.startswith(f"{info.episode_id}-") for info in infos)
    )
    # Augmented copies teach like their episodes; the scratch run had them too.
    taught = [info.num_frames for info in infos[: len(short.split.train)]] * (1 + copies_of(plan.augmentation))
    validated = [info.num_frames for info in infos[len(short.split.train) :]]
    work = planned_work(short.recipe, taught, validated)
    spans = watched.spans()
    guessed = feature_seconds(short.recipe, cores())
    return WarmUp(
        measured=datetime.now().astimezone().isoformat(timespec="seconds"),
        steps=work.steps * short.recipe.epochs,
        frames=sum(taught) + sum(validated),
        start_s=round(spans.start_s + (0.0 if encoded else spans.prepare_s), 3),
        feature_s=round(spans.prepare_s / encoded if encoded else guessed, 6),
        train_s=spans.train_s,
        train_core_s=work.train_core_s,
        validation_s=spans.validation_s,
        validation_core_s=work.validation_core_s,
        fixed_s=spans.fixed_s,
        memory_bytes=result["peak_memory_bytes"],
        gpu_memory_bytes=watched.gpu_memory,
        run_bytes=size,
        encoder_keys=tuple(sorted(keys)),
    )


def _short_plan(plan: Plan) -> Plan:
    """The same recipe on a few episodes: as many of the longest items as two batches hold, and the longest to validate on."""
    recipe = plan.recipe
    small = recipe.backbone != "kosmos2"
    recipe = recipe.changed(
        {
            "epochs": SMALL_EPOCHS if small else LARGE_EPOCHS,
            "patience": 0,
            "gradient_accumulation": recipe.gradient_accumulation if small else 1,
        }
    )
    wanted = 2 * recipe.batch_size * recipe.gradient_accumulation
    train = sorted((plan.data.by_id(name) for name in plan.split.train), key=lambda info: _rank(info, recipe))
    chosen: list[EpisodeInfo] = []
    items = 0
    for info in train:
        if items >= wanted and _teaches(chosen):
            break
        chosen.append(info)
        segments = -(-len(last_frames(info.num_frames, recipe.window)) // recipe.windows_per_item)
        items += segments * (1 + copies_of(plan.augmentation))
    validation = sorted(plan.split.validation, key=lambda name: plan.data.by_id(name).num_frames)
    split = replace(
        plan.split,
        train=tuple(sorted(info.episode_id for info in chosen)),
        validation=tuple(sorted(validation[-_VALIDATION_EPISODES:])),
    )
    return replace(plan, recipe=recipe, split=split)


def _teaches(chosen: Sequence[EpisodeInfo]) -> bool:
    """Whether the episodes hold two different actions: of one alone the trainer would say that it teaches nothing."""
    actions = np.concatenate([sequence.actions for sequence in load_sequences(chosen)])
    return len(np.unique(np.clip(actions, -1, 1).round(3), axis=0)) > 1


def _rank(info: EpisodeInfo, recipe: Recipe) -> tuple[int, int, str]:
    """Episodes with the longest item first, of these the shortest episodes: they take least time for the same memory."""
    windows = len(last_frames(info.num_frames, recipe.window))
    return -min(windows, recipe.windows_per_item), info.num_frames, info.episode_id


@dataclass(frozen=True)
class _Spans:
    """Wall seconds of the parts of a scratch run; see `WarmUp`."""

    start_s: float
    prepare_s: float
    train_s: float
    validation_s: float
    fixed_s: float


class _Watched(Progress):
    """Notes when each stage, step and epoch was told, and passes on what a reader of the job should see."""

    def __init__(self, progress: Progress, began: float) -> None:
        self._progress = progress
        self.began = began
        self.warmed = time.time()
        self.end = 0.0
        self.gpu_memory: int | None = None
        self._stages: list[float] = []
        self._steps: list[float] = []
        self._epochs: list[tuple[float, float]] = []

    def emit(self, event: str, **values: Any) -> None:
        now = time.time()
        if event == "stage":
            self._stages.append(now)
        elif event == "step":
            self._steps.append(now)
            gpu = values.get("gpu_memory_bytes")
            self.gpu_memory = gpu if gpu is None else max(gpu, self.gpu_memory or 0)
        elif event == "epoch":
            self._epochs.append((self._steps[-1], now))
        if event in ("stage", "progress", "note"):
            self._progress.emit(event, **values)

    @property
    def stop_requested(self) -> bool:
        return self._progress.stop_requested

    def spans(self) -> _Spans:
        """Cut the run at its marks. The stages are: episodes, weights, one or more of features, training."""
        training = self._stages[-1]
        prepare = training - self._stages[2] if len(self._stages) > 3 else 0.0
        epochs = list(zip(self._epochs, self._epochs[1:], strict=False))
        train = statistics.median(later[0] - earlier[1] for earlier, later in epochs)
        tail = statistics.median(later[1] - later[0] for _, later in epochs)
        first = self._epochs[0][1] - training - train - tail
        start = training - self.began - prepare + max(first, 0.0) + self.end - self._epochs[-1][1]
        return _Spans(start, prepare, max(train, 1e-6), max(tail / 2, 1e-6), tail / 2)


def _frames_in(path: Path) -> int:
    """How many frames a file of cached features holds."""
    return len(np.load(path, mmap_mode="r", allow_pickle=False))


def _run_bytes(scratch: RunFolder) -> int:
    """The size of the run's folder with as many checkpoints as a longer run holds at its fullest."""
    checkpoints = [_size(path) for path in scratch.checkpoints.glob("checkpoint-*")]
    return _size(scratch.path) + (MOST_CHECKPOINTS - len(checkpoints)) * max(checkpoints, default=0)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
