"""Columns follow the progress file whatever happens to it, and no curve ever loses an extreme value or a NaN."""

from __future__ import annotations

import json
import math
import shutil
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvla_core.errors import UserInputError
from mvla_core.files import append_json_line
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.runs.columns import read_columns
from mvla_core.runs.curves import MAX_RUNS, kept_indices, overlay, run_curves


def add_steps(run: RunFolder, values: list[Any], first: int = 1) -> None:
    with open(run.progress, "a", encoding="utf-8") as file:
        for step, value in enumerate(values, first):
            row = {"event": "step", "time": 1000.0 + step, "step": step, "epoch": step / 10, "train_loss": value}
            file.write(json.dumps(row) + "\n")


floats = st.floats(-1e6, 1e6, width=32)


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(floats | st.just(math.nan), min_size=1, max_size=400),
    points=st.integers(4, 60),
)
def test_every_extreme_and_every_gap_is_kept(values: list[float], points: int) -> None:
    array = np.array(values, dtype=np.float32)
    index = kept_indices(array, points)
    assert (np.diff(index) > 0).all()
    assert {0, len(array) - 1} <= set(index.tolist())
    finite = array[np.isfinite(array)]
    if len(finite):
        kept = array[index]
        assert np.nanmax(kept) == finite.max()
        assert np.nanmin(kept) == finite.min()
    if np.isnan(array).any():
        assert np.isnan(array[index]).any()
    assert len(index) <= max(points, 4) + 2 + 4 * 200


def test_each_spike_of_a_long_curve_is_kept_up_and_down() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(0, 0.01, 200_000).astype(np.float32)
    spikes = 37 + 4_999 * np.arange(40)
    values[spikes[:20]], values[spikes[20:]] = 5.0, -5.0
    # Two opposite spikes side by side: a thinning that keeps one value of a stretch would lose one of them.
    values[1000], values[1001] = 4.0, -4.0
    kept = set(kept_indices(values, 2000).tolist())
    assert {*spikes.tolist(), 1000, 1001} <= kept
    assert len(kept) < 2100


def test_a_growing_file_is_read_on_from_where_it_was(root: DataRoot, make_run) -> None:
    run = make_run(losses=(3.0, 2.0), val_losses=(0.5,))
    first = read_columns(root, run)
    assert (first.rows, first.columns["train_loss"].tolist()) == (2, [3.0, 2.0])
    assert first.columns["time"].tolist() == [0.0, 1.0]
    with open(run.progress, "a") as file:
        file.write('{"event": "step", "time": 1003.0, "step": 3, "train_')
    assert read_columns(root, run).rows == 2
    with open(run.progress, "a") as file:
        file.write('loss": null}\nno json\n[1]\n{"event": "step", "step": "x", "train_loss": {}}\n')
    read = read_columns(root, run)
    assert read.rows == 4
    assert np.isnan(read.columns["train_loss"][2:]).all()
    assert (read.offset, read.size) == (run.progress.stat().st_size,) * 2


def test_a_file_that_began_anew_or_was_cut_is_read_anew(root: DataRoot, make_run) -> None:
    run = make_run(losses=(3.0, 2.0, 1.0))
    assert read_columns(root, run).rows == 3
    kept = run.progress.read_bytes().splitlines(keepends=True)
    run.progress.write_bytes(kept[0])
    assert read_columns(root, run).columns["train_loss"].tolist() == [3.0]
    run.progress.unlink()
    assert read_columns(root, run).rows == 0
    # The new file may get the number of the old one on the disk.
    add_steps(run, [7.0] * 5)
    assert read_columns(root, run).columns["train_loss"].tolist() == [7.0] * 5


@pytest.mark.parametrize("damage", ["state", "column", "longer", "gone"])
def test_a_damaged_cache_is_made_again(root: DataRoot, make_run, damage: str) -> None:
    run = make_run(losses=(3.0, 2.0, 1.0))
    read_columns(root, run)
    folder = root.cache / "curves" / run.run_id
    if damage == "state":
        (folder / "state.json").write_text('{"format": 1')
    elif damage == "column":
        (folder / "train_loss.f4").write_bytes(b"12")
    elif damage == "longer":
        with open(folder / "train_loss.f4", "ab") as file:
            file.write(b"killed")  # by a reader that was killed before it wrote its state
    else:
        shutil.rmtree(root.cache)
    append_json_line(run.progress, {"event": "step", "time": 1004.0, "step": 4, "train_loss": 0.5})
    assert read_columns(root, run).columns["train_loss"].tolist() == [3.0, 2.0, 1.0, 0.5]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(root: DataRoot, content: bytes) -> None:
    run = root.run("r1")
    run.path.mkdir(parents=True, exist_ok=True)
    run.progress.write_bytes(content)
    json.dumps(run_curves(root, run), allow_nan=False)


def test_a_reader_keeps_its_columns_while_the_file_begins_anew(root: DataRoot, make_run) -> None:
    """Columns are mapped into memory: had the files been emptied, reading on in them would end the process."""
    run = make_run()
    add_steps(run, [1.0] * 4_000)
    held = read_columns(root, run, 9)
    run.progress.unlink()
    add_steps(run, [2.0] * 3)
    assert read_columns(root, run).rows == 3
    assert held.columns["train_loss"].sum() == 4_000


def test_the_cache_of_another_boot_is_made_again(root: DataRoot, make_run) -> None:
    run = make_run(losses=(3.0, 2.0))
    read_columns(root, run)
    folder = root.cache / "curves" / run.run_id
    state = json.loads((folder / "state.json").read_text())
    (folder / "train_loss.f4").write_bytes(bytes(8))  # what a power cut may leave
    assert read_columns(root, run).columns["train_loss"].tolist() == [0.0, 0.0]
    (folder / "state.json").write_text(json.dumps({**state, "boot": "another"}))
    assert read_columns(root, run).columns["train_loss"].tolist() == [3.0, 2.0]


def test_a_resumed_training_has_each_epoch_once(root: DataRoot, make_run) -> None:
    run = make_run(losses=(1.0,), val_losses=(0.5, 0.4, 0.3))
    append_json_line(run.progress, {"event": "epoch", "epoch": 2, "time": 2000.0, "val_loss": 0.1})
    epochs = run_curves(root, run)["epochs"]
    assert [(row["epoch"], row["val_loss"]) for row in epochs] == [(1, 0.5), (2, 0.1)]


def test_reading_is_bounded_in_time_and_goes_on(root: DataRoot, make_run) -> None:
    run = make_run()
    add_steps(run, [float(k % 17) for k in range(20_000)])
    answer = run_curves(root, run, budget_s=0.0)
    assert 0 < answer["rows"] < 20_000
    assert answer["unread"] > 0
    while answer["unread"]:
        answer = run_curves(root, run, budget_s=0.0)
    assert answer["rows"] == 20_000
    assert len(answer["steps"]["step"]) < 2_100
    assert not answer["complete"]


def test_zoom_gives_what_was_left_out(root: DataRoot, make_run) -> None:
    run = make_run()
    values: list[float | None] = [float(k % 7) for k in range(5_000)]
    values[3_000] = None
    add_steps(run, values)
    whole = run_curves(root, run, points=200, budget_s=9)
    assert not whole["complete"]
    assert whole["not_finite"] == {"train_loss": {"count": 1, "step": 3001.0, "epoch": 300.1}}
    part = run_curves(root, run, points=200, begin=2_980, end=3_020, axis="step")
    assert part["complete"]
    assert part["steps"]["step"] == list(range(2_979, 3_022))
    assert part["steps"]["train_loss"][part["steps"]["step"].index(3_001)] is None
    by_epoch = run_curves(root, run, points=200, begin=298.0, end=302.0, axis="epoch")
    assert by_epoch["steps"]["step"][1] == 2_980
    assert run_curves(root, run, begin=1e9)["steps"]["step"] == [5_000]


def test_a_run_without_any_metric_is_empty(root: DataRoot, make_run) -> None:
    answer = run_curves(root, make_run())
    assert (answer["rows"], answer["epochs"], answer["unread"]) == (0, [], 0)
    assert answer["complete"]


def test_overlay_over_each_axis(root: DataRoot, make_run) -> None:
    runs = [make_run("r1", (3.0, 2.0, None), (0.5, 0.4)), make_run("r2", (1.0,), (0.3,))]
    answer = overlay(root, runs, "epoch.val_loss", axis="epoch")
    assert [(curve["run"], curve["x"], curve["y"]) for curve in answer["curves"]] == [
        ("r1", [1, 2], [0.5, 0.4]),
        ("r2", [1], [0.3]),
    ]
    assert overlay(root, runs, "epoch.val_loss", axis="step")["curves"][0]["x"] == [10, 20]
    # Time counts from the first logged step, which was at 1001 s.
    assert overlay(root, runs, "epoch.val_loss", axis="time")["curves"][0]["x"] == [9, 19]
    steps = overlay(root, runs, "step.train_loss", axis="time")["curves"][0]
    assert (steps["x"], steps["y"]) == ([0, 1, 2], [3, 2, None])
    with pytest.raises(UserInputError, match="no metric"):
        overlay(root, runs, "step.secret")
    with pytest.raises(UserInputError, match="too many"):
        overlay(root, runs * MAX_RUNS, "epoch.val_loss")
