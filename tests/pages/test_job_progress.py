"""What a page knows of a job: read as the file grows, and never from half a line."""

from __future__ import annotations

from app.job_progress import JobReading, read_on
from mvla_core.files import append_json_line
from mvla_core.layout import DataRoot


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
