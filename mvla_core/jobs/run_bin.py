"""Deleting runs without losing them: a run is moved to `runs/.bin/` first, can be restored, and is removed only from there."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvla_core.errors import MvlaError, RunError, did_you_mean
from mvla_core.files import IDENTIFIER, read_json
from mvla_core.jobs.bin import BIN, binned, move_back, move_to_bin
from mvla_core.jobs.model import Job
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot, RunFolder


@dataclass(frozen=True)
class BinnedRun:
    """A run in the bin.

    Attributes:
        run_id: What it was called, and will be when it is restored.
        deleted: When it was moved there, seconds since the epoch.
        size_bytes: Of all its files.
    """

    run_id: str
    deleted: float
    size_bytes: int

    def to_json(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "deleted": self.deleted, "size_bytes": self.size_bytes}


def busy_runs(root: DataRoot) -> dict[str, str]:
    """The runs that a job of the queue waits for or works on, each with what that job is.

    A job whose configuration cannot be read works on none: it fails when it is started.
    """
    if not root.jobs_database.exists():
        return {}
    busy = {}
    for job in JobQueue(root).active():
        if job.folder.path.parent == root.runs:
            busy[job.folder.path.name] = f"{job.kind} job {job.id} ({job.status})"
        else:
            try:
                config = read_json(job.folder.config)
            except MvlaError:
                continue
            if isinstance(config, dict) and isinstance(config.get("run_id"), str):
                busy[config["run_id"]] = f"{job.kind} job {job.id} ({job.status})"
    return busy


def delete_run(root: DataRoot, run_id: str) -> BinnedRun:
    """Move a run to the bin.

    Raises:
        UserInputError: The name is no identifier.
        RunError: There is no such run, it is not a folder of its own, or a job works on it.
        JobError: A process that the queue does not know works in it, or it cannot be moved.
    """
    path = root.run(run_id).path
    if path.is_symlink() or not path.is_dir():
        known = [entry.name for entry in root.runs.glob("*")]
        raise RunError(f"There is no run '{run_id}' in {root.runs} that can be deleted.{did_you_mean(run_id, known)}")
    if (user := busy_runs(root).get(run_id)) is not None:
        raise RunError(f"The run {run_id} is in use by the {user}; stop that job first, then delete the run.")
    run = root.run(run_id)
    if binned(run).path.exists():
        raise RunError(f"The bin holds a run {run_id} already; restore it or remove it for good first.")
    job = _job_of(root, run)
    if job is None:
        move_to_bin(run)
    else:
        JobQueue(root).discard(job.id)
    return _binned(binned(run).path)


def list_bin(root: DataRoot) -> list[BinnedRun]:
    """What lies in the bin, newest first, also runs whose job was discarded; what cannot be a run is left out."""
    try:
        entries = list((root.runs / BIN).iterdir())
    except FileNotFoundError:
        return []
    found = [
        _binned(entry)
        for entry in entries
        if IDENTIFIER.fullmatch(entry.name) and ".." not in entry.name and entry.is_dir() and not entry.is_symlink()
    ]
    return sorted(found, key=lambda run: (run.deleted, run.run_id), reverse=True)


def restore_run(root: DataRoot, run_id: str) -> None:
    """Move a run back to where it was.

    Raises:
        RunError: The bin holds no such run.
        JobError: Another run has taken its name.
    """
    run = _in_bin(root, run_id)
    job = _job_of(root, run)
    if job is not None and job.in_bin:
        JobQueue(root).restore(job.id)
    else:
        move_back(run)


def purge_run(root: DataRoot, run_id: str) -> int:
    """Remove a run in the bin for good and return how many bytes that freed.

    Raises:
        RunError: The bin holds no such run.
    """
    path = binned(_in_bin(root, run_id)).path
    freed = _binned(path).size_bytes
    shutil.rmtree(path)
    return freed


def _in_bin(root: DataRoot, run_id: str) -> RunFolder:
    run = root.run(run_id)
    names = [entry.run_id for entry in list_bin(root)]
    if run_id not in names:
        raise RunError(f"The bin holds no run {run_id}.{did_you_mean(run_id, names)}")
    return run


def _job_of(root: DataRoot, run: RunFolder) -> Job | None:
    """The queue's own record of a run, which must learn where its folder lies."""
    return JobQueue(root).for_folder(run) if root.jobs_database.exists() else None


def _binned(path: Path) -> BinnedRun:
    size = sum(file.stat(follow_symlinks=False).st_size for file in path.rglob("*"))
    return BinnedRun(path.name, path.stat().st_ctime, size)
