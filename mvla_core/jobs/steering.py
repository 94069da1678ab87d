"""Changing what is in the queue: its order, pauses, stops, the bin, and going on after an end. The runner does what is asked."""

from __future__ import annotations

import contextlib
import sqlite3
import time

from mvla_core.errors import JobError
from mvla_core.jobs.again import Where, move_waiting, resume_in_place, waiting_jobs
from mvla_core.jobs.bin import move_back, move_to_bin
from mvla_core.jobs.endings import write_ending
from mvla_core.jobs.model import CHECKPOINT_GRACE_S, RESUMABLE, Job, PauseWish
from mvla_core.jobs.reading import JobReader, Jobs
from mvla_core.jobs.records import Outcome, write_record

MAX_PRIORITY = 100


class JobSteering(JobReader):
    """The part of a queue that changes jobs which are in it."""

    def request_stop(self, job_id: int, *, grace_s: float = CHECKPOINT_GRACE_S, discard: bool = False) -> Job:
        """Ask a job to stop; asking twice, or asking one that has ended, changes nothing.

        A queued job is stopped at once. A running one is told to keep its checkpoint and end; what does not end within `grace_s`
        is told again with everything it started, and then killed. `Job.stop_stage` and `Job.message` say how far that is.

        Args:
            job_id: The job.
            grace_s: Seconds for its checkpoint.
            discard: Move its folder to the bin once it has ended; see `discard`.
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
            elif job.status in ("running", "paused"):
                connection.execute(
                    "UPDATE job SET status = 'stopping', stop_stage = 'asked', stop_asked = ?, stop_grace_s = ?, message = ?,"
                    " pause_wish = NULL WHERE job_id = ?",
                    (now, grace_s, "Asked to stop.", job_id),
                )
            if discard and job.active and job.status != "queued":
                connection.execute("UPDATE job SET discard = 1 WHERE job_id = ?", (job_id,))
            return self._row(connection, job_id)

        job = self._database.write(operation)
        self.attend()
        return self.discard(job_id) if discard and not job.active else job

    def discard(self, job_id: int) -> Job:
        """Move an ended job's folder to the bin, `runs/.bin/` or `jobs/.bin/`, from which `restore` brings it back.

        Nothing is deleted. A job that lies in the bin already stays there.

        Raises:
            JobError: The job has not ended (`request_stop` with `discard`), or its folder cannot be moved.
        """

        def operation(connection: sqlite3.Connection) -> Job:
            job = self._row(connection, job_id)
            if job.active:
                raise JobError(f"Job {job_id} is {job.status}; stop it before its folder can go to the bin.")
            move_to_bin(job.folder)
            return self._change(connection, job_id, discard=1)

        return self._database.write(operation)

    def restore(self, job_id: int) -> Job:
        """Bring a discarded job's folder back to where it was.

        Raises:
            JobError: It is not in the bin.
        """

        def operation(connection: sqlite3.Connection) -> Job:
            job = self._row(connection, job_id)
            if not job.in_bin:
                raise JobError(f"Job {job_id} is not in the bin; there is nothing to restore.")
            move_back(job.folder)
            return self._change(connection, job_id, discard=0, note="")

        return self._database.write(operation)

    def pause(self, job_id: int) -> Job:
        """Halt a running job with everything it started, where it stands. It keeps its device and all of its memory.

        To free the device, stop the job and `resume` it later: a training then goes on from its checkpoint.

        Raises:
            JobError: It does not run.
        """
        return self._wish(job_id, "pause", ("running",))

    def unpause(self, job_id: int) -> Job:
        """Let a paused job go on, whoever paused it.

        Raises:
            JobError: It is not paused.
        """
        return self._wish(job_id, "continue", ("paused", "running"))

    def _wish(self, job_id: int, wish: PauseWish, states: tuple[str, ...]) -> Job:
        def operation(connection: sqlite3.Connection) -> Job:
            job = self._row(connection, job_id)
            if job.status not in states:
                raise JobError(f"Job {job_id} is {job.status}; only a job that is {states[0]} can be told to {wish}.")
            return self._change(connection, job_id, pause_wish=wish)

        job = self._database.write(operation)
        self.attend()
        return job

    def set_priority(self, job_id: int, priority: int) -> Job:
        """Move a waiting job forward (higher) or back.

        Raises:
            JobError: It has been started, or the priority is out of range.
        """
        check_priority(priority)

        def operation(connection: sqlite3.Connection) -> Job:
            job = self._row(connection, job_id)
            if job.status != "queued":
                raise JobError(f"Job {job_id} no longer waits (it is {job.status}); only a waiting job can be moved.")
            return self._change(connection, job_id, priority=priority)

        return self._recorded([self._database.write(operation)])[0]

    def move(self, job_id: int, where: Where) -> Jobs:
        """Move a waiting job to the front, one place up or down, or to the end; its priority follows where it has to.

        Returns:
            What waits, in the new order.

        Raises:
            JobError: It does not wait any more.
        """

        def operation(connection: sqlite3.Connection) -> Jobs:
            job = self._row(connection, job_id)
            if job.status != "queued":
                raise JobError(f"Job {job_id} no longer waits (it is {job.status}); only a waiting job can be moved.")
            move_waiting(connection, waiting_jobs(connection, self.root), job, where)
            return waiting_jobs(connection, self.root)

        return self._recorded(self._database.write(operation))

    def _recorded(self, jobs: Jobs) -> Jobs:
        """Bring the records in the folders up to date. They serve a queue that has to be rebuilt: trouble with one ends nothing."""
        for job in jobs:
            with contextlib.suppress(OSError):
                if job.status == "queued" and job.folder.path.is_dir():
                    write_record(job)
        return jobs

    def resume(self, job_id: int) -> Job:
        """Queue an ended job again in its own folder: a training goes on from its newest checkpoint.

        It waits behind what waits already. The former ending is kept as `attempt-N/result.json`.

        Raises:
            JobError: It has not ended, has succeeded, or is of a kind that cannot go on (`retry` starts that anew).
        """

        def operation(connection: sqlite3.Connection) -> Job:
            job = self._row(connection, job_id)
            if job.active:
                raise JobError(f"Job {job_id} is {job.status}; only a job that has ended can be resumed.")
            if job.in_bin:
                raise JobError(f"Job {job_id} lies in the bin; restore it before you resume it.")
            if not job.resumable:
                raise JobError(
                    f"Job {job_id} ({job.kind}, {job.status}) cannot be resumed: only jobs of {', '.join(RESUMABLE)} that "
                    "did not succeed go on in their folder; start it anew instead."
                )
            (highest,) = connection.execute("SELECT max(job_id) FROM job").fetchone()
            resume_in_place(connection, self.root, job, "Resumed by hand.")
            return self._change(connection, job_id, position=highest + 0.5)

        job = self._recorded([self._database.write(operation)])[0]
        self.attend()
        return job

    def _change(self, connection: sqlite3.Connection, job_id: int, **values: str | float | None) -> Job:
        assignments = ", ".join(f"{name} = ?" for name in values)
        connection.execute(f"UPDATE job SET {assignments} WHERE job_id = ?", (*values.values(), job_id))
        return self._row(connection, job_id)


def check_priority(priority: int) -> None:
    """Refuse a priority that is out of range.

    Raises:
        JobError: It is not from -100 to 100.
    """
    if not -MAX_PRIORITY <= priority <= MAX_PRIORITY:
        raise JobError(f"The priority {priority} is out of range: expected {-MAX_PRIORITY} to {MAX_PRIORITY}.")
