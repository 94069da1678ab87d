"""The page Runs: reading, labels, archive, bin, comparison, and folders that are damaged."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import pytest

from mvla_core.files import append_json_line, read_json, write_json
from mvla_core.jobs.queue import JobQueue
from mvla_core.jobs.run_bin import list_bin
from mvla_core.layout import DataRoot

RUN = "20260101-120000-lab-compact-0001"
FAILED = "20260101-110000-lab-compact-0002"


@pytest.fixture
def own(served: DataRoot, recorded_root: DataRoot) -> DataRoot:
    """A copy of the recordings and runs that a test may write to."""
    for name in ("episodes", "runs"):
        shutil.copytree(recorded_root.path / name, served.path / name)
    return served


def components(page: Any) -> list[dict[str, Any]]:
    return [json.loads(element.proto.json) for element in page.get("bidi_component")]


def texts(page: Any) -> str:
    elements = [*page.markdown, *page.caption, *page.error, *page.warning, *page.info]
    return "\n".join(element.value for element in elements).replace("\\", "")


def test_the_reading_stands_beside_the_curves(open_page, own: DataRoot) -> None:
    run = own.run(RUN)
    append_json_line(run.progress, {"event": "validation_set", "episodes": ["a", "b", "c"], "numbers": [10, 10, 10]})
    for epoch in (4, 5, 6):
        losses = {"train_loss": 0.05, "val_loss": 0.3, "val_loss_by_episode": [0.29, 0.3, 0.31]}
        append_json_line(run.progress, {"event": "epoch", "epoch": epoch, "epochs": 6, "best_epoch": 3, **losses})
    page = open_page("runs", run=RUN)
    assert not page.exception
    metrics = {metric.label: metric.value for metric in page.metric}
    assert metrics["Gap, validation minus train"] == "+0.2500"
    assert "What the curves say." in texts(page)
    assert {"run": RUN, "url": f"/mvla/runs/{RUN}", "live": False, "status": "succeeded"} in components(page)


def test_a_run_without_any_metric_says_so(open_page, own: DataRoot) -> None:
    own.run(RUN).progress.unlink()
    page = open_page("runs", run=RUN)
    assert not page.exception
    assert "Gap, validation minus train" not in [metric.label for metric in page.metric]


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff" * 400, b'{"event": "epoch", "epoch": 1, "val_', b"[1]\nnull\n{}\n"]
)
@pytest.mark.parametrize(
    "name", ["progress.jsonl", "epoch_predictions.jsonl", "labels.json", "split.json", "provenance.json"]
)
def test_damaged_files_never_break_the_page(open_page, own: DataRoot, name: str, content: bytes) -> None:
    (own.run(RUN).path / name).write_bytes(content)
    page = open_page("runs", run=RUN, compare=f"{RUN},{FAILED}")
    assert not page.exception
    assert page.dataframe[0].value.index.tolist() == [RUN, FAILED]


def test_tags_and_note_are_kept_beside_the_run(open_page, own: DataRoot) -> None:
    page = open_page("runs", run=RUN)
    page.get_by_key(f"note_{RUN}").set_value("Tried **twice**").run()
    assert not page.exception
    assert read_json(own.run(RUN).path / "labels.json") == {"tags": [], "note": "Tried **twice**", "archived": False}
    write_json(own.run(RUN).path / "labels.json", {"tags": ["good"], "note": "", "archived": False})
    page = open_page("runs", run=FAILED)
    page.get_by_key("run_tags").set_value(["good"]).run()
    assert page.dataframe[0].value.index.tolist() == [RUN]


def test_archived_runs_leave_the_list_until_asked_for(open_page, own: DataRoot) -> None:
    page = open_page("runs", run=FAILED)
    page.button(key="archive").click().run()
    assert not page.exception
    assert page.dataframe[0].value.index.tolist() == [RUN]
    page.toggle(key="run_archived").set_value(True).run()
    assert page.dataframe[0].value.index.tolist() == [RUN, FAILED]


def test_delete_asks_twice_and_the_bin_gives_back(open_page, own: DataRoot) -> None:
    page = open_page("runs", run=FAILED)
    page.button(key="delete").click().run()
    assert own.run(FAILED).path.is_dir(), "asked first"
    page.button(key="delete_now").click().run()
    assert not page.exception
    assert not own.run(FAILED).path.exists()
    assert page.dataframe[0].value.index.tolist() == [RUN]
    page.button(key=f"restore_{FAILED}").click().run()
    assert own.run(FAILED).path.is_dir()
    assert page.query_params["run"] == FAILED
    page.button(key="delete").click().run()
    page.button(key="delete_now").click().run()
    page.button(key=f"purge_{FAILED}").click().run()
    assert len(list_bin(own)) == 1, "asked first"
    page.button(key=f"purge_now_{FAILED}").click().run()
    assert not page.exception
    assert list_bin(own) == []


def test_a_waiting_run_cannot_be_deleted(open_page, own: DataRoot) -> None:
    shutil.rmtree(own.run(FAILED).path / "evaluation", ignore_errors=True)
    for name in ("result.json", "progress.jsonl"):
        os.unlink(own.run(FAILED).path / name)
    JobQueue(own).submit("train", own.run(FAILED), None, title="waits")
    page = open_page("runs", run=FAILED)
    assert not page.exception
    assert page.button(key="delete").disabled


def test_a_link_opens_a_comparison(open_page, own: DataRoot) -> None:
    config = read_json(own.run(FAILED).config)
    config["recipe"]["learning_rate"] = 0.5
    write_json(own.run(FAILED).config, config)
    page = open_page("runs", compare=f"{RUN},{FAILED},../../etc,nobody")
    assert not page.exception
    (overlay,) = [data for data in components(page) if "names" in data]
    assert overlay["names"] == [RUN, FAILED]
    assert overlay["url"] == f"/mvla/overlay?runs={RUN},{FAILED}&metric=epoch.val_loss&axis=epoch"
    differing = next(frame.value for frame in page.dataframe if "setting" in frame.value.columns)
    assert differing["setting"].tolist() == ["learning_rate"]
    assert "the same episodes in the same parts" in texts(page)
    page.selectbox(key="compare_metric").set_value("step.train_loss").run()
    assert "step.train_loss" in next(data for data in components(page) if "names" in data)["url"]


def test_seeds_of_one_configuration_are_grouped(open_page, own: DataRoot) -> None:
    config = read_json(own.run(FAILED).config)
    write_json(own.run(FAILED).config, {**config, "seed": 7, "recipe": {**config["recipe"], "seed": 7}})
    page = open_page("runs", compare=f"{RUN},{FAILED}")
    assert not page.exception
    seeds = next(frame.value for frame in page.dataframe if "seeds" in frame.value.columns)
    assert seeds["seeds"].tolist() == ["0, 7"]
    assert seeds["runs"].tolist() == [2]


def test_columns_are_chosen(open_page, own: DataRoot) -> None:
    page = open_page("runs")
    page.get_by_key("run_columns").set_value(["status", "skill"]).run()
    assert not page.exception
    assert list(page.dataframe[0].proto.column_order) == ["run", "status", "skill"]
