"""Difficulty by hand, and the order and growth of a curriculum."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.datasets.difficulty import Difficulty, difficulties, episodes_of_epoch, simplest_first
from mvla_core.schema import ActionSequence

AHEAD, LEFT, RIGHT = (1.0, 0.0), (0.0, 0.5), (0.0, -0.5)


def episode(name: str, *actions: tuple[float, float]) -> ActionSequence:
    return ActionSequence(name, np.array(actions, dtype=np.float32))


def test_turns_then_distinct_actions_then_length() -> None:
    sequences = [
        episode("turns twice", AHEAD, AHEAD, LEFT, AHEAD),
        episode("turns once", AHEAD, AHEAD, RIGHT, RIGHT),
        episode("two speeds", AHEAD, AHEAD, (0.5, 0.0)),
        episode("longer", AHEAD, AHEAD, AHEAD, AHEAD),
        # Within the dead band, and within a tenth of the largest value: no turn and no other action.
        episode("straight", AHEAD, AHEAD, (1.0, 0.02)),
    ]
    assert difficulties(sequences) == [
        Difficulty(2, 2, 4),
        Difficulty(1, 2, 4),
        Difficulty(0, 2, 3),
        Difficulty(0, 1, 4),
        Difficulty(0, 1, 3),
    ]
    assert [sequences[place].episode_id for place in simplest_first(sequences)] == [
        "straight",
        "longer",
        "two speeds",
        "turns once",
        "turns twice",
    ]


def test_equally_hard_episodes_keep_the_order_of_their_ids() -> None:
    sequences = [episode(name, AHEAD, LEFT) for name in ("c", "a", "b")]
    assert simplest_first(sequences) == [1, 2, 0]
    assert difficulties([]) == []


def test_the_first_epochs_use_more_and_more() -> None:
    assert [episodes_of_epoch(10, epoch, 4) for epoch in range(6)] == [3, 5, 8, 10, 10, 10]
    assert episodes_of_epoch(1, 0, 100) == 1
    assert episodes_of_epoch(25, 6, 25) == 7


@given(st.integers(1, 500), st.integers(0, 50), st.integers(1, 50))
def test_never_none_never_fewer_than_before_and_all_in_the_end(count: int, epoch: int, until: int) -> None:
    now, later = episodes_of_epoch(count, epoch, until), episodes_of_epoch(count, epoch + 1, until)
    assert 1 <= now <= later <= count
    assert episodes_of_epoch(count, until - 1, until) == count
    assert now == min(count, math.ceil(Fraction(count * (epoch + 1), until)))


@pytest.mark.parametrize("still", [0.0, 0.3])
def test_an_axis_that_never_changes_makes_nothing_harder(still: float) -> None:
    moving = [episode("a", (0.1, still), (0.1, still), (-0.1, still))]
    assert difficulties(moving) == [Difficulty(1, 2, 3)]
