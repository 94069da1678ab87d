"""The runner: one detached process a data root, the parent of every worker, which it starts, watches, stops and buries.

It holds no truth of its own. Killed at any moment, its successor finds the same jobs in the queue, adopts the workers that live
and tells the endings of the others apart. Started as `python -m mvla_core.jobs.runner` by `mvla_core.jobs.launch`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from mvla_core.errors import MvlaError
from mvla_core.files import sha256_file
from mvla_core.jobs.diagnosis import diagnose_exception
from mvla_core.jobs.dispatch import Dispatch
from mvla_core.jobs.endings import conclude, write_ending
from mvla_core.jobs.launch import take_runner_lock, write_runner_identity
from mvla_core.jobs.model import Job, Status, StopStage
from mvla_core.jobs.processes import ProcessIdentity, current_boot_id, find_worker, identify
from mvla_core.jobs.records import Outcome, write_record
from mvla_core.jobs.settings import RunnerSettings
from mvla_core.jobs.watch import Watched, new_nonce
from mvla_core.layout import DataRoot


class Runner:
    """Works through the queue of one data root until there is nothing left to do.

    Args:
        root: The data root.
        settings: Times, and the program that workers run.
        lock: The descriptor that holds the root's runner lock.
    """

    def __init__(self, root: DataRoot, settings: RunnerSettings, lock: int) -> None:
        self._root = root
        self._settings = settings
        self._lock = lock
        self._dispatch = Dispatch(root)
        self._watched: dict[int, Watched] = {}
        self._told: dict[int, str] = {}

    def run(self) -> None:
        """Serve until idle, hand the lock back, and leave, unless a job came in at that very moment.

        A submitter writes its row first and looks at the lock then. If it found the lock still held, its row was there before the
        release below, so that the look at the queue after the release sees it.
        """
        while True:
            self._serve_until_idle()
            os.close(self._lock)
            if not self._still_ours() or not self._guarded(0, self._has_work):
                return
            lock = take_runner_lock(self._root)
            if lock is None:
                return
            self._lock = lock
            _hold(lock)

    def _has_work(self) -> bool:
        return bool(self._dispatch.unfinished())

    def _still_ours(self) -> bool:
        return self._root.runner_lock.exists() and self._root.jobs_database.exists()

    def _holds_lock_file(self) -> bool:
        """Say whether the lock file is still the one that was locked; a deleted data root or lock file ends the runner."""
        try:
            return os.path.samestat(os.fstat(self._lock), self._root.runner_lock.stat())
        except FileNotFoundError:
            return False

    def _serve_until_idle(self) -> None:
        idle_since = time.monotonic()
        while self._holds_lock_file():
            if self._guarded(0, self.turn):
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > self._settings.idle_exit_s:
                return
            time.sleep(self._settings.poll_s)

    def _guarded(self, job_id: int, work: Callable[[], bool]) -> bool:
        """Do something for one job (0: for the queue), so that its trouble never keeps the other jobs waiting.

        Returns:
            What `work` returns; True where it failed, because it will be tried again.
        """
        try:
            outcome = work()
        except Exception as error:  # noqa: BLE001 - told in the log, with the trace where it is a defect
            known = isinstance(error, MvlaError | OSError)
            where = f"job {job_id}" if job_id else "queue"
            self._tell_once(job_id, f"{where}: {error if known else traceback.format_exc()}")
            time.sleep(self._settings.poll_s)
            return True
        self._told.pop(job_id, None)
        return outcome

    def turn(self) -> bool:
        """Look at everything once, and start what can be started.

        Returns:
            Whether anything waits or runs.
        """
        unfinished = self._dispatch.unfinished()
        for job in unfinished:
            if job.status != "queued":
                self._guarded(job.id, partial(self._look_after, job))
        busy = {job.device for job in unfinished if job.status != "queued"}
        may_start = any(job.status == "queued" and job.device not in busy for job in unfinished)
        while may_start:
            may_start = self._start_next()
        return bool(unfinished)

    def _start_next(self) -> bool:
        nonce = new_nonce()
        job = self._dispatch.claim(nonce)
        if job is None:
            return False
        if refusal := self._refusal(job):
            self._end_unstarted(job, "failed", refusal)
            return True
        try:
            watched = Watched.start(job, self._root, self._settings.program, nonce)
        except OSError as error:
            self._end_unstarted(
                job, "failed", f"Its process could not be started ({error}).", diagnose_exception(error)
            )
            return True
        self._watched[job.id] = watched
        job = self._dispatch.record_process(job, watched.identity)
        self._keep_record(job)
        tell(f"job {job.id} ({job.kind}) started as process {watched.identity.pid}")
        return True

    def _refusal(self, job: Job) -> str:
        try:
            if sha256_file(job.folder.config) == job.config_sha256:
                return ""
            return f"{job.folder.config} was changed after the job was queued; queue a new job instead."
        except OSError as error:
            return f"{job.folder.config} cannot be read ({error.strerror}); queue a new job."

    def _keep_record(self, job: Job) -> None:
        """The record only serves to rebuild a lost queue: the job goes on without it where the disk is full."""
        try:
            write_record(job)
        except OSError as error:
            tell(f"job {job.id}: its record could not be written ({error})")

    def _look_after(self, job: Job) -> bool:
        """Take one step with a job that was started. Returns True: it may need another."""
        watched = self._watched.get(job.id) or self._take_over(job)
        if watched is None:
            return True
        if watched.ended():
            self._bury(job, watched)
        elif watched.lingers(job.folder.result.exists(), self._settings.linger_s):
            tell(f"job {job.id} wrote its result but does not end; it is killed")
            watched.kill_all()
        elif job.status == "stopping":
            watched.press_to_end(job, self._settings.terminate_grace_s)
            if watched.stop_stage is not None and watched.stop_stage != job.stop_stage:
                message = _stop_message(watched.stop_stage, watched.stop_until)
                self._dispatch.record_stop_stage(job, watched.stop_stage, watched.stop_until, message)
                tell(f"job {job.id}: {message}")
        return True

    def _take_over(self, job: Job) -> Watched | None:
        """Find out what became of a job that a former runner started."""
        if job.process is None and job.nonce is not None and (identity := find_worker(job.nonce)):
            job = self._dispatch.record_process(job, identity)
            self._keep_record(job)
        if job.process is None and not job.folder.progress.exists() and not job.folder.result.exists():
            if job.status == "running":
                tell(f"job {job.id} had not begun when its runner died; it is queued again")
                self._dispatch.requeue(job)
            else:
                self._end_unstarted(job, "stopped", "Stopped before it began.")
            return None
        never_seen = ProcessIdentity(0, 0, "", job.nonce or "")
        watched = Watched(job.process or never_seen)
        self._watched[job.id] = watched
        if not watched.ended():
            tell(f"job {job.id} goes on: process {watched.identity.pid} was adopted")
        return watched

    def _bury(self, job: Job, watched: Watched) -> None:
        """Record how a job ended, once nothing of it is left that could hold its device."""
        if survivors := watched.processes():
            watched.kill_all()
            self._tell_once(job.id, f"job {job.id} ended; killed {len(survivors)} processes that it had left")
            return
        restarted = job.boot_id is not None and job.boot_id != current_boot_id()
        outcome = conclude(job, watched.reap(), restarted=restarted, memory_ran_out=watched.memory_ran_out)
        self._end(job, outcome)

    def _end_unstarted(self, job: Job, status: Status, message: str, diagnosis: str = "") -> None:
        self._end(job, write_ending(job.folder, Outcome(status, message, diagnosis, None, time.time())))

    def _end(self, job: Job, outcome: Outcome) -> None:
        self._dispatch.record_ending(job, outcome)
        self._watched.pop(job.id, None)
        tell(f"job {job.id} {outcome.status}: {outcome.message}")

    def _tell_once(self, job_id: int, text: str) -> None:
        if self._told.get(job_id) != text:
            tell(text)
            self._told[job_id] = text


def _stop_message(stage: StopStage, until: float | None) -> str:
    clock = "" if until is None else time.strftime("%H:%M:%S", time.localtime(until))
    return {
        "asked": "Asked to stop.",
        "waiting": f"Told to stop; it has until {clock} to keep its checkpoint.",
        "terminated": f"It did not stop in time; told to end at once with everything it started, until {clock}.",
        "killed": "It did not end; killed with everything it started.",
    }[stage]


def tell(text: str) -> None:
    """Write a line to the runner's log; a disk too full for it must not end the runner."""
    with contextlib.suppress(OSError):
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)


def _hold(lock: int) -> None:
    os.set_inheritable(lock, False)  # no worker may keep the lock of a runner that died
    identity = identify(os.getpid())
    if identity is not None:
        with contextlib.suppress(OSError):
            write_runner_identity(lock, identity)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m mvla_core.jobs.runner", description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--lock-fd", type=int, help="an inherited descriptor that holds the runner's lock")
    parser.add_argument("--settings", type=RunnerSettings.from_argument, default=RunnerSettings(), help="JSON object")
    options = parser.parse_args(arguments)
    root = DataRoot.resolve(options.data_root)
    lock = take_runner_lock(root) if options.lock_fd is None else options.lock_fd
    if lock is None:
        print(f"A runner works for {root.path} already.", file=sys.stderr)
        return 0
    _hold(lock)
    tell(f"runner {os.getpid()} begins")
    Runner(root, options.settings, lock).run()
    tell(f"runner {os.getpid()} has nothing left to do")
    return 0


if __name__ == "__main__":
    sys.exit(main())
