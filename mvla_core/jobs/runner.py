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
from mvla_core.jobs.bin import binned, move_to_bin
from mvla_core.jobs.devices import DeviceUse, gpu_of, refused_slot
from mvla_core.jobs.diagnosis import diagnose_exception
from mvla_core.jobs.dispatch import Dispatch
from mvla_core.jobs.endings import conclude, write_ending
from mvla_core.jobs.gate import Measuring, MemoryGate
from mvla_core.jobs.launch import take_runner_lock, write_runner_identity
from mvla_core.jobs.model import RESUMABLE, STARTED, Job, Status, StopStage
from mvla_core.jobs.preferences import QueuePreferences, read_preferences
from mvla_core.jobs.processes import ProcessIdentity, current_boot_id, find_worker, identify
from mvla_core.jobs.records import Outcome, write_record
from mvla_core.jobs.settings import RunnerSettings
from mvla_core.jobs.watch import Watched, new_nonce
from mvla_core.jobs.webhook import Teller
from mvla_core.layout import DataRoot

MAX_ATTEMPTS = 5
"""A job that so many attempts did not finish is not resumed by itself any more: it may be what makes the machine go down."""
LATELY_S = 60.0
"""For so long after a job's end a runner that was not there waits for the device's memory too."""


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
        self._before: dict[int, Measuring] = {}
        self._gate = MemoryGate(settings.unmeasured_wait_s)
        self._teller = Teller(self._note)

    def run(self) -> None:
        """Serve until idle, hand the lock back, and leave, unless a job came in at that very moment.

        A submitter writes its row first and looks at the lock then. If it found the lock still held, its row was there before the
        release below, so that the look at the queue after the release sees it.
        """
        self._guarded(0, self._close_gates)
        while True:
            self._serve_until_idle()
            self._teller.finish()
            self._dispatch.release()
            os.close(self._lock)
            if not self._still_ours() or not self._guarded(0, self._has_work):
                return
            lock = take_runner_lock(self._root)
            if lock is None:
                return
            self._lock = lock
            _hold(lock)

    def _close_gates(self) -> bool:
        for device, before_mib in self._dispatch.lately_ended(LATELY_S).items():
            self._gate.close(device, before_mib)
        return True

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
        self._dispatch.hold()
        watched_before = set(self._watched)
        for job in unfinished:
            if job.status != "queued":
                self._guarded(job.id, partial(self._look_after, job))
        if (
            set(self._watched) != watched_before
        ):  # what has just freed a device lets the next job start in the same turn
            unfinished = self._dispatch.unfinished()
        busy = {job.device for job in unfinished if job.status in STARTED}
        if any(job.status == "queued" and job.device not in busy for job in unfinished):
            held = self._held(busy)
            while self._start_next(held):
                pass
        return bool(unfinished)

    def _held(self, busy: set[str]) -> list[str]:
        """Return the devices on which nothing may start yet for want of memory; the first job that waits for one says why."""
        first: dict[str, Job] = {}
        for job in self._dispatch.waiting():
            if job.device not in busy:
                first.setdefault(job.device, job)
        held = {device: reason for device in first if (reason := self._gate.waits(device))}
        for device, reason in held.items():
            if first[device].message != reason:
                self._dispatch.record_waiting(first[device], reason)
        return list(held)

    def _start_next(self, held: Sequence[str]) -> bool:
        nonce = new_nonce()
        job = self._dispatch.claim(nonce, held)
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
        if gpu_of(job.device) is not None:
            self._before[job.id] = Measuring(job.device)  # long before the worker has loaded what it puts there
        if note := self._gate.notes.pop(job.device, ""):
            self._dispatch.add_note(job, note)
        self._keep_record(job)
        tell(f"job {job.id} ({job.kind}) started as process {watched.identity.pid}")
        return True

    def _refusal(self, job: Job) -> str:
        if refusal := refused_slot(job.device):
            return refusal
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
        else:
            self._mind_pause(job, watched)
            self._keep_memory_before(job)
        return True

    def _mind_pause(self, job: Job, watched: Watched) -> None:
        """Pause or continue a job as asked, and see where something else did."""
        if job.pause_wish == "pause":
            if watched.pause():
                self._dispatch.record_pause(job, "paused", _paused_message(job.device))
                tell(f"job {job.id} is paused")
        elif job.pause_wish == "continue":
            watched.unpause()
            self._dispatch.record_pause(job, "running", "")
            tell(f"job {job.id} goes on")
        elif watched.paused and job.status == "running":
            self._dispatch.record_pause(
                job, "paused", f"Halted from outside by a signal. {_paused_message(job.device)}"
            )
            tell(f"job {job.id} was halted from outside")
        elif not watched.paused and job.status == "paused":
            self._dispatch.record_pause(job, "running", "")
            tell(f"job {job.id} was continued from outside")

    def _keep_memory_before(self, job: Job) -> None:
        measuring = self._before.get(job.id)
        if measuring is not None and measuring.found is not None:
            del self._before[job.id]
            if isinstance(measuring.found, DeviceUse):
                self._dispatch.record_memory(job, measuring.found.used_mib)

    def _take_over(self, job: Job) -> Watched | None:
        """Find out what became of a job that a former runner started."""
        if job.process is None and job.nonce is not None and (identity := find_worker(job.nonce)):
            job = self._dispatch.record_process(job, identity)
            self._keep_record(job)
        begun = job.folder.progress.exists() and job.attempt == 1  # a resumed job's progress is of its former attempts
        if job.process is None and not begun and not job.folder.result.exists():
            if job.status != "stopping":
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
        preferences = self._preferences()
        wanted = preferences.resume_interrupted and not job.discard and job.kind in RESUMABLE
        if outcome.status == "interrupted" and wanted and job.attempt < MAX_ATTEMPTS:
            self._dispatch.resume(job, "The machine was restarted while it ran; it goes on by itself.")
            self._watched.pop(job.id, None)
            tell(f"job {job.id} was interrupted and is resumed")
        else:
            self._end(job, outcome, preferences)

    def _preferences(self) -> QueuePreferences:
        """Return what the user chose; a file that cannot be used is told and chooses nothing, so that jobs still end."""
        try:
            return read_preferences(self._root)
        except MvlaError as error:
            self._tell_once(-1, str(error))
            return QueuePreferences()

    def _end_unstarted(self, job: Job, status: Status, message: str, diagnosis: str = "") -> None:
        self._end(job, write_ending(job.folder, Outcome(status, message, diagnosis, None, time.time())))

    def _end(self, job: Job, outcome: Outcome, preferences: QueuePreferences | None = None) -> None:
        job = self._dispatch.record_ending(job, outcome)
        self._watched.pop(job.id, None)
        self._before.pop(job.id, None)
        if job.pid is not None:
            self._gate.close(job.device, job.memory_before_mib)
        tell(f"job {job.id} {outcome.status}: {outcome.message}")
        if job.discard:
            try:
                move_to_bin(job.folder)
                self._note(job, f"Its folder lies in {binned(job.folder).path}.")
            except MvlaError as error:
                self._note(job, str(error))
        if url := (preferences or self._preferences()).webhook:
            self._teller.tell(url, job)

    def _note(self, job: Job, note: str) -> None:
        tell(f"job {job.id}: {note}")
        with contextlib.suppress(MvlaError):  # the log has it
            self._dispatch.add_note(job, note)

    def _tell_once(self, job_id: int, text: str) -> None:
        if self._told.get(job_id) != text:
            tell(text)
            self._told[job_id] = text


def _paused_message(device: str) -> str:
    return f"Paused: it keeps {device} and its memory until it is continued or stopped."


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
