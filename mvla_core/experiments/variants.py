"""Further trainings of a run, each changed in one respect: trained as any run is, in a folder of their own, kept when finished."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from mvla_core.datasets.split import Split
from mvla_core.episodes.annotations import freeze, frozen
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import DatasetRef
from mvla_core.episodes.notes import Annotations
from mvla_core.experiments.subject import Subject
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.adapter import LoadedPolicy, load_policy
from mvla_core.progress import Progress
from mvla_core.training.recipe import Recipe
from mvla_core.training.train import train_run

_PLAN = "variant.json"


class TrainingProgress(Progress):
    """Passes a training on as one stage of a larger job: its epochs count, its steps and inner stages are left out.

    Args:
        outer: The job's own.
        name: What is trained, in words.
        epochs: How many are planned.
    """

    def __init__(self, outer: Progress, name: str, epochs: int) -> None:
        self._outer, self._epochs = outer, epochs
        outer.stage(f"{name}, epochs")

    def emit(self, event: str, **values: Any) -> None:
        if event == "epoch":
            self._outer.emit("progress", done=values["epoch"], total=self._epochs, message="")
        elif event == "note" and values["level"] != "info":
            self._outer.emit(event, **values)

    @property
    def stop_requested(self) -> bool:
        return self._outer.stop_requested


def train_variant(
    root: DataRoot,
    subject: Subject,
    folder: Path,
    name: str,
    progress: Progress,
    *,
    recipe: Recipe | None = None,
    split: Split | None = None,
    data: tuple[DatasetRef, Annotations] | None = None,
) -> tuple[LoadedPolicy, dict[str, Any]]:
    """Train a variant of a run, or take it as it is where it was finished before.

    Args:
        root: The data root.
        subject: The run.
        folder: Where the variant lies; what was trained there otherwise is thrown away.
        name: In words, for the progress.
        progress: The job's.
        recipe: In place of the run's.
        split: In place of the run's; only its training and validation part are used.
        data: In place of the run's data set and curation.

    Returns:
        The best policy, and what `train_run` told.

    Raises:
        Stopped: The user asked; the training goes on from its checkpoint the next time.
        RunError: It diverged.
    """
    ref, annotations = data or (
        DatasetRef(subject.config["dataset"], Path(subject.config["dataset_folder"])),
        frozen(subject.run.path),
    )
    chosen, parts = recipe or subject.recipe, split or subject.split
    taught = {*parts.train, *parts.validation}
    plan = {
        "dataset_folder": str(ref.folder),
        "recipe": chosen.to_json(),
        "split": parts.to_json(),
        "annotations": annotations.to_json(),
        # What a file holds may change under its name.
        "files": {
            info.episode_id: [info.file_size, info.file_mtime_ns]
            for info in scan_curated(root, ref, annotations=annotations).episodes
            if info.episode_id in taught
        },
    }
    run = RunFolder(folder)
    if folder.is_dir() and (not (folder / _PLAN).is_file() or not _same(read_json(folder / _PLAN), plan)):
        shutil.rmtree(folder)
    if run.result.is_file():
        return load_policy(run.adapter), read_json(run.result)
    if not folder.is_dir():
        _write_down(subject, run, ref, annotations, plan)
    began = time.monotonic()
    told = train_run(root, run, TrainingProgress(progress, name, chosen.epochs))
    for leftover in (run.checkpoints, run.adapter_last):
        shutil.rmtree(leftover, ignore_errors=True)
    result = {**told, "status": "succeeded", "seconds": round(time.monotonic() - began, 1)}
    write_json(run.result, result)
    return load_policy(run.adapter), result


def _same(stored: dict[str, Any], plan: dict[str, Any]) -> bool:
    """Whether a plan asks for what was trained; a plan of an earlier release tells nothing of the files."""
    return {"files": plan["files"], **stored} == plan


def _write_down(
    subject: Subject, run: RunFolder, ref: DatasetRef, annotations: Annotations, plan: dict[str, Any]
) -> None:
    """Make the folder as a launch does; the plan comes last, so that a folder with one is whole."""
    run.path.mkdir(parents=True)
    recipe = plan["recipe"]
    named = {"run_id": run.run_id, "dataset": ref.name, "dataset_folder": str(ref.folder)}
    write_json(run.config, {**subject.config, "recipe": recipe, "seed": recipe["seed"], "notes": [], **named})
    write_json(run.split, plan["split"])
    freeze(annotations, run.path)
    if subject.run.augmentation.is_file():
        shutil.copyfile(subject.run.augmentation, run.augmentation)
    if subject.run.start.is_dir():
        shutil.copytree(subject.run.start, run.start)
    write_json(run.path / _PLAN, plan)
