"""What outlives what: submitter, runner, worker and machine die in every order, on real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from mvla_core.files import read_json
from mvla_core.jobs import launch
from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.launch import ensure_runner, runner_process, take_runner_lock
from mvla_core.jobs.queue import JobQueue
from mvla_core.jobs.settings import RunnerSettings

if TYPE_CHECKING:
    from tests.jobs.conftest import Bench

SUBMIT = """
import sys, time
from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.queue import JobQueue
from mvla_core.jobs.settings import RunnerSettings
from mvla_core.layout import DataRoot
root = DataRoot.resolve(sys.argv[1])
queue = JobQueue(root, RunnerSettings.from_argument(sys.argv[2]))
for _ in range(int(sys.argv[4])):
    print(queue.submit("simulate", new_job_folder(root, "simulate"), {"do": sys.argv[3], "n": f"{time.time_ns()}"}).id, flush=True)
time.sleep(float(sys.argv[5]))
"""


def submitter(bench: Bench, do: str, count: int = 1, stay_s: float = 0.0) -> subprocess.Popen[str]:
    """Start a process of its own, as a server or a terminal is one, that submits jobs."""
    arguments = [str(bench.root.path), bench.settings.to_argument(), do, str(count), str(stay_s)]
    return subprocess.Popen(
        [sys.executable, "-c", SUBMIT, *arguments],
        cwd=launch.CODE_FOLDER,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_job_outlives_the_killed_process_group_of_its_submitter(bench: Bench) -> None:
    server = submitter(bench, "wait", stay_s=60)
    assert server.stdout is not None
    job = bench.working(bench.queue.get(int(server.stdout.readline())))
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    server.stdout.close()
    time.sleep(0.1)
    assert bench.queue.get(job.id).status == "running"
    (job.folder.path / "go").touch()
    assert bench.finished(job).status == "succeeded"


def test_killed_runner_loses_nothing(bench: Bench) -> None:
    """The worker goes on alone, the next runner adopts it, and what waits is started after it."""
    job = bench.working(bench.submit("wait"))
    waiting = bench.submit("succeed")
    first = bench.kill_runner()
    bench.queue.attend()
    bench.until(job, lambda _: runner_process(bench.root) is not None)
    second = runner_process(bench.root)
    assert second is not None
    assert second.pid != first
    assert bench.queue.get(job.id).pid == job.pid
    (job.folder.path / "go").touch()
    job = bench.finished(job)
    assert (job.status, job.exit_code) == ("succeeded", 0)
    assert bench.finished(waiting).status == "succeeded"


def test_worker_that_ended_without_a_runner_keeps_its_truth(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    bench.kill_runner()
    (job.folder.path / "go").touch()
    bench.until(job, lambda found: bench.gone(found.pid))
    assert bench.queue.get(job.id).status == "running"  # nobody has looked yet
    assert bench.finished(job).status == "succeeded"


def test_runner_and_worker_killed_is_lost(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    bench.kill_runner()
    os.kill(job.pid, signal.SIGKILL)
    job = bench.finished(job)
    assert (job.status, job.exit_code) == ("lost", None)
    assert "not known" in job.message
    assert read_json(job.folder.result)["status"] == "lost"


def test_another_boot_is_interrupted(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    bench.kill_runner()
    os.kill(job.pid, signal.SIGKILL)
    bench.change_row(job, boot_id="00000000-0000-0000-0000-000000000000")
    job = bench.finished(job)
    assert job.status == "interrupted"
    assert "restarted" in job.message


def test_recycled_pid_is_neither_adopted_nor_killed(bench: Bench) -> None:
    """The recorded PID belongs to somebody else by now: the same number, another start time."""
    job = bench.working(bench.submit("wait"))
    bench.kill_runner()
    os.kill(job.pid, signal.SIGKILL)
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        bench.change_row(job, pid=stranger.pid)
        bench.queue.request_stop(job.id, grace_s=0.1)
        assert bench.finished(job).status == "lost"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_process_with_our_pid_and_start_but_another_nonce_is_a_stranger(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    bench.kill_runner()
    bench.change_row(job, nonce="0" * 32)
    assert bench.finished(job).status == "lost"
    assert not bench.gone(job.pid)
    os.kill(job.pid, signal.SIGKILL)


def test_worker_whose_pid_was_never_recorded_is_found_by_its_nonce(bench: Bench) -> None:
    """The runner died between starting the worker and writing its PID down."""
    job = bench.working(bench.submit("wait"))
    bench.kill_runner()
    bench.change_row(job, pid=None, start_ticks=None)
    ensure_runner(bench.root, bench.settings)
    adopted = bench.until(job, lambda found: found.pid is not None)
    assert adopted.pid == job.pid
    (job.folder.path / "go").touch()
    assert bench.finished(job).status == "succeeded"


def test_job_that_was_claimed_but_never_started_is_queued_again(bench: Bench) -> None:
    blocker = bench.working(bench.submit("wait"))
    job = bench.submit("succeed")
    bench.kill_runner()
    bench.change_row(
        job, status="running", nonce="1" * 32, boot_id=blocker.boot_id, started=time.time(), device="cuda:0"
    )
    job = bench.finished(job)
    assert job.status == "succeeded"


def test_forty_submissions_at_once_from_several_processes(bench: Bench) -> None:
    processes = [submitter(bench, "succeed", count=8) for _ in range(5)]
    numbers = [int(line) for process in processes for line in process.communicate(timeout=30)[0].split()]
    assert all(process.returncode == 0 for process in processes)
    assert sorted(numbers) == list(range(1, 41))
    assert bench.root.runner_log.read_text().count("begins") == 1
    waiting = [job.id for job in bench.queue.active() if job.status == "queued"]
    assert waiting == sorted(waiting)
    for job in bench.queue.active():
        bench.queue.request_stop(job.id, grace_s=0.1)
    assert {job.status for job in bench.queue.list() if not job.active} <= {"succeeded", "stopped"}


def test_job_submitted_at_the_moment_of_idle_exit_is_not_stranded(bench: Bench) -> None:
    """The submitter still saw the lock held, and the runner had already looked for the last time."""
    settings = RunnerSettings(program="fake_worker", poll_s=0.02, idle_exit_s=0.0)
    queue = JobQueue(bench.root, settings)
    lock = take_runner_lock(bench.root)  # the outgoing runner, after its last look
    assert lock is not None
    folder = new_job_folder(bench.root, "simulate")
    job = queue.submit("simulate", folder, {"do": "succeed"})
    assert queue.get(job.id).status == "queued"
    handed_over = subprocess.Popen(
        [sys.executable, "-c", AFTER_LAST_LOOK, str(bench.root.path), str(lock), settings.to_argument()],
        cwd=launch.CODE_FOLDER,
        pass_fds=(lock,),
    )
    os.close(lock)
    assert handed_over.wait(20) == 0
    assert queue.get(job.id).status == "succeeded"


AFTER_LAST_LOOK = """
import sys
from mvla_core.jobs.runner import Runner
from mvla_core.jobs.settings import RunnerSettings
from mvla_core.layout import DataRoot
class Leaving(Runner):
    looks = 0
    def _serve_until_idle(self):
        self.looks += 1
        if self.looks > 1:  # the first time it has just decided to go
            super()._serve_until_idle()
Leaving(DataRoot.resolve(sys.argv[1]), RunnerSettings.from_argument(sys.argv[3]), int(sys.argv[2])).run()
"""


def test_many_short_lived_runners_strand_nobody(bench: Bench) -> None:
    """With runners that leave as soon as they are idle, submissions hit the hand-over again and again."""
    queue = JobQueue(bench.root, RunnerSettings(program="fake_worker", poll_s=0.01, idle_exit_s=0.0))
    for _ in range(5):
        job = queue.submit("simulate", new_job_folder(bench.root, "simulate"), {"do": "succeed"})
        end = time.monotonic() + 10
        while queue.get(job.id).active:  # nobody attends: the submission alone must do
            assert time.monotonic() < end
            time.sleep(0.005)


def test_runner_leaves_when_its_data_root_is_deleted(bench: Bench) -> None:
    bench.finished(bench.submit("succeed"))
    runner = runner_process(bench.root)
    assert runner is not None
    bench.root.path.rename(bench.root.path.with_name("moved"))
    end = time.monotonic() + 10
    while not bench.gone(runner.pid):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert not bench.root.path.exists()


def test_moved_clock_does_not_end_a_stop_early(bench: Bench) -> None:
    """Only the shown time comes from the wall clock: a row whose time has passed does not shorten the stage."""
    job = bench.working(bench.submit("sleep"))
    bench.queue.request_stop(job.id, grace_s=1.5)
    bench.until(job, lambda found: found.stop_stage == "waiting")
    began = time.monotonic()
    bench.change_row(job, stop_until=1.0)
    bench.until(job, lambda found: found.stop_stage != "waiting")
    assert time.monotonic() - began > 0.5
    bench.finished(job)


def test_truncated_log_and_progress_do_not_touch_the_job(bench: Bench) -> None:
    job = bench.working(bench.submit("wait"))
    os.truncate(job.folder.log, 0)
    os.truncate(job.folder.progress, 0)
    (job.folder.path / "go").touch()
    assert bench.finished(job).status == "succeeded"
