"""Every episode is held out once, and neighbours of one recording never teach what is held out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.datasets.folds import held_out_folds
from mvla_core.schema import EpisodeInfo

Maker = Callable[..., EpisodeInfo]


@pytest.fixture(scope="module")
def maker(make_info: Maker) -> Maker:
    return make_info


@given(
    owners=st.lists(st.sampled_from([None, "a", "b", "c", "d", "e", "f"]), min_size=2, max_size=30),
    seed=st.integers(0, 99),
)
def test_every_episode_is_held_out_once_and_never_taught_with(
    maker: Maker, owners: list[str | None], seed: int
) -> None:
    infos = [
        maker(f"e{k}", recording_id=owner, recording_start=None if owner is None else 18 * k)
        for k, owner in enumerate(owners)
    ]
    folds = held_out_folds(infos, seed=seed, gap_frames=18)
    held = [position for fold in folds for position in fold.held_out]
    assert len(held) == len(set(held))
    assert all(set(fold.held_out).isdisjoint(fold.train) for fold in folds)
    assert all(fold.train for fold in folds)
    units = {owner or f"e{k}" for k, owner in enumerate(owners)}
    if len(units) >= 5:
        assert len(held) == len(infos)
        for fold in folds:
            taught = {owners[position] for position in fold.train} - {None}
            assert taught.isdisjoint({owners[position] for position in fold.held_out} - {None})


def test_a_single_recording_is_cut_in_time_order_with_gaps(make_info: Maker) -> None:
    infos = [make_info(f"r{k:02d}", num_frames=50, recording_id="drive", recording_start=50 * k) for k in range(20)]
    folds = held_out_folds(infos, gap_frames=50)
    assert [fold.held_out for fold in folds] == [(2 * k, 2 * k + 1) for k in range(10)]
    assert folds[3].train == (*range(5), *range(9, 20))


def test_the_same_seed_deals_the_same_way(make_info: Maker) -> None:
    infos = [make_info(f"e{k}") for k in range(30)]
    assert held_out_folds(infos, seed=4) == held_out_folds(infos, seed=4) != held_out_folds(infos, seed=5)
