"""Normalisation and its inverse."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mvla_core.datasets.normalise import NORMALISER_KINDS, ActionNormaliser
from mvla_core.errors import DatasetError, UserInputError
from mvla_core.schema import ActionSequence

ACTIONS = hnp.arrays(np.float32, st.tuples(st.integers(1, 20), st.just(2)), elements=st.floats(-3, 3, width=32))


def fitted(kind: str, actions: np.ndarray) -> ActionNormaliser:
    return ActionNormaliser.fit(kind, [ActionSequence("a", actions)])  # type: ignore[arg-type]


@given(ACTIONS, ACTIONS)
@pytest.mark.parametrize("kind", ["mean_std", "range"])
def test_what_is_normalised_comes_back(kind: str, train: np.ndarray, other: np.ndarray) -> None:
    normaliser = fitted(kind, train)
    np.testing.assert_allclose(normaliser.invert(normaliser.apply(other)), other, atol=1e-5)
    assert normaliser.clipped_share(other) == 0.0


@given(ACTIONS)
def test_the_training_part_fills_the_range_and_has_unit_deviation(train: np.ndarray) -> None:
    spread = np.ptp(train.astype(np.float64), axis=0) > 1e-3
    ranged = fitted("range", train).apply(train)
    assert np.abs(ranged).max() <= 1.0 + 1e-5
    np.testing.assert_allclose(np.ptp(ranged, axis=0)[spread], 2.0, atol=1e-4)
    scaled = fitted("mean_std", train).apply(train).astype(np.float64)
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-2)
    np.testing.assert_allclose(scaled.std(axis=0)[spread], 1.0, atol=1e-2)


@given(ACTIONS)
def test_the_clamp_loses_what_is_beyond_one_and_says_how_much(actions: np.ndarray) -> None:
    normaliser = fitted("clamp", actions)
    restored = normaliser.invert(normaliser.apply(actions))
    assert np.array_equal(restored, np.clip(actions, -1, 1))
    changed = sum(any(abs(float(value)) > 1 for value in row) for row in actions)
    assert normaliser.clipped_share(actions) == pytest.approx(changed / len(actions))


def test_the_briefings_clamp_cuts_the_robots_keys() -> None:
    keys = np.array([[0, 0], [1.15, 0], [1.15, 1.15], [0, -1.15]], dtype=np.float32)
    normaliser = fitted("clamp", keys)
    assert normaliser.clipped_share(keys) == 0.75
    assert normaliser.invert(normaliser.apply(keys)).max() == 1.0
    assert normaliser.clipped_share(keys[:0]) == 0.0


def test_a_constant_axis_is_shifted_and_not_scaled() -> None:
    actions = np.array([[0.5, 1.0], [0.5, 2.0]], dtype=np.float32)
    for kind in ("mean_std", "range"):
        normaliser = fitted(kind, actions)
        assert normaliser.scale[0] == 1.0
        assert normaliser.apply(actions)[:, 0].tolist() == [0.0, 0.0]


def test_chunks_keep_their_shape_and_the_input_is_left_alone() -> None:
    actions = np.random.default_rng(0).normal(size=(7, 10, 2)).astype(np.float32)
    kept = actions.copy()
    for kind in NORMALISER_KINDS:
        assert fitted(kind, actions[0]).apply(actions).shape == actions.shape
    assert np.array_equal(actions, kept)


@given(ACTIONS, st.sampled_from(NORMALISER_KINDS))
def test_json_and_back(actions: np.ndarray, kind: str) -> None:
    normaliser = fitted(kind, actions)
    assert ActionNormaliser.from_json(json.loads(json.dumps(normaliser.to_json()))) == normaliser


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(UserInputError, match="Did you mean 'mean_std'"):
        fitted("mean_sd", np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(DatasetError, match="no frame"):
        ActionNormaliser.fit("range", [])
