"""The summary's direction is the one that the metrics name."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from mvla_core.episodes.summary import DEAD_BAND, EpisodeSummary, summarise
from mvla_core.metrics.directions import DIRECTION_NAMES, direction_classes
from mvla_core.schema import ActionSpace

ACTIONS = stn.arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(2, 3)),
    elements=st.sampled_from([0.0, 0.04, -0.04, 0.5, -0.5, 1.15, -1.15]),
)


@given(ACTIONS)
def test_the_dominant_direction_is_the_most_frequent_one(actions: npt.NDArray[np.float32]) -> None:
    summary = summarise(actions)
    moving = np.abs(actions).max(axis=1) > DEAD_BAND
    assert summary.idle_share == pytest.approx(1 - moving.mean())
    signs = np.sign(np.where(np.abs(actions) > DEAD_BAND, actions, 0)).astype(int)[moving]
    kinds, counts = np.unique(signs, axis=0, return_counts=True)
    if len(kinds):
        assert counts[(kinds == summary.dominant).all(axis=1)].tolist() == [counts.max()]
        assert summary.dominant_share == pytest.approx(counts.max() / moving.sum())
    else:
        assert (set(summary.dominant), summary.dominant_share) == ({0}, 0)
    assert EpisodeSummary.from_json(summary.to_json()) == summary


@pytest.mark.parametrize(
    ("action", "name"),
    [((1.15, 1.15), "forward-left"), ((0, -1.15), "right"), ((0, 0), "stop"), ((-1, 0.01), "backward")],
)
def test_the_metrics_name_it(action: tuple[float, float], name: str) -> None:
    summary = summarise(np.array([action] * 3, np.float32))
    code = direction_classes(np.array(summary.dominant, float), ActionSpace.default(2), np.full(2, 0.5))
    assert DIRECTION_NAMES[int(code)] == name
