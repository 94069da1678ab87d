"""Opposite choices under the same instruction: measured from actions alone, and named only where the policy stays between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.evaluation.opposites import measure_opposites, sides_driven
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.schema import ActionSequence, ActionSpace

SPACE = ActionSpace.default(2)
FRAMES, CHUNK = 8, 3


def way(side: float, told: str = "go") -> ActionSequence:
    """Forward, then sideways: `side` is +1 for left."""
    actions = np.zeros((FRAMES, 2), dtype=np.float32)
    actions[:3, 0], actions[3:, 1] = 1.0, side
    return ActionSequence("", actions, told)


def predicted(sequence: ActionSequence, factor: float) -> EpisodePredictions:
    """Every window of an episode; sideways the prediction is `factor` times what was driven."""
    last = np.arange(FRAMES - CHUNK + 1)
    target = np.stack([sequence.actions[at : at + CHUNK] for at in last])
    mask = np.ones(target.shape[:2], dtype=bool)
    chunks = target * np.array([1.0, factor], dtype=np.float32)
    return EpisodePredictions("", last, chunks, target, mask, {}, sequence.instruction)


def measured(sequences: list[ActionSequence], factors: list[float]) -> dict[str, Any] | None:
    episodes = [predicted(sequence, factor) for sequence, factor in zip(sequences, factors, strict=True)]
    return measure_opposites(episodes, sequences, ActionScale.fit(sequences, SPACE))


def test_a_policy_that_takes_the_drivers_side_follows() -> None:
    found = measured([way(1.0), way(1.0), way(-1.0), way(-1.0)], [1.0] * 4)
    assert found is not None
    assert (found["left"], found["right"], found["rarer"]) == (2, 2, 0.5)
    assert found["strength"]["value"] == pytest.approx(1.0)
    assert found["agreement"]["value"] == pytest.approx(1.0)


def test_a_policy_between_both_ways_is_weak_and_takes_no_side() -> None:
    found = measured([way(1.0), way(1.0), way(-1.0), way(-1.0)], [0.2, -0.2, 0.2, -0.2])
    assert found is not None
    assert found["strength"]["value"] == pytest.approx(0.2)
    assert found["agreement"]["value"] == pytest.approx(0.0, abs=1e-9)


@given(st.floats(-1.5, 1.5).filter(lambda factor: abs(factor) > 0.01))
def test_strength_is_the_size_and_agreement_the_sign(factor: float) -> None:
    found = measured([way(1.0), way(-1.0)], [factor, factor])
    assert found is not None
    assert found["strength"]["value"] == pytest.approx(abs(factor), rel=1e-4)
    assert found["agreement"]["value"] == pytest.approx(np.sign(factor), rel=1e-4)


def test_sides_that_the_instruction_tells_apart_are_no_opposites() -> None:
    assert measured([way(1.0, "left"), way(1.0, "left"), way(-1.0, "right")], [0.0] * 3) is None


def test_an_episode_that_goes_both_ways_keeps_to_no_side() -> None:
    there_and_back = np.zeros((FRAMES, 2), dtype=np.float32)
    there_and_back[:4, 1], there_and_back[4:, 1] = 1.0, -1.0
    sides = sides_driven([ActionSequence("", there_and_back, "go"), way(-1.0)], 1, 0.1)
    assert [(each.left, each.right) for each in sides] == [(0, 1)]
    assert sides_driven([ActionSequence("", there_and_back, "go")], 1, 0.1) == []
