"""The page Closed loop: what is queued, and what is shown of a run that was driven."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.drive_figures import paired_forest, paths_from_above, success_forest
from mvla_core.driving.comparison import compare_driven
from mvla_core.driving.results import RULES, assemble, results_path, videos_folder
from mvla_core.driving.settings import SUITES
from mvla_core.driving.video import write_video
from mvla_core.files import read_json, write_json
from mvla_core.jobs.launch import take_runner_lock
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot, RunFolder
from mvla_core.policies.digest import policy_digest
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scene import Pose

RUN = "20260101-120000-lab-compact-0001"


def trial(suite: str, index: int, failure: str, video: str = "") -> dict[str, Any]:
    return {
        "suite": suite,
        "index": index,
        "digest": f"{suite}{index}",
        "instruction": "Drive past the box on the <left>.",
        "scenario": "1box",
        "start": [0, 0],
        "boxes": [[1.2, 0.1]],
        "goal": [2.9, -0.1],
        "expert_path_m": 3.0,
        "video": video,
        "success": not failure,
        "failure": failure,
        "progress": 0.4 if failure else 1.0,
        "path_m": 3.1,
        "path_ratio": None if suite == "sudden_obstacle" else 1.03,
        "seconds": 3.0,
        "frames": 20,
        "collided": failure == "collided",
        "least_clearance_m": 0.05,
        "final_distance_m": 0.7,
        "clamped": 0,
        "obstacle": None,
        "path": [[0.0, 0.0], [1.0, 0.5], [2.2, 0.0]],
        "baselines": {
            name: {"success": index == 0 and name == "clock", "failure": "", "progress": 0.3}
            for name in ("straight", "stop", "clock", "brake")
        },
    }


def results_of(run_id: str, failures: list[str], policy: str = "") -> dict[str, Any]:
    trials = [
        trial(suite, index, failure, f"{suite}_{index:04d}.mp4" if failure else "")
        for suite in SUITES
        for index, failure in enumerate(failures)
    ]
    head = {
        "run_id": run_id,
        "driven": "2026-01-01T13:00:00+00:00",
        "policy": policy,
        "rules": RULES,
        "settings": {"execute_steps": 1, "ensembling": None, "latency_s": 0.05, "interval_s": None, "seed": 0},
        "worlds_of_data": True,
        "guard": {"low": [0, -1], "high": [1, 1], "dead_band": 0.28},
    }
    safety = {"out_of_range": {"tried": 20, "held": 20}, "stale_command": {"tried": 20, "held": 19}}
    return assemble(head, trials, safety)


def film(run: RunFolder, name: str) -> None:
    scene = sample_scene(1, "left", SimulationConfig())
    frames = list(np.zeros((3, 24, 24, 3), np.uint8))
    poses = [Pose(0.1 * number, 0.0, 0.0) for number in range(4)]
    write_video(videos_folder(run) / name, scene, frames, poses, np.ones((3, 2), np.float32), 6.0, "film")


@pytest.fixture
def own(recorded_root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataRoot]:
    """A copy of the recorded data root, served and free to change, in which nothing ever starts."""
    shutil.copytree(recorded_root.path, tmp_path / "own")
    root = DataRoot(tmp_path / "own")
    for run in root.runs.iterdir():
        config = read_json(run / "config.json")
        write_json(run / "config.json", {**config, "dataset_folder": str(root.dataset("lab"))})
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(root.path))
    lock = take_runner_lock(root)
    assert lock is not None
    yield root
    os.close(lock)


def words(page: Any) -> str:
    shown = [*page.markdown, *page.caption, *page.info, *page.warning, *page.error]
    return " ".join(str(element.value) for element in shown).replace("\\", "")


def test_an_undriven_run_is_queued_as_it_was_asked_for(open_page: Any, own: DataRoot) -> None:
    page = open_page("drive", run=RUN)
    assert not page.exception
    assert "has not driven yet" in words(page)
    page.segmented_control(key="drive_suites").set_value("edge cases")
    page.number_input(key="drive_trials").set_value(7)
    page.number_input(key="drive_latency").set_value(50)
    page.number_input(key="drive_interval").set_value(105)
    page.toggle(key="drive_ensembling").set_value(True)
    page.run()
    assert "42 trials" in words(page)
    # What the physics cannot drive is refused in one sentence, and nothing is queued.
    page.button(key="drive_start").click().run()
    assert not page.exception
    assert "multiple" in page.error[0].value
    assert not [job for job in JobQueue(own).list() if job.kind == "drive"]
    page.number_input(key="drive_interval").set_value(100)
    page.button(key="drive_start").click().run()
    assert not page.exception
    (job,) = [job for job in JobQueue(own).list() if job.kind == "drive"]
    config = read_json(job.folder.config)
    assert config["run_id"] == RUN
    assert (config["trials"], config["latency_s"], config["ensembling"]) == (7, 0.05, 0.1)
    assert config["interval_s"] == 0.1
    assert "sudden_obstacle" in config["suites"]
    assert "similar" not in config["suites"]


def test_a_driven_run_shows_success_ways_films_and_another_run(open_page: Any, own: DataRoot) -> None:
    run = own.run(RUN)
    write_json(results_path(run), results_of(RUN, ["", "collided", "", "not_facing"]))
    film(run, "similar_0001.mp4")
    other = "20260101-120000-lab-compact-0009"
    shutil.copytree(run.path, own.run(other).path)
    theirs = results_of(other, ["", "collided", "collided", "not_facing"])
    theirs["settings"]["interval_s"] = 0.1
    write_json(results_path(own.run(other)), theirs)
    page = open_page("drive", run=RUN)
    assert not page.exception
    metrics = {metric.label: metric.value for metric in page.metric}
    assert metrics["Success"] == "50%"
    assert metrics["Stale held"] == "19 of 20"
    table = page.dataframe[0].value
    assert table["worlds"].iloc[0] == "Similar"
    assert table["clock"].iloc[0] == "25%"
    assert "touched something 1, not facing the goal 1" in table["failures"].iloc[0]
    text = words(page)
    assert "touched something" in text
    assert "<left>" in text or "&lt;left" in text
    assert "No difference can be told: +25 points" in text
    assert "not driven alike: interval 100 ms (other run) and as recorded (this run)" in text
    page.pills(key="drive_suite").set_value("dark").run()
    assert not page.exception
    assert "No film" in words(page)


def test_a_policy_that_was_trained_further_is_told(open_page: Any, own: DataRoot) -> None:
    run = own.run(RUN)
    write_json(run.adapter / "policy.json", {"spec": {"backbone": "tiny"}, "base_fingerprint": "none"})
    results = results_of(RUN, ["", "collided"], policy_digest(run.adapter))
    write_json(results_path(run), results)
    assert "earlier one" not in words(open_page("drive", run=RUN))
    (run.adapter / "adapter_model.safetensors").write_bytes(b"newer")
    assert "earlier one" in words(open_page("drive", run=RUN))
    # Results that earlier rules judged are shown, and told as such.
    write_json(results_path(run), {name: value for name, value in results.items() if name != "rules"})
    assert "rules of an earlier release" in words(open_page("drive", run=RUN))


def test_results_of_another_version_are_one_sentence(open_page: Any, own: DataRoot) -> None:
    write_json(results_path(own.run(RUN)), {"format": 99})
    page = open_page("drive", run=RUN)
    assert not page.exception
    assert "format 99" in page.error[0].value.replace("\\", "")


def test_figures_hold_what_was_driven() -> None:
    results = results_of(RUN, ["", "collided"])
    figure = success_forest(results["suites"])
    policy = next(trace for trace in figure.data if trace.name == "policy")
    assert list(policy.x) == [0.5] * len(SUITES)
    low = results["suites"]["new"]["success"]["low"]
    assert policy.error_x.arrayminus[0] == pytest.approx(0.5 - low)
    ways = paths_from_above(results["suites"]["new"]["trials"])
    assert [trace.name for trace in ways.data][:2] == ["reached (1)", "failed (1)"]
    # What lies to the robot's left is drawn on the left.
    assert ways.data[0].x[1] == -0.5
    pair = compare_driven(results_of("other", ["collided", "collided"]), results)
    assert list(paired_forest(pair).data[0].x) == [0.5] * len(SUITES)
