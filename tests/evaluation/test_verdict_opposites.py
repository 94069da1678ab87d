"""Opposite choices under the same instruction: measured from actions alone, and named only where the policy stays between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.evaluation.opposites import measure_opposites, side_of, sides_driven
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.schema import ActionSequence, ActionSpace

SPACE = ActionSpace.default(2)
FRAMES, CHUNK = 8, 3


def way(side: float, told: str = "go") -> ActionSequence:
    """Forward, then sideways: `side` is +1 for left."""
    actions = np.zeros((FRAMES, 2), dtype=np.float32)
    actions[:3, 0], actions[3:, 1] = 1.0, side
    return ActionSequence(f"{side:+g} {told}", actions, told)


def predicted(sequence: ActionSequence, factor: float) -> EpisodePredictions:
    """Every window of an episode; sideways the prediction is `factor` times what was driven."""
    last = np.arange(FRAMES - CHUNK + 1)
    target = np.stack([sequence.actions[at : at + CHUNK] for at in last])
    mask = np.ones(target.shape[:2], dtype=bool)
    chunks = target * np.array([1.0, factor], dtype=np.float32)
    return EpisodePredictions(sequence.episode_id, last, chunks, target, mask, {}, sequence.instruction)


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


def swerve(side: float, told: str = "go") -> ActionSequence:
    """Forward, to one side, and as far back: the sideways commands of the whole episode cancel."""
    actions = np.zeros((FRAMES, 2), dtype=np.float32)
    actions[:, 0] = 1.0
    actions[2:4, 1], actions[5:7, 1] = side, -side
    return ActionSequence(f"{side:+g} {told}", actions, told)


def test_a_swerve_that_comes_back_is_on_the_side_it_went_to() -> None:
    sides = sides_driven([swerve(1.0), swerve(-1.0), swerve(-0.5)], SPACE, 0.1)
    assert [(each.left, each.right) for each in sides] == [(1, 2)]
    found = measured([swerve(1.0), swerve(1.0), swerve(-1.0), swerve(-1.0)], [0.1, -0.1, 0.1, -0.1])
    assert found is not None
    assert found["strength"]["value"] == pytest.approx(0.1)
    assert found["strength"]["high"] < 0.6
    assert found["agreement"]["value"] == pytest.approx(0.0, abs=1e-9)


def test_only_the_way_out_is_a_choice_of_a_side() -> None:
    """A policy that knows the way back, because it sees where it stands, still may not know which side to pass on."""
    sequences = [swerve(1.0), swerve(-1.0)]
    episodes = []
    for sequence in sequences:
        episode = predicted(sequence, 0.0)
        back = np.sign(episode.target[..., 1]) != np.sign(sequence.actions[2, 1])
        episode.predicted[..., 1][back] = episode.target[..., 1][back]
        episodes.append(episode)
    found = measure_opposites(episodes, sequences, ActionScale.fit(sequences, SPACE))
    assert found is not None
    assert found["strength"]["value"] == pytest.approx(0.0, abs=1e-9)


def test_a_turning_robot_goes_to_the_side_that_its_heading_leads_to() -> None:
    space = ActionSpace.from_names(["linear_x", "angular_z"])
    actions = np.zeros((12, 2), dtype=np.float32)
    actions[:, 0] = 0.5
    # Out to the left and back onto the old line: left, twice right, left.
    actions[:, 1] = [0, 0.4, 0.4, -0.4, -0.4, -0.4, -0.4, 0.4, 0.4, 0, 0, 0]
    assert side_of(actions, space, 0.1) == 1
    assert side_of(actions * np.array([1, -1], dtype=np.float32), space, 0.1) == -1
    assert side_of(actions * 0, space, 0.1) == 0


def test_an_episode_that_goes_as_far_to_both_sides_keeps_to_none() -> None:
    slalom = np.zeros((FRAMES, 2), dtype=np.float32)
    slalom[:2, 1], slalom[2:6, 1] = 1.0, -1.0
    assert side_of(slalom, SPACE, 0.1) == 0
    assert sides_driven([ActionSequence("", slalom, "go")], SPACE, 0.1) == []


def test_every_instruction_is_measured_and_the_worst_decides() -> None:
    """The more frequent instruction is followed; under the other one the policy averages."""
    followed = [way(side, "often") for side in (1.0, 1.0, -1.0, -1.0, 0.9, -0.9)]
    averaged = [way(side, "seldom") for side in (1.0, 0.9, -1.0, -0.9)]
    found = measured([*followed, *averaged], [1.0] * 6 + [0.1, -0.1, 0.1, -0.1])
    assert found is not None
    assert found["instruction"] == "seldom"
    assert [each["instruction"] for each in found["instructions"]] == ["often", "seldom"]
    rare = [way(1.0, "seldom") for _ in range(7)] + [way(-1.0, "seldom")]
    found = measured([*followed, *rare], [1.0] * 6 + [0.0] * 8)
    assert found is not None
    assert [each["instruction"] for each in found["instructions"]] == ["often"]
