"""Policies with a known disease, on worlds with a known answer: the verdict has to name it. Real files, real predictions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import PolicyError, RunError
from mvla_core.evaluation.assess import assess
from mvla_core.evaluation.results import load_audit, load_predictions, load_results
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot

Evaluate = Callable[..., dict[str, Any]]


@pytest.fixture
def evaluate(root: DataRoot, worlds: ModuleType) -> Evaluate:
    """Record a world, and evaluate one policy on it."""

    def run(make_keys: Any, make_policy: Any, *, count: int = 40, sides: int = 2) -> dict[str, Any]:
        worlds.record(root, "world", make_keys, count, sides=sides)
        folder = worlds.prepare(root, "world")
        policy = make_policy(worlds.train_sequences(root, folder, "world"))
        return assess(root, folder, policy, worlds.SPACE, WindowSpec())

    return run


def codes(results: dict[str, Any], supporting: bool) -> set[str]:
    return {item["code"] for item in results["verdict"]["evidence"] if item["for"] is supporting}


def test_honest_learning(evaluate: Evaluate, worlds: ModuleType) -> None:
    results = evaluate(worlds.varied_keys, lambda train: worlds.sighted())
    verdict = results["verdict"]
    assert verdict["label"] == "learned"
    assert verdict["sentence"].startswith("It has learned to look: on 8 held-out episodes its squared error is ")
    assert {"skill_instruction_clock", "pictures_blank", "pictures_other", "instruction_swap", "clock"} <= codes(
        results, True
    )
    # Its pictures flicker, so that every first one is as like another as consecutive ones are: the replay has to be beaten too.
    assert codes(results, False) == {"episodes", "scenes"}
    assert results["baselines"]["first_picture"]["skill_low"] > 0
    for name in ("constant", "frame_index", "instruction_clock"):
        assert results["baselines"][name]["skill_low"] > 0


def test_one_script_is_memorised(evaluate: Evaluate, worlds: ModuleType) -> None:
    results = evaluate(worlds.scripted_keys, worlds.recites, sides=1)
    assert results["verdict"]["label"] == "memorised_script"
    assert {"clock", "sequences", "skill_frame_index", "pictures_other"} <= codes(results, False)
    assert results["sequences_seen"] == 8


def test_even_reading_the_script_from_the_pictures_is_not_called_learned(
    evaluate: Evaluate, worlds: ModuleType
) -> None:
    results = evaluate(worlds.scripted_keys, lambda train: worlds.deaf(), sides=1)
    assert results["verdict"]["label"] in ("partly_learned", "memorised_script")


def test_blind(evaluate: Evaluate, worlds: ModuleType) -> None:
    results = evaluate(worlds.steady_keys, lambda train: worlds.told_only())
    assert results["verdict"]["label"] == "blind"
    assert {"pictures_blank", "pictures_frozen", "pictures_other"} <= codes(results, False)


@pytest.mark.parametrize("policy", ["deaf", "averaging"])
def test_deaf(evaluate: Evaluate, worlds: ModuleType, policy: str) -> None:
    results = evaluate(worlds.varied_keys, lambda train: getattr(worlds, policy)())
    assert results["verdict"]["label"] == "deaf"
    assert {"instruction_swap", "instruction_empty"} <= codes(results, False)


def test_collapsed(evaluate: Evaluate, worlds: ModuleType) -> None:
    results = evaluate(worlds.varied_keys, lambda train: worlds.collapsed())
    assert results["verdict"]["label"] == "collapsed"
    assert results["directions"]["collapse"]["direction"] == "forward"
    assert "collapse" in codes(results, False)


@pytest.mark.parametrize("policy", ["guesses", "recites"])
def test_no_better_than_a_clock(evaluate: Evaluate, worlds: ModuleType, policy: str) -> None:
    results = evaluate(worlds.varied_keys, getattr(worlds, policy))
    assert results["verdict"]["label"] == "no_better_than_clock"


def test_too_few_held_out_episodes(evaluate: Evaluate, worlds: ModuleType) -> None:
    results = evaluate(worlds.varied_keys, lambda train: worlds.sighted(), count=12)
    assert results["episodes"] == 3
    assert (results["verdict"]["label"], results["verdict"]["rule"]) == ("cannot_tell", "few_episodes")
    assert "at least 4 are needed" in results["verdict"]["sentence"]


def test_a_copied_recording_on_both_sides_is_found(root: DataRoot, worlds: ModuleType) -> None:
    worlds.record(root, "world", worlds.varied_keys, 24)
    folder = worlds.prepare(root, "world")
    split = read_json(folder.split)
    known = {path.stem: path for path in root.dataset("world").iterdir()}
    known[split["test"][0]].unlink()
    shutil.copyfile(known[split["train"][0]], known[split["test"][0]])
    results = assess(root, folder, worlds.sighted(), worlds.SPACE, WindowSpec())
    assert (results["verdict"]["label"], results["verdict"]["rule"]) == ("leaked_split", "leaked_split")
    assert results["split"]["leaks"][0]["reason"] == f"the same file as {split['train'][0]}"


def test_what_is_written_can_be_read_back(root: DataRoot, evaluate: Evaluate, worlds: ModuleType) -> None:
    results = evaluate(worlds.varied_keys, lambda train: worlds.sighted())
    run = root.run("planted")
    assert load_results(run) == results
    stored = load_predictions(run)
    assert [episode.episode_id for episode in stored] == [row["episode_id"] for row in results["per_episode"]]
    assert set(stored[0].baselines) == set(results["baselines"])
    assert stored[0].predicted.shape == (15, 10, 2)
    assert stored[0].instruction in results["instructions"]
    assert load_audit(run)["episodes"] == 40
    assert len(load_audit(run)["by_index"]["mean"]["linear_x"]) == 18
    assert len(results["losses"]["epochs"]) == 12
    assert results["latency"]["p50_ms"] <= results["latency"]["p99_ms"]


def test_a_policy_that_predicts_nan_is_refused(root: DataRoot, worlds: ModuleType) -> None:
    worlds.record(root, "world", worlds.varied_keys, 20)
    folder = worlds.prepare(root, "world")
    broken = worlds.PlantedPolicy(lambda seen, told: np.full((10, 2), np.nan))
    with pytest.raises(PolicyError, match=r"NaN.*smaller learning rate"):
        assess(root, folder, broken, worlds.SPACE, WindowSpec())
    assert not folder.evaluation_results.exists()


def test_an_action_space_of_another_robot_is_refused(root: DataRoot, worlds: ModuleType) -> None:
    worlds.record(root, "world", worlds.varied_keys, 20)
    folder = worlds.prepare(root, "world")
    other = type(worlds.SPACE).from_names(("linear_x", "angular_z"))
    with pytest.raises(PolicyError, match=r"linear_x, angular_z.*linear_x, linear_y"):
        assess(root, folder, worlds.sighted(), other, WindowSpec())


def test_a_held_out_episode_that_is_gone_is_named(root: DataRoot, worlds: ModuleType) -> None:
    worlds.record(root, "world", worlds.varied_keys, 20)
    folder = worlds.prepare(root, "world")
    gone = read_json(folder.split)["test"][0]
    (root.dataset("world") / f"{gone}.h5").unlink()
    with pytest.raises(RunError, match=gone):
        assess(root, folder, worlds.sighted(), worlds.SPACE, WindowSpec())


def test_results_of_a_run_that_is_not_evaluated_or_damaged(root: DataRoot) -> None:
    run = root.run("half")
    with pytest.raises(RunError, match="There is no run"):
        load_results(run)
    run.path.mkdir(parents=True)
    with pytest.raises(RunError, match="python -m mvla_core evaluate half"):
        load_results(run)
    run.evaluation.mkdir()
    run.predictions.write_bytes(b"not an archive")
    with pytest.raises(RunError, match="cannot be read"):
        load_predictions(run)
    write_json(run.evaluation_results, {"format": 0})
    with pytest.raises(RunError, match="format 0"):
        load_results(run)


@pytest.mark.shared
def test_the_briefings_replica_is_memorised(root: DataRoot, worlds: ModuleType, shared_data: Path) -> None:
    """Its 13 episodes hold three for the test; the audit of all of them is what shows the script."""
    replica = json.loads((shared_data / "briefing_replica.json").read_text(encoding="utf-8"))
    generator = np.random.default_rng(0)
    for episode in replica["episodes"]:
        keys = episode["keys"]
        frames = np.stack([worlds.picture(keys, frame) for frame in range(len(keys))])
        frames[:, 3] = generator.integers(0, 255, frames[:, 3].shape)
        velocities = worlds.VELOCITIES[[worlds.NAMES.index(key) for key in keys]]
        write_episode(root.dataset("briefing") / episode["file"], frames, velocities, action_space=worlds.SPACE)
    run = worlds.prepare(root, "briefing")
    policy = worlds.recites(worlds.train_sequences(root, run, "briefing"))
    results = assess(root, run, policy, worlds.SPACE, WindowSpec())
    assert results["verdict"]["label"] == "memorised_script"
    assert results["clock"]["verdict"] == "suffices"
    losses = {name: value["huber"] for name, value in results["baselines"].items()}
    assert losses["frame_index"] < results["metrics"]["huber"] < losses["constant"] / 3
