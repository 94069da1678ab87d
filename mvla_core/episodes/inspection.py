"""The first look at a file, taken in another process.

The HDF5 library can be made to loop for ever or to crash by a damaged file (about 2 in 1,000 randomly damaged ones, HDF5
2.0). So each file is first read in a worker process with a limit on its time and memory. Only a file that the worker has
read is opened in this process, and only while it stays unchanged: the same bytes lead the library the same way.

Workers are started by need and end with the process that started them.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mvla_core.errors import EpisodeError
from mvla_core.schema import Actions, EpisodeInfo

MAX_WORKERS = 2
"""Files that are looked at at once. A worker is started by need, so whoever opens one file at a time has one."""

_WALL_LIMIT_S = 60.0
"""For a disk that does not answer; a looping library is ended much earlier, by the worker's limit on processor time."""
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]

Stamp = tuple[int, int, int]
"""Inode, size and time of change in nanoseconds: a file with the same stamp holds the same bytes."""


def stamp_of(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns


@dataclass
class _Worker:
    """A running worker process and the process that started it."""

    process: subprocess.Popen[str]
    owner: int

    @classmethod
    def start(cls) -> _Worker:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        known = os.environ.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{_PACKAGE_ROOT}{os.pathsep}{known}" if known else str(_PACKAGE_ROOT)
        # A session of its own: Ctrl-C and the stopping of a job reach the owner; the worker ends when its input closes.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mvla_core.episodes.inspection_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        return cls(process, os.getpid())

    def ask(self, request: dict[str, str]) -> dict[str, Any] | None:
        """Send one request and return the answer, or None where the worker died of it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        alarm = threading.Timer(_WALL_LIMIT_S, self.process.kill)
        alarm.start()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            return None
        finally:
            alarm.cancel()
        answer: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
        return answer

    def end(self) -> int:
        """End the process and return its exit status; negative where a signal ended it."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            return self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@dataclass(frozen=True)
class Inspected:
    """What the worker read of a file: everything but its pictures."""

    info: EpisodeInfo
    actions: Actions
    """Float32 (num_frames, num_dims), finite, units of `info.action_space`."""


class Inspector:
    """Asks workers, and remembers which files they have read. Threads may share one; each asks a worker of its own, up to
    `MAX_WORKERS` at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(MAX_WORKERS)
        self._idle: list[_Worker] = []
        self._read: dict[Path, Stamp] = {}

    def inspect(self, path: Path, dataset: str) -> Inspected:
        """Read a file in a worker.

        Raises:
            EpisodeError: The file cannot be used. A file that the worker crashed or hung on is "unsafe".
        """
        with self._slots:
            worker = self._taken()
            answer = worker.ask({"path": str(path), "dataset": dataset})
            if answer is None:
                status = worker.end()
                raise EpisodeError("unsafe", f"{path.name} was refused: {_cause(status)}; restore it from its source.")
            with self._lock:
                self._idle.append(worker)
        if "fault" in answer:
            raise EpisodeError(answer["fault"], answer["message"])
        self._read[path] = (answer["inode"], answer["info"]["file_size"], answer["info"]["file_mtime_ns"])
        info = EpisodeInfo.from_json(answer["info"])
        actions = np.frombuffer(base64.b64decode(answer["actions"]), "<f4").astype(np.float32)
        return Inspected(info, actions.reshape(info.num_frames, len(info.action_space)))

    def vouch(self, path: Path, dataset: str) -> None:
        """Return if the worker has read the file as it is now, or does so without a fault.

        Raises:
            EpisodeError: As `inspect`.
        """
        try:
            now = stamp_of(path.stat())
        except OSError as error:
            raise EpisodeError("unreadable", f"{path.name} cannot be opened: {error.strerror or error}.") from error
        if not self.has_read(path, now):
            self.inspect(path, dataset)

    def has_read(self, path: Path, stamp: Stamp) -> bool:
        """Whether the worker has read the file in the state that the stamp tells."""
        return self._read.get(path) == stamp

    def end(self) -> None:
        """End the workers that run; those that are being asked end when they have answered and their pipes are closed."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            if worker.owner == os.getpid():
                worker.end()

    def _taken(self) -> _Worker:
        """A worker that nobody else asks until it is given back."""
        with self._lock:
            # After a fork the pipes are shared with the parent: the child needs workers of its own.
            self._idle = [worker for worker in self._idle if worker.owner == os.getpid()]
            return self._idle.pop() if self._idle else _Worker.start()


def _cause(status: int) -> str:
    if status == -signal.SIGPROF:
        return "reading it took more time than any recording needs"
    return f"the process that read it ended unexpectedly (status {status})"


INSPECTOR = Inspector()
"""One for the process: the worker is a resource of the process, as the HDF5 library itself is."""
atexit.register(INSPECTOR.end)
