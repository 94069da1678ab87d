"""Looking at the queue: which jobs there are, in which order they run, and what befell the queue itself."""

from __future__ import annotations

import sqlite3
import time

from mvla_core.errors import JobError
from mvla_core.jobs.again import WAITING_ORDER
from mvla_core.jobs.database import JobDatabase
from mvla_core.jobs.launch import ensure_runner
from mvla_core.jobs.model import ACTIVE, Job, relative_name, sql_names
from mvla_core.jobs.settings import RunnerSettings
from mvla_core.layout import DataRoot, JobFolder
from mvla_core.runs.listing import RunSummary, list_runs

Jobs = list[Job]
Notices = list[tuple[float, str]]
Runs = list[RunSummary]


class JobReader:
    """All jobs of one data root, to be looked at. Cheap to make: holds no connection, no thread and no process.

    Args:
        root: The data root.
        settings: For a runner that has to be started; a runner that runs already keeps its own.
    """

    def __init__(self, root: DataRoot, settings: RunnerSettings | None = None) -> None:
        self.root = root
        self._settings = settings or RunnerSettings()
        self._database = JobDatabase(root)

    def get(self, job_id: int) -> Job:
        """Return one job.

        Raises:
            JobError: There is no such job.
        """
        return self._database.read(lambda connection: self._row(connection, job_id))

    def list(self, limit: int = 100) -> Jobs:
        """Return the newest jobs of any state, newest first."""
        return self._select("ORDER BY job_id DESC LIMIT ?", limit)

    def active(self) -> Jobs:
        """Return what runs, then what waits in the order in which it will run."""
        return self._select(f"WHERE status IN ({sql_names(ACTIVE)}) ORDER BY status = 'queued', {WAITING_ORDER}")

    def for_folder(self, folder: JobFolder) -> Job | None:
        """Return the job of a folder, or None where it has had none."""
        found = self._select("WHERE folder = ?", relative_name(folder))
        return found[0] if found else None

    def runs(self) -> Runs:
        """Return every training run, newest first, with what the queue knows of those that have not ended."""
        found = self._select("WHERE folder LIKE ?", f"{self.root.runs.name}/%")
        return list_runs(self.root, {job.folder.path.name: job.status for job in found})

    def notices(self) -> Notices:
        """Return what befell the queue's file itself (damaged and rebuilt), oldest first, each with its time."""
        if not self.root.path.is_dir():
            return []
        rows = self._database.read(
            lambda connection: connection.execute("SELECT * FROM notice ORDER BY time").fetchall()
        )
        return [(row["time"], row["message"]) for row in rows]

    def attend(self) -> None:
        """See to it that unfinished jobs have a runner, for example after a power cut. Pages call it whenever they show jobs."""
        if self.active():
            self.call_runner()

    def call_runner(self) -> None:
        """Start a runner unless one runs; see `ensure_runner`."""
        ensure_runner(self.root, self._settings)

    def wait(self, job_id: int, timeout_s: float | None = None, poll_s: float = 0.2) -> Job:
        """Wait until a job has ended, and return it.

        Raises:
            JobError: There is no such job, or it has not ended after `timeout_s`.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while (job := self.get(job_id)).active:
            if until is not None and time.monotonic() > until:
                raise JobError(f"Job {job_id} is still {job.status} after {timeout_s:g} s. {job.message}".rstrip())
            self.attend()
            time.sleep(poll_s)
        return job

    def _row(self, connection: sqlite3.Connection, job_id: int) -> Job:
        row = connection.execute("SELECT * FROM job WHERE job_id = ?", (job_id,)).fetchone()
        if row is None:
            raise JobError(f"There is no job {job_id}; `python -m mvla_core jobs` lists the jobs there are.")
        return Job.from_row(self.root, row)

    def _select(self, clause: str, *values: object) -> Jobs:
        if not self.root.path.is_dir():
            return []
        rows = self._database.read(
            lambda connection: connection.execute(f"SELECT * FROM job {clause}", values).fetchall()
        )
        return [Job.from_row(self.root, row) for row in rows]
