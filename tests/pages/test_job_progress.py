"""What a page knows of a job: read as the file grows, and never from half a line."""

from __future__ import annotations

import pytest

from app.job_progress import JobReading, LogTail, read_log_on, read_on
from mvla_core.files import append_json_line, write_json
from mvla_core.layout import DataRoot, JobFolder


def test_reading_follows_the_file(root: DataRoot) -> None:
    folder = root.job("simulate-1")
    folder.path.mkdir(parents=True)
    reading = read_on(folder, JobReading())
    assert (reading.text, reading.share) == ("", None)
    append_json_line(folder.progress, {"event": "stage", "name": "Record"})
    append_json_line(folder.progress, {"event": "progress", "done": 3, "total": 12, "message": "episodes"})
    reading = read_on(folder, reading)
    assert (reading.text, reading.share) == ("Record · 3 of 12 · episodes", 0.25)
    append_json_line(folder.progress, {"event": "note", "level": "warning", "message": "slow disk"})
    append_json_line(folder.progress, {"event": "note", "level": "info", "message": "fine"})
    append_json_line(folder.progress, {"event": "epoch", "epoch": 2, "epochs": 4})
    reading = read_on(folder, reading)
    assert (reading.text, reading.share) == ("Record · epoch 2 of 4", 0.5)
    assert reading.notes == (("warning", "slow disk"),)
    append_json_line(folder.progress, {"event": "stage", "name": "Save"})
    assert read_on(folder, reading).share is None, "a new stage begins at nothing"


def test_half_a_line_waits_and_a_truncated_file_begins_anew(root: DataRoot) -> None:
    folder = root.job("simulate-1")
    folder.path.mkdir(parents=True)
    append_json_line(folder.progress, {"event": "stage", "name": "Record"})
    with open(folder.progress, "a", encoding="utf-8") as file:
        file.write('{"event": "stage", "na')
    reading = read_on(folder, JobReading())
    assert reading.stage == "Record"
    assert read_on(folder, reading) == reading
    folder.progress.write_text("")
    assert read_on(folder, reading) == JobReading()


def test_a_total_of_nothing_has_no_share(root: DataRoot) -> None:
    folder = root.job("simulate-1")
    folder.path.mkdir(parents=True)
    append_json_line(folder.progress, {"event": "progress", "done": 0, "total": 0, "message": ""})
    assert read_on(folder, JobReading()).share is None


def steps(folder: JobFolder, first: int, last: int, begin: float, seconds_each: float) -> None:
    """Steps of a training of 10 epochs, 10 steps each."""
    for step in range(first, last + 1):
        event = {"event": "step", "time": begin + (step - first) * seconds_each, "step": step, "epoch": step / 10}
        append_json_line(folder.progress, event)


def test_time_left_is_known_right_after_a_resume(root: DataRoot) -> None:
    folder = root.run("r1")
    write_json(folder.config, {"recipe": {"epochs": 10}})
    append_json_line(folder.progress, {"event": "stage", "time": 1.0, "name": "Starting"})
    append_json_line(folder.progress, {"event": "stage", "time": 2.0, "name": "Train"})
    reading = read_on(folder, JobReading())
    assert reading.left_s is None
    steps(folder, 1, 40, 10.0, 2.0)
    reading = read_on(folder, reading)
    assert reading.share == pytest.approx(0.4)
    assert reading.left_s == pytest.approx(60 * 2.0)
    # An hour later it is resumed, from the checkpoint at step 30.
    append_json_line(folder.progress, {"event": "stage", "time": 4000.0, "name": "Starting"})
    append_json_line(folder.progress, {"event": "stage", "time": 4001.0, "name": "Read the episodes"})
    reading = read_on(folder, reading)
    assert (reading.stage, reading.share) == ("Read the episodes", None)
    assert reading.left_s == pytest.approx(60 * 2.0)
    append_json_line(folder.progress, {"event": "stage", "time": 4010.0, "name": "Train"})
    reading = read_on(folder, reading)
    assert (reading.share, reading.left_s) == (pytest.approx(0.4), pytest.approx(60 * 2.0))
    steps(folder, 31, 35, 4020.0, 2.0)
    reading = read_on(folder, reading)
    assert (reading.share, reading.left_s) == (pytest.approx(0.35), pytest.approx(65 * 2.0))


def test_time_left_is_not_moved_by_a_pause_or_by_the_clock(root: DataRoot) -> None:
    folder = root.job("simulate-1")
    folder.path.mkdir(parents=True)
    append_json_line(folder.progress, {"event": "stage", "time": 0.0, "name": "Record"})
    moments = [10.0, 11.0, 12.0, 9000.0, 9001.0, 50.0, 51.0, 52.0]
    for done, time in enumerate(moments):
        append_json_line(folder.progress, {"event": "progress", "time": time, "done": done, "total": 20, "message": ""})
    assert read_on(folder, JobReading()).left_s == pytest.approx(13.0)


def test_log_is_read_on_by_offset(root: DataRoot) -> None:
    log = root.path / "stdout.log"
    root.path.mkdir()
    assert read_log_on(log, LogTail()) == LogTail()
    log.write_bytes(b"one\n<b>two</b>\n10%\r50")
    tail = read_log_on(log, LogTail())
    assert tail.text == "one\n<b>two</b>\n50"
    with open(log, "ab") as file:
        file.write("%\n\x1b[31mé".encode()[:-1])
    tail = read_log_on(log, tail)
    assert tail.text.startswith("one\n<b>two</b>\n50%\n[31m")
    with open(log, "ab") as file:
        file.write("é\n".encode()[1:])
    tail = read_log_on(log, tail)
    assert tail.text == "one\n<b>two</b>\n50%\n[31mé"
    assert read_log_on(log, tail) == tail
    log.write_bytes(b"anew\n")
    assert read_log_on(log, tail).text == "anew"
    log.write_bytes(b"x" * 200_000 + b"\nlast\n")
    tail = read_log_on(log, tail)
    assert tail.lines[-1] == "last"
    assert len(tail.text) < 70_000
