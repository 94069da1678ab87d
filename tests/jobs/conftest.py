"""A queue whose real runner starts `fake_worker`, with short times; whatever a test leaves running is ended by its identity."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.launch import runner_process
from mvla_core.jobs.model import Job
from mvla_core.jobs.processes import is_alive, members, send
from mvla_core.jobs.queue import JobQueue
from mvla_core.jobs.settings import RunnerSettings
from mvla_core.layout import DataRoot, RunFolder

SETTINGS = RunnerSettings(program="fake_worker", poll_s=0.03, idle_exit_s=20.0, terminate_grace_s=0.3, linger_s=0.5)
PATIENCE_S = 20.0


class Bench:
    """A data root with its queue, and what tests do to both."""

    def __init__(self, root: DataRoot, settings: RunnerSettings) -> None:
        self.root = root
        self.settings = settings
        self.queue = JobQueue(root, settings)

    def submit(self, do: str, **config: Any) -> Job:
        device = config.pop("device", "cpu")
        priority = config.pop("priority", 0)
        kind = config.pop("kind", "simulate")
        folder = self._run(do) if kind == "train" else new_job_folder(self.root, kind)
        config = {"do": do, "name": folder.path.name, **config}  # two jobs with one configuration would be refused
        return self.queue.submit(kind, folder, config, title=do, device=device, priority=priority)

    def _run(self, do: str) -> RunFolder:
        run = self.root.run(f"{do.replace('_', '-')}-{secrets.token_hex(4)}")
        run.path.mkdir(parents=True)
        return run

    def finished(self, job: Job) -> Job:
        return self.queue.wait(job.id, timeout_s=PATIENCE_S, poll_s=0.03)

    def until(self, job: Job, condition: Callable[[Job], bool]) -> Job:
        """Poll without touching the runner until the condition holds."""
        end = time.monotonic() + PATIENCE_S
        while not condition(found := self.queue.get(job.id)):
            assert time.monotonic() < end, f"still {found}"
            time.sleep(0.02)
        return found

    def working(self, job: Job) -> Job:
        """Wait until the worker has begun and is on record."""
        return self.until(job, lambda found: found.pid is not None and found.folder.progress.exists())

    def kill_runner(self) -> int:
        """Kill the runner with SIGKILL and wait until it is gone."""
        end = time.monotonic() + PATIENCE_S
        while (runner := runner_process(self.root)) is None:
            assert time.monotonic() < end
            time.sleep(0.02)
        os.kill(runner.pid, signal.SIGKILL)
        while is_alive(runner):
            time.sleep(0.01)
        return runner.pid

    @staticmethod
    def gone(pid: int) -> bool:
        """Say whether a process has ended; a zombie has."""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            return True

    def change_row(self, job: Job, **values: Any) -> None:
        """Change a row behind the program's back: another boot, another PID."""
        assignments = ", ".join(f"{name} = ?" for name in values)
        with contextlib.closing(sqlite3.connect(self.root.jobs_database, timeout=10)) as connection:
            connection.execute(f"UPDATE job SET {assignments} WHERE job_id = ?", (*values.values(), job.id))
            connection.commit()

    def clean_up(self) -> None:
        if runner := runner_process(self.root):
            os.kill(runner.pid, signal.SIGKILL)
        for job in self.queue.list(1000):
            if job.nonce:
                send(members(job.nonce), signal.SIGKILL)


@pytest.fixture
def runner_settings() -> RunnerSettings:
    """What the runner of `bench` is told; a test module may have other settings."""
    return SETTINGS


@pytest.fixture
def bench(root: DataRoot, runner_settings: RunnerSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    made = Bench(root, runner_settings)
    yield made
    made.clean_up()
