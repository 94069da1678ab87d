"""`python -m mvla_core jobs`: the queue's changes from the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mvla_core.__main__ import main
from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.preferences import read_preferences
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot


@pytest.fixture
def queue(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> JobQueue:
    """Three waiting jobs and no runner."""
    monkeypatch.setattr("mvla_core.jobs.reading.ensure_runner", lambda root, settings: None)
    made = JobQueue(root)
    for number in range(3):
        made.submit("report", new_job_folder(root, "report"), {"n": number}, title=f"job {number}")
    return made


def test_jobs_are_moved_stopped_discarded_and_started_again(
    queue: JobQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    def jobs(*arguments: str) -> list[dict[str, Any]]:
        assert main(["jobs", "--data-root", str(queue.root.path), "--json", *arguments]) == 0
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["jobs"]
        return found

    assert [job["id"] for job in jobs("--first", "3")] == [3, 1, 2]
    assert [job["id"] for job in jobs("--down", "3")] == [1, 3, 2]
    assert [job["id"] for job in jobs("--up", "2")] == [1, 2, 3]
    assert [job["id"] for job in jobs("--last", "1")] == [2, 3, 1]
    assert [job["id"] for job in jobs("--priority", "1", "7")] == [1, 2, 3]
    assert jobs("--stop", "1")[0]["status"] == "stopped"
    assert jobs("--resume", "1")[0]["attempt"] == 2
    assert jobs("--discard", "1")[0]["discard"] == 1
    assert jobs("--restore", "1")[0]["discard"] == 0
    assert jobs("--retry", "1")[0]["retry_of"] == 1
    jobs("--resume-interrupted", "on"), jobs("--webhook", "http://127.0.0.1:9/")
    preferences = read_preferences(queue.root)
    assert (preferences.resume_interrupted, preferences.webhook) == (True, "http://127.0.0.1:9/")
    jobs("--resume-interrupted", "off"), jobs("--webhook", "")
    assert len(jobs()) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pause", "1"], "only a job that is running"),
        (["--continue", "1"], "only a job that is paused"),
        (["--restore", "1"], "not in the bin"),
        (["--first", "77"], "no job 77"),
        (["--priority", "1", "1000"], "out of range"),
        (["--webhook", "file:///etc/passwd"], "cannot be used"),
    ],
)
def test_what_is_refused_is_one_sentence(
    queue: JobQueue, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["jobs", "--data-root", str(queue.root.path), *arguments]) == 5
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--first", "1; ls"], ["--stop", "--help2"], ["--first", "1", "--up", "2"], ["--stop", "$(id)"]]
)
def test_options_that_are_no_numbers_are_refused(queue: JobQueue, arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["jobs", "--data-root", str(queue.root.path), *arguments])
    assert len(queue.active()) == 3
