"""What the runner does to the queue's rows. Each call is one transaction."""

from __future__ import annotations

import sqlite3
import time

from mvla_core.jobs.database import JobDatabase
from mvla_core.jobs.model import Job, StopStage
from mvla_core.jobs.processes import ProcessIdentity, current_boot_id
from mvla_core.jobs.records import Outcome
from mvla_core.layout import DataRoot


class Dispatch:
    """The runner's side of the queue."""

    def __init__(self, root: DataRoot) -> None:
        self._root = root
        self._database = JobDatabase(root)

    def unfinished(self) -> list[Job]:
        """Return everything that waits or runs, by number."""

        def operation(connection: sqlite3.Connection) -> list[sqlite3.Row]:
            return connection.execute(
                "SELECT * FROM job WHERE status IN ('queued', 'running', 'stopping') ORDER BY job_id"
            ).fetchall()

        return [Job.from_row(self._root, row) for row in self._database.read(operation)]

    def claim(self, nonce: str) -> Job | None:
        """Mark the next job whose device is free as running, and return it.

        The nonce is on record before the process exists: a runner that dies in between leaves a trace by which its successor finds
        the worker.
        """

        def operation(connection: sqlite3.Connection) -> sqlite3.Row | None:
            row: sqlite3.Row | None = connection.execute(
                "UPDATE job SET status = 'running', started = ?, nonce = ?, boot_id = ?, pid = NULL, start_ticks = NULL"
                " WHERE job_id = (SELECT job_id FROM job WHERE status = 'queued' AND device NOT IN"
                " (SELECT device FROM job WHERE status IN ('running', 'stopping')) ORDER BY priority DESC, job_id LIMIT 1)"
                " RETURNING *",
                (time.time(), nonce, current_boot_id()),
            ).fetchone()
            return row

        row = self._database.write(operation)
        return None if row is None else Job.from_row(self._root, row)

    def record_process(self, job: Job, identity: ProcessIdentity) -> Job:
        return self._update(job, pid=identity.pid, start_ticks=identity.start_ticks)

    def record_stop_stage(self, job: Job, stage: StopStage, until: float | None, message: str) -> Job:
        return self._update(job, stop_stage=stage, stop_until=until, message=message)

    def requeue(self, job: Job) -> Job:
        """Put a job back that was claimed but never started."""
        return self._update(job, status="queued", started=None, nonce=None, boot_id=None)

    def record_ending(self, job: Job, outcome: Outcome) -> Job:
        return self._update(
            job,
            status=outcome.status,
            message=outcome.message,
            diagnosis=outcome.diagnosis,
            exit_code=outcome.exit_code,
            finished=outcome.finished,
            stop_until=None,
        )

    def _update(self, job: Job, **values: str | float | None) -> Job:
        assignments = ", ".join(f"{name} = ?" for name in values)

        def operation(connection: sqlite3.Connection) -> sqlite3.Row:
            row: sqlite3.Row = connection.execute(
                f"UPDATE job SET {assignments} WHERE job_id = ? RETURNING *", (*values.values(), job.id)
            ).fetchone()
            return row

        return Job.from_row(self._root, self._database.write(operation))
