"""A run in closed loop: its policy and the baselines drive the worlds of the chosen suites, in several processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mvla_core.datasets.split import Split
from mvla_core.driving.guard import Guard
from mvla_core.driving.loop import Control
from mvla_core.driving.pilots import BlindTables
from mvla_core.driving.results import (
    RULES,
    TrialJournal,
    assemble,
    drive_folder,
    forget_other_drives,
    results_path,
)
from mvla_core.driving.safety import provoke
from mvla_core.driving.settings import DriveSettings
from mvla_core.driving.suites import world_settings
from mvla_core.driving.trials import TrialTask, run_trial
from mvla_core.episodes.annotations import frozen
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.errors import PolicyError, RunError
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.digest import policy_digest
from mvla_core.policies.spec import PolicySpec
from mvla_core.policies.threads import SMALL_BACKBONES, usable_cores
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import NORMALISED, ActionSequence
from mvla_core.simulation.journal import WORLD_VERSION
from mvla_core.simulation.pool import run_in_order

DRIVABLE = (("linear_x", "linear_y"), ("linear_x", "linear_y", "angular_z"))
MAX_PROCESSES = 8


def drive_run(
    root: DataRoot, run_id: str, settings: DriveSettings, progress: Progress = SILENT, *, workers: int | None = None
) -> dict[str, Any]:
    """Drive a run's best adapter in closed loop and write `evaluation/closed_loop.json`, last.

    Finished trials of the same policy, worlds and control are kept: a stopped job goes on, and another suite joins those that
    were driven before. Results of another control stay until these are complete, and are replaced then, films and all.

    Args:
        root: The data root.
        run_id: A run whose training has left an adapter.
        settings: Which suites, how many trials, how the predictions are driven.
        progress: Told after each trial; asked whether to stop.
        workers: Processes; None takes one a core for small policies, and one for large ones.

    Returns:
        What `closed_loop.json` holds.

    Raises:
        RunError: There is no such run, it has no adapter, or episodes of its training part are gone.
        PolicyError: The policy cannot be loaded, or predicts what the simulated robot cannot drive.
        SimulationError: A world cannot be drawn, a video not be written, or a process died.
        Stopped: The user asked for it; finished trials are kept.
    """
    run = root.run(run_id)
    if not run.path.is_dir():
        raise RunError(f"There is no run {run_id!r} in {root.runs}; train one: python -m mvla_core train DATASET")
    if not run.adapter.is_dir():
        raise RunError(f"The run {run_id!r} has no adapter in {run.adapter}: its training has not finished an epoch.")
    progress.stage("Read what the policy was trained on")
    spec = _spec(run)
    config = read_json(run.config)
    train = _train_sequences(root, run, config, progress)
    worlds, told = world_settings(Path(config["dataset_folder"]))
    control = Control(settings.execute_steps, settings.ensembling, settings.latency_s, settings.interval_s)
    actions = np.concatenate([one.actions for one in train])
    guard = Guard.of_data(actions, control.renewed_after(spec.chunk_size))
    digest = policy_digest(run.adapter)
    header = {
        "policy": digest,
        "worlds": worlds.to_json(),
        "world_version": WORLD_VERSION,
        "rules": RULES,
        "control": settings.control_key(),
        "guard": {**asdict(guard), "low": list(guard.low), "high": list(guard.high)},
    }
    folder = drive_folder(run, header)
    journal = TrialJournal.open(folder, header)
    device = "cpu" if spec.backbone in SMALL_BACKBONES else None
    tables = BlindTables.fit(train)
    tasks = [
        TrialTask(worlds, suite, settings.seed, index, run.adapter, digest, device, guard, control, tables, folder)
        for suite in settings.suites
        for index in range(settings.trials)
        if (suite, index) not in journal.trials
    ]
    _drive_all(tasks, journal, settings, processes_for(spec.backbone, workers), progress)
    progress.stage("Provoke what must never reach the wheels")
    safety = provoke(worlds, guard, control, spec.chunk_size, settings.seed, progress)
    head = {
        "run_id": run_id,
        "driven": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": settings.to_json(),
        "worlds_of_data": told,
        **header,
    }
    results = assemble(head, list(journal.trials.values()), safety)
    write_json(results_path(run), results)
    forget_other_drives(run, folder)
    return results


def processes_for(backbone: str, workers: int | None = None) -> int:
    """Return how many processes drive: `workers`, or one a core for small backbones and one for large ones."""
    return workers or (min(MAX_PROCESSES, usable_cores()) if backbone in SMALL_BACKBONES else 1)


def _drive_all(
    tasks: list[TrialTask], journal: TrialJournal, settings: DriveSettings, processes: int, progress: Progress
) -> None:
    total = settings.trials * len(settings.suites)
    done = total - len(tasks)
    won = 0
    progress.stage(f"Drive {len(tasks)} trials" + (f"; {done} were driven before" if done else ""))
    progress.emit("progress", done=done, total=total, message="trials")
    for number, trial in enumerate(run_in_order(run_trial, tasks, processes, progress), start=1):
        journal.add(trial)
        won += bool(trial["success"])
        progress.emit("progress", done=done + number, total=total, message=f"trials, {won} of {number} succeeded")


def _spec(run: RunFolder) -> PolicySpec:
    path = run.adapter / "policy.json"
    if not path.is_file():
        raise PolicyError(f"The folder {run.adapter} is no policy: policy.json is missing; train a run first.")
    spec = PolicySpec.from_json(read_json(path)["spec"])
    space = spec.action_space
    if space.names not in DRIVABLE or NORMALISED in space.units:
        raise PolicyError(
            f"The policy predicts {', '.join(space.names)} in {', '.join(space.units)}, which the simulated robot cannot drive; "
            "expected linear_x and linear_y in m/s, and at will angular_z in rad/s."
        )
    return spec


def _train_sequences(
    root: DataRoot, run: RunFolder, config: Mapping[str, Any], progress: Progress
) -> list[ActionSequence]:
    """The actions that the policy was trained on, curated as they were then."""
    names = Split.from_json(read_json(run.split)).train
    data = scan_curated(root, resolve_dataset(root, config["dataset_folder"]), progress, annotations=frozen(run.path))
    known = {info.episode_id: info for info in data.episodes}
    missing = [name for name in names if name not in known]
    if missing:
        raise RunError(
            f"The run {run.run_id!r} was trained on {len(missing)} episodes that its data set no longer holds, first "
            f"{missing[0]!r}; restore them, or train a new run."
        )
    return load_sequences([known[name] for name in names])
