"""Stop stops: the stages, the whole process tree, and jobs that are paused, deaf, waiting or orphaned."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from mvla_core.errors import JobError
from mvla_core.files import read_json
from mvla_core.jobs.launch import ensure_runner

if TYPE_CHECKING:
    from tests.jobs.conftest import Bench


def test_cooperative_stop_keeps_the_checkpoint(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    asked = bench.queue.request_stop(job.id, grace_s=10)
    assert (asked.status, asked.stop_stage) == ("stopping", "asked")
    job = bench.finished(job)
    assert (job.status, job.exit_code, job.stop_stage) == ("stopped", 130, "waiting")
    assert (job.folder.path / "checkpoint").read_text() == "kept"
    assert read_json(job.folder.result)["written_by"] == "worker"


def test_deaf_job_goes_through_every_stage_and_dies_with_its_children(bench: Bench) -> None:
    job = bench.working(bench.submit("ignore_stop"))
    children = bench.until(job, lambda found: (found.folder.path / "children").exists())
    time.sleep(0.3)  # the children have begun to ignore the signal
    pids = [int(word) for word in (children.folder.path / "children").read_text().split()]
    assert len(pids) == 3
    bench.queue.request_stop(job.id, grace_s=1.0)
    waiting = bench.until(job, lambda found: found.stop_stage == "waiting")
    assert waiting.stop_until is not None
    assert waiting.stop_until >= waiting.stop_asked + 1.0
    told = time.strftime("%H:%M:%S", time.localtime(waiting.stop_until))
    assert told in waiting.message
    job = bench.finished(job)
    assert (job.status, job.stop_stage, job.exit_code) == ("stopped", "killed", -9)
    log = bench.root.runner_log.read_text()
    stages = [log.index(words) for words in (f"it has until {told}", "told to end at once", "killed with everything")]
    assert stages == sorted(stages)
    assert all(bench.gone(pid) for pid in pids)
    assert read_json(job.folder.result)["status"] == "stopped"


def test_second_signal_ends_a_job_that_never_checks(bench: Bench) -> None:
    job = bench.working(bench.submit("sleep"))
    bench.queue.request_stop(job.id, grace_s=0.2)
    job = bench.finished(job)
    assert (job.status, job.stop_stage) == ("stopped", "terminated")
    assert "Ended at once" in job.message


def test_paused_job_can_still_be_stopped(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    os.kill(job.pid, signal.SIGSTOP)
    bench.queue.request_stop(job.id, grace_s=10)
    job = bench.finished(job)
    assert job.status == "stopped"
    assert (job.folder.path / "checkpoint").exists()


def test_waiting_job_is_stopped_at_once_and_never_starts(bench: Bench) -> None:
    blocker = bench.working(bench.submit("wait"))
    waiting = bench.submit("succeed")
    stopped = bench.queue.request_stop(waiting.id)
    assert (stopped.status, stopped.exit_code) == ("stopped", None)
    (blocker.folder.path / "go").touch()
    bench.finished(blocker)
    assert not waiting.folder.progress.exists()
    assert read_json(waiting.folder.result)["status"] == "stopped"


def test_stop_again_or_after_the_end_changes_nothing(bench: Bench) -> None:
    job = bench.finished(bench.submit("succeed"))
    assert bench.queue.request_stop(job.id) == job
    with pytest.raises(JobError, match="no job 999"):
        bench.queue.request_stop(999)


def test_stop_reaches_an_adopted_job(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    bench.kill_runner()
    bench.queue.request_stop(job.id, grace_s=10)  # starts the next runner
    job = bench.finished(job)
    assert (job.status, job.exit_code) == ("stopped", 130)
    assert (job.folder.path / "checkpoint").exists()


def test_stop_goes_on_in_the_next_runner(bench: Bench) -> None:
    """The runner dies in the middle of a stop: the next one finishes it, with no more time than was given."""
    job = bench.working(bench.submit("ignore_stop"))
    bench.until(job, lambda found: (found.folder.path / "children").exists())
    bench.queue.request_stop(job.id, grace_s=0.5)
    bench.until(job, lambda found: found.stop_stage == "waiting")
    bench.kill_runner()
    bench.change_row(
        job, stop_until=time.time() + 100_000
    )  # the clock was set back meanwhile: the stage is not longer for it
    ensure_runner(bench.root, bench.settings)
    job = bench.finished(job)
    assert (job.status, job.stop_stage, job.exit_code) == ("stopped", "killed", None)
