"""Bootstrap intervals by episode."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.metrics import intervals
from mvla_core.metrics.intervals import Interval, bootstrap_mean, bootstrap_ratio, skill

SUMS = st.lists(st.floats(0.01, 10), min_size=2, max_size=12)


@settings(max_examples=30, deadline=None)
@given(SUMS)
def test_the_interval_holds_the_value_and_stays_within_the_episodes(values: list[float]) -> None:
    found = bootstrap_mean(np.array(values))
    assert found.value == pytest.approx(np.mean(values))
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9
    assert found.low <= found.value + 1e-9
    assert found.value <= found.high + 1e-9


@settings(max_examples=20, deadline=None)
@given(SUMS, st.integers(0, 5))
def test_a_ratio_agrees_with_resampling_in_a_loop(values: list[float], seed: int) -> None:
    top = np.array(values)
    bottom = np.arange(1.0, len(values) + 1)
    found = bootstrap_ratio(top, bottom, seed=seed)
    generator = np.random.default_rng(1000 + seed)
    samples = []
    for _ in range(2000):
        drawn = generator.integers(0, len(top), len(top))
        samples.append(top[drawn].sum() / bottom[drawn].sum())
    # Compared by rank: few episodes give a handful of possible means, and a percentile then jumps from one to the next.
    at = np.percentile(samples, [0.5, 4.5, 95.5, 99.5])
    assert found.value == pytest.approx(top.sum() / bottom.sum())
    assert at[0] - 1e-9 <= found.low <= at[1] + 1e-9
    assert at[2] - 1e-9 <= found.high <= at[3] + 1e-9


def test_the_same_seed_gives_the_same_interval_whatever_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).gamma(1.0, size=40)
    first = bootstrap_mean(values, seed=5)
    monkeypatch.setattr(intervals, "_BLOCK_ELEMENTS", 400)
    assert bootstrap_mean(values, seed=5) == first
    assert bootstrap_mean(values, seed=6) != first


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    intervals_found = [bootstrap_mean(generator.normal(1.0, 0.5, size=30), resamples=400) for _ in range(200)]
    covered = np.mean([found.low <= 1.0 <= found.high for found in intervals_found])
    assert 0.88 <= covered <= 0.99


def test_skill_is_one_minus_the_ratio_of_the_mean_squared_errors() -> None:
    policy, baseline = np.array([1.0, 2.0, 3.0]), np.array([4.0, 4.0, 4.0])
    found = skill(policy, baseline)
    assert found.value == pytest.approx(0.5)
    assert 0.25 <= found.low <= found.value <= found.high <= 0.75


def test_skill_against_a_perfect_baseline_is_minus_infinity_and_null_in_json() -> None:
    found = skill(np.array([1.0, 2.0]), np.zeros(2))
    assert found == Interval(-math.inf, -math.inf, -math.inf)
    assert json.dumps(found.to_json(), allow_nan=False) == '{"value": null, "low": null, "high": null}'
    assert skill(np.zeros(2), np.zeros(2)) == Interval(0.0, 0.0, 0.0)


def test_one_episode_gives_a_value_and_no_interval() -> None:
    found = skill(np.array([1.0]), np.array([4.0]))
    assert found.value == 0.75
    assert math.isnan(found.low)
    assert not found.low > 0
    assert math.isnan(bootstrap_mean(np.array([2.0])).high)


def test_a_ratio_of_nothing_is_not_a_number() -> None:
    assert math.isnan(bootstrap_ratio(np.zeros(3), np.zeros(3)).value)
    assert math.isnan(bootstrap_ratio(np.zeros(3), np.zeros(3)).low)


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="E >= 1"):
        bootstrap_ratio(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="E >= 1"):
        skill(np.zeros(0), np.zeros(0))
