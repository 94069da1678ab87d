"""A run is driven, stopped, driven on, compared and read by the gates: real worker, real worlds, a policy of no skill."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest

from mvla_core.driving.drive import drive_run
from mvla_core.driving.results import (
    compare_driven,
    is_stale,
    journal_path,
    load_driven,
    results_path,
    summarise,
    videos_folder,
)
from mvla_core.driving.settings import DriveSettings
from mvla_core.errors import PolicyError, RunError, Stopped
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot
from mvla_core.progress import Progress
from mvla_core.readiness.evidence import gather
from mvla_core.readiness.gates import Robot
from mvla_core.readiness.measures import closed_loop, edges_driven, out_of_range, stale_command
from tests.driving.conftest import RUN

TWO = DriveSettings(suites=("similar",), trials=2)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drives of a few frames: what the policy does there is of no interest."""
    monkeypatch.setattr("mvla_core.driving.safety.DRIVES", 2)
    monkeypatch.setattr("mvla_core.driving.trials.FEWEST_FRAMES", 4)
    monkeypatch.setattr("mvla_core.driving.trials.FRAMES_A_FRAME", 0.2)


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
    journal = journal_path(run).read_text().splitlines()
    assert len(journal) == 2
    results = drive_run(root, RUN, DriveSettings(trials=3), workers=1)
    assert journal_path(run).read_text().splitlines()[:2] == journal
    assert [trial["index"] for trial in results["suites"]["similar"]["trials"]] == [0, 1, 2]
    assert results == load_driven(run)
    # Another suite joins those that were driven; another control forgets them, films and all.
    both = drive_run(root, RUN, DriveSettings(suites=("dark",), trials=2), workers=1)
    assert list(both["suites"]) == ["similar", "dark"]
    assert both["suites"]["similar"] == results["suites"]["similar"]
    assert both["closed_loop"]["success"]["trials"] == 3
    assert both["closed_loop"]["edge_cases"]["trials"] == 2
    other = drive_run(root, RUN, DriveSettings(trials=2, latency_s=0.1), workers=1)
    assert list(other["suites"]) == ["similar"]
    named = {trial["video"] for trial in other["suites"]["similar"]["trials"]} - {""}
    assert {path.name for path in videos_folder(run).iterdir()} == named


def test_results_hold_figures_films_and_what_the_gates_read(root: DataRoot) -> None:
    run = root.run(RUN)
    results = drive_run(root, RUN, TWO, workers=1)
    suite = results["suites"]["similar"]
    assert set(suite["baselines"]) == {"straight", "stop", "clock"}
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
    assert closed_loop(gathered).value == suite["success"]["value"]
    assert closed_loop(gathered).low == suite["success"]["low"]
    assert edges_driven(gathered).missing == "not_driven"
    for measured in (out_of_range(gathered), stale_command(gathered)):
        assert measured.value == 1.0
        assert measured.stored.startswith("evaluation/closed_loop.json")
    # A policy that was trained further has not driven.
    weights = run.adapter / "adapter_model.safetensors"
    weights.touch()
    assert is_stale(run)
    assert closed_loop(gather(root, RUN, Robot(), with_predictions=False)).missing == "not_driven"


def test_two_runs_are_paired_by_their_worlds(root: DataRoot) -> None:
    results = drive_run(root, RUN, TWO, workers=1)
    trials = [{**trial, "success": True} for trial in results["suites"]["similar"]["trials"]]
    better = {"suites": {"similar": summarise(trials)}}
    failed = [{**trial, "success": False} for trial in trials]
    assert compare_driven({"suites": {"similar": summarise(failed)}}, better)["similar"]["difference"] == 1.0
    elsewhere = [{**trial, "digest": f"other{trial['index']}"} for trial in trials]
    assert compare_driven(better, {"suites": {"similar": summarise(elsewhere)}}) == {}


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
