"""One running worker, as its runner holds it: how it is started, seen to have ended, and made to end."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from mvla_core.jobs.devices import environment_for
from mvla_core.jobs.launch import CODE_FOLDER
from mvla_core.jobs.model import Job, StopStage
from mvla_core.jobs.processes import (
    NONCE_VARIABLE,
    ProcessIdentity,
    identify,
    is_alive,
    is_paused,
    members,
    out_of_memory_kills,
    send,
)
from mvla_core.layout import DataRoot


def new_nonce() -> str:
    return secrets.token_hex(16)


def worker_command(program: str, job: Job, root: DataRoot) -> Sequence[str]:
    """Return the argument list of a job's worker: made of the program's own words and paths only, never of a client's text."""
    command = [sys.executable, "-m", program, "work", job.kind]
    return [*command, "--folder", str(job.folder.path.resolve()), "--data-root", str(root.path.resolve())]


class Watched:
    """A worker that lives or has just ended. All deadlines are kept on the monotonic clock, so that a moved clock moves none.

    Args:
        identity: Which process it is.
        process: The handle where it is this runner's child; None where it was adopted.
    """

    def __init__(self, identity: ProcessIdentity, process: subprocess.Popen[bytes] | None = None) -> None:
        self.identity = identity
        self._process = process
        self._memory_kills = out_of_memory_kills()
        self._result_seen: float | None = None
        self.stop_stage: StopStage | None = None
        """The stop stage that this runner has brought the worker to; None while nothing was done about a stop."""
        self.stop_until: float | None = None
        """When that stage ends, in seconds since the epoch: to be shown, never to be counted on."""
        self._stage_ends = 0.0

    @classmethod
    def start(cls, job: Job, root: DataRoot, program: str, nonce: str) -> Watched:
        """Start a job's worker in a session of its own; both output streams go to the job's log.

        Raises:
            OSError: It could not be started.
        """
        environment = environment_for(job.device, os.environ) | {NONCE_VARIABLE: nonce, "PYTHONUNBUFFERED": "1"}
        with open(job.folder.log, "ab") as log:
            process = subprocess.Popen(
                worker_command(program, job, root),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=CODE_FOLDER,
                env=environment,
                start_new_session=True,
            )
        identity = identify(process.pid, nonce)
        if identity is None:  # it ended at once; the handle knows which process it was
            identity = ProcessIdentity(process.pid, 0, "", nonce)
        return cls(identity, process)

    def ended(self) -> bool:
        """Say whether the worker itself has ended. A child stays unreaped, so that nobody else is given its PID meanwhile."""
        if self._process is None:
            return not is_alive(self.identity)
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.identity.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def processes(self) -> list[int]:
        """Return the PIDs of the worker and of everything it started that still lives."""
        unreaped = self._process is not None and self._process.returncode is None
        own_session = unreaped or is_alive(self.identity)
        return members(self.identity.nonce, self.identity.pid if own_session else None)

    def reap(self) -> int | None:
        """Return the exit code of an ended child, negative for a signal; None for an adopted worker."""
        return None if self._process is None else self._process.wait()

    @property
    def memory_ran_out(self) -> bool:
        """Whether the kernel has killed a process for memory since the worker was started or adopted."""
        now = out_of_memory_kills()
        return now is not None and self._memory_kills is not None and now > self._memory_kills

    def lingers(self, has_result: bool, linger_s: float) -> bool:
        """Say whether the worker lives on although it wrote its result more than `linger_s` ago."""
        if not has_result:
            return False
        if self._result_seen is None:
            self._result_seen = time.monotonic()
        return time.monotonic() - self._result_seen > linger_s

    @property
    def paused(self) -> bool:
        """Whether the worker itself was halted by a signal, whoever sent it."""
        return is_paused(self.identity.pid)

    def pause(self) -> bool:
        """Halt the worker and everything it started.

        Returns:
            Whether all of it stands still; a process that was just being started is found by the next call.
        """
        found = self.processes()
        send(found, signal.SIGSTOP)
        return bool(found) and all(is_paused(pid) for pid in found)

    def unpause(self) -> None:
        send(self.processes(), signal.SIGCONT)

    def kill_all(self) -> None:
        send(self.processes(), signal.SIGKILL)

    def press_to_end(self, job: Job, terminate_grace_s: float) -> None:
        """Make the worker end, a stage harder where the present stage's time is over; see `stop_stage` and `stop_until`.

        A paused process cannot act on a signal, so that everything is continued as well.
        """
        now = time.monotonic()
        if self.stop_stage is None:  # the first look at this stop: it is new, or a former runner had begun it
            self.stop_stage = job.stop_stage
            planned_s = job.stop_grace_s if job.stop_stage == "waiting" else terminate_grace_s
            self._stage_ends = now + min(max((job.stop_until or 0.0) - time.time(), 0.0), planned_s)
        if self.stop_stage == "asked":
            send([self.identity.pid], signal.SIGTERM)
            self._enter("waiting", job.stop_grace_s)
        elif self.stop_stage == "killed":
            self.kill_all()
        elif now >= self._stage_ends and self.stop_stage == "waiting":
            send(self.processes(), signal.SIGTERM)
            self._enter("terminated", terminate_grace_s)
        elif now >= self._stage_ends:
            self.kill_all()
            self.stop_stage, self.stop_until = "killed", None

    def _enter(self, stage: StopStage, seconds: float) -> None:
        send(self.processes(), signal.SIGCONT)
        self.stop_stage = stage
        self.stop_until = time.time() + seconds
        self._stage_ends = time.monotonic() + seconds
