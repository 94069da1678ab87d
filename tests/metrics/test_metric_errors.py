"""Errors against few-line formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mvla_core.metrics.errors import ErrorSums, error_sums, huber, huber_terms, mae, rmse

VALUES = st.floats(-5, 5, width=32)


@st.composite
def chunks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    windows, steps, dims = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(2, 3))
    shape = (windows, steps, dims)
    predicted, target = (draw(hnp.arrays(np.float32, shape, elements=VALUES)) for _ in range(2))
    mask = draw(hnp.arrays(np.bool_, shape[:2]))
    mask[0, 0] = True
    return predicted, target, mask


@given(chunks())
def test_errors_agree_with_loops_over_single_values(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    predicted, target, mask = case
    differences = [
        float(predicted[n, c, a]) - float(target[n, c, a]) for n, c, a in np.ndindex(*predicted.shape) if mask[n, c]
    ]
    assert rmse(predicted, target, mask) == pytest.approx(math.sqrt(sum(d * d for d in differences) / len(differences)))
    assert mae(predicted, target, mask) == pytest.approx(sum(map(abs, differences)) / len(differences))
    terms = [0.5 * d * d if abs(d) <= 1 else abs(d) - 0.5 for d in differences]
    assert huber(predicted, target, mask) == pytest.approx(sum(terms) / len(terms))


@given(chunks())
def test_what_is_masked_changes_nothing(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    predicted, target, mask = case
    elsewhere = predicted.copy()
    elsewhere[~mask] = 1e6
    assert rmse(elsewhere, target, mask) == rmse(predicted, target, mask)


@given(chunks(), st.integers(2, 3))
def test_sums_of_episodes_give_the_mean_over_all_their_windows(
    case: tuple[np.ndarray, np.ndarray, np.ndarray], episodes: int
) -> None:
    predicted, target, mask = case
    parts = [error_sums(predicted + number, target, mask) for number in range(episodes)]
    joined = ErrorSums.join(parts)
    together = np.concatenate([predicted + number for number in range(episodes)])
    repeated = (np.concatenate([target] * episodes), np.concatenate([mask] * episodes))
    assert joined.rmse() == pytest.approx(rmse(together, *repeated))
    assert joined.mae() == pytest.approx(mae(together, *repeated))
    assert joined.huber_loss() == pytest.approx(huber(together, *repeated))
    assert joined.episode_squared.sum() == pytest.approx(joined.rmse() ** 2 * joined.num_values)
    assert np.sqrt(np.mean(joined.rmse_per_axis() ** 2)) == pytest.approx(joined.rmse())
    assert joined.mae_per_axis().mean() == pytest.approx(joined.mae())
    assert joined.huber_per_axis().mean() == pytest.approx(joined.huber_loss())


def test_a_perfect_prediction_has_no_error_and_a_shift_has_its_size() -> None:
    target = np.random.default_rng(0).normal(size=(6, 10, 2)).astype(np.float32)
    assert rmse(target, target) == mae(target, target) == huber(target, target) == 0.0
    assert rmse(target + 0.25, target) == pytest.approx(0.25, rel=1e-5)
    assert mae(target + 0.25, target) == pytest.approx(0.25, rel=1e-5)
    assert huber(target + 0.25, target) == pytest.approx(0.25**2 / 2, rel=1e-5)


def test_the_huber_loss_turns_linear_at_delta() -> None:
    assert huber_terms(np.array([0.0, 0.5, -1.0, 3.0])).tolist() == [0.0, 0.125, 0.5, 2.5]
    assert huber_terms(np.array([3.0]), delta=2.0).tolist() == [4.0]


def test_without_a_valid_step_the_errors_are_not_a_number() -> None:
    nothing = error_sums(np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), np.zeros((2, 3), dtype=np.bool_))
    assert math.isnan(nothing.rmse())
    assert math.isnan(nothing.mae())
    assert np.isnan(nothing.huber_per_axis()).all()


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="Shapes do not fit"):
        error_sums(np.zeros((2, 3, 2)), np.zeros((2, 4, 2)))
    with pytest.raises(ValueError, match="Shapes do not fit"):
        error_sums(np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), np.ones((2, 2), dtype=np.bool_))
