"""Intervals of shares and of paired differences, against published figures."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.driving.proportions import PairedShares, Share


def test_wilson_is_what_newcombe_prints() -> None:
    # R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
    for successes, trials, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert Share(successes, trials).interval == pytest.approx((low, high), abs=5e-5)


def test_newcombe_paired_is_what_he_prints() -> None:
    # R. G. Newcombe, Statistics in Medicine 17 (1998) 2635-2650, method 10, his example of 36, 12, 2 and 0 pairs.
    first = PairedShares(both=36, only_first=12, only_second=2, neither=0)
    assert (-first.interval[1], -first.interval[0]) == pytest.approx((0.0569, 0.3404), abs=2e-3)
    assert -first.difference == pytest.approx(0.2)


@given(*[st.integers(0, 60)] * 4)
def test_an_interval_holds_its_value(both: int, first: int, second: int, neither: int) -> None:
    pair = PairedShares(both, first, second, neither)
    low, high = pair.interval
    assert -1 <= low <= high <= 1
    assert 0 < pair.p_value <= 1
    if pair.trials:
        assert low - 1e-9 <= pair.difference <= high + 1e-9
    else:
        assert math.isnan(pair.difference)
    low, high = Share(both, both + first).interval
    assert 0 <= low <= high <= 1


def test_mcnemar_counts_only_where_they_differ() -> None:
    assert PairedShares(40, 0, 0, 10).p_value == 1.0
    assert PairedShares(40, 1, 9, 0).p_value == pytest.approx(2 * (1 + 10) / 1024)
    assert PairedShares.of([True, True, False, False], [True, False, True, False]) == PairedShares(1, 1, 1, 1)
