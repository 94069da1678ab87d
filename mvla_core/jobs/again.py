"""Putting a job in its place: the order of what waits, and an ended job that goes on in the folder it had.

Each function works inside a transaction of the caller's.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Literal

from mvla_core.errors import JobError
from mvla_core.jobs.model import Job
from mvla_core.layout import DataRoot, JobFolder

Where = Literal["first", "up", "down", "last"]
WAITING_ORDER = "priority DESC, position, job_id"
"""The order in which waiting jobs run."""


def waiting_jobs(connection: sqlite3.Connection, root: DataRoot) -> list[Job]:
    """Return what waits, in the order in which it will run."""
    rows = connection.execute(f"SELECT * FROM job WHERE status = 'queued' ORDER BY {WAITING_ORDER}").fetchall()
    return [Job.from_row(root, row) for row in rows]


def move_waiting(connection: sqlite3.Connection, waiting: Sequence[Job], job: Job, where: Where) -> None:
    """Move one of the waiting jobs. It takes as much of its new neighbours' priority as the place needs, and no more."""
    before = list(waiting)
    old = [each.id for each in before].index(job.id)
    new = {"first": 0, "up": max(old - 1, 0), "down": old + 1, "last": len(before)}[where]
    order = [each for each in before if each.id != job.id]
    order.insert(new, job)
    new = order.index(job)
    priority = job.priority
    if new + 1 < len(order):
        priority = max(priority, order[new + 1].priority)
    if new > 0:
        priority = min(priority, order[new - 1].priority)
    places: list[float] = []
    for place in sorted(each.position for each in before):
        places.append(max(place, places[-1] + 1e-3) if places else place)
    for each, place in zip(order, places, strict=True):
        connection.execute("UPDATE job SET position = ? WHERE job_id = ?", (place, each.id))
    connection.execute("UPDATE job SET priority = ? WHERE job_id = ?", (priority, job.id))


def former_result(folder: JobFolder, attempt: int) -> JobFolder:
    """Return a folder object whose `result` names the ending of a former attempt; kept beside the present one."""
    return JobFolder(folder.path / f"attempt-{attempt}")


def resume_in_place(connection: sqlite3.Connection, root: DataRoot, job: Job, message: str) -> Job:
    """Queue an ended job again in its own folder; the record of the former ending is kept as `attempt-N/result.json`.

    Raises:
        JobError: Its kind cannot go on in a folder it has used, or the folder or its configuration is gone.
    """
    if not job.folder.config.exists():
        raise JobError(
            f"Job {job.id} cannot be resumed: {job.folder.config} is gone; start it anew with the same settings."
        )
    kept = former_result(job.folder, job.attempt)
    moved = job.folder.result.exists()
    try:
        if moved:
            kept.path.mkdir(exist_ok=True)
            os.replace(job.folder.result, kept.result)
    except OSError as error:
        raise JobError(
            f"Job {job.id} cannot be resumed: its folder {job.folder.path} cannot be written ({error.strerror})."
        ) from error
    row = connection.execute(
        "UPDATE job SET status = 'queued', message = ?, attempt = attempt + 1, diagnosis = '', exit_code = NULL, started = NULL,"
        " finished = NULL, stop_stage = NULL, stop_asked = NULL, stop_until = NULL, nonce = NULL, boot_id = NULL, pid = NULL,"
        " start_ticks = NULL, pause_wish = NULL, note = '', memory_before_mib = NULL WHERE job_id = ? RETURNING *",
        (message, job.id),
    ).fetchone()
    return Job.from_row(root, row)
