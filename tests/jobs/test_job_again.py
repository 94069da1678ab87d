"""The order of what waits, going on after an end, and the bin."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvla_core.errors import JobError
from mvla_core.files import read_json, write_json
from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.preferences import QueuePreferences, preferences_file, write_preferences
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot

if TYPE_CHECKING:
    from pathlib import Path

    from mvla_core.jobs.model import Job
    from tests.jobs.conftest import Bench


@pytest.fixture
def still(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> JobQueue:
    """A queue that starts no runner."""
    monkeypatch.setattr("mvla_core.jobs.reading.ensure_runner", lambda root, settings: None)
    return JobQueue(root)


def put(queue: JobQueue, priority: int = 0) -> Job:
    folder = new_job_folder(queue.root, "report")
    return queue.submit("report", folder, {"name": folder.path.name}, priority=priority)


def order(queue: JobQueue) -> list[int]:
    return [job.id for job in queue.active()]


def test_waiting_jobs_are_moved(still: JobQueue) -> None:
    for _ in range(4):
        put(still)
    assert order(still) == [1, 2, 3, 4]
    still.move(4, "first")
    assert order(still) == [4, 1, 2, 3]
    still.move(4, "down")
    assert order(still) == [1, 4, 2, 3]
    still.move(3, "up")
    assert order(still) == [1, 4, 3, 2]
    still.move(1, "last")
    assert order(still) == [4, 3, 2, 1]
    still.move(4, "up")
    still.move(1, "down")
    assert order(still) == [4, 3, 2, 1]
    put(still)
    assert order(still)[-1] == 5, "what is new waits behind what was moved"
    still.request_stop(4)
    with pytest.raises(JobError, match="no longer waits"):
        still.move(4, "first")


def test_move_takes_the_priority_that_the_place_needs(still: JobQueue) -> None:
    put(still, 5), put(still), put(still, -3)
    assert order(still) == [1, 2, 3]
    assert [job.priority for job in still.move(3, "first")] == [5, 5, 0]
    assert order(still) == [3, 1, 2]
    assert [job.priority for job in still.move(3, "last")] == [5, 0, 0]
    assert order(still) == [1, 2, 3]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moves=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["first", "up", "down", "last"]), st.integers(-2, 2)), max_size=5
    )
)
def test_any_moves_keep_every_job_and_do_what_they_say(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, moves: list[tuple[int, str, int]]
) -> None:
    monkeypatch.setattr("mvla_core.jobs.reading.ensure_runner", lambda root, settings: None)
    queue = JobQueue(DataRoot(tmp_path_factory.mktemp("moves") / "data"))
    for _ in range(5):
        put(queue)
    for index, where, priority in moves:
        queue.set_priority(order(queue)[index], priority)
        before = order(queue)
        chosen = before[index]
        queue.move(chosen, where)  # type: ignore[arg-type]
        place = {"first": 0, "up": max(index - 1, 0), "down": min(index + 1, 4), "last": 4}[where]
        expected = [number for number in before if number != chosen]
        expected.insert(place, chosen)
        assert order(queue) == expected
        assert all(-100 <= job.priority <= 100 for job in queue.active())


def test_moved_order_survives_a_rebuilt_queue(still: JobQueue) -> None:
    for _ in range(3):
        put(still)
    still.move(3, "first")
    for suffix in ("", "-wal", "-shm"):
        still.root.path.joinpath("jobs.sqlite" + suffix).unlink(missing_ok=True)
    assert order(still) == [3, 1, 2]


def test_two_tabs_that_launch_the_same_make_one_job(still: JobQueue) -> None:
    first = still.submit("evaluate", new_job_folder(still.root, "evaluate"), {"run_id": "r1"})
    with pytest.raises(JobError, match=rf"Job {first.id} \(queued\) does exactly this already"):
        still.submit("evaluate", new_job_folder(still.root, "evaluate"), {"run_id": "r1"})
    still.submit("evaluate", new_job_folder(still.root, "evaluate"), {"run_id": "r2"})
    still.request_stop(first.id)
    still.submit("evaluate", new_job_folder(still.root, "evaluate"), {"run_id": "r1"})
    assert len(still.active()) == 2


def test_tabs_that_launch_at_the_same_moment_make_one_job(still: JobQueue) -> None:
    def click(_: int) -> str:
        try:
            still.submit("evaluate", new_job_folder(still.root, "evaluate"), {"run_id": "r1"})
        except JobError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(click, range(6)))
    assert answers.count("") == 1
    assert len(still.list()) == 1
    assert all("does exactly this already" in answer for answer in answers if answer)


def test_stopped_training_goes_on_in_its_folder(bench: Bench) -> None:
    job = bench.working(bench.submit("wait", kind="train"))
    bench.queue.request_stop(job.id, grace_s=10)
    bench.finished(job)
    events = job.folder.progress.stat().st_size
    other = bench.working(bench.submit("wait"))
    resumed = bench.queue.resume(job.id)
    assert (resumed.status, resumed.attempt, resumed.exit_code, resumed.folder) == ("queued", 2, None, job.folder)
    assert read_json(job.folder.path / "attempt-1" / "result.json")["status"] == "stopped"
    assert not job.folder.result.exists()
    (job.folder.path / "go").touch()
    (other.folder.path / "go").touch()
    ended = bench.finished(job)
    assert (ended.status, ended.exit_code, ended.pid != job.pid) == ("succeeded", 0, True)
    assert job.folder.progress.stat().st_size > events
    with pytest.raises(JobError, match="cannot be resumed"):
        bench.queue.resume(job.id)


def test_what_cannot_go_on_is_not_resumed(bench: Bench) -> None:
    job = bench.finished(bench.submit("fail", kind="import"))
    assert not job.resumable
    with pytest.raises(JobError, match=r"import, failed\) cannot be resumed"):
        bench.queue.resume(job.id)
    train = bench.working(bench.submit("wait", kind="train"))
    with pytest.raises(JobError, match="is running; only a job that has ended"):
        bench.queue.resume(train.id)
    bench.queue.request_stop(train.id, grace_s=5)
    bench.finished(train)
    train.folder.config.unlink()
    with pytest.raises(JobError, match="is gone"):
        bench.queue.resume(train.id)
    assert bench.queue.get(train.id).status == "stopped"


def interrupt(bench: Bench, job: Job) -> None:
    """As a restart of the machine leaves a job: nobody lives, and another boot id is on record."""
    bench.kill_runner()
    os.kill(job.pid, signal.SIGKILL)
    bench.change_row(job, boot_id="00000000-0000-0000-0000-000000000000")


def test_interrupted_training_goes_on_by_itself_if_the_user_chose_that(bench: Bench) -> None:
    write_preferences(bench.root, QueuePreferences(resume_interrupted=True))
    job = bench.working(bench.submit("wait", kind="train"))
    interrupt(bench, job)
    bench.queue.attend()
    again = bench.until(job, lambda found: found.attempt == 2 and found.status == "running" and found.pid is not None)
    assert again.pid != job.pid
    assert read_json(job.folder.path / "attempt-1" / "result.json")["status"] == "interrupted"
    (job.folder.path / "go").touch()
    assert bench.finished(job).status == "succeeded"


def test_interrupted_jobs_stay_so_without_that_choice_or_where_they_cannot_go_on(bench: Bench) -> None:
    job = bench.working(bench.submit("wait", kind="train"))
    interrupt(bench, job)
    assert bench.finished(job).status == "interrupted"
    write_preferences(bench.root, QueuePreferences(resume_interrupted=True))
    copying = bench.working(bench.submit("wait", kind="import"))
    interrupt(bench, copying)
    assert bench.finished(copying).status == "interrupted"
    tired = bench.working(bench.submit("wait", kind="train"))
    bench.change_row(tired, attempt=5)
    interrupt(bench, tired)
    assert bench.finished(tired).status == "interrupted"


def test_resumed_job_that_a_killed_runner_never_started_is_queued_again(bench: Bench) -> None:
    """Its progress file is of the former attempt and says nothing of this one."""
    job = bench.working(bench.submit("wait", kind="train"))
    bench.queue.request_stop(job.id, grace_s=10)
    bench.finished(job)
    blocker = bench.working(bench.submit("wait"))
    bench.queue.resume(job.id)
    bench.kill_runner()
    bench.change_row(job, status="running", nonce="3" * 32, boot_id=blocker.boot_id, device="cuda:3")
    (job.folder.path / "go").touch()
    assert bench.finished(job).status == "succeeded"


def test_stop_and_discard_moves_the_folder_to_the_bin_and_back(bench: Bench) -> None:
    job = bench.working(bench.submit("wait", kind="train"))
    bench.queue.request_stop(job.id, grace_s=10, discard=True)
    job = bench.until(job, lambda found: bool(found.note))
    assert (job.status, job.in_bin) == ("stopped", True)
    target = bench.root.runs / ".bin" / job.folder.path.name
    assert str(target) in job.note
    assert (target / "checkpoint").exists()
    assert not job.folder.path.exists()
    assert bench.queue.runs() == []
    with pytest.raises(JobError, match="lies in the bin"):
        bench.queue.resume(job.id)
    restored = bench.queue.restore(job.id)
    assert (restored.in_bin, restored.note) == (False, "")
    assert (job.folder.path / "checkpoint").exists()
    with pytest.raises(JobError, match="not in the bin"):
        bench.queue.restore(job.id)
    assert [run.run_id for run in bench.queue.runs()] == [job.folder.path.name]


def test_ended_and_waiting_jobs_are_discarded_at_once(still: JobQueue) -> None:
    job = still.request_stop(put(still).id, discard=True)
    assert (job.status, job.in_bin) == ("stopped", True)
    other = put(still)
    with pytest.raises(JobError, match="stop it before"):
        still.discard(other.id)
    still.request_stop(other.id)
    assert still.discard(other.id).in_bin
    assert still.discard(other.id).in_bin, "asking twice changes nothing"
    other.folder.path.mkdir()
    with pytest.raises(JobError, match="is there already"):
        still.restore(other.id)


def test_discarded_jobs_survive_a_rebuilt_queue(still: JobQueue) -> None:
    job = still.request_stop(put(still).id, discard=True)
    for suffix in ("", "-wal", "-shm"):
        still.root.path.joinpath("jobs.sqlite" + suffix).unlink(missing_ok=True)
    assert still.get(job.id).in_bin
    assert not still.restore(job.id).in_bin


@pytest.mark.parametrize(
    "content",
    ["[]", '{"webhook": 3}', '{"resume_interrupted": 1}', '{"else": true}', "{", '{"webhook": "file:///etc"}'],
)
def test_preferences_that_cannot_be_used_are_told_and_jobs_still_end(
    bench: Bench, content: str, tmp_path: Path
) -> None:
    preferences_file(bench.root).parent.mkdir(parents=True, exist_ok=True)
    preferences_file(bench.root).write_text(content)
    assert bench.finished(bench.submit("succeed")).status == "succeeded"
    assert "The settings of the queue" in bench.root.runner_log.read_text()


def test_preferences_are_kept(root: DataRoot) -> None:
    write_preferences(root, QueuePreferences(True, "https://example.org/hook?job=1"))
    assert read_json(preferences_file(root))["resume_interrupted"] is True
    write_json(preferences_file(root), {"webhook": ""})
