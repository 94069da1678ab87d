"""Run folders of every condition become summaries: complete, growing, half written, damaged, many."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvla_core.errors import RunError, UserInputError
from mvla_core.files import IDENTIFIER, append_json_line, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.runs.listing import UNFINISHED, UNREADABLE, epoch_events, list_runs, new_run_id, read_run


def make_run(root: DataRoot, run_id: str = "r1", epochs: int = 3, created: Any = 1000.0, **result: Any) -> RunFolder:
    """A run whose validation loss is best at epoch 2."""
    run = root.run(run_id)
    write_json(run.config, {"run_id": run_id, "dataset": "demo", "preset": "compact", "created": created})
    for epoch in range(1, epochs + 1):
        append_json_line(
            run.progress, {"event": "step", "time": 1.0, "step": epoch, "epoch": epoch - 0.5, "train_loss": 1.0}
        )
        loss = 0.2 + abs(epoch - 2) / 10
        values = {"epoch": epoch, "epochs": 20, "train_loss": 1 / epoch, "val_loss": loss, "best_epoch": min(epoch, 2)}
        append_json_line(run.progress, {"event": "epoch", "time": 1.0, "step": epoch, "eta_seconds": 9.0, **values})
    if result:
        write_json(run.result, result)
    return run


def test_finished_run(root: DataRoot) -> None:
    run = make_run(root, status="succeeded", message="Done.", finished=2000.0, best_epoch=2)
    run.adapter.mkdir()
    write_json(run.evaluation_results, {})
    summary = read_run(root, "r1")
    assert (summary.run_id, summary.dataset, summary.preset) == ("r1", "demo", "compact")
    assert (summary.status, summary.message, summary.ended) == ("succeeded", "Done.", True)
    assert (summary.created, summary.finished) == (1000.0, 2000.0)
    assert (summary.epochs_done, summary.epochs, summary.best_epoch) == (3, 20, 2)
    assert (summary.train_loss, summary.val_loss, summary.best_val_loss) == pytest.approx((1 / 3, 0.3, 0.2))
    assert (summary.has_adapter, summary.has_evaluation, summary.has_report) == (True, True, False)
    assert summary.eta_s is None
    assert summary.to_json()["best_epoch"] == 2


def test_run_without_an_ending_is_what_the_queue_says(root: DataRoot) -> None:
    make_run(root, "going")
    make_run(root, "ended", status="stopped")
    assert [run.status for run in list_runs(root)] == [UNFINISHED, "stopped"]
    states = {"going": "running", "ended": "running"}
    assert [run.status for run in list_runs(root, states)] == ["running", "stopped"]
    going = read_run(root, "going", states)
    assert (going.eta_s, going.finished, going.ended) == (9.0, None, False)


def test_run_before_its_first_epoch(root: DataRoot) -> None:
    make_run(root, epochs=0)
    summary = read_run(root, "r1")
    assert (summary.epochs_done, summary.epochs, summary.best_epoch, summary.val_loss) == (0, None, None, None)


def test_losses_of_a_run_without_progress_come_from_its_result(root: DataRoot) -> None:
    make_run(root, epochs=0, status="succeeded", best_epoch=4, train_loss=0.5, val_loss=0.6)
    summary = read_run(root, "r1")
    assert (summary.best_epoch, summary.train_loss, summary.val_loss, summary.best_val_loss) == (4, 0.5, 0.6, 0.6)


def test_losses_that_were_not_finite_stay_unknown(root: DataRoot) -> None:
    run = make_run(root, epochs=0)
    append_json_line(
        run.progress, {"event": "epoch", "epoch": 1, "train_loss": None, "val_loss": None, "best_epoch": None}
    )
    summary = read_run(root, "r1")
    assert (summary.epochs_done, summary.train_loss, summary.best_val_loss) == (1, None, None)


def test_newest_first_whatever_the_form_of_the_time(root: DataRoot) -> None:
    make_run(root, "a", created=1_767_322_800.0)
    make_run(root, "b", created="2026-01-02T03:00:01+00:00")
    make_run(root, "c", created="2026-01-02T02:59:59+00:00")
    assert [run.run_id for run in list_runs(root)] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", None, "missing"),
        ("config.json", "", "cannot be read as JSON"),
        ("config.json", '{"run_id": "r1", "da', "cannot be read as JSON"),
        ("config.json", "[1]", "must hold a JSON object"),
        ("config.json", '{"dataset": 3}', "expected a text"),
        ("result.json", "{", "cannot be read as JSON"),
        ("result.json", '{"status": "splendid"}', "no status that is known"),
        ("result.json", "null", "must hold a JSON object"),
    ],
)
def test_damaged_run_is_listed_with_the_reason(root: DataRoot, name: str, content: str | None, words: str) -> None:
    make_run(root, "sound", status="succeeded")
    run = make_run(root, "broken")
    path = run.path / name
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content)
    by_id = {summary.run_id: summary for summary in list_runs(root)}
    assert by_id["sound"].status == "succeeded"
    assert by_id["broken"].status == UNREADABLE
    assert words in by_id["broken"].message


def test_folder_with_an_impossible_name_is_listed_as_such(root: DataRoot) -> None:
    make_run(root, "x").path.rename(root.runs / "a b <script>")
    (root.runs / ".bin").mkdir()
    (root.runs / "file").write_text("")
    (summary,) = list_runs(root)
    assert summary.status == UNREADABLE
    assert "name" in summary.message


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=st.binary(max_size=60), progress=st.binary(max_size=120), result=st.none() | st.binary(max_size=60))
def test_any_bytes_in_the_files_give_a_summary(
    root: DataRoot, config: bytes, progress: bytes, result: bytes | None
) -> None:
    run = make_run(root, epochs=0)
    run.config.write_bytes(config)
    run.progress.write_bytes(progress)
    run.result.unlink(missing_ok=True)
    if result is not None:
        run.result.write_bytes(result)
    (summary,) = list_runs(root)
    assert summary.run_id == "r1"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.just(10**400) | st.text(max_size=3),
        st.lists,
        max_leaves=3,
    )
)
def test_epochs_with_wrong_values_are_unknown(root: DataRoot, value: Any) -> None:
    run = make_run(root, epochs=0)
    row = dict.fromkeys(("epoch", "epochs", "train_loss", "val_loss", "best_epoch", "eta_seconds"), value)
    run.progress.write_text(json.dumps({"event": "epoch", **row}) + "\n")
    assert read_run(root, "r1").status == UNFINISHED


def test_cut_lines_and_steps_between_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    assert epoch_events(path) == []
    for epoch in (1, 2):
        append_json_line(path, {"event": "epoch", "epoch": epoch, "best_epoch": 1})
        with open(path, "a") as file:
            file.write('{"event": "epoch", "epo\n{"event": "step", "epoch": 1.5}\n[1, 2]\n')
    with open(path, "a") as file:
        file.write('{"event": "epoch", "epoch": 3')
    assert [event["epoch"] for event in epoch_events(path)] == [1, 2]


def test_search_goes_back_to_the_best_epoch(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    step = (
        '{"event": "step", "time": 1.0, "step": 1, "epoch": 0.5, "train_loss": 0.1234, "learning_rate": 0.0001}\n'
        * 4000
    )
    with open(path, "w") as file:
        for epoch in range(1, 6):
            file.write(step)
            file.write(f'{{"event": "epoch", "epoch": {epoch}, "best_epoch": 2, "val_loss": {epoch}}}\n')
        file.write(step)
    assert path.stat().st_size > 2_000_000
    events = epoch_events(path)
    assert events[-1]["epoch"] == 5
    assert {event["epoch"]: event["val_loss"] for event in events}[2] == 2


def test_two_hundred_runs_are_listed_quickly(root: DataRoot) -> None:
    for number in range(200):
        run = make_run(root, f"run-{number}", epochs=0, created=float(number), status="succeeded")
        lines = [
            '{"event": "step", "time": 1.0, "step": 1, "epoch": 0.5, "train_loss": 0.12, "learning_rate": 0.0001}\n'
        ] * 1000
        lines += [
            f'{{"event": "epoch", "epoch": {epoch}, "best_epoch": 1, "val_loss": 0.1}}\n' for epoch in range(1, 21)
        ]
        run.progress.write_text("".join(lines))
    began = time.perf_counter()
    runs = list_runs(root)
    assert time.perf_counter() - began < 3  # about 0.15 s; the limit leaves room for a busy machine
    assert [run.run_id for run in runs[:2]] == ["run-199", "run-198"]
    assert all(run.epochs_done == 20 for run in runs)


def test_missing_run_names_the_closest(root: DataRoot) -> None:
    make_run(root, "20260102-demo")
    with pytest.raises(RunError, match="Did you mean '20260102-demo'"):
        read_run(root, "20260102-dmo")
    with pytest.raises(UserInputError):
        read_run(root, "../20260102-demo")
    assert list_runs(DataRoot(root.path / "nowhere")) == []


@given(dataset=st.from_regex(IDENTIFIER, fullmatch=True).filter(lambda name: ".." not in name))
def test_run_ids_are_safe_and_unique(dataset: str) -> None:
    ids = {new_run_id(dataset, "compact") for _ in range(5)}
    assert len(ids) == 5
    for run_id in ids:
        assert DataRoot(Path("/x")).run(run_id).run_id == run_id
        assert run_id.endswith(tuple("0123456789abcdef"))
        assert "-compact-" in run_id


def test_run_ids_of_unsafe_names_are_refused() -> None:
    for name in ("../x", "", "a/b", "a b"):
        with pytest.raises(UserInputError):
            new_run_id(name, "compact")
        with pytest.raises(UserInputError):
            new_run_id("demo", name)
