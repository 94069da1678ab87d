"""A run is driven, stopped, driven on, compared and read by the gates: real worker, real worlds, a policy of no skill."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.datasets.split import make_split
from mvla_core.driving.comparison import compare_driven, driven_unlike, told_unlike
from mvla_core.driving.drive import drive_run
from mvla_core.driving.results import (
    JOURNAL,
    is_stale,
    load_driven,
    results_path,
    summarise,
    videos_folder,
)
from mvla_core.driving.settings import DriveSettings
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import PolicyError, RunError, SimulationError, Stopped
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.adapter import save_policy
from mvla_core.policies.build import build_policy
from mvla_core.policies.digest import policy_digest
from mvla_core.progress import Progress
from mvla_core.readiness.evidence import gather
from mvla_core.readiness.gates import Robot
from mvla_core.readiness.measures import closed_loop, edges_driven, out_of_range, stale_command
from mvla_core.schema import ActionSpace
from mvla_core.simulation.world import World
from tests.driving.conftest import RUN, spec

TWO = DriveSettings(suites=("similar",), trials=2)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drives of a few frames: what the policy does there is of no interest."""
    monkeypatch.setattr("mvla_core.driving.safety.DRIVES", 2)
    monkeypatch.setattr("mvla_core.driving.trials.FEWEST_FRAMES", 4)
    monkeypatch.setattr("mvla_core.driving.trials.TIMES_THE_EXPERT", 0.2)


@pytest.fixture
def root(driven_root: DataRoot) -> DataRoot:
    """The run as if it had never been driven."""
    shutil.rmtree(driven_root.run(RUN).evaluation, ignore_errors=True)
    return driven_root


class StopsAfter(Progress):
    """Asks to stop when so many trials are done."""

    def __init__(self, trials: int) -> None:
        self._left = trials

    def emit(self, event: str, **values: object) -> None:
        if event == "progress" and values["message"] != "trials":
            self._left -= 1

    @property
    def stop_requested(self) -> bool:
        return self._left <= 0


def test_a_stopped_drive_goes_on_and_keeps_what_was_driven(root: DataRoot) -> None:
    run = root.run(RUN)
    with pytest.raises(Stopped):
        drive_run(root, RUN, DriveSettings(trials=3), StopsAfter(1), workers=1)
    assert not results_path(run).exists()
    (folder,) = videos_folder(run).iterdir()
    journal = (folder / JOURNAL).read_text().splitlines()
    assert len(journal) == 2
    # A film that was cut off with its worker goes.
    (folder / "similar_0001.mp4").write_bytes(b"half")
    results = drive_run(root, RUN, DriveSettings(trials=3), workers=1)
    assert (folder / JOURNAL).read_text().splitlines()[:2] == journal
    assert [trial["index"] for trial in results["suites"]["similar"]["trials"]] == [0, 1, 2]
    assert results == load_driven(run)
    # Another suite joins those that were driven.
    both = drive_run(root, RUN, DriveSettings(suites=("dark",), trials=2), workers=1)
    assert list(both["suites"]) == ["similar", "dark"]
    assert both["suites"]["similar"] == results["suites"]["similar"]
    assert both["closed_loop"]["success"]["trials"] == 3
    assert both["closed_loop"]["edge_cases"]["trials"] == 2


def test_former_results_stay_until_there_are_new_ones(root: DataRoot) -> None:
    run = root.run(RUN)
    results = drive_run(root, RUN, TWO, workers=1)
    assert results["suites"]["similar"]["trials"][0]["video"] != ""
    # What an earlier release left: its films lay right in the folder.
    (run.evaluation / "closed_loop.jsonl").write_text("{}\n")
    (videos_folder(run) / "similar_0000.mp4").write_bytes(b"old")
    with pytest.raises(Stopped):
        drive_run(root, RUN, DriveSettings(trials=2, latency_s=0.1), StopsAfter(1), workers=1)
    assert load_driven(run) == results
    assert_films_are_there(run, results)
    other = drive_run(root, RUN, DriveSettings(trials=2, latency_s=0.1), workers=1)
    assert list(other["suites"]) == ["similar"]
    assert_films_are_there(run, other)
    named = {trial["video"] for trial in other["suites"]["similar"]["trials"]} - {""}
    found = {str(path.relative_to(videos_folder(run))) for path in videos_folder(run).rglob("*.mp4")}
    assert found == named
    assert not (run.evaluation / "closed_loop.jsonl").exists()
    assert len(list(videos_folder(run).iterdir())) == 1


def assert_films_are_there(run: RunFolder, results: dict[str, Any]) -> None:
    for trial in results["suites"]["similar"]["trials"]:
        assert not trial["video"] or (videos_folder(run) / trial["video"]).is_file()


def test_results_hold_figures_films_and_what_the_gates_read(root: DataRoot) -> None:
    run = root.run(RUN)
    results = drive_run(root, RUN, TWO, workers=1)
    suite = results["suites"]["similar"]
    assert set(suite["baselines"]) == {"straight", "stop", "clock", "brake"}
    assert suite["baselines"]["stop"]["success"]["successes"] == 0
    assert suite["baselines"]["stop"]["policy_minus"]["trials"] == 2
    assert results["worlds_of_data"]
    assert results["guard"]["dead_band"] == pytest.approx(0.2875)
    for trial in suite["trials"]:
        assert len(trial["path"]) == trial["frames"] + 1
        assert 0 <= trial["progress"] <= 1
        if trial["video"]:
            film = cv2.VideoCapture(str(videos_folder(run) / trial["video"]))
            assert film.get(cv2.CAP_PROP_FRAME_COUNT) >= trial["frames"]
            assert film.read()[0]
    write_json(run.evaluation_results, {"format": 1})
    gathered = gather(root, RUN, Robot(), with_predictions=False)
    # One suite of three says nothing of the others.
    assert (closed_loop(gathered).missing, closed_loop(gathered).values["suite"]) == (
        "suite_not_driven",
        "slightly_different",
    )
    assert edges_driven(gathered).missing == "not_driven"
    for measured in (out_of_range(gathered), stale_command(gathered)):
        assert measured.value == 1.0
        assert measured.stored.startswith("evaluation/closed_loop.json")


def test_another_policy_has_not_driven_whatever_its_files_times_are(root: DataRoot, tmp_path: Path) -> None:
    drive_run(root, RUN, TWO, workers=1)
    own = DataRoot(tmp_path / "own")
    # A copy has new times and is the same policy.
    shutil.copytree(root.run(RUN).path, own.run(RUN).path, copy_function=shutil.copyfile)
    run = own.run(RUN)
    assert not is_stale(run)
    results = load_driven(run)
    # What an earlier release wrote named the weights alone, and was judged by other rules.
    weights = run.adapter / "adapter_model.safetensors"
    digest = hashlib.sha256(hashlib.sha256(weights.read_bytes()).hexdigest().encode()).hexdigest()
    older = {name: value for name, value in results.items() if name != "rules"}
    write_json(results_path(run), {**older, "policy": digest})
    assert not is_stale(run)
    assert gather(own, RUN, Robot(), with_predictions=False).driven == {}
    write_json(results_path(run), results)
    assert gather(own, RUN, Robot(), with_predictions=False).driven == results
    # Another normaliser turns the same weights' output into other commands.
    description = read_json(run.adapter / "policy.json")
    known = policy_digest(run.adapter)
    changed = {**description["spec"], "normaliser": {**description["spec"]["normaliser"], "offset": [0.1, 0.0]}}
    write_json(run.adapter / "policy.json", {**description, "spec": changed})
    assert policy_digest(run.adapter) != known
    write_json(run.adapter / "policy.json", description)
    assert not is_stale(run)
    # Other weights with the old file's times are another policy all the same.
    seen = weights.stat()
    save_policy(build_policy(spec("tiny"), seed=2), run.adapter, {})
    os.utime(weights, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert is_stale(run)
    assert closed_loop(gather(own, RUN, Robot(), with_predictions=False)).missing == "not_driven"


def test_a_process_that_has_driven_one_policy_drives_the_next(root: DataRoot, tmp_path: Path) -> None:
    own = DataRoot(tmp_path / "own")
    shutil.copytree(root.run(RUN).path, own.run(RUN).path)
    paths = []
    for seed in (1, 2):
        save_policy(build_policy(spec("tiny"), seed=seed), own.run(RUN).adapter, {})
        results = drive_run(own, RUN, TWO, workers=1)
        paths.append([trial["path"] for trial in results["suites"]["similar"]["trials"]])
    assert paths[0] != paths[1]


def test_a_trial_that_fails_leaves_no_world_open(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[World] = []

    def fails(world: World, *given: Any, **named: Any) -> None:
        monkeypatch.setattr(world, "close", lambda: closed.append(world))
        raise SimulationError("The world is on fire.")

    monkeypatch.setattr("mvla_core.driving.trials.drive_trial", fails)
    with pytest.raises(SimulationError, match="on fire"):
        drive_run(root, RUN, TWO, workers=1)
    assert len(closed) == 1


def test_a_policy_that_also_turns_can_be_driven(root: DataRoot, tmp_path: Path) -> None:
    own = DataRoot(tmp_path / "own")
    folder = own.dataset("turning")
    space = ActionSpace.from_names(("linear_x", "linear_y", "angular_z"))
    for number in range(4):
        actions = np.array([[0.8, 0.1, 0.3], [0.8, -0.1, -0.3], [0.4, 0.0, 0.0], [0.0, 0.0, 0.0]] * 4, np.float32)
        write_episode(
            folder / f"e{number}.h5",
            np.full((len(actions), 16, 16, 3), 40 * number, np.uint8),
            actions,
            action_space=space,
            instruction="Go.",
        )
    run = own.run(RUN)
    run.path.mkdir(parents=True)
    write_json(run.config, {"run_id": RUN, "dataset": "turning", "dataset_folder": str(folder)})
    write_json(run.split, make_split(scan(own, named_dataset(own, "turning")).episodes, seed=0).to_json())
    normaliser = ActionNormaliser("mean_std", (0.5, 0.0, 0.0), (0.3, 0.1, 0.2))
    save_policy(build_policy(replace(spec("tiny"), action_space=space, normaliser=normaliser), seed=1), run.adapter, {})
    results = drive_run(own, RUN, DriveSettings(suites=("similar", "sudden_obstacle"), trials=2), workers=1)
    assert len(results["guard"]["low"]) == 3
    assert results["suites"]["similar"]["success"]["trials"] == 2
    assert results["safety"]["out_of_range"]["held"] == results["safety"]["out_of_range"]["tried"] > 0
    assert results["safety"]["stale_command"]["held"] == results["safety"]["stale_command"]["tried"] == 2
    # Such recordings tell nothing of worlds, and the results say so.
    assert not results["worlds_of_data"]


def test_two_runs_are_paired_by_their_worlds(root: DataRoot) -> None:
    results = drive_run(root, RUN, TWO, workers=1)
    trials = [{**trial, "success": True} for trial in results["suites"]["similar"]["trials"]]
    better = {"suites": {"similar": summarise(trials)}}
    failed = [{**trial, "success": False} for trial in trials]
    assert compare_driven({"suites": {"similar": summarise(failed)}}, better)["similar"]["difference"] == 1.0
    elsewhere = [{**trial, "digest": f"other{trial['index']}"} for trial in trials]
    assert compare_driven(better, {"suites": {"similar": summarise(elsewhere)}}) == {}


def test_runs_that_were_driven_otherwise_are_told_apart(root: DataRoot) -> None:
    results = drive_run(root, RUN, TWO, workers=1)
    assert driven_unlike(results, results) == {}
    assert told_unlike({}, "a", "b") == ""
    slower = {**results, "settings": {**results["settings"], "latency_s": 0.1, "execute_steps": 3}}
    assert set(driven_unlike(results, slower)) == {"latency", "steps of a chunk"}
    sentence = told_unlike(driven_unlike(results, slower), "one", "two")
    assert "latency 0 ms (one) and 100 ms (two)" in sentence
    for changed in (
        {"guard": {**results["guard"], "high": [9.0, 9.0]}},
        {"guard": {**results["guard"], "dead_band": 0.1}},
        {"worlds": {**results["worlds"], "image_size": 64}},
        {"settings": {**results["settings"], "interval_s": 0.05}},
        {"settings": {**results["settings"], "ensembling": 0.1}},
        {"rules": 1},
    ):
        assert driven_unlike(results, {**results, **changed}), changed


def test_what_cannot_be_driven_is_said(root: DataRoot, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run"):
        drive_run(root, "nobody", TWO)
    with pytest.raises(RunError, match="was not driven"):
        load_driven(root.run(RUN))
    own = DataRoot(tmp_path / "own")
    shutil.copytree(root.run(RUN).path, own.run(RUN).path)
    description = read_json(own.run(RUN).adapter / "policy.json")
    description["spec"]["action_space"] = {"names": ["linear_x", "angular_z"], "units": ["m/s", "rad/s"]}
    write_json(own.run(RUN).adapter / "policy.json", description)
    with pytest.raises(PolicyError, match="cannot drive"):
        drive_run(own, RUN, TWO)
    shutil.rmtree(own.run(RUN).adapter)
    with pytest.raises(RunError, match="no adapter"):
        drive_run(own, RUN, TWO)
