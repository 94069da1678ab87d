"""The runner's loop, called in this process: trouble with one job or with the queue's file keeps nobody else waiting."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from mvla_core.errors import JobError
from mvla_core.jobs import endings, runner
from mvla_core.jobs.launch import take_runner_lock
from mvla_core.jobs.runner import Runner

if TYPE_CHECKING:
    from tests.jobs.conftest import Bench


@pytest.fixture
def own(bench: Bench) -> Iterator[Runner]:
    """A runner in this process, which therefore holds the lock and is the parent of the workers."""
    lock = take_runner_lock(bench.root)
    assert lock is not None
    yield Runner(bench.root, bench.settings, lock)
    os.close(lock)


def turn_until_idle(own: Runner) -> None:
    end = time.monotonic() + 20
    while own._guarded(0, own.turn):
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("error", "words"),
    [(ZeroDivisionError("a defect"), "Traceback"), (JobError("The queue is full."), "The queue is full.")],
)
def test_trouble_with_one_job_is_told_once_and_tried_again(
    bench: Bench,
    own: Runner,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    words: str,
) -> None:
    troubled, other = bench.submit("succeed"), bench.submit("succeed", device="cuda:0")
    failures = 0

    def conclude(job: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal failures
        if job.id == troubled.id and failures < 3:
            failures += 1
            assert failures < 3 or bench.queue.get(other.id).status in ("running", "succeeded")
            raise type(error)(*error.args)
        return endings.conclude(job, *arguments, **options)

    monkeypatch.setattr(runner, "conclude", conclude)
    turn_until_idle(own)
    assert failures == 3
    assert [bench.queue.get(job.id).status for job in (troubled, other)] == ["succeeded", "succeeded"]
    assert bench.queue.get(troubled.id).exit_code == 0  # known although the worker was reaped three attempts before
    assert capsys.readouterr().out.count(words) == 1


def test_queue_that_cannot_be_read_for_a_while(bench: Bench, own: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    job = bench.submit("succeed")
    with monkeypatch.context() as patched:
        patched.setattr(own._dispatch, "unfinished", lambda: (_ for _ in ()).throw(JobError("disk full")))
        assert own._guarded(0, own.turn) is True
    turn_until_idle(own)
    assert bench.queue.get(job.id).status == "succeeded"


def test_worker_that_cannot_be_started_has_failed(bench: Bench, own: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    job = bench.submit("succeed")
    turn_until_idle(own)
    job = bench.queue.get(job.id)
    assert job.status == "failed"
    assert "could not be started" in job.message


def test_ending_is_known_to_the_queue_although_the_folder_is_full(
    bench: Bench, own: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(endings, "write_json", full)
    job = bench.submit("exit", code=28)
    turn_until_idle(own)
    job = bench.queue.get(job.id)
    assert (job.status, job.diagnosis) == ("failed", "disk_full")
    assert "does not say so" in job.message


def test_memory_that_ran_out_is_diagnosed(bench: Bench, own: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter(range(1000))  # the kernel's counter of such kills, which a test cannot make it raise
    monkeypatch.setattr("mvla_core.jobs.watch.out_of_memory_kills", lambda: next(counts))
    job = bench.submit("kill_itself", signal="SIGKILL")
    turn_until_idle(own)
    assert bench.queue.get(job.id).diagnosis == "out_of_memory"
    job = bench.submit("kill_itself", signal="SIGSEGV")
    turn_until_idle(own)
    assert bench.queue.get(job.id).diagnosis == ""


def test_second_runner_leaves_at_once(bench: Bench, own: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["--data-root", str(bench.root.path)]) == 0
    assert "works for" in capsys.readouterr().err
    assert take_runner_lock(bench.root) is None


def test_stop_asked_before_a_killed_runner_had_started_the_job(bench: Bench, own: Runner) -> None:
    job = bench.submit("succeed")
    bench.change_row(job, status="stopping", stop_stage="asked", nonce="2" * 32, boot_id="x", started=time.time())
    turn_until_idle(own)
    job = bench.queue.get(job.id)
    assert (job.status, job.message) == ("stopped", "Stopped before it began.")
    assert not job.folder.progress.exists()
