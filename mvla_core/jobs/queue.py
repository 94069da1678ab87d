"""The queue as pages and commands see it: submit, look, stop, retry. Nothing here owns a process."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from mvla_core.errors import JobError, did_you_mean
from mvla_core.files import read_json, sha256_file, write_json
from mvla_core.jobs.database import JobDatabase
from mvla_core.jobs.endings import write_ending
from mvla_core.jobs.folders import copy_inputs
from mvla_core.jobs.launch import ensure_runner
from mvla_core.jobs.model import CHECKPOINT_GRACE_S, DEFAULT_DEVICE, KINDS, Job, folder_of, relative_name
from mvla_core.jobs.records import Outcome, write_record
from mvla_core.jobs.settings import RunnerSettings
from mvla_core.layout import DataRoot, JobFolder
from mvla_core.runs import RunSummary, list_runs

DEVICE = re.compile(r"cpu|mps|cuda:[0-9]{1,2}")
MAX_TITLE_LENGTH = 200
MAX_PRIORITY = 100

Jobs = list[Job]
Notices = list[tuple[float, str]]
Runs = list[RunSummary]


class JobQueue:
    """All jobs of one data root. Cheap to make: holds no connection, no thread and no process.

    Args:
        root: The data root.
        settings: For a runner that has to be started; a runner that runs already keeps its own.
    """

    def __init__(self, root: DataRoot, settings: RunnerSettings | None = None) -> None:
        self.root = root
        self._settings = settings or RunnerSettings()
        self._database = JobDatabase(root)

    def submit(
        self,
        kind: str,
        folder: JobFolder,
        config: Mapping[str, Any] | None = None,
        *,
        title: str = "",
        device: str = DEFAULT_DEVICE,
        priority: int = 0,
        retry_of: int | None = None,
    ) -> Job:
        """Queue a job and see to it that a runner is there.

        Args:
            kind: One of `KINDS`.
            folder: A folder directly below `runs/` or `jobs/` that has had no job yet.
            config: Written to `config.json` where the folder has none; where it has one, the two must agree. It is frozen from
                now on: a job whose file was changed before its start fails.
            title: One line for people.
            device: The slot it needs: "cpu", "mps" or "cuda:N". One job a slot.
            priority: -100 to 100; higher runs earlier.
            retry_of: The job that this one repeats.

        Raises:
            JobError: An argument cannot be used, the folder has had a job, or the queue cannot be written.
        """
        self._check(kind, folder, title, device, priority)
        values = {"kind": kind, "folder": relative_name(folder), "title": title, "device": device, "priority": priority}
        values |= {"retry_of": retry_of, "status": "queued", "created": time.time()}

        recorded = False

        def operation(connection: sqlite3.Connection) -> Job:
            nonlocal recorded
            _refuse_used(connection, folder)
            values["config_sha256"] = _freeze_config(folder, config)
            names, marks = ", ".join(values), ", ".join("?" * len(values))
            row = connection.execute(
                f"INSERT INTO job ({names}) VALUES ({marks}) RETURNING *", tuple(values.values())
            ).fetchone()
            job = Job.from_row(self.root, row)
            write_record(job)
            recorded = True
            return job

        try:
            job = self._database.write(operation)
        except (OSError, JobError) as error:
            if recorded:  # the row was not kept: a job that was refused must not come back when the queue is rebuilt
                folder.record.unlink(missing_ok=True)
            if isinstance(error, JobError):
                raise
            raise JobError(
                f"The job's folder {folder.path} cannot be written ({error.strerror}); free disk space."
            ) from error
        ensure_runner(self.root, self._settings)
        return job

    def _check(self, kind: str, folder: JobFolder, title: str, device: str, priority: int) -> None:
        if kind not in KINDS:
            raise JobError(
                f"The job kind {kind!r} is unknown: expected one of {', '.join(KINDS)}.{did_you_mean(kind, KINDS)}"
            )
        if folder.path.parent.resolve() not in (self.root.runs.resolve(), self.root.jobs.resolve()):
            raise JobError(f"The job folder {folder.path} must lie directly in {self.root.runs} or {self.root.jobs}.")
        if folder.path.is_symlink():
            raise JobError(f"The job folder {folder.path} is a link; a job needs a folder of its own.")
        folder_of(self.root, relative_name(folder))  # refuses a name that is no identifier
        if not DEVICE.fullmatch(device):
            raise JobError(f"The device {device!r} is unknown: expected cpu, mps or cuda:N.")
        if len(title) > MAX_TITLE_LENGTH or not (title == "" or title.isprintable()):
            raise JobError(f"A job's title must be one line of at most {MAX_TITLE_LENGTH} printable characters.")
        if not -MAX_PRIORITY <= priority <= MAX_PRIORITY:
            raise JobError(f"The priority {priority} is out of range: expected {-MAX_PRIORITY} to {MAX_PRIORITY}.")

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
        return self._select(
            "WHERE status IN ('queued', 'running', 'stopping') ORDER BY status = 'queued', priority DESC, job_id"
        )

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

    def request_stop(self, job_id: int, *, grace_s: float = CHECKPOINT_GRACE_S) -> Job:
        """Ask a job to stop; asking twice, or asking one that has ended, changes nothing.

        A queued job is stopped at once. A running one is told to keep its checkpoint and end; what does not end within `grace_s`
        is told again with everything it started, and then killed. `Job.stop_stage` and `Job.message` say how far that is.
        """

        def operation(connection: sqlite3.Connection) -> Job:
            now = time.time()
            job = self._row(connection, job_id)
            if job.status == "queued":
                outcome = Outcome("stopped", "Stopped before it was started.", "", None, now)
                outcome = write_ending(job.folder, outcome)
                connection.execute(
                    "UPDATE job SET status = 'stopped', message = ?, finished = ? WHERE job_id = ?",
                    (outcome.message, now, job_id),
                )
            elif job.status == "running":
                connection.execute(
                    "UPDATE job SET status = 'stopping', stop_stage = 'asked', stop_asked = ?, stop_grace_s = ?, message = ?"
                    " WHERE job_id = ?",
                    (now, grace_s, "Asked to stop.", job_id),
                )
            return self._row(connection, job_id)

        job = self._database.write(operation)
        self.attend()
        return job

    def set_priority(self, job_id: int, priority: int) -> Job:
        """Move a waiting job forward (higher) or back.

        Raises:
            JobError: It has been started, or the priority is out of range.
        """
        if not -MAX_PRIORITY <= priority <= MAX_PRIORITY:
            raise JobError(f"The priority {priority} is out of range: expected {-MAX_PRIORITY} to {MAX_PRIORITY}.")

        def operation(connection: sqlite3.Connection) -> Job:
            job = self._row(connection, job_id)
            if job.status != "queued":
                raise JobError(f"Job {job_id} no longer waits (it is {job.status}); only a waiting job can be moved.")
            connection.execute("UPDATE job SET priority = ? WHERE job_id = ?", (priority, job_id))
            return self._row(connection, job_id)

        return self._database.write(operation)

    def retry(self, job_id: int) -> Job:
        """Queue a new job with the same configuration, in a new folder beside the old one, which stays as it is.

        Raises:
            JobError: The job has not ended yet, or its configuration is gone.
        """
        job = self.get(job_id)
        if job.active:
            raise JobError(f"Job {job_id} is {job.status}; wait for its end or stop it before you start it again.")
        folder = copy_inputs(self.root, job.kind, job.folder)
        return self.submit(job.kind, folder, title=job.title, device=job.device, priority=job.priority, retry_of=job.id)

    def attend(self) -> None:
        """See to it that unfinished jobs have a runner, for example after a power cut. Pages call it whenever they show jobs."""
        if self.active():
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


def _refuse_used(connection: sqlite3.Connection, folder: JobFolder) -> None:
    row = connection.execute("SELECT job_id, status FROM job WHERE folder = ?", (relative_name(folder),)).fetchone()
    if row is not None:
        raise JobError(
            f"The folder {folder.path} belongs to job {row['job_id']} ({row['status']}) already; a new job needs a new folder."
        )
    for path in (folder.result, folder.progress, folder.record):
        if path.exists():
            raise JobError(
                f"The folder {folder.path} holds another job's {path.name} already; a new job needs a new folder."
            )


def _freeze_config(folder: JobFolder, config: Mapping[str, Any] | None) -> str:
    """Write `config.json` where there is none, refuse one that says otherwise, and return its SHA-256."""
    if not folder.config.exists():
        if config is None:
            raise JobError(f"The folder {folder.path} has no config.json and no configuration was given.")
        write_json(folder.config, dict(config))
    elif config is not None and read_json(folder.config) != json.loads(json.dumps(dict(config))):
        raise JobError(f"The configuration that was given differs from {folder.config}; give the one that lies there.")
    return sha256_file(folder.config)
