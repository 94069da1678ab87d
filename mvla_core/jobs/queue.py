"""The queue as pages and commands see it: submit, look, move, pause, stop, start again. Nothing here owns a process."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from mvla_core.errors import JobError, did_you_mean
from mvla_core.files import read_json, sha256_file, write_json
from mvla_core.jobs.folders import copy_inputs
from mvla_core.jobs.model import ACTIVE, DEFAULT_DEVICE, KINDS, Job, folder_of, relative_name, sql_names
from mvla_core.jobs.records import write_record
from mvla_core.jobs.steering import JobSteering, check_priority
from mvla_core.layout import JobFolder

DEVICE = re.compile(r"cpu|mps|ask|cuda:[0-9]{1,2}")
MAX_TITLE_LENGTH = 200


class JobQueue(JobSteering):
    """All jobs of one data root: looked at (`JobReader`), changed (`JobSteering`), and submitted here."""

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
            device: The slot it needs: "cpu", "mps", "ask" or "cuda:N". One job a slot.
            priority: -100 to 100; higher runs earlier.
            retry_of: The job that this one repeats.

        Raises:
            JobError: An argument cannot be used, the folder has had a job, a job of this kind with the very same configuration
                waits or runs (both would write the same), or the queue cannot be written.
        """
        self._check(kind, folder, title, device, priority)
        values = {"kind": kind, "folder": relative_name(folder), "title": title, "device": device, "priority": priority}
        values |= {"retry_of": retry_of, "status": "queued", "created": time.time()}

        recorded = False

        def operation(connection: sqlite3.Connection) -> Job:
            nonlocal recorded
            _refuse_used(connection, folder)
            values["config_sha256"] = _freeze_config(folder, config)
            _refuse_duplicate(connection, kind, str(values["config_sha256"]))
            names, marks = ", ".join(values), ", ".join("?" * len(values))
            number = connection.execute(f"INSERT INTO job ({names}) VALUES ({marks})", tuple(values.values())).lastrowid
            row = connection.execute(
                "UPDATE job SET position = job_id WHERE job_id = ? RETURNING *", (number,)
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
        self.call_runner()
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
            raise JobError(f"The device {device!r} is unknown: expected cpu, mps, ask or cuda:N.")
        if len(title) > MAX_TITLE_LENGTH or not (title == "" or title.isprintable()):
            raise JobError(f"A job's title must be one line of at most {MAX_TITLE_LENGTH} printable characters.")
        check_priority(priority)

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


def _refuse_duplicate(connection: sqlite3.Connection, kind: str, config_sha256: str) -> None:
    """Refuse what a waiting or running job does already: two tabs, or a second click.

    A training's configuration names its run, so that only what writes into something shared is ever a duplicate.
    """
    row = connection.execute(
        f"SELECT job_id, status FROM job WHERE kind = ? AND config_sha256 = ? AND status IN ({sql_names(ACTIVE)})",
        (kind, config_sha256),
    ).fetchone()
    if row is not None:
        raise JobError(
            f"Job {row['job_id']} ({row['status']}) does exactly this already; wait for its end, or stop it first."
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
