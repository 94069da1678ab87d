"""Every figure is recomputed here by another, plainer formula; and laws that hold for any predictions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.evaluation.measure import measure
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.metrics.directions import DIRECTION_NAMES
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS
from mvla_core.schema import ActionSequence, ActionSpace

SPACE = ActionSpace.default(2)
MIXED = ActionSpace.from_names(("linear_x", "angular_z"))
SPEED = 1.15
KEYS = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [1, -1]], dtype=np.float32) * SPEED
CHUNK = 3


def sequence(name: str, length: int, seed: int, instruction: str = "") -> ActionSequence:
    chosen = np.random.default_rng(seed).integers(0, len(KEYS), length)
    return ActionSequence(name, KEYS[chosen], instruction)


TRAIN = [sequence(f"train{number}", 9, number) for number in range(4)]
SCALE = ActionScale.fit(TRAIN, SPACE)


def held_out(number: int, length: int, noise: float) -> EpisodePredictions:
    """One episode whose chunks reach past its end, so that the mask matters."""
    own = sequence(f"test{number}", length, 100 + number)
    last = np.arange(2, length)
    index = last[:, None] + np.arange(CHUNK)
    mask = index < length
    target = np.where(mask[..., None], own.actions[np.minimum(index, length - 1)], 0).astype(np.float32)
    generator = np.random.default_rng(number)
    predicted = (target + noise * generator.normal(size=target.shape)).astype(np.float32)
    predicted[~mask] = 99.0  # What is past the end must count nowhere.
    baselines = {name: kind.fit(TRAIN).predict(own, last, CHUNK) for name, kind in TRIVIAL_PREDICTORS.items()}
    return EpisodePredictions(own.episode_id, last, predicted, target, mask, baselines)


def episodes(noise: float = 0.3, count: int = 5) -> list[EpisodePredictions]:
    return [held_out(number, 7 + number, noise) for number in range(count)]


def errors(measured: list[EpisodePredictions]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Every real error, one row an action, gathered in plain loops."""
    rows = [
        episode.predicted[window, step].astype(float) - episode.target[window, step]
        for episode in measured
        for window in range(episode.num_windows)
        for step in range(CHUNK)
        if episode.mask[window, step]
    ]
    return np.array(rows)


def test_overall_errors_are_plain_means_over_every_real_action() -> None:
    measured = episodes()
    found = errors(measured)
    results = measure(measured, SCALE)
    metrics = results["metrics"]
    assert results["actions_compared"] == len(found)
    assert results["windows"] == sum(len(episode.last_frames) for episode in measured)
    assert metrics["rmse"] == pytest.approx(math.sqrt((found**2).mean()))
    assert metrics["mae"] == pytest.approx(np.abs(found).mean())
    huber = np.where(np.abs(found) <= 1, found**2 / 2, np.abs(found) - 0.5)
    assert metrics["huber"] == pytest.approx(huber.mean())
    for axis, name in enumerate(SPACE.names):
        assert metrics["per_axis"][name]["rmse"] == pytest.approx(math.sqrt((found[:, axis] ** 2).mean()))
        assert metrics["per_axis"][name]["mae"] == pytest.approx(np.abs(found[:, axis]).mean())
        assert metrics["per_axis"][name]["unit"] == "m/s"
    for name in ("rmse", "mae", "huber", "direction_accuracy", "normalised_rmse"):
        assert metrics["intervals"][name]["low"] <= metrics[name] <= metrics["intervals"][name]["high"]


def test_errors_by_step_of_the_chunk() -> None:
    measured = episodes()
    for row in measure(measured, SCALE)["metrics"]["per_step"]:
        step = row["step"] - 1
        found = np.concatenate(
            [(episode.predicted - episode.target)[:, step][episode.mask[:, step]] for episode in measured]
        ).astype(float)
        assert row["count"] == len(found)
        assert row["rmse"] == pytest.approx(math.sqrt((found**2).mean()), rel=1e-5)


def test_skill_is_one_minus_the_ratio_of_mean_squared_errors() -> None:
    measured = episodes()
    own = (errors(measured) ** 2).mean()
    for name, value in measure(measured, SCALE)["baselines"].items():
        others = [replace(episode, predicted=episode.baselines[name]) for episode in measured]
        theirs = (errors(others) ** 2).mean()
        assert value["rmse"] == pytest.approx(math.sqrt(theirs))
        assert value["skill"] == pytest.approx(1 - own / theirs)
        wins = sum(
            (errors([mine]) ** 2).sum() < (errors([other]) ** 2).sum()
            for mine, other in zip(measured, others, strict=True)
        )
        assert value["wins"] == wins
        assert value["skill_low"] <= value["skill"] <= value["skill_high"]


def test_directions_are_counted_one_by_one() -> None:
    measured = episodes(noise=0.5)
    band = SCALE.band

    def name_of(action: np.ndarray[Any, Any]) -> str:
        along = "forward" if action[0] > band[0] else "backward" if action[0] < -band[0] else ""
        across = "left" if action[1] > band[1] else "right" if action[1] < -band[1] else ""
        return "-".join(part for part in (along, across) if part) or "stop"

    pairs = [
        (name_of(episode.target[window, step]), name_of(episode.predicted[window, step]))
        for episode in measured
        for window in range(episode.num_windows)
        for step in range(CHUNK)
        if episode.mask[window, step]
    ]
    results = measure(measured, SCALE)
    directions = results["directions"]
    right = sum(true == predicted for true, predicted in pairs)
    assert results["metrics"]["direction_accuracy"] == pytest.approx(right / len(pairs))
    for true in DIRECTION_NAMES:
        for predicted in DIRECTION_NAMES:
            cell = directions["confusion"][DIRECTION_NAMES.index(true)][DIRECTION_NAMES.index(predicted)]
            assert cell == pairs.count((true, predicted))
    for true, value in directions["recall"].items():
        total = sum(pair[0] == true for pair in pairs)
        assert value["count"] == total
        assert value["recall"] == pytest.approx(pairs.count((true, true)) / total)
    assert sum(directions["true_share"].values()) == pytest.approx(1)
    top = directions["collapse"]
    assert top["share"] == pytest.approx(max(directions["predicted_share"].values()))


def test_per_episode_and_first_window() -> None:
    measured = episodes()
    results = measure(measured, SCALE)
    for row, episode in zip(results["per_episode"], measured, strict=True):
        assert row["episode_id"] == episode.episode_id
        assert row["rmse"] == pytest.approx(math.sqrt((errors([episode]) ** 2).mean()))
    first = np.concatenate([(e.predicted - e.target)[0][e.mask[0]] for e in measured]).astype(float)
    assert results["metrics"]["first_window"]["rmse"] == pytest.approx(math.sqrt((first**2).mean()), rel=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(5)))
def test_the_order_of_the_episodes_changes_no_figure(order: list[int]) -> None:
    measured = episodes()
    straight, mixed = measure(measured, SCALE), measure([measured[place] for place in order], SCALE)
    for name in ("rmse", "mae", "huber", "direction_accuracy", "normalised_rmse"):
        assert mixed["metrics"][name] == pytest.approx(straight["metrics"][name])
    for name, value in straight["baselines"].items():
        assert mixed["baselines"][name]["skill"] == pytest.approx(value["skill"])
        assert mixed["baselines"][name]["wins"] == value["wins"]
    assert mixed["directions"]["confusion"] == straight["directions"]["confusion"]


@settings(max_examples=15, deadline=None)
@given(st.floats(0.01, 2.0))
def test_a_constant_shift_is_the_error(shift: float) -> None:
    measured = [
        replace(episode, predicted=(episode.target + np.float32(shift)).astype(np.float32))
        for episode in episodes(count=3)
    ]
    metrics = measure(measured, SCALE)["metrics"]
    assert metrics["rmse"] == pytest.approx(shift, rel=1e-4)
    assert metrics["mae"] == pytest.approx(shift, rel=1e-4)


def test_a_perfect_prediction_has_skill_one_and_no_error() -> None:
    measured = [replace(episode, predicted=episode.target) for episode in episodes()]
    results = measure(measured, SCALE)
    assert results["metrics"]["rmse"] == 0
    assert results["metrics"]["direction_accuracy"] == 1
    assert all(value["skill"] == 1 == value["skill_low"] for value in results["baselines"].values())
    assert results["directions"]["variation"] == pytest.approx(1)


@pytest.mark.parametrize("name", ["constant", "frame_index", "instruction_clock", "repeat_last"])
def test_a_baseline_has_skill_zero_against_itself(name: str) -> None:
    measured = [replace(episode, predicted=episode.baselines[name]) for episode in episodes()]
    value = measure(measured, SCALE)["baselines"][name]
    assert (value["skill"], value["skill_low"], value["skill_high"], value["wins"]) == (0, 0, 0, 0)


def test_a_baseline_that_makes_no_error_gives_a_finite_skill() -> None:
    perfect = [replace(episode, baselines=dict.fromkeys(episode.baselines, episode.target)) for episode in episodes()]
    value = measure(perfect, SCALE)["baselines"]["frame_index"]
    assert value["skill"] < -100
    assert math.isfinite(value["skill_low"])
    both = [replace(episode, predicted=episode.target) for episode in perfect]
    assert measure(both, SCALE)["baselines"]["frame_index"]["skill"] == 0


def test_mixed_units_are_never_pooled_silently() -> None:
    """Seen in other units, the skill stays what it is; a plain mean over m/s and rad/s would change."""
    train = [ActionSequence(each.episode_id, each.actions) for each in TRAIN]
    factor = np.array([1.0, 20.0], dtype=np.float32)
    scaled = [ActionSequence(each.episode_id, each.actions * factor) for each in train]
    measured = episodes()
    in_other_units = [
        replace(
            episode,
            predicted=episode.predicted * factor,
            target=episode.target * factor,
            baselines={name: chunks * factor for name, chunks in episode.baselines.items()},
        )
        for episode in measured
    ]
    first = measure(measured, ActionScale.fit(train, MIXED))
    second = measure(in_other_units, ActionScale.fit(scaled, MIXED))
    assert first["actions"]["mixed_units"]
    assert "rad/s" in first["averages"]
    assert "variance" in first["skill_over"]
    for name, value in first["baselines"].items():
        assert second["baselines"][name]["skill"] == pytest.approx(value["skill"], rel=1e-5)
    assert second["metrics"]["normalised_rmse"] == pytest.approx(first["metrics"]["normalised_rmse"], rel=1e-5)
    assert second["metrics"]["rmse"] != pytest.approx(first["metrics"]["rmse"], rel=0.5)


def test_one_episode_has_figures_but_no_interval() -> None:
    results = measure(episodes(count=1), SCALE)
    assert results["metrics"]["intervals"]["rmse"] == {"low": None, "high": None}
    assert results["baselines"]["constant"]["skill_low"] is None
    assert math.isfinite(results["baselines"]["constant"]["skill"])
