"""The inside of a worker, called in this process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mvla_core.errors import EpisodeError, JobError, Stopped
from mvla_core.files import read_json, read_json_lines, write_json
from mvla_core.jobs import worker
from mvla_core.jobs.diagnosis import EXIT_DISK_FULL
from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.worker import EXIT_DEFECT, JobFunction, run_worker
from mvla_core.layout import DataRoot, JobFolder
from mvla_core.progress import Progress


@pytest.fixture
def folder(root: DataRoot) -> JobFolder:
    made = new_job_folder(root, "import")
    write_json(made.config, {"dataset": "x"})
    return made


def returning(value: Any) -> JobFunction:
    return lambda folder, config, root, progress: value


def test_function_gets_its_configuration_and_result_is_written(folder: JobFolder, root: DataRoot) -> None:
    seen: list[object] = []

    def function(given: JobFolder, config: dict[str, Any], data: DataRoot, progress: Progress) -> dict[str, Any]:
        seen.extend((given, config, data))
        progress.stage("Counting")
        return {"count": 3, "loss": float("inf"), "nested": [{"x": float("nan")}]}

    assert run_worker("import", folder, root, {"import": function}) == 0
    assert seen == [folder, {"dataset": "x"}, root]
    result = read_json(folder.result)
    assert (result["status"], result["count"], result["loss"], result["nested"]) == (
        "succeeded",
        3,
        None,
        [{"x": None}],
    )
    assert result["started"] <= result["finished"]
    assert [row["name"] for row in read_json_lines(folder.progress)[0]] == ["Starting", "Counting"]


def test_ended_job_is_not_done_again(folder: JobFolder, root: DataRoot) -> None:
    run_worker("import", folder, root, {"import": returning({})})
    before = folder.result.read_bytes()
    with pytest.raises(JobError, match="ended already"):
        run_worker("import", folder, root, {"import": returning({})})
    assert folder.result.read_bytes() == before


def stopping(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    raise Stopped("Stopped as asked.")


def test_a_job_outside_the_queue_goes_on_and_keeps_its_former_endings(folder: JobFolder, root: DataRoot) -> None:
    def failing(*_: Any) -> dict[str, Any]:
        raise EpisodeError("stub", "The disk is full.")

    for function in (stopping, failing, returning({"count": 3})):
        run_worker("train", folder, root, {"train": function}, goes_on=True)
    former = [read_json(folder.path / f"attempt-{number}" / "result.json")["status"] for number in (1, 2)]
    assert former == ["stopped", "failed"]
    assert read_json(folder.result)["count"] == 3
    with pytest.raises(JobError, match="ended already"):
        run_worker("train", folder, root, {"train": returning({})}, goes_on=True)
    assert not (folder.path / "attempt-3").exists()


def test_a_stopped_job_of_the_queue_is_resumed_there(folder: JobFolder, root: DataRoot) -> None:
    """The queue's own record would else say something else than the folder."""
    run_worker("train", folder, root, {"train": stopping})
    write_json(folder.record, {"job_id": 17})
    with pytest.raises(JobError, match="resume it with python -m mvla_core jobs --resume 17"):
        run_worker("train", folder, root, {"train": returning({})}, goes_on=True)
    assert read_json(folder.result)["status"] == "stopped"


def test_a_job_that_cannot_go_on_is_not_done_again_after_a_stop(folder: JobFolder, root: DataRoot) -> None:
    run_worker("import", folder, root, {"import": stopping})
    with pytest.raises(JobError, match="ended already"):
        run_worker("import", folder, root, {"import": returning({})})


def test_two_workers_never_share_a_folder(folder: JobFolder, root: DataRoot) -> None:
    def function(given: JobFolder, config: dict[str, Any], data: DataRoot, progress: Progress) -> dict[str, Any]:
        with pytest.raises(JobError, match="Another process"):
            run_worker("import", folder, root, {"import": returning({})})
        return {}

    assert run_worker("import", folder, root, {"import": function}) == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"status": "x"}, "returned status"),
        ({"x": object()}, "not JSON serializable"),
        ({1: {2}}, "not JSON serializable"),
    ],
)
def test_returned_values_that_cannot_be_kept_fail(
    folder: JobFolder, root: DataRoot, value: dict[Any, Any], words: str
) -> None:
    assert run_worker("import", folder, root, {"import": returning(value)}) != 0
    result = read_json(folder.result)
    assert result["status"] == "failed"
    assert words in result["message"]


def test_unknown_kind_and_bad_configuration_fail_in_the_folder(folder: JobFolder, root: DataRoot) -> None:
    assert run_worker("imprt", folder, root, {"import": returning({})}) == JobError.exit_code
    assert "Did you mean 'import'" in read_json(folder.result)["message"]
    other = new_job_folder(root, "import")
    write_json(other.config, [1])
    assert run_worker("import", other, root, {"import": returning({})}) == JobError.exit_code
    assert "found list" in read_json(other.result)["message"]
    empty = new_job_folder(root, "import")
    with pytest.raises(JobError, match=r"no readable config\.json"):
        run_worker("import", empty, root, {})


def test_explained_errors_keep_their_sentence_and_exit_code(
    folder: JobFolder, root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    def function(*_: Any) -> dict[str, Any]:
        raise EpisodeError("stub", "The episode e1 has no frames.")

    assert run_worker("import", folder, root, {"import": function}) == 3
    result = read_json(folder.result)
    assert (result["message"], result["diagnosis"]) == ("The episode e1 has no frames.", "bad_data")
    assert capsys.readouterr().err == "error: The episode e1 has no frames.\n"


def test_defects_leave_a_trace_in_the_log(
    folder: JobFolder, root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    def function(*_: Any) -> dict[str, Any]:
        sys.exit("gave up")

    assert run_worker("import", folder, root, {"import": function}) == EXIT_DEFECT
    assert read_json(folder.result)["message"] == "SystemExit: gave up"
    assert "Traceback" in capsys.readouterr().err


def test_full_disk_while_working(folder: JobFolder, root: DataRoot) -> None:
    folder.progress.symlink_to("/dev/full")
    assert run_worker("import", folder, root, {"import": returning({})}) == EXIT_DEFECT
    assert read_json(folder.result)["diagnosis"] == "disk_full"


def test_disk_too_full_for_the_result(folder: JobFolder, root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, value: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(worker, "write_json", full)
    assert run_worker("import", folder, root, {"import": returning({})}) == EXIT_DISK_FULL
    assert not folder.result.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_asks_to_stop_and_handlers_come_back(folder: JobFolder, root: DataRoot, number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]

    def function(given: JobFolder, config: dict[str, Any], data: DataRoot, progress: Progress) -> dict[str, Any]:
        os.kill(os.getpid(), number)
        progress.note("still here: a checkpoint can be written")
        progress.check()
        return {}

    assert run_worker("import", folder, root, {"import": function}) == 130
    assert read_json(folder.result)["status"] == "stopped"
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before


def test_signal_while_the_result_is_written_changes_nothing(
    folder: JobFolder, root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, value: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        write_json(path, value)

    monkeypatch.setattr(worker, "write_json", write)
    assert run_worker("import", folder, root, {"import": returning({})}) == 0
    assert read_json(folder.result)["status"] == "succeeded"


def test_real_command_line_is_what_the_runner_starts(folder: JobFolder, root: DataRoot) -> None:
    """`python -m mvla_core work` takes the very arguments that `worker_command` makes."""
    command = [
        sys.executable,
        "-m",
        "mvla_core",
        "work",
        "report",
        "--folder",
        str(folder.path),
        "--data-root",
        str(root.path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=60)
    assert done.returncode != 0
    assert read_json(folder.result)["status"] == "failed", done.stderr
