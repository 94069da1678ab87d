"""Integrated ways and second differences, against plain loops; and many bootstrap intervals at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.metrics.intervals import bootstrap_ratio, bootstrap_ratios
from mvla_core.metrics.paths import integrate, moves_over_floor, second_differences, turns
from mvla_core.schema import ActionSpace

OMNI = ActionSpace.from_names(("linear_x", "linear_y", "angular_z"))


def test_a_robot_that_does_not_turn_ends_at_the_sum_of_its_steps() -> None:
    velocities = np.random.default_rng(0).normal(size=(20, 2))
    way = integrate(velocities, ActionSpace.default(2), 0.1)
    assert way.shape == (21, 2)
    assert way[-1] == pytest.approx(0.1 * velocities.sum(axis=0))


def test_a_full_circle_comes_back() -> None:
    frames = 400
    velocities = np.tile([1.0, 0.0, 2 * math.pi / (frames * 0.05)], (frames, 1))
    way = integrate(velocities, OMNI, 0.05)
    assert way[-1] == pytest.approx([0, 0], abs=1e-6)
    radius = frames * 0.05 / (2 * math.pi)
    assert way[:, 1].max() == pytest.approx(2 * radius, rel=1e-3), "counter-clockwise, so to the left"


def test_a_turn_bends_what_follows() -> None:
    quarter = np.array([[0.0, 0.0, math.pi / 2], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert integrate(quarter, OMNI, 1.0) == pytest.approx(np.array([[0, 0], [0, 0], [0, 1], [-1, 1]]), abs=1e-12)


def test_what_a_floor_needs() -> None:
    assert moves_over_floor(ActionSpace.default(2))
    assert moves_over_floor(OMNI)
    assert turns(OMNI)
    assert not turns(ActionSpace.default(2))
    assert not moves_over_floor(ActionSpace.from_names(("linear_x", "angular_z"), ("normalised", "normalised")))


@given(st.lists(st.floats(-2, 2), min_size=0, max_size=12))
def test_second_differences_one_by_one(values: list[float]) -> None:
    column = np.array(values, dtype=np.float64).reshape(-1, 1)
    expected = [values[i + 1] - 2 * values[i] + values[i - 1] for i in range(1, len(values) - 1)]
    assert second_differences(column)[:, 0] == pytest.approx(expected)


@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 50))
def test_many_intervals_are_those_of_each(episodes: int, figures: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    top, bottom = generator.random((episodes, figures)), generator.random((episodes, figures)) + 0.1
    together = bootstrap_ratios(top, bottom, resamples=200)
    for column, found in enumerate(together):
        alone = bootstrap_ratio(top[:, column], bottom[:, column], resamples=200)
        assert found.to_json() == pytest.approx(alone.to_json())
    shared = bootstrap_ratios(top, bottom[:, 0], resamples=200)
    assert shared[-1].to_json() == pytest.approx(bootstrap_ratio(top[:, -1], bottom[:, 0], resamples=200).to_json())


def test_figures_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="two arrays"):
        bootstrap_ratios(np.ones((3, 2)), np.ones(2))
    with pytest.raises(ValueError, match="two arrays"):
        bootstrap_ratios(np.ones((0, 2)), np.ones((0, 2)))
