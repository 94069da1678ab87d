"""Direction classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mvla_core.metrics.directions import (
    DIRECTION_NAMES,
    LEFT_CLASSES,
    RIGHT_CLASSES,
    confusion_matrix,
    dead_band,
    direction_classes,
    direction_counts,
)
from mvla_core.schema import ActionSpace

OMNI = ActionSpace.default(2)
OMNI_TURNING = ActionSpace.default(3)
CAR = ActionSpace.from_names(("linear_x", "angular_z"), ("normalised", "normalised"))


def name(space: ActionSpace, *action: float) -> str:
    actions = np.array([action], dtype=np.float32)
    return DIRECTION_NAMES[direction_classes(actions, space, np.full(len(action), 0.1))[0]]


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ((0, 0), "stop"),
        ((1.15, 0), "forward"),
        ((-1.15, 0), "backward"),
        ((0, 1.15), "left"),
        ((0, -1.15), "right"),
        ((1.15, 1.15), "forward-left"),
        ((1.15, -1.15), "forward-right"),
        ((-1.15, 1.15), "backward-left"),
        ((-1.15, -1.15), "backward-right"),
        ((0.09, -0.09), "stop"),
        ((0.11, 0.0), "forward"),
    ],
)
def test_the_keys_of_the_robot(action: tuple[float, float], expected: str) -> None:
    assert name(OMNI, *action) == expected


def test_a_third_axis_turns_on_the_spot_only_where_nothing_else_moves() -> None:
    assert name(OMNI_TURNING, 0, 0, 1) == "turn-left"
    assert name(OMNI_TURNING, 0, 0, -1) == "turn-right"
    assert name(OMNI_TURNING, 1, 0, 1) == "forward"
    assert name(OMNI_TURNING, 0, 0, 0) == "stop"


def test_the_lateral_axis_of_a_car_is_its_steering() -> None:
    assert name(CAR, 0.5, 0.4) == "forward-left"
    assert name(CAR, 0.5, -0.4) == "forward-right"
    assert name(CAR, 0.0, 0.4) == "left"


@given(hnp.arrays(np.float32, (7, 2), elements=st.floats(-2, 2, width=32)))
def test_mirroring_swaps_left_and_right(actions: np.ndarray) -> None:
    band = np.array([0.1, 0.1])
    mirrored = direction_counts(direction_classes(actions * np.float32([1, -1]), OMNI, band))
    counts = direction_counts(direction_classes(actions, OMNI, band))
    assert counts.sum() == len(actions)
    assert mirrored[list(LEFT_CLASSES)].tolist() == counts[list(RIGHT_CLASSES)].tolist()


def test_the_shape_of_a_chunk_is_kept() -> None:
    classes = direction_classes(np.ones((3, 10, 2), dtype=np.float32), OMNI, np.zeros(2))
    assert classes.shape == (3, 10)
    assert classes.dtype == np.int8


def test_the_dead_band_is_a_share_of_the_largest_value_of_each_axis() -> None:
    actions = np.array([[0.5, 0.0], [-2.0, 0.0]], dtype=np.float32)
    assert dead_band(actions, 0.1).tolist() == pytest.approx([0.2, 0.0])
    assert dead_band(actions[:0]).tolist() == [0.0, 0.0]


def test_the_confusion_matrix_counts_true_rows_and_predicted_columns() -> None:
    true, predicted = np.array([[1, 1], [5, 0]], dtype=np.int8), np.array([[1, 2], [6, 0]], dtype=np.int8)
    mask = np.array([[True, True], [True, False]])
    matrix = confusion_matrix(true, predicted, mask)
    assert {(row, column): int(matrix[row, column]) for row, column in np.argwhere(matrix)} == {
        (1, 1): 1,
        (1, 2): 1,
        (5, 6): 1,
    }
    assert confusion_matrix(true, predicted).sum() == 4
