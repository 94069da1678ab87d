"""The path over the floor: known drives end where they must, and no unit is claimed that the recording does not give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.driven_path import driven_path
from mvla_core.schema import NORMALISED, ActionSpace

RATE = 10.0


def drive(rows: list[tuple[float, float, float]], rate: float | None = RATE):
    return driven_path(np.array(rows, np.float32), ActionSpace.default(3), rate, 5.0)


def test_straight_on_is_metres() -> None:
    path = drive([(0.5, 0, 0)] * 21)
    assert path.unit == "m"
    assert (path.x[-1], path.y[-1]) == pytest.approx((1.0, 0.0))


def test_left_is_left_whatever_the_heading() -> None:
    quarter = np.pi / 2 * RATE
    path = drive([(0, 0, quarter), (1, 0, 0), (0, 0, 0)])
    assert (path.x[-1], path.y[-1]) == pytest.approx((0.0, 0.1), abs=1e-6)
    path = drive([(0, 1, 0), (0, 0, 0)])
    assert (path.x[-1], path.y[-1]) == pytest.approx((0.0, 0.1), abs=1e-6)


def test_a_full_circle_comes_back() -> None:
    path = drive([(1.0, 0, 2 * np.pi * RATE / 60)] * 61)
    assert (path.x[-1], path.y[-1]) == pytest.approx((0.0, 0.0), abs=1e-6)
    assert path.y.max() == pytest.approx(6 / (2 * np.pi) * 2, rel=0.01), "a circle to the left of its start"


def test_no_unit_without_rate_or_scale() -> None:
    actions = np.ones((4, 2), np.float32)
    assert driven_path(actions, ActionSpace.default(2), None, 5.0).unit == ""
    tub = ActionSpace.from_names(("linear_x", "angular_z"), (NORMALISED, NORMALISED))
    assert driven_path(actions, tub, 20.0, 5.0).unit == ""


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(-2, 2, width=32)] * 3), min_size=1, max_size=40),
    st.floats(-3, 3),
)
def test_the_length_of_the_way_does_not_depend_on_the_heading(
    rows: list[tuple[float, float, float]], turn: float
) -> None:
    path, turned = drive(rows), drive([(0, 0, turn), *rows])
    steps = np.hypot(np.diff(path.x), np.diff(path.y))
    again = np.hypot(np.diff(turned.x), np.diff(turned.y))[1:]
    assert np.allclose(steps, again, atol=1e-6)
    assert len(path.x) == len(path.y) == len(path.heading) == len(rows)
