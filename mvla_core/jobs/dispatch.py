"""What the runner does to the queue's rows. Each call is one transaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection

from mvla_core.jobs.again import WAITING_ORDER, resume_in_place, waiting_jobs
from mvla_core.jobs.database import JobDatabase
from mvla_core.jobs.model import ACTIVE, STARTED, Job, Status, StopStage, sql_names
from mvla_core.jobs.processes import ProcessIdentity, current_boot_id
from mvla_core.jobs.records import Outcome
from mvla_core.layout import DataRoot


class Dispatch:
    """The runner's side of the queue."""

    def __init__(self, root: DataRoot) -> None:
        self._root = root
        self._database = JobDatabase(root, makes_folder=False)
        self._held: tuple[int, sqlite3.Connection] | None = None

    def hold(self) -> None:
        """Keep the queue's file open, the present one where it was replaced; see `JobDatabase.hold_open`."""
        now = self._root.jobs_database.stat().st_ino if self._root.jobs_database.exists() else 0
        if self._held is None or self._held[0] != now:
            self.release()
            connection = self._database.hold_open()
            self._held = (self._root.jobs_database.stat().st_ino, connection)

    def release(self) -> None:
        if self._held is not None:
            self._held[1].close()
            self._held = None

    def unfinished(self) -> list[Job]:
        """Return everything that waits or runs, by number."""

        def operation(connection: sqlite3.Connection) -> list[sqlite3.Row]:
            return connection.execute(
                f"SELECT * FROM job WHERE status IN ({sql_names(ACTIVE)}) ORDER BY job_id"
            ).fetchall()

        return [Job.from_row(self._root, row) for row in self._database.read(operation)]

    def waiting(self) -> list[Job]:
        """Return what waits, in the order in which it will run."""
        return self._database.read(lambda connection: waiting_jobs(connection, self._root))

    def lately_ended(self, seconds: float) -> dict[str, float | None]:
        """Return the devices on which a job ended so lately, each with the memory that was in use before that job, in MiB."""

        def operation(connection: sqlite3.Connection) -> list[sqlite3.Row]:
            return connection.execute(
                "SELECT device, memory_before_mib FROM job WHERE finished > ? AND pid IS NOT NULL ORDER BY finished",
                (time.time() - seconds,),
            ).fetchall()

        return {row["device"]: row["memory_before_mib"] for row in self._database.read(operation)}

    def claim(self, nonce: str, held: Collection[str] = ()) -> Job | None:
        """Mark the next job whose device is free, and not held, as running, and return it.

        The nonce is on record before the process exists: a runner that dies in between leaves a trace by which its successor finds
        the worker.
        """

        def operation(connection: sqlite3.Connection) -> sqlite3.Row | None:
            row: sqlite3.Row | None = connection.execute(
                "UPDATE job SET status = 'running', started = ?, nonce = ?, boot_id = ?, pid = NULL, start_ticks = NULL,"
                " message = '' WHERE job_id = (SELECT job_id FROM job WHERE status = 'queued' AND device NOT IN"
                f" (SELECT device FROM job WHERE status IN ({sql_names(STARTED)}))"
                f" AND device NOT IN ({', '.join('?' * len(held))}) ORDER BY {WAITING_ORDER} LIMIT 1) RETURNING *",
                (time.time(), nonce, current_boot_id(), *held),
            ).fetchone()
            return row

        row = self._database.write(operation)
        return None if row is None else Job.from_row(self._root, row)

    def record_process(self, job: Job, identity: ProcessIdentity) -> Job:
        return self._update(job, pid=identity.pid, start_ticks=identity.start_ticks)

    def record_stop_stage(self, job: Job, stage: StopStage, until: float | None, message: str) -> Job:
        return self._update(job, stop_stage=stage, stop_until=until, message=message)

    def record_pause(self, job: Job, status: Status, message: str) -> None:
        """Note that a job was paused or goes on, unless it was asked to stop meanwhile."""

        def operation(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE job SET status = ?, message = ?, pause_wish = NULL WHERE job_id = ? AND status IN ('running', 'paused')",
                (status, message, job.id),
            )

        self._database.write(operation)

    def record_waiting(self, job: Job, message: str) -> None:
        """Note why a job has to wait, unless it was started or stopped meanwhile."""

        def operation(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE job SET message = ? WHERE job_id = ? AND status = 'queued'", (message, job.id))

        self._database.write(operation)

    def record_memory(self, job: Job, before_mib: float) -> Job:
        return self._update(job, memory_before_mib=before_mib)

    def add_note(self, job: Job, note: str) -> None:
        """Add a sentence on what befell a job besides its ending."""

        def operation(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE job SET note = trim(note || ' ' || ?) WHERE job_id = ?", (note, job.id))

        self._database.write(operation)

    def resume(self, job: Job, message: str) -> Job:
        """Queue a job again in its own folder, at the place it had."""
        return self._database.write(lambda connection: resume_in_place(connection, self._root, job, message))

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
            pause_wish=None,
        )

    def _update(self, job: Job, **values: str | float | None) -> Job:
        assignments = ", ".join(f"{name} = ?" for name in values)

        def operation(connection: sqlite3.Connection) -> sqlite3.Row:
            row: sqlite3.Row = connection.execute(
                f"UPDATE job SET {assignments} WHERE job_id = ? RETURNING *", (*values.values(), job.id)
            ).fetchone()
            return row

        return Job.from_row(self._root, self._database.write(operation))
