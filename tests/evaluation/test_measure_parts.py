"""Phases, critical intervals, groups, cosine, drift, smoothness and consistency: each recomputed in plain loops; and laws."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.evaluation.measure import measure
from mvla_core.evaluation.measure_baselines import kind_of
from mvla_core.evaluation.measure_parts import Compared
from mvla_core.evaluation.measure_phases import critical_masks, driven, measure_groups
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS
from mvla_core.schema import ActionSequence, ActionSpace

SPACE = ActionSpace.default(2)
CAR = ActionSpace.from_names(("linear_x", "angular_z"))
SPEED = 1.15
KEYS = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [1, -1]], dtype=np.float32) * SPEED
CHUNK, WINDOW = 4, 3
TRAIN = [
    ActionSequence(
        f"train{n}", KEYS[np.random.default_rng(n).integers(0, len(KEYS), 11)], ("go left", "go right")[n % 2]
    )
    for n in range(4)
]
SCALE = ActionScale.fit(TRAIN, SPACE)


def held_out(number: int, actions: np.ndarray[Any, Any], noise: float) -> EpisodePredictions:
    length = len(actions)
    last = np.arange(WINDOW - 1, length)
    index = last[:, None] + np.arange(CHUNK)
    mask = index < length
    target = np.where(mask[..., None], actions[np.minimum(index, length - 1)], 0).astype(np.float32)
    predicted = (target + noise * np.random.default_rng(number).normal(size=target.shape)).astype(np.float32)
    predicted[~mask] = 99.0  # What is past the end must count nowhere.
    told = ("go left", "go right")[number % 2]
    own = ActionSequence(f"test{number}", actions, told)
    baselines = {name: kind.fit(TRAIN).predict(own, last, CHUNK) for name, kind in TRIVIAL_PREDICTORS.items()}
    return EpisodePredictions(own.episode_id, last, predicted, target, mask, baselines, told)


def driven_keys(number: int) -> np.ndarray[Any, Any]:
    """Each key is held for a few frames, so that there are changes and calm stretches."""
    generator = np.random.default_rng(100 + number)
    chosen = np.repeat(generator.integers(0, len(KEYS), 9), generator.integers(1, 5, 9))
    return KEYS[chosen[: 12 + number]]


def episodes(noise: float = 0.4, count: int = 5) -> list[EpisodePredictions]:
    return [held_out(number, driven_keys(number), noise) for number in range(count)]


def rows(
    measured: list[EpisodePredictions],
) -> Iterator[tuple[int, int, int, np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Every real action: episode, frame, length of the episode, predicted, true."""
    for number, episode in enumerate(measured):
        length = int(episode.last_frames[-1]) + 1
        for window in range(episode.num_windows):
            for step in range(CHUNK):
                frame = int(episode.last_frames[window]) + step
                if frame < length:
                    yield (
                        number,
                        frame,
                        length,
                        episode.predicted[window, step].astype(float),
                        episode.target[window, step].astype(float),
                    )


def check(part: dict[str, Any], pairs: list[tuple[Any, Any]]) -> None:
    """Whether a part holds the errors of exactly these pairs of predicted and true actions."""
    difference = np.array([predicted - true for predicted, true in pairs])
    assert part["measured"]
    assert part["actions"] == len(pairs)
    for found, d in ((part["errors"], difference), (part["errors"]["normalised"], difference / SCALE.spread)):
        size = np.abs(d)
        assert found["rmse"]["value"] == pytest.approx(math.sqrt((d**2).mean()))
        assert found["mae"]["value"] == pytest.approx(size.mean())
        assert found["huber"]["value"] == pytest.approx(np.where(size <= 1, d**2 / 2, size - 0.5).mean())
        for each in ("rmse", "mae", "huber"):
            assert found[each]["low"] is None or found[each]["low"] <= found[each]["value"] <= found[each]["high"]


def test_errors_of_every_axis_and_step() -> None:
    measured = episodes()
    metrics = measure(measured, SCALE)["metrics"]
    every = list(rows(measured))
    overall = {"measured": True, "actions": len(every), "errors": metrics["errors"]}
    check(overall, [(predicted, true) for *_, predicted, true in every])
    for axis, name in enumerate(SPACE.names):
        d = np.array([predicted[axis] - true[axis] for *_, predicted, true in every])
        found = metrics["per_axis"][name]["errors"]
        assert found["mae"]["value"] == pytest.approx(np.abs(d).mean())
        assert found["normalised"]["rmse"]["value"] == pytest.approx(math.sqrt((d**2).mean()) / SCALE.spread[axis])
    for row in metrics["per_step"]:
        step = row["step"] - 1
        d = np.concatenate([(e.predicted - e.target)[:, step][e.mask[:, step]] for e in measured]).astype(float)
        assert row["errors"]["mae"]["value"] == pytest.approx(np.abs(d).mean(), rel=1e-5)
        assert row["axes"]["linear_y"]["rmse"]["value"] == pytest.approx(math.sqrt((d[:, 1] ** 2).mean()), rel=1e-5)


def test_phases_are_thirds_of_the_episode() -> None:
    measured = episodes()
    phases = measure(measured, SCALE)["metrics"]["phases"]
    for number, name in enumerate(("initial", "middle", "final")):
        pairs = [(p, true) for _, frame, length, p, true in rows(measured) if math.floor(3 * frame / length) == number]
        check(phases[name], pairs)


def test_critical_intervals_lie_around_the_drivers_changes() -> None:
    measured = episodes()
    critical = measure(measured, SCALE)["metrics"]["critical"]

    def name_of(action: np.ndarray[Any, Any]) -> tuple[int, int]:
        signs = [
            1 if value > band else -1 if value < -band else 0 for value, band in zip(action, SCALE.band, strict=True)
        ]
        return signs[0], signs[1]

    kinds: dict[tuple[int, int], set[str]] = {}
    for number in range(len(measured)):
        keys = [name_of(action) for action in driven_keys(number)]
        for frame in range(WINDOW, len(keys)):  # From the second known frame on.
            before, now = keys[frame - 1], keys[frame]
            if before == now:
                continue
            kind = "start" if before == (0, 0) else "stop" if now == (0, 0) else "turn"
            for near in (frame - 1, frame, frame + 1):
                kinds.setdefault((number, near), set()).add(kind)
    for name in ("start", "stop", "turn"):
        pairs = [(p, true) for number, frame, _, p, true in rows(measured) if name in kinds.get((number, frame), set())]
        check(critical[name], pairs)
    check(critical["any"], [(p, true) for number, frame, _, p, true in rows(measured) if (number, frame) in kinds])
    check(critical["calm"], [(p, true) for number, frame, _, p, true in rows(measured) if (number, frame) not in kinds])


def test_a_driver_who_changes_nothing_has_no_critical_interval() -> None:
    steady = [held_out(number, np.tile(KEYS[1], (10, 1)), 0.1) for number in range(3)]
    critical = measure(steady, SCALE)["metrics"]["critical"]
    assert critical["turn"] == {"measured": False, "reason": "No compared action belongs to it."}
    assert critical["calm"]["measured"]


def test_the_drivers_actions_are_put_together_again() -> None:
    for number, episode in enumerate(episodes()):
        first, actions = driven(episode)
        assert first == WINDOW - 1
        assert (actions == driven_keys(number)[first:]).all()


def test_groups_hold_their_own_episodes() -> None:
    measured = episodes()
    names = ["b", "a", "b", "", "a"]
    found = measure_groups(Compared(measured, SCALE), names)
    assert [group["name"] for group in found] == ["", "a", "b"]
    for group in found:
        pairs = [(p, true) for number, _, _, p, true in rows(measured) if names[number] == group["name"]]
        check(group, pairs)
        assert group["episodes"] == names.count(group["name"])
    theirs = [
        (e.baselines["constant"] - e.target)[e.mask] for e, name in zip(measured, names, strict=True) if name == "b"
    ]
    own = np.array([p - true for number, _, _, p, true in rows(measured) if names[number] == "b"])
    skill = 1 - (own**2).sum() / (np.concatenate(theirs).astype(float) ** 2).sum()
    assert found[2]["skill"]["constant"]["value"] == pytest.approx(skill, rel=1e-5)


def test_cosine_where_the_driver_moves() -> None:
    measured = episodes()
    pairs = [(p, true) for *_, p, true in rows(measured) if np.linalg.norm(true) > 0]
    expected = np.mean([p @ true / (np.linalg.norm(p) * np.linalg.norm(true)) for p, true in pairs])
    found = measure(measured, SCALE)["metrics"]["cosine"]
    assert (found["actions"], found["value"]) == (len(pairs), pytest.approx(expected))


def test_drift_is_how_far_apart_the_ways_end() -> None:
    measured = episodes()
    rates = {episode.episode_id: 10.0 for episode in measured}
    found = measure(measured, SCALE, rates)["metrics"]["drift"]
    ends = [
        math.hypot(*(0.1 * (episode.predicted - episode.target)[:, 0].astype(float).sum(axis=0)))
        for episode in measured
    ]
    frames = sum(episode.num_windows for episode in measured)
    assert found["final"]["value"] == pytest.approx(np.mean(ends), rel=1e-5)
    assert found["rate"]["value"] == pytest.approx(sum(ends) / (0.1 * frames), rel=1e-5)
    assert [row["final"] for row in found["per_episode"]] == pytest.approx(ends, rel=1e-4)
    unknown = measure(measured, SCALE)["metrics"]["drift"]
    assert unknown["final"] is None
    assert unknown["rate"]["value"] == pytest.approx(found["rate"]["value"]), "a speed, whatever the frame rate"


def test_a_robot_that_turns_needs_its_frame_rate() -> None:
    car = ActionScale.fit(TRAIN, CAR)
    measured = episodes()
    assert not measure(measured, car)["metrics"]["drift"]["measured"]
    assert measure(measured, car, {e.episode_id: 20.0 for e in measured})["metrics"]["drift"]["measured"]
    plain = ActionSpace.from_names(("linear_x", "angular_z"), ("normalised", "normalised"))
    assert "m/s" in measure(measured, ActionScale.fit(TRAIN, plain))["metrics"]["drift"]["reason"]


def test_smoothness_and_consistency() -> None:
    measured = episodes()
    metrics = measure(measured, SCALE)["metrics"]
    jerks: dict[str, list[float]] = {"predicted": [], "target": []}
    for episode in measured:
        for name, squares in jerks.items():
            way = getattr(episode, name)[:, 0].astype(float)
            squares += [((way[i + 1] - 2 * way[i] + way[i - 1]) ** 2).mean() for i in range(1, len(way) - 1)]
    assert metrics["smoothness"]["policy"]["value"] == pytest.approx(math.sqrt(np.mean(jerks["predicted"])))
    assert metrics["smoothness"]["driver"]["value"] == pytest.approx(math.sqrt(np.mean(jerks["target"])))
    expected = math.sqrt(np.mean(jerks["predicted"]) / np.mean(jerks["target"]))
    assert metrics["smoothness"]["ratio"]["value"] == pytest.approx(expected)

    told: dict[tuple[int, int], list[np.ndarray[Any, Any]]] = {}
    for number, frame, _, predicted, _ in rows(measured):
        told.setdefault((number, frame), []).append(predicted)
    apart = sum(((np.array(each) - np.mean(each, axis=0)) ** 2).sum() for each in told.values())
    freedom = sum(len(each) - 1 for each in told.values()) * len(SPACE)
    assert metrics["consistency"]["instants"] == sum(len(each) > 1 for each in told.values())
    assert metrics["consistency"]["spread"]["value"] == pytest.approx(math.sqrt(apart / freedom))


def figures(value: Any) -> Iterator[tuple[str, Any]]:
    """Every number below a JSON value with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            for place, number in figures(inner):
                yield f"{key}.{place}", number
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for place, number in figures(inner):
                yield f"{index}.{place}", number
    else:
        yield "", value


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(5)))
def test_the_order_of_the_episodes_changes_no_figure_and_no_interval(order: list[int]) -> None:
    measured = episodes()
    straight, mixed = measure(measured, SCALE), measure([measured[place] for place in order], SCALE)
    for name in ("metrics", "baselines", "directions", "clock", "instruction_gain", "per_instruction"):
        assert list(figures(mixed[name])) == list(figures(straight[name]))
    assert [row["episode_id"] for row in mixed["per_episode"]] == [f"test{place}" for place in order]


@settings(max_examples=10, deadline=None)
@given(st.floats(0.0, 2.0), st.integers(2, 4))
def test_a_constant_shift_is_every_error_and_no_jerk(shift: float, count: int) -> None:
    measured = [
        replace(episode, predicted=(episode.target + np.float32(shift)).astype(np.float32))
        for episode in episodes(count=count)
    ]
    metrics = measure(measured, SCALE)["metrics"]
    parts = [metrics["phases"][name] for name in ("initial", "middle", "final")]
    parts += [part for name in ("any", "calm") if (part := metrics["critical"][name])["measured"]]
    for part in parts:
        for end in ("value", "low", "high"):
            assert part["errors"]["rmse"][end] == pytest.approx(shift, abs=1e-5)
            assert part["errors"]["mae"][end] == pytest.approx(shift, abs=1e-5)
    assert metrics["drift"]["rate"]["value"] == pytest.approx(math.sqrt(2) * shift, abs=1e-5)
    assert metrics["smoothness"]["ratio"]["value"] == pytest.approx(1, abs=1e-4)
    assert metrics["consistency"]["spread"]["value"] == pytest.approx(0, abs=1e-5)


def test_a_perfect_prediction_makes_no_error_anywhere() -> None:
    metrics = measure([replace(episode, predicted=episode.target) for episode in episodes()], SCALE)["metrics"]
    zeros = [number for place, number in figures(metrics["errors"]) if not place.startswith("count")]
    assert set(zeros) == {0.0}
    for part in (
        *metrics["phases"].values(),
        *(metrics["critical"][name] for name in ("start", "turn", "any", "calm")),
    ):
        assert part["errors"]["rmse"] == {"value": 0.0, "low": 0.0, "high": 0.0}
        assert part["direction_accuracy"]["value"] == 1.0
        assert part["skill"]["constant"]["value"] == 1.0
    assert metrics["cosine"]["value"] == pytest.approx(1)
    assert metrics["drift"]["rate"]["value"] == 0
    assert metrics["smoothness"]["ratio"]["value"] == 1
    assert metrics["consistency"]["spread"]["value"] == 0


def test_any_and_calm_part_the_actions() -> None:
    measured = episodes()
    masks = critical_masks(measured, SCALE)
    for row, episode in enumerate(measured):
        union = masks["any"][row] | masks["calm"][row]
        assert (union == episode.mask).all()
        assert not (masks["any"][row] & masks["calm"][row]).any()


def test_what_a_baseline_counts_for_is_told_by_its_name() -> None:
    kinds = {"constant": "trivial", "repeat_last": "trivial", "nearest_picture_instruction": "picture"}
    assert {name: kind_of(name) for name in kinds} == kinds
    assert kind_of("picture_blind") == "learned"
    assert {value["kind"] for value in measure(episodes(), SCALE)["baselines"].values()} == {"trivial"}
