"""Pause and go on, on real processes: asked for here, done from outside, and next to a stop or a killed runner."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from mvla_core.errors import JobError
from mvla_core.jobs.processes import is_paused

if TYPE_CHECKING:
    from mvla_core.jobs.model import Job
    from tests.jobs.conftest import Bench


def steps(job: Job) -> int:
    """How much a job has written so far."""
    return job.folder.progress.stat().st_size


def test_pause_halts_the_job_and_keeps_its_slot_until_it_goes_on(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    waiting = bench.submit("succeed")
    bench.queue.pause(job.id)
    paused = bench.until(job, lambda found: found.status == "paused")
    assert "it keeps cpu and its memory" in paused.message
    before = steps(job)
    time.sleep(0.3)
    assert steps(job) == before
    assert bench.queue.get(waiting.id).status == "queued"
    assert [found.id for found in bench.queue.active()] == [job.id, waiting.id]
    bench.queue.unpause(job.id)
    running = bench.until(job, lambda found: found.status == "running")
    assert running.message == ""
    (job.folder.path / "go").touch()
    assert bench.finished(job).status == "succeeded"
    assert bench.finished(waiting).status == "succeeded"


def test_pause_halts_the_children_too(bench: Bench) -> None:
    job = bench.working(bench.submit("ignore_stop"))
    job = bench.until(job, lambda found: (found.folder.path / "children").exists())
    pids = [int(word) for word in (job.folder.path / "children").read_text().split()]
    bench.queue.pause(job.id)
    bench.until(job, lambda found: found.status == "paused")
    assert all(is_paused(pid) for pid in (job.pid, *pids))
    bench.queue.request_stop(job.id, grace_s=0.1)
    assert bench.finished(job).stop_stage == "killed"
    assert all(bench.gone(pid) for pid in pids)


def test_job_halted_from_outside_is_shown_as_paused_and_not_as_running(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    os.kill(job.pid, signal.SIGSTOP)
    paused = bench.until(job, lambda found: found.status == "paused")
    assert "from outside" in paused.message
    os.kill(job.pid, signal.SIGCONT)
    assert bench.until(job, lambda found: found.status == "running").message == ""
    os.kill(job.pid, signal.SIGSTOP)
    bench.until(job, lambda found: found.status == "paused")
    bench.queue.unpause(job.id)
    bench.until(job, lambda found: found.status == "running")
    (job.folder.path / "go").touch()
    assert bench.finished(job).status == "succeeded"


def test_paused_job_is_adopted_as_paused(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    bench.queue.pause(job.id)
    bench.until(job, lambda found: found.status == "paused")
    bench.kill_runner()
    bench.queue.attend()
    bench.until(job, lambda _: "was adopted" in bench.root.runner_log.read_text())
    assert bench.queue.get(job.id).status == "paused"
    bench.queue.unpause(job.id)
    (job.folder.path / "go").touch()
    assert bench.finished(job).status == "succeeded"


def test_paused_job_that_is_killed_has_failed(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    bench.queue.pause(job.id)
    bench.until(job, lambda found: found.status == "paused")
    os.kill(job.pid, signal.SIGKILL)
    job = bench.finished(job)
    assert (job.status, job.exit_code) == ("failed", -9)


def test_only_what_runs_can_be_paused(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    waiting = bench.submit("succeed")
    with pytest.raises(JobError, match="is queued"):
        bench.queue.pause(waiting.id)
    bench.queue.request_stop(job.id, grace_s=10)
    bench.finished(job)
    with pytest.raises(JobError, match="is stopped"):
        bench.queue.unpause(job.id)
