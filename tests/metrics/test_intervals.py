"""Bootstrap intervals by episode."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.metrics import intervals
from mvla_core.metrics.intervals import (
    Interval,
    bootstrap_mean,
    bootstrap_mean_of_ratios,
    bootstrap_ratio,
    bootstrap_ratios,
    paired_ratio,
    skill,
    student_quantile,
)

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


def test_what_one_episode_carries_has_no_interval() -> None:
    """Nine of ten episodes know nothing of the figure: redrawing them says nothing of it either."""
    top, bottom = np.zeros(10), np.zeros(10)
    top[4], bottom[4] = 8.0, 10.0
    found = bootstrap_ratio(top, bottom)
    assert found.value == 0.8
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    bottom[7] = 10.0
    assert bootstrap_ratio(top, bottom).low == 0.0
    both = bootstrap_ratios(np.stack([top, top], axis=1), np.stack([bottom, np.where(top > 0, 10.0, 0.0)], axis=1))
    assert both[0] == bootstrap_ratio(top, bottom)
    assert both[1].value == 0.8
    assert math.isnan(both[1].low)


def test_a_mean_of_ratios_agrees_with_resampling_in_a_loop() -> None:
    generator = np.random.default_rng(2)
    bottom = generator.integers(0, 9, (12, 3)).astype(float)
    top = np.floor(bottom * generator.random((12, 3)))
    found = bootstrap_mean_of_ratios(top, bottom)
    samples = []
    for _ in range(4000):
        drawn = generator.integers(0, 12, 12)
        samples.append(np.nanmean(top[drawn].sum(axis=0) / bottom[drawn].sum(axis=0)))
    assert found.value == pytest.approx(np.mean(top.sum(axis=0) / bottom.sum(axis=0)))
    assert found.low == pytest.approx(np.percentile(samples, 2.5), abs=0.02)
    assert found.high == pytest.approx(np.percentile(samples, 97.5), abs=0.02)
    bottom[1:, 0] = 0.0
    assert math.isnan(bootstrap_mean_of_ratios(np.minimum(top, bottom), bottom).low)
    with pytest.raises(ValueError, match="E and K >= 1"):
        bootstrap_mean_of_ratios(top, bottom[:, :2])


def test_student_is_that_of_the_tables() -> None:
    tables = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 7: 2.365, 9: 2.262, 19: 2.093, 29: 2.045, 1000: 1.962}
    for freedom, point in tables.items():
        assert student_quantile(freedom) == pytest.approx(point, rel=3e-3)
    with pytest.raises(ValueError, match="degree of freedom"):
        student_quantile(0)


def test_a_paired_ratio_holds_the_truth_as_often_as_it_says_with_few_episodes() -> None:
    generator = np.random.default_rng(1)
    for count in (2, 5):
        held = 0
        for _ in range(400):
            found = paired_ratio(generator.normal(1.0, 0.5, count), np.ones(count))
            held += found.low <= 1.0 <= found.high
        assert 0.92 <= held / 400 <= 0.98
    assert math.isnan(paired_ratio(np.ones(1), np.ones(1)).low)


def test_a_mapped_interval_is_that_of_the_function() -> None:
    assert Interval(4.0, 1.0, 9.0).mapped(math.sqrt) == Interval(2.0, 1.0, 3.0)
    assert math.isnan(Interval(4.0, math.nan, math.nan).mapped(math.sqrt).low)
