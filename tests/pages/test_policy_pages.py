"""Train, Runs, Evaluate and Report on real recordings and on a run that was evaluated."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from app.recipe_form import OFTEN_CHANGED
from app.text import plain
from mvla_core.files import read_json
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot
from mvla_core.training.recipe import PRESETS, recipe_fields

RUN = "20260101-120000-lab-compact-0001"
FAILED = "20260101-110000-lab-compact-0002"


@pytest.fixture
def own(served: DataRoot, recorded_root: DataRoot) -> DataRoot:
    """A copy of the recordings and runs that a test may write to."""
    for name in ("episodes", "runs"):
        shutil.copytree(recorded_root.path / name, served.path / name)
    return served


def components(page: Any) -> list[dict[str, Any]]:
    """The data of the page's own client-side parts; the bell of ended jobs is on every page."""
    parts = [json.loads(element.proto.json) for element in page.get("bidi_component")]
    return [part for part in parts if part.keys() != {"ended"}]


@pytest.mark.parametrize("preset", PRESETS)
def test_form_shows_every_setting_of_every_recipe(open_page, recorded: DataRoot, preset: str) -> None:
    page = open_page("train")
    page.radio(key="preset").set_value(preset).run()
    assert not page.exception
    for field in recipe_fields():
        shown = page.get_by_key(f"recipe_{preset}_{field.name}").value
        assert shown == getattr(PRESETS[preset].recipe, field.name), field.name
    assert {metric.label for metric in page.metric} >= {"Time, at most", "Memory", "Parameters"}


def test_often_changed_settings_exist() -> None:
    assert set(OFTEN_CHANGED) <= {field.name for field in recipe_fields()}


def test_forecast_follows_the_form(open_page, recorded: DataRoot) -> None:
    page = open_page("train")
    before = {metric.label: metric.value for metric in page.metric}
    page.number_input(key="recipe_compact_epochs").set_value(600).run()
    page.number_input(key="recipe_compact_lora_rank").set_value(32).run()
    after = {metric.label: metric.value for metric in page.metric}
    assert before["Time, at most"] != after["Time, at most"]
    assert before["Parameters"] != after["Parameters"]
    assert any("`epochs` 600" in caption.value for caption in page.caption)


def test_settings_that_contradict_are_told_in_one_sentence(open_page, recorded: DataRoot) -> None:
    page = open_page("train")
    page.number_input(key="recipe_compact_visual_channels").set_value(33).run()
    assert [error.value for error in page.error] == [plain("visual_channels must be a multiple of 8; found 33.")]
    assert "launch" not in [button.key for button in page.button]


def test_launch_prepares_the_run_and_queues_it(open_page, own: DataRoot) -> None:
    page = open_page("train")
    page.number_input(key="recipe_compact_epochs").set_value(2).run()
    page.toggle(key="check_first").set_value(False).run()
    page.button(key="launch").click().run()
    assert not page.exception
    assert page.title[0].value == "Runs"
    (job,) = JobQueue(own).active()
    assert job.kind == "train"
    config = read_json(job.folder.config)
    assert page.query_params["run"] == config["run_id"]
    assert config["recipe"]["epochs"] == 2
    address = {"run": config["run_id"], "url": f"/mvla/runs/{config['run_id']}", "live": True}
    assert {**address, "status": ""} in components(page), "its curves are drawn while it runs"


def test_launch_refuses_what_this_machine_cannot_do(open_page, own: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    page = open_page("train")
    page.radio(key="preset").set_value("briefing").run()
    page.button(key="launch").click().run()
    assert not page.exception
    assert "fp16" in page.error[0].value
    assert JobQueue(own).active() == []


def test_runs_show_how_each_ended(open_page, recorded: DataRoot) -> None:
    page = open_page("runs")
    assert not page.exception
    assert page.dataframe[0].value.index.tolist() == [RUN, FAILED]
    assert components(page)[0]["live"] is False
    page.query_params["run"] = FAILED
    page.run()
    assert "Memory ran out at step 7" in page.error[0].value


def test_log_is_shown_as_text(open_page, recorded: DataRoot) -> None:
    page = open_page("runs")
    page.session_state["log"] = True
    page.run()
    assert not page.exception
    assert page.code[0].value == "first line\n<b>not bold</b>"


def test_stop_asks_once_more(open_page, own: DataRoot) -> None:
    page = open_page("train")
    page.toggle(key="check_first").set_value(False).run()
    page.button(key="launch").click().run()
    (job,) = JobQueue(own).active()
    page = open_page("runs")
    page.button(key=f"stop_{job.id}").click().run()
    assert JobQueue(own).get(job.id).status == "queued", "one click does not stop"
    page.button(key=f"stop_now_{job.id}").click().run()
    assert JobQueue(own).get(job.id).status == "stopped"


def test_a_damaged_run_is_shown_as_such(open_page, own: DataRoot) -> None:
    own.run(RUN).config.write_text("{ torn")
    page = open_page("runs", run=RUN)
    assert not page.exception
    assert "cannot be read" in page.error[0].value
