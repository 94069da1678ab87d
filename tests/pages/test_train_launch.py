"""The Train page's check and launch, and what the Runs page adds for a run: forecast and truth, seeds, training on."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from app.text import plain
from mvla_core.files import read_json, write_json
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot
from mvla_core.training.groups import prepare_group
from mvla_core.training.launch import plan_training
from mvla_core.training.measurement import WarmUp, keep_warm_up

RUN = "20260101-120000-lab-compact-0001"
WARM_UP = WarmUp(
    *("2026-01-02T03:04:05+00:00", 8, 90, 5.0, 0.01, 2.0, 1.0, 0.2, 0.1, 0.05, 900_000_000, None, 30_000_000, ("a",))
)


@pytest.fixture
def own(served: DataRoot, recorded_root: DataRoot) -> DataRoot:
    """A copy of the recordings and runs that a test may write to."""
    for name in ("episodes", "runs"):
        shutil.copytree(recorded_root.path / name, served.path / name)
    return served


def captions(page: Any) -> str:
    return "\n".join(caption.value for caption in page.caption)


def test_a_launch_checks_first_and_queues_no_run_before(open_page: Any, own: DataRoot) -> None:
    runs = {path.name for path in own.runs.iterdir()}
    page = open_page("train")
    page.button(key="launch").click().run()
    assert not page.exception
    (job,) = JobQueue(own).active()
    assert job.kind == "preflight"
    assert read_json(job.folder.config)["recipe"]["backbone"] == "compact"
    assert {path.name for path in own.runs.iterdir()} == runs
    assert "queued as soon as the check has succeeded" in captions(page)
    assert "launch" not in [button.key for button in page.button], "one launch at a time"
    # A check that did not succeed launches nothing and says why.
    JobQueue(own).request_stop(job.id)
    page.run()
    assert any("The check failed" in str(error.proto) for error in page.error)
    assert JobQueue(own).active() == []
    assert {path.name for path in own.runs.iterdir()} == runs
    page.run()
    assert "launch" in [button.key for button in page.button]


def test_what_was_measured_before_is_launched_at_once(open_page: Any, own: DataRoot) -> None:
    plan = plan_training(own, "lab", "compact", {})
    keep_warm_up(own, plan.warm_up_key, WARM_UP)
    page = open_page("train", dataset="lab")
    assert plain("Measured on this machine at 03:04") in captions(page)
    page.button(key="launch").click().run()
    (job,) = JobQueue(own).active()
    assert job.kind == "train"
    assert read_json(job.folder.config)["forecast"]["measured"] == WARM_UP.measured


def test_a_check_alone_launches_nothing(open_page: Any, own: DataRoot) -> None:
    page = open_page("train")
    page.button(key="check").click().run()
    (job,) = JobQueue(own).active()
    assert job.kind == "preflight"
    assert "queued as soon as" not in captions(page)


def test_several_seeds_are_queued_as_one_group(open_page: Any, own: DataRoot) -> None:
    page = open_page("train")
    page.toggle(key="check_first").set_value(False).run()
    page.number_input(key="seeds").set_value(2).run()
    page.button(key="launch").click().run()
    assert not page.exception
    jobs = JobQueue(own).active()
    configs = [read_json(job.folder.config) for job in jobs]
    assert [config["seed"] for config in configs] == [0, 1]
    assert len({config["group"]["id"] for config in configs}) == 1
    assert len({job.device for job in jobs}) == 1, "one after another"


def test_two_quick_clicks_launch_one_training(open_page: Any, own: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    def click_again(page: Any) -> None:
        page.switch_page("../pages/train_page.py")
        page.run()
        page.button(key="launch").click().run()
        assert not page.exception

    page = open_page("train")
    page.toggle(key="check_first").set_value(False).run()
    monkeypatch.setattr("app.one_click.ONE_CLICK_S", 3600.0)
    page.button(key="launch").click().run()
    click_again(page)
    assert len(JobQueue(own).active()) == 1
    monkeypatch.setattr("app.one_click.ONE_CLICK_S", 0.0)
    click_again(page)
    assert len(JobQueue(own).active()) == 2, "asked for later, the same training is another one"


def test_a_launch_that_waits_for_its_check_is_forgotten_with_the_page(open_page: Any, own: DataRoot) -> None:
    page = open_page("train")
    page.button(key="launch").click().run()
    assert "queued as soon as the check has succeeded" in captions(page)
    page.switch_page("../pages/dataset_page.py").run()
    page.switch_page("../pages/train_page.py").run()
    assert not page.exception
    assert "queued as soon as" not in captions(page)
    (job,) = JobQueue(own).active()
    assert job.kind == "preflight"


def test_what_was_entered_is_there_after_another_page_and_can_be_taken_back(open_page: Any, own: DataRoot) -> None:
    page = open_page("train")
    usual = page.number_input(key="recipe_compact_epochs").value
    page.number_input(key="recipe_compact_epochs").set_value(usual + 4).run()
    page.switch_page("../pages/dataset_page.py").run()
    page.switch_page("../pages/train_page.py").run()
    assert page.number_input(key="recipe_compact_epochs").value == usual + 4
    assert f"`epochs` {usual + 4}" in captions(page)
    page.button(key="recipe_reset").click().run()
    assert page.number_input(key="recipe_compact_epochs").value == usual
    assert "Changed from the recipe" not in captions(page)


def test_a_failed_check_is_told_beside_what_it_checked_alone(open_page: Any, own: DataRoot) -> None:
    page = open_page("train")
    page.button(key="check").click().run()
    (job,) = JobQueue(own).active()
    JobQueue(own).request_stop(job.id)
    page.run()
    assert any("The check failed" in str(error.proto) for error in page.error)
    page.number_input(key="recipe_compact_epochs").set_value(page.number_input(key="recipe_compact_epochs").value + 1)
    page.run()
    assert not page.error


def test_the_form_tells_ranges_and_parts(open_page: Any, own: DataRoot) -> None:
    page = open_page("train")
    assert page.number_input(key="recipe_compact_window_size").help.endswith("From 1 to 64 frames.")
    assert "Trained parameters by part: low-rank updates 663,552, action head" in captions(page)
    assert "Disk" in [metric.label for metric in page.metric]


def test_a_run_shows_forecast_and_truth_its_group_and_trains_on(open_page: Any, own: DataRoot) -> None:
    check = {"epochs": 20, "forecast_seconds": 62.0, "seconds": 58.0, "measured": True}
    check |= {"forecast_memory_bytes": 800_000_000, "memory_bytes": 840_000_000}
    runs = prepare_group(own, "lab", "compact", {"epochs": 2}, 2)
    for run, rmse in zip(runs, (0.2, 0.4), strict=True):
        write_json(run.result, {"status": "succeeded", "val_rmse": rmse, "forecast_check": check, "best_epoch": 1})
    page = open_page("runs", run=runs[0].run_id)
    assert not page.exception
    assert plain("Forecast 62 s for 20 epochs, took 58 s (-6%)") in captions(page)
    tiles = {metric.label: metric.value for metric in page.metric}
    assert tiles["Val. RMSE"] == "0.3000 ± 0.1414"
    assert tiles["Skill"] == "-"
    assert "One split for all of them, drawn with seed 0" in captions(page)
    page.button(key="extend").click().run()
    assert not page.exception
    assert "has no last state any more" in page.error[0].value
    alone = open_page("runs", run=RUN)
    assert "Val. RMSE" not in [metric.label for metric in alone.metric]
