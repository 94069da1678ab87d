"""The queue on a page: every button does what it says, what destroys asks, and texts of jobs are shown as they are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.bell import ring_for
from mvla_core.files import append_json_line, write_json
from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.model import Job
from mvla_core.jobs.preferences import preferences_file, read_preferences
from mvla_core.jobs.processes import NONCE_VARIABLE, current_boot_id
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot

NASTY = "<img src=x onerror=alert(1)> **bold** :red[x]"


def page() -> None:
    from app.queue_parts import show_queue

    show_queue()


@pytest.fixture
def queue(served: DataRoot) -> Iterator[JobQueue]:
    """A queue in which nothing is ever started."""
    return JobQueue(served)


def put(queue: JobQueue, title: str = "Record", kind: str = "simulate") -> Job:
    if kind == "train":
        folder = queue.root.run(f"r{len(queue.list())}")
        folder.path.mkdir(parents=True)
    else:
        folder = new_job_folder(queue.root, kind)
    return queue.submit(kind, folder, {"name": folder.path.name}, title=title)


def change(queue: JobQueue, job: Job, **values: Any) -> Job:
    """Bring a row into a state that only a runner brings it into."""
    return queue._database.write(lambda connection: queue._change(connection, job.id, **values))


def running(queue: JobQueue, job: Job) -> Job:
    """As if this very process were the job's worker."""
    nonce = os.environ.get(NONCE_VARIABLE, "0" * 32)
    return change(
        queue,
        job,
        status="running",
        started=job.created,
        pid=os.getpid(),
        start_ticks=1,
        nonce=nonce,
        boot_id=current_boot_id(),
    )


def opened(**state: Any) -> AppTest:
    test = AppTest.from_function(page, default_timeout=30)
    for name, value in state.items():
        test.session_state[name] = value
    return test.run()


def words(test: AppTest) -> str:
    return "\n".join([*(item.value for item in test.markdown), *(item.value for item in test.caption)])


def test_nothing_yet(served: DataRoot) -> None:
    test = opened()
    assert not test.exception
    assert "Nothing has been queued yet" in words(test)
    assert not served.jobs_database.exists()


def test_running_job_shows_stage_time_left_use_and_log(queue: JobQueue) -> None:
    job = running(queue, put(queue, NASTY))
    append_json_line(job.folder.progress, {"event": "stage", "time": 1.0, "name": "Record <b>"})
    for done in range(1, 4):
        append_json_line(
            job.folder.progress, {"event": "progress", "time": 10.0 * done, "done": done, "total": 10, "message": "e"}
        )
    job.folder.log.write_text(NASTY + "\n")
    test = opened(**{f"queue_log_{job.id}": True})
    assert not test.exception
    shown = words(test)
    assert "about 70 s left" in shown
    assert "GiB free" in shown
    assert "<img" not in shown.replace("\\<img", ""), "markup of a title is escaped"
    assert test.code[0].value == NASTY
    assert test.code[0].language == "plaintext"


def test_pause_and_continue_are_wishes_for_the_runner(queue: JobQueue) -> None:
    job = running(queue, put(queue))
    test = opened()
    test.button(key=f"queue_pause_{job.id}").click().run()
    assert queue.get(job.id).pause_wish == "pause"
    change(queue, job, status="paused", pause_wish=None, message="Paused: it keeps cpu and its memory.")
    test = opened()
    assert "Paused: it keeps cpu" in words(test).replace("\\", "")
    test.button(key=f"queue_continue_{job.id}").click().run()
    assert queue.get(job.id).pause_wish == "continue"


def test_stop_asks_once_and_discard_twice(queue: JobQueue) -> None:
    first, second = running(queue, put(queue)), running(queue, put(queue))
    test = opened()
    test.button(key=f"queue_stop_{first.id}").click().run()
    assert queue.get(first.id).status == "running"
    test.button(key=f"queue_stop_now_{first.id}").click().run()
    assert (queue.get(first.id).status, queue.get(first.id).discard) == ("stopping", 0)
    test.button(key=f"queue_discard_{second.id}").click().run()
    test.button(key=f"queue_discard_now_{second.id}").click().run()
    assert queue.get(second.id).status == "running", "one answer does not discard"
    test.button(key=f"queue_discard_surely_now_{second.id}").click().run()
    assert (queue.get(second.id).status, queue.get(second.id).discard) == ("stopping", 1)
    assert not test.exception


def test_waiting_jobs_are_reordered_and_cancelled(queue: JobQueue) -> None:
    jobs = [put(queue, f"job {number}") for number in range(3)]
    test = opened()
    test.button(key=f"queue_first_{jobs[2].id}").click().run()
    test.button(key=f"queue_down_{jobs[0].id}").click().run()
    assert [job.id for job in queue.active()] == [3, 2, 1]
    assert test.button(key=f"queue_up_{jobs[2].id}").disabled
    test.number_input(key=f"queue_priority_{jobs[0].id}_0").set_value(9).run()
    assert [job.id for job in queue.active()] == [1, 3, 2]
    test.button(key=f"queue_cancel_{jobs[0].id}").click().run()
    assert queue.get(jobs[0].id).status == "stopped"
    assert not test.exception


def test_ended_jobs_say_why_and_can_be_taken_up_again(queue: JobQueue) -> None:
    job = put(queue, "compact on lab", kind="train")
    write_json(job.folder.result, {"status": "failed"})
    change(
        queue, job, status="failed", message="It ended with exit code 70.", diagnosis="disk_full", finished=job.created
    )
    test = opened()
    assert "free space below the data root" in words(test).replace("\\", "")
    test.button(key=f"queue_resume_{job.id}").click().run()
    assert (queue.get(job.id).status, queue.get(job.id).attempt) == ("queued", 2)
    queue.request_stop(job.id)
    test = opened()
    test.button(key=f"queue_again_{job.id}").click().run()
    assert queue.active()[0].retry_of == job.id
    test.button(key=f"queue_discard_{job.id}").click().run()
    test.button(key=f"queue_discard_now_{job.id}").click().run()
    test.button(key=f"queue_discard_surely_now_{job.id}").click().run()
    assert queue.get(job.id).in_bin
    test.button(key=f"queue_restore_{job.id}").click().run()
    assert not queue.get(job.id).in_bin
    assert not test.exception


def test_what_is_refused_is_told(queue: JobQueue) -> None:
    put(queue)
    job = put(queue)
    test = opened()
    queue.request_stop(job.id)
    test.button(key=f"queue_first_{job.id}").click().run()
    assert "no longer waits" in test.error[0].value
    assert not test.exception


def test_settings_are_kept_and_a_bad_webhook_is_refused(queue: JobQueue) -> None:
    put(queue)
    test = opened()
    test.toggle(key="queue_resume").set_value(True).run()
    assert read_preferences(queue.root).resume_interrupted
    test.text_input(key="queue_webhook").set_value("file:///etc/passwd").run()
    assert "cannot be used" in test.error[0].value
    assert read_preferences(queue.root).webhook == ""
    test.text_input(key="queue_webhook").set_value("http://127.0.0.1:9/x").run()
    assert read_preferences(queue.root).webhook == "http://127.0.0.1:9/x"
    preferences_file(queue.root).write_text("[")
    assert "cannot be used" in opened().error[0].value


def test_bell_rings_for_each_attempt_of_a_job_and_holds_few(queue: JobQueue) -> None:
    def bell_page() -> None:
        from app.bell import show_bell

        show_bell()

    jobs = [put(queue, NASTY) for _ in range(10)]
    test = AppTest.from_function(bell_page, default_timeout=30)
    import streamlit as st

    st.session_state.clear()
    ring_for(jobs)
    rung = st.session_state["bell_ended"]
    assert len(rung) == 8
    assert len({each["id"] for each in rung}) == 8
    test.session_state["bell_ended"] = rung
    test.run()
    assert not test.exception
    (mounted,) = test.get("bidi_component")
    assert json.loads(mounted.proto.json)["ended"][-1]["title"] == NASTY


def test_runs_page_shows_the_queue_beside_its_own_card(queue: JobQueue, open_page: Any) -> None:
    """The same running job is there twice, each time with buttons of its own."""
    folder = queue.root.run("20260101-120000-lab-compact-0009")
    config = {"run_id": folder.run_id, "dataset": "lab", "preset": "compact", "recipe": {"epochs": 3}, "seed": 0}
    job = running(queue, queue.submit("train", folder, config, title="compact on lab"))
    folder.log.write_text(NASTY)
    shown = open_page("runs")
    assert not shown.exception
    keys = {button.key for button in shown.button}
    assert {f"pause_{job.id}", f"queue_pause_{job.id}"} <= keys
