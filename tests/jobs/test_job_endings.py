"""Each way a job can end, on real processes: told apart, with the reason."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest

from mvla_core.files import read_json
from mvla_core.jobs.launch import runner_process
from mvla_core.jobs.processes import NONCE_VARIABLE, members

if TYPE_CHECKING:
    from tests.jobs.conftest import Bench


def test_success(bench: Bench) -> None:
    job = bench.finished(bench.submit("succeed"))
    assert (job.status, job.exit_code, job.message) == ("succeeded", 0, "All is well.")
    assert job.created <= job.started <= job.finished
    result = read_json(job.folder.result)
    assert (result["status"], result["answer"], result["val_loss"], result["written_by"]) == (
        "succeeded", 42, None, "worker",
    )  # fmt: skip
    assert "doing succeed" in job.folder.log.read_text()


@pytest.mark.parametrize(
    ("why", "exit_code", "words"),
    [
        ("bad_data", 3, "holds no episodes"),
        ("missing_weights", 4, "hf download x"),
        ("out_of_memory", 70, "Memory ran out"),
        ("disk_full", 70, "The disk is full"),
        ("", 70, "RuntimeError: shapes do not fit"),
    ],
)
def test_failure_is_diagnosed(bench: Bench, why: str, exit_code: int, words: str) -> None:
    job = bench.finished(bench.submit("fail", why=why))
    assert (job.status, job.exit_code, job.diagnosis) == ("failed", exit_code, why)
    assert words in job.message
    assert read_json(job.folder.result)["status"] == "failed"


def test_exit_code_without_a_result(bench: Bench) -> None:
    job = bench.finished(bench.submit("exit", code=7, last_words="CUDA out of memory. Tried to allocate 2 GiB"))
    assert (job.status, job.exit_code, job.diagnosis) == ("failed", 7, "out_of_memory")
    assert "exit code 7" in job.message
    assert "Tried to allocate" in job.message
    result = read_json(job.folder.result)
    assert (result["status"], result["written_by"]) == ("failed", "runner")
    assert result["last_lines"][-1].startswith("last words")


def test_exit_code_zero_without_a_result_is_no_success(bench: Bench) -> None:
    job = bench.finished(bench.submit("exit", code=0))
    assert (job.status, job.exit_code) == ("failed", 0)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL"])
def test_crash_by_signal(bench: Bench, name: str) -> None:
    job = bench.finished(bench.submit("kill_itself", signal=name))
    assert job.status == "failed"
    assert job.exit_code < 0
    assert name in job.message
    assert ("memory" in job.message) == (name == "SIGKILL")


def test_children_left_behind_are_ended_before_the_slot_is_free(bench: Bench) -> None:
    job = bench.finished(bench.submit("leave_child"))
    assert job.status == "succeeded"
    assert bench.gone(int((job.folder.path / "children").read_text()))


def test_worker_that_hangs_after_its_result_has_succeeded(bench: Bench) -> None:
    job = bench.finished(bench.submit("hang_after_result"))
    assert job.status == "succeeded"
    assert job.exit_code == -9
    assert read_json(job.folder.result)["answer"] == 1


def test_damaged_result_is_not_believed(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    job.folder.result.write_text('{"status": "splendid"}')
    job = bench.until(job, lambda found: found.finished is not None)
    assert job.status == "failed"
    assert "not the record of an ending" in job.message


def test_configuration_changed_after_submission_is_refused(bench: Bench) -> None:
    first = bench.working(bench.submit("wait"))
    second = bench.submit("succeed")
    second.folder.config.write_text('{"do": "fail"}')
    (first.folder.path / "go").touch()
    assert bench.finished(first).status == "succeeded"
    second = bench.finished(second)
    assert second.status == "failed"
    assert "was changed after" in second.message


def test_folder_deleted_while_waiting(bench: Bench) -> None:
    first = bench.working(bench.submit("wait"))
    second, third = bench.submit("succeed"), bench.submit("succeed")
    for path in second.folder.path.iterdir():
        path.unlink()
    second.folder.path.rmdir()
    (first.folder.path / "go").touch()
    second = bench.finished(second)
    assert second.status == "failed"
    assert not second.folder.path.exists()
    assert bench.finished(third).status == "succeeded"


def test_one_job_a_device_and_priorities(bench: Bench) -> None:
    blocker = bench.working(bench.submit("wait"))
    low, high = bench.submit("succeed", priority=-1), bench.submit("succeed", priority=5)
    moved = bench.submit("succeed")
    bench.queue.set_priority(moved.id, 9)
    gpu = bench.finished(bench.submit("succeed", device="cuda:0"))
    assert gpu.status == "succeeded"
    assert [job.id for job in bench.queue.active()] == [blocker.id, moved.id, high.id, low.id]
    (blocker.folder.path / "go").touch()
    jobs = [bench.finished(job) for job in (moved, high, low)]
    assert [job.started for job in jobs] == sorted(job.started for job in jobs)
    assert all(later.started >= earlier.finished for earlier, later in itertools.pairwise(jobs))


def test_retry_runs_the_same_configuration_again(bench: Bench) -> None:
    old = bench.finished(bench.submit("fail"))
    new = bench.queue.retry(old.id)
    assert (new.retry_of, new.kind, new.title) == (old.id, old.kind, old.title)
    assert new.folder.path != old.folder.path
    assert read_json(new.folder.config) == read_json(old.folder.config)
    assert bench.finished(new).status == "failed"


def test_click_to_running_is_quick(bench: Bench) -> None:
    bench.finished(bench.submit("succeed"))
    submitted = time.time()
    job = bench.working(bench.submit("wait"))
    assert job.started - submitted < 2  # about 0.1 s; the limit leaves room for a busy machine
    bench.queue.request_stop(job.id)
    bench.finished(job)


def test_worker_environment_never_reaches_a_runner(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that submits a job starts a runner: ending the first must not end the runner with it."""
    monkeypatch.setenv(NONCE_VARIABLE, "f" * 32)
    bench.finished(bench.submit("succeed"))
    runner = runner_process(bench.root)
    assert runner is not None
    assert runner.pid not in members("f" * 32)
