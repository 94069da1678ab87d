"""The Evaluate page: what it shows of a stored evaluation, what it says where something is missing, and what it starts."""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import Any

import numpy as np
import pytest

from app.evaluation_sections import SECTION_KEY, section_of
from app.text import plain
from mvla_core.evaluation.results import load_predictions, save_predictions
from mvla_core.files import read_json, write_json
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot, JobFolder, RunFolder
from mvla_core.policies.digest import DESCRIPTION, policy_digest
from mvla_core.readiness.evidence import gather
from mvla_core.readiness.gates import Robot

RUN = "20260101-120000-lab-compact-0001"
OTHER = "20260101-130000-lab-compact-0003"
SECTIONS = ("Why", "Baselines", "Inputs taken away", "Shift", "Where it errs", "Motion", "Other runs", "Experiments")


@pytest.fixture
def own(served: DataRoot, recorded_root: DataRoot) -> DataRoot:
    """A copy of the recordings and runs that a test may write to."""
    for name in ("episodes", "runs"):
        shutil.copytree(recorded_root.path / name, served.path / name)
    return served


@pytest.fixture
def beside(own: DataRoot) -> RunFolder:
    """A second evaluated run of the same split that errs more."""
    shutil.copytree(own.run(RUN).path, own.run(OTHER).path)
    run = own.run(OTHER)
    write_json(run.config, {**read_json(run.config), "run_id": OTHER})
    write_json(run.evaluation_results, {**read_json(run.evaluation_results), "run_id": OTHER})
    episodes = load_predictions(run)
    for episode in episodes:
        episode.predicted[:] += np.float32(0.4)
    save_predictions(run.predictions, episodes)
    return run


def overlay(page: Any) -> dict[str, Any]:
    (found,) = [
        part for part in map(json.loads, (each.proto.json for each in page.get("bidi_component"))) if "runs" in part
    ]
    return found


def texts(page: Any) -> str:
    parts = [*page.markdown, *page.caption, *page.success, *page.info, *page.warning, *page.error]
    return "\n".join(str(part.value) for part in parts)


def test_evaluate_queues_the_chosen_suite(open_page, own: DataRoot) -> None:
    shutil.rmtree(own.run(RUN).evaluation)
    page = open_page("evaluate", run=RUN)
    assert "about 60 s" in texts(page)
    page.get_by_key("suite").set_value("full").run()
    assert "about 10 min" in texts(page)
    page.button(key="evaluate").click().run()
    assert not page.exception
    (job,) = JobQueue(own).active()
    assert job.kind == "evaluate"
    assert read_json(job.folder.config) == {"run_id": RUN, "suite": "full"}
    assert f"stop_{job.id}" in [button.key for button in page.button]


def test_verdict_comes_first_then_the_overlay(open_page, recorded: DataRoot) -> None:
    page = open_page("evaluate", run=RUN)
    assert not page.exception
    results = read_json(recorded.run(RUN).evaluation_results)
    assert len([*page.success, *page.warning, *page.error]) == 1
    assert f"{results['metrics']['rmse']:.3f}" in {metric.value for metric in page.metric}
    assert [each.value for each in page.subheader] == ["Predicted over true", "What it stands on", "Measure it again"]
    shown = overlay(page)
    worst = max(results["per_episode"], key=lambda row: row["rmse"])["episode_id"]
    assert shown["episode"] == f"lab/{worst}"
    assert [run["id"] for run in shown["runs"]] == [RUN]
    assert shown["start"] == 3, "the last frame of the first window"
    assert shown["ask"]["run"] == RUN
    assert shown["ask"]["told"] not in shown["ask"]["known"]


def test_an_address_opens_its_episode_and_frame(open_page, recorded: DataRoot) -> None:
    results = read_json(recorded.run(RUN).evaluation_results)
    best = min(results["per_episode"], key=lambda row: row["rmse"])["episode_id"]
    page = open_page("evaluate", run=RUN, episode=best, frame="11")
    shown = overlay(page)
    assert (shown["episode"], shown["start"]) == (f"lab/{best}", 11)
    assert shown["link"] == {"run": RUN, "episode": best}
    assert overlay(open_page("evaluate", run=RUN, episode="nobody"))["episode"].startswith("lab/")


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_opens(open_page, recorded: DataRoot, section: str) -> None:
    page = open_page("evaluate", run=RUN)
    page.session_state[SECTION_KEY] = section
    page.run()
    assert not page.exception


def test_sections_are_drawn_when_they_are_opened(open_page, recorded: DataRoot) -> None:
    page = open_page("evaluate", run=RUN)
    assert page.get("plotly_chart") == []
    page.session_state[SECTION_KEY] = "Baselines"
    page.run()
    assert len(page.get("plotly_chart")) == 2


def test_what_is_missing_says_how_to_get_it(open_page, own: DataRoot) -> None:
    run = own.run(RUN)
    results = read_json(run.evaluation_results)
    write_json(
        run.evaluation_results, {key: value for key, value in results.items() if key not in ("shift", "reliance")}
    )
    page = open_page("evaluate", run=RUN)
    page.session_state[SECTION_KEY] = "Shift"
    page.run()
    assert "The shift ladder: not measured." in texts(page)
    page.button(key="full_shift").click().run()
    (job,) = JobQueue(own).active()
    assert read_json(job.folder.config) == {"run_id": RUN, "suite": "full"}


def test_new_figures_are_shown(open_page, own: DataRoot) -> None:
    run = own.run(RUN)
    results = read_json(run.evaluation_results)
    figure = {"value": 0.4, "low": 0.2, "high": 0.6}
    rung = {
        "measured": True,
        "skill": 0.4,
        "skill_low": 0.2,
        "skill_high": 0.6,
        "rmse": 0.3,
        "episodes": 4,
        "windows": 40,
    }
    part = {
        "measured": True,
        "actions": 30,
        "episodes": 4,
        "errors": {"rmse": figure},
        "direction_accuracy": figure,
        "skill": {results["clock"]["baseline"]: figure},
    }
    skipped = {"measured": False, "reason": "No stop is held out."}
    results["shift"] = {
        "rungs": [
            {**rung, "name": "held out", "kind": "clean", "text": "held-out episodes"},
            {**rung, "name": "dark 0.5", "kind": "picture", "text": "half the light", "skill": -3.0, "skill_low": -4.0},
            {"name": "stop", "kind": "edge", "text": "near a stop", "skill": None, **skipped},
        ],
        "falls_off": [{"family": "dark", "name": "dark 0.5", "text": "half the light"}],
        "reaches_zero": [],
        "extent": {"disturbed_episodes": 4, "of_episodes": 5},
    }
    results["reliance"] = {"vision": {"measured": True, **figure, "by": "pictures_other"}, "instruction": skipped}
    results["metrics"]["phases"] = {"initial": part, "middle": part, "final": skipped}
    results["metrics"]["critical"] = {"rule": "turns, starts, stops", "turn": part, "reach": 2}
    results["metrics"]["drift"] = {
        "measured": True,
        "rate": figure,
        "final": None,
        "per_episode": [{"episode_id": "a", "rate": 0.1}],
    }
    results["metrics"]["smoothness"] = skipped
    results["groups"] = {"instruction": [{**part, "name": ""}], "scenario": [], "session": [{**part, "name": "monday"}]}
    results["left_out"] = [{"episode_id": "b", "reason": "It is shorter than a window."}]
    write_json(run.evaluation_results, results)
    seen = {}
    for section in ("Shift", "Inputs taken away", "Where it errs", "Motion"):
        page = open_page("evaluate", run=RUN)
        page.session_state[SECTION_KEY] = section
        page.run()
        assert not page.exception, section
        seen[section] = texts(page) + "".join(f"{metric.label} {metric.value} " for metric in page.metric)
    assert "It falls off at: half the light" in seen["Shift"]
    assert "Reliance on vision 40%" in seen["Inputs taken away"]
    assert "Reliance on instruction not measured" in seen["Inputs taken away"]
    assert "Beginning, middle and end" in seen["Where it errs"]
    assert "Drift 0.400 m/s" in seen["Motion"]
    assert "Smoothness not measured" in seen["Motion"]
    assert "shorter than a window" in seen["Motion"]


def test_runs_are_compared_in_pairs(open_page, beside: RunFolder) -> None:
    page = open_page("evaluate", run=RUN)
    page.session_state[SECTION_KEY] = "Other runs"
    page.run()
    assert not page.exception
    assert page.selectbox(key="compared_run").value == OTHER
    # Three common episodes, on each of which this run errs less: too few to name a winner.
    assert any(each.value.startswith("Nothing can be told from 3 episodes") for each in page.info), texts(page)
    assert not page.success
    page.multiselect(key="overlay_beside").set_value([OTHER]).run()
    assert [run["id"] for run in overlay(page)["runs"]] == [RUN, OTHER]


def test_runs_without_anything_in_common_are_refused_in_one_sentence(open_page, beside: RunFolder) -> None:
    results = read_json(beside.evaluation_results)
    results["actions"]["units"] = ["m/s", "rad/s"]
    write_json(beside.evaluation_results, results)
    page = open_page("evaluate", run=RUN)
    page.session_state[SECTION_KEY] = "Other runs"
    page.run()
    assert not page.exception
    assert any("choose runs with the same actions" in each.value for each in page.warning)


def test_a_statement_opens_its_figure(open_page, recorded: DataRoot) -> None:
    page = open_page("evaluate", run=RUN)
    button = next(each for each in page.button if (each.key or "").startswith("figures_Inputs taken away"))
    button.click().run()
    assert page.session_state[SECTION_KEY] == "Inputs taken away"
    assert section_of("split") is None


def test_results_of_another_version_are_told(open_page, own: DataRoot) -> None:
    path = own.run(RUN).evaluation_results
    write_json(path, {**read_json(path), "format": 99})
    page = open_page("evaluate", run=RUN)
    assert not page.exception
    assert "evaluate again" in page.error[0].value
    assert "evaluate" in [button.key for button in page.button]


def test_damaged_predictions_and_a_lost_episode_are_one_sentence(open_page, own: DataRoot) -> None:
    run = own.run(RUN)
    names = [episode.episode_id for episode in load_predictions(run)]
    for name in names:
        (own.dataset("lab") / f"{name}.h5").unlink()
    page = open_page("evaluate", run=RUN)
    assert not page.exception
    assert "This episode cannot be shown" in texts(page)
    run.predictions.write_bytes(b"no archive")
    page = open_page("evaluate", run=RUN)
    assert not page.exception
    assert "cannot be read" in texts(page)


def test_a_run_without_adapter_is_not_offered(open_page, own: DataRoot) -> None:
    shutil.rmtree(own.run(RUN).adapter)
    page = open_page("evaluate", run=RUN)
    assert not page.exception
    assert plain(f"The run {RUN} ended as succeeded and left no policy") in texts(page)
    assert not page.metric, "no other run's figures are shown in its place"
    page.selectbox(key="pick_another_run").set_value(page.selectbox(key="pick_another_run").options[0]).run()
    assert not page.exception
    assert page.selectbox(key="pick_run").value != RUN


@pytest.mark.parametrize("damaged", [[], 3, None, {"format": 1}])
def test_damaged_results_are_one_sentence(open_page, own: DataRoot, damaged: object) -> None:
    write_json(own.run(RUN).evaluation_results, damaged)
    page = open_page("evaluate", run=RUN)
    assert not page.exception
    assert plain("results.json") in texts(page)


def test_a_damaged_job_does_not_stand_in_the_way(open_page, own: DataRoot) -> None:
    folder = own.path / "jobs" / "20260101-000000-evaluate-aaaa"
    folder.mkdir(parents=True)
    JobQueue(own).submit("evaluate", JobFolder(folder), {"run_id": "other", "suite": "quick"})
    (folder / "config.json").write_text("{bro")
    page = open_page("evaluate", run=RUN)
    assert not page.exception
    assert page.metric


def test_what_was_measured_before_is_shown_while_it_is_measured_again(open_page, own: DataRoot) -> None:
    page = open_page("evaluate", run=RUN)
    shown = len(page.metric)
    page.button(key="evaluate").click().run()
    assert not page.exception
    assert len(page.metric) == shown > 0
    assert "evaluate" not in [button.key for button in page.button]
    assert "Below is what was measured before." in texts(page)
    (job,) = JobQueue(own).active()
    JobQueue(own).request_stop(job.id)
    page.run()
    assert "evaluate" in [button.key for button in page.button]
    # The same was evaluated since by the command: its failure is no news any more.
    later = time.time() + 60
    os.utime(own.run(RUN).evaluation_results, (later, later))
    before = len(page.error)
    page.run()
    assert len(page.error) == before - 1


def test_figures_of_an_earlier_policy_are_told(open_page, own: DataRoot) -> None:
    run = own.run(RUN)
    description = {"spec": {}, "base_fingerprint": "one"}
    write_json(run.adapter / DESCRIPTION, description)
    results = read_json(run.evaluation_results)
    write_json(run.evaluation_results, {**results, "policy": policy_digest(run.adapter)})
    assert "those of an earlier one" not in texts(open_page("evaluate", run=RUN))
    write_json(run.adapter / DESCRIPTION, {**description, "base_fingerprint": "another"})
    page = open_page("evaluate", run=RUN)
    assert not page.exception
    assert "those of an earlier one" in texts(page)
    assert not gather(own, RUN, Robot()).results, "and readiness counts none of them"
