"""Exactly one runner for each data root, started by whoever needs it and owned by nobody.

The runner's lock is taken by the process that wants a runner and handed to the runner as an open file. So there is no moment
between "nobody runs" and "mine runs", forty submissions at once start one runner, and a runner that dies by any means frees the
lock, because the kernel does it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from mvla_core.errors import JobError
from mvla_core.jobs.processes import NONCE_VARIABLE, ProcessIdentity, is_alive
from mvla_core.jobs.settings import RunnerSettings
from mvla_core.layout import DataRoot

CODE_FOLDER = Path(__file__).resolve().parents[2]
"""The folder that holds the package, so that the runner and its workers import the very code that submitted the job."""


def take_runner_lock(root: DataRoot) -> int | None:
    """Take the lock of a root's runner.

    Returns:
        An open file descriptor that holds the lock until every copy of it is closed; None where a runner holds it. Who takes the
        lock must run or start a runner: others take its being held as the promise of one.
    """
    root.path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root.runner_lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def ensure_runner(root: DataRoot, settings: RunnerSettings | None = None) -> None:
    """Start a detached runner unless one runs. Returns at once.

    The runner leads a session of its own, reads nothing and writes to `runner.log`: no closed terminal, browser or server
    reaches it.

    Raises:
        JobError: It cannot be started.
    """
    lock = take_runner_lock(root)
    if lock is None:
        return
    command = [sys.executable, "-m", "mvla_core.jobs.runner", "--data-root", str(root.path.resolve())]
    command += ["--lock-fd", str(lock), "--settings", (settings or RunnerSettings()).to_argument()]
    environment = {name: value for name, value in os.environ.items() if name != NONCE_VARIABLE}
    try:
        with open(root.runner_log, "ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=CODE_FOLDER,
                env=environment,  # without a nonce: a job that submits a job must not count the runner among its processes
                pass_fds=(lock,),
                start_new_session=True,
            )
    except OSError as error:
        raise JobError(f"The job runner cannot be started ({error}); the job stays queued until one can.") from error
    finally:
        os.close(lock)
    threading.Thread(
        target=process.wait, name="runner-reaper", daemon=True
    ).start()  # no zombie in a server that lives for weeks


def write_runner_identity(lock: int, identity: ProcessIdentity) -> None:
    """Note in the lock file which process holds it, for people and tests; the lock itself is what counts."""
    text = json.dumps({"pid": identity.pid, "start_ticks": identity.start_ticks, "boot_id": identity.boot_id})
    os.ftruncate(lock, 0)
    os.pwrite(lock, text.encode(), 0)


def runner_process(root: DataRoot) -> ProcessIdentity | None:
    """Return the root's live runner, or None where none runs (or it has only just begun)."""
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        value = json.loads(root.runner_lock.read_text(encoding="utf-8"))
        identity = ProcessIdentity(value["pid"], value["start_ticks"], value["boot_id"], nonce="")
        return identity if is_alive(identity) else None
    return None
