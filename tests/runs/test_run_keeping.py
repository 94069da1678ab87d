"""Labels, the bin, TensorBoard's event files, the table of metrics and the predictions of each epoch."""

from __future__ import annotations

import csv
import math
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.errors import JobError, RunError, UserInputError
from mvla_core.files import append_json_line
from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.launch import CODE_FOLDER
from mvla_core.jobs.queue import JobQueue
from mvla_core.jobs.run_bin import delete_run, list_bin, purge_run, restore_run
from mvla_core.layout import DataRoot
from mvla_core.runs.curves import overlay, run_curves
from mvla_core.runs.export import metric_lines
from mvla_core.runs.labels import MAX_TAGS, RunLabels, change_labels, load_labels
from mvla_core.runs.listing import list_runs
from mvla_core.runs.predictions import (
    MAX_EPOCHS,
    MAX_FRAMES,
    WatchedEpisode,
    choose_watched,
    is_kept,
    read_predictions,
    shown_rows,
    write_epoch,
    write_watched,
)
from mvla_core.runs.tensorboard import ScalarEvents, crc32c, export_scalars, scalar_record


def test_labels_lie_beside_the_frozen_files(root: DataRoot, make_run) -> None:
    run = make_run()
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    assert load_labels(run) == RunLabels()
    change_labels(root, "r1", add_tags=[" first ", "second", "first"], note=" <b>why</b> ")
    change_labels(root, "r1", remove_tags=["second", "never"], archived=True)
    assert load_labels(run) == RunLabels(("first",), "<b>why</b>", True)
    assert {name: (run.path / name).read_bytes() for name in before} == before


def test_two_tabs_at_once_lose_no_tag(root: DataRoot, make_run) -> None:
    run = make_run()
    tags = [f"tag {number}" for number in range(MAX_TAGS)]
    threads = [threading.Thread(target=change_labels, args=(root, "r1"), kwargs={"add_tags": [tag]}) for tag in tags]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(load_labels(run).tags) == set(tags)
    with pytest.raises(UserInputError, match="at most"):
        change_labels(root, "r1", add_tags=["one more"])


@pytest.mark.parametrize("tag", ["", "  ", "a,b", "x" * 41, "line\nbreak", "\x00"])
def test_tags_that_cannot_be_used_change_nothing(root: DataRoot, make_run, tag: str) -> None:
    run = make_run()
    with pytest.raises(UserInputError, match="tag"):
        change_labels(root, "r1", add_tags=["good", tag])
    assert load_labels(run) == RunLabels()
    with pytest.raises(RunError):
        change_labels(root, "r2", add_tags=["x"])
    with pytest.raises(UserInputError):
        change_labels(root, "../r1", add_tags=["x"])


def test_delete_moves_to_the_bin_and_restore_brings_everything_back(root: DataRoot, make_run) -> None:
    run = make_run(losses=(1.0,), result={})
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    delete_run(root, "r1")
    assert list_runs(root) == []
    (binned,) = list_bin(root)
    assert (binned.run_id, binned.size_bytes) == ("r1", sum(map(len, before.values())))
    restore_run(root, "r1")
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before
    assert list_bin(root) == []


def test_only_the_bin_is_emptied_and_never_through_a_link(root: DataRoot, make_run, tmp_path: Path) -> None:
    run = make_run()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (run.path / "link").symlink_to(outside)
    with pytest.raises(RunError, match="bin holds no run"):
        purge_run(root, "r1")
    delete_run(root, "r1")
    assert purge_run(root, "r1") > 0
    assert (outside / "kept").read_text() == "kept"
    (root.runs / "linked").symlink_to(outside)
    with pytest.raises(UserInputError, match="is a link"):
        delete_run(root, "linked")
    for name in ("../r1", ".bin", "r1/../r1", ""):
        for function in (delete_run, restore_run, purge_run):
            with pytest.raises(UserInputError):
                function(root, name)


def test_a_restored_run_replaces_no_other(root: DataRoot, make_run) -> None:
    make_run()
    delete_run(root, "r1")
    make_run(losses=(1.0,))
    with pytest.raises(JobError, match="is there already"):
        restore_run(root, "r1")
    with pytest.raises(RunError, match="already"):
        delete_run(root, "r1")


def test_a_run_in_use_is_refused(root: DataRoot, make_run) -> None:
    run = make_run()
    queue = JobQueue(root)
    job = queue.submit("train", run, None, title="r1")
    with pytest.raises(RunError, match=f"train job {job.id}"):
        delete_run(root, "r1")
    assert run.path.is_dir()
    queue.request_stop(job.id)
    queue.wait(job.id, timeout_s=20)
    delete_run(root, "r1")
    assert queue.get(job.id).in_bin, "the queue knows where the folder lies"
    restore_run(root, "r1")
    assert not queue.get(job.id).in_bin


WORKS_WITHOUT_THE_QUEUE = """
import sys
from pathlib import Path
from mvla_core.jobs.worker import run_worker
from mvla_core.layout import DataRoot

def train(folder, config, root, progress):
    print("works", flush=True)
    sys.stdin.read()
    return {}

root = DataRoot(Path(sys.argv[1]))
sys.exit(run_worker("train", root.run("r1"), root, {"train": train}))
"""


def test_a_run_that_a_process_of_its_own_trains_is_refused(root: DataRoot, make_run) -> None:
    """As torchrun and Slurm do it: a worker without a job of the queue."""
    run = make_run()
    command = [sys.executable, "-c", WORKS_WITHOUT_THE_QUEUE, str(root.path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CODE_FOLDER
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "works\n"
        with pytest.raises(JobError, match="A process works in .*r1, which the queue does not know"):
            delete_run(root, "r1")
        assert run.config.is_file()
        process.communicate("")
    assert process.returncode == 0
    assert run.result.is_file(), "it could write its result"
    delete_run(root, "r1")
    assert not run.path.exists()


def test_a_damaged_configuration_of_a_waiting_job_keeps_no_other_run(
    root: DataRoot, make_run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobQueue, "call_runner", lambda queue: None)
    make_run(), make_run("r2")
    queue = JobQueue(root)
    damaged = queue.submit("evaluate", new_job_folder(root, "evaluate"), {"run_id": "r2"})
    queue.submit("evaluate", new_job_folder(root, "evaluate"), {"run_id": "r1"})
    damaged.folder.config.write_text('{"run_id')
    with pytest.raises(RunError, match="evaluate job"):
        delete_run(root, "r1")
    delete_run(root, "r2")


def read_events(path: Path) -> list[tuple[int, dict[str, float]]]:
    """An event file, read by the definition of its format and not with the code that wrote it."""

    def masked(data: bytes) -> int:
        crc = crc32c(data)
        return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF

    def fields(data: bytes) -> list[tuple[int, bytes | int]]:
        found: list[tuple[int, bytes | int]] = []
        at = 0

        def varint() -> int:
            nonlocal at
            value = shift = 0
            while True:
                byte = data[at]
                at += 1
                value |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    return value

        while at < len(data):
            key = varint()
            if key & 7 == 0:
                found.append((key >> 3, varint()))
                continue
            size = {1: 8, 5: 4}.get(key & 7)
            length = varint() if size is None else size
            found.append((key >> 3, data[at : at + length]))
            at += length
        return found

    content, at, events = path.read_bytes(), 0, []
    while at < len(content):
        length, crc = struct.unpack_from("<QI", content, at)
        assert crc == masked(content[at : at + 8])
        message = content[at + 12 : at + 12 + length]
        assert struct.unpack_from("<I", content, at + 12 + length)[0] == masked(message)
        at += 16 + length
        event = dict(fields(message))
        scalars = {}
        for _, value in fields(event.get(5, b"")):  # type: ignore[arg-type]
            parts = dict(fields(value))  # type: ignore[arg-type]
            scalars[parts[1].decode()] = struct.unpack("<f", parts[2])[0]  # type: ignore[union-attr, arg-type]
        events.append((int(event.get(2, 0)), scalars))  # type: ignore[arg-type]
    return events


def test_checksum_is_that_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


def test_event_files_hold_every_metric(root: DataRoot, make_run) -> None:
    run = make_run(losses=(3.0, None, 1.0), val_losses=(0.5, 0.4))
    ScalarEvents(run).write("step", {"step": 1, "train_loss": 9.0})
    path = export_scalars(run)
    assert list(path.parent.iterdir()) == [path], "a file of before would draw every curve twice"
    first, *events = read_events(path)
    assert first == (0, {})
    steps = [(step, scalars["loss/train_step"]) for step, scalars in events if "loss/train_step" in scalars]
    assert [step for step, _ in steps] == [1, 2, 3]
    assert (steps[0][1], steps[2][1]) == (3.0, 1.0)
    assert math.isnan(steps[1][1])
    assert [scalars["loss/validation"] for _, scalars in events if "loss/validation" in scalars] == pytest.approx(
        [0.5, 0.4]
    )


AXES = {"linear_x [m/s]": 0.25, "angular_z [rad/s]": None}


def test_the_error_of_each_axis_is_exported(root: DataRoot, make_run) -> None:
    old, run = make_run("old", val_losses=(0.5,)), make_run("new", losses=(3.0,))
    epoch = {"event": "epoch", "time": 1.0, "epoch": 1, "step": 10, "val_loss": 0.5, "val_huber": 0.125}
    append_json_line(run.progress, {**epoch, "val_rmse_axes": AXES})
    append_json_line(run.progress, {**epoch, "epoch": 2, "val_rmse_axes": {"=1+1": "x"}})
    rows = list(csv.DictReader("".join(metric_lines([old, run])).splitlines()))
    assert [(row["val_huber"], row["val_rmse linear_x [m/s]"], row["val_rmse angular_z [rad/s]"]) for row in rows] == [
        ("", "", ""),
        ("", "", ""),
        ("0.125", "0.25", "nan"),
        ("0.125", "", ""),
    ]
    scalars = {tag: value for _, found in read_events(export_scalars(run)) for tag, value in found.items()}
    assert scalars["error/validation_huber"] == 0.125
    assert scalars["error/validation_rmse of linear_x [m/s]"] == 0.25
    assert math.isnan(scalars["error/validation_rmse of angular_z [rad/s]"])
    (told, _) = run_curves(root, run)["epochs"]
    assert (told["val_huber"], told["val_rmse_axes"]) == (0.125, AXES)
    assert overlay(root, [run], "epoch.val_huber")["curves"][0]["y"] == [0.125, 0.125]


def test_tensorboard_itself_reads_them(root: DataRoot, make_run) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = make_run(losses=(3.0, 2.0), val_losses=(0.5,))
    read = accumulators.EventAccumulator(str(export_scalars(run).parent))
    read.Reload()
    assert [event.value for event in read.Scalars("loss/train_step")] == [3.0, 2.0]


@settings(deadline=None)  # a file is written, on whatever disk
@given(st.integers(0, 2**40), st.floats(width=32, allow_nan=False))
def test_any_step_and_value_round_trip(step: int, value: float) -> None:
    path = Path("/dev/shm") / "mvla-event-test" if Path("/dev/shm").is_dir() else Path("mvla-event-test")
    path.write_bytes(scalar_record(1.0, step, {"a/b": value}))
    try:
        assert read_events(path) == [(step, {"a/b": value})]
    finally:
        path.unlink()


def test_table_has_every_metric_and_no_formula(root: DataRoot, make_run) -> None:
    run = make_run(losses=(3.0, None), val_losses=(0.5,))
    append_json_line(run.progress, {"event": "step", "step": "=1+1", "train_loss": -2.0})
    with open(run.progress, "a") as file:
        file.write('{"event": "step", "cut')
    rows = list(csv.DictReader("".join(metric_lines([run, make_run("empty")])).splitlines()))
    assert [(row["event"], row["train_loss"], row["val_loss"]) for row in rows] == [
        ("step", "3.0", ""),
        ("step", "nan", ""),
        ("epoch", "0.5", "0.5"),
        ("step", "-2.0", ""),
    ]
    assert rows[3]["step"] == "'=1+1"


def test_predictions_are_bounded_and_read_back(root: DataRoot, make_run) -> None:
    run = make_run()
    assert read_predictions(run) is None
    driven = np.stack([np.sin(np.arange(6.0)), np.zeros(6)], axis=1)
    episode = WatchedEpisode("e1", np.arange(3, 9), driven)
    write_watched(run, ("linear_x", "linear_y"), ("m/s", "m/s"), [episode])
    write_watched(run, ("linear_x", "linear_y"), ("m/s", "m/s"), [episode])  # a resume does not begin anew
    write_epoch(run, 1, [np.full((6, 2), 0.3)])
    write_epoch(run, 2, [np.where(driven > 2, 0, driven)])
    write_epoch(run, 2, [driven * 0.5 + np.array([np.nan, 0.0])])
    with open(run.path / "epoch_predictions.jsonl", "a") as file:
        file.write('{"epoch": 3, "predicted": [[[1, 2]]]}\n{"epoch": 4}\n{"epoch": 5, "pre')
    read = read_predictions(run)
    assert read is not None
    assert list(read.epochs) == [1, 2], "what does not fit is passed over"
    assert read.collapsed(1) == ["linear_x"]
    assert [row["epoch"] for row in read.to_json(after=1)["epochs"]] == [2]
    assert read.to_json()["epochs"][1]["predicted"][0][0][0] is None
    assert read.to_json()["epochs"][0]["spread"] == [0.0, None], "NaN where the driver never varied"
    assert len(shown_rows(10_000)) == MAX_FRAMES
    assert shown_rows(3).tolist() == [0, 1, 2]
    kept = [epoch for epoch in range(1, 2_001) if is_kept(epoch, 2_000)]
    assert len(kept) <= MAX_EPOCHS + 2
    assert {1, 2_000} <= set(kept)
    assert all(is_kept(epoch, 20) for epoch in range(1, 21))


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_are_no_predictions(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        run = DataRoot(Path(folder)).run("r1")
        run.path.mkdir(parents=True)
        (run.path / "epoch_predictions.jsonl").write_bytes(content)
        assert read_predictions(run) is None


def test_the_two_watched_episodes_differ_most() -> None:
    def constant(value: float) -> np.ndarray:
        return np.full((4, 2), value, dtype=np.float32)

    assert choose_watched({"a": constant(1.0), "b": constant(1.1), "c": constant(-1.0)}) == ("a", "c")
    assert choose_watched({"a": constant(1.0)}) == ("a",)


def test_a_link_among_the_runs_is_not_listed(root: DataRoot, make_run, tmp_path: Path) -> None:
    make_run()
    (tmp_path / "outside").mkdir()
    (root.runs / "linked").symlink_to(tmp_path / "outside")
    assert [run.run_id for run in list_runs(root)] == ["r1"]
