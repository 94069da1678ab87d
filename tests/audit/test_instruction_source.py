"""Text that was made from the action is told from text that was given before driving."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvla_core.audit.clock import axis_weights
from mvla_core.audit.result import AuditResult
from mvla_core.episodes.importers import import_recordings
from mvla_core.schema import ActionSequence, ActionSpace, Scenario

Audit = Callable[..., AuditResult]
LEFT = Scenario(boxes=1, layout="hori", side="left")


def raised(result: AuditResult) -> bool:
    return "instruction_from_actions" in {finding.code for finding in result.findings}


def test_what_the_text_explains_agrees_with_leaving_each_episode_out(audit: Audit, varied: Any) -> None:
    sequences = [
        dataclasses.replace(s, actions=s.actions + np.float32([0.3 * (n % 3), 0.0]), instruction=f"route {n % 3}")
        for n, s in enumerate(varied(12))
    ]
    weights = axis_weights(sequences, ActionSpace.default(2))
    by_text = constant = 0.0
    for held_out in sequences:
        others = [s for s in sequences if s is not held_out]
        same = np.concatenate([s.actions for s in others if s.instruction == held_out.instruction]).astype(float)
        every = np.concatenate([s.actions for s in others]).astype(float)
        by_text += np.sum(weights * (held_out.actions - same.mean(axis=0)) ** 2)
        constant += np.sum(weights * (held_out.actions - every.mean(axis=0)) ** 2)
    found = audit(sequences).text
    assert found is not None
    assert found.explained is not None
    assert found.explained.value == pytest.approx(1 - by_text / constant, rel=1e-6)


def test_an_instruction_to_go_left_or_right_is_none(audit: Audit, varied: Any, recordings: Any) -> None:
    assert not raised(audit(varied(48)))
    assert not raised(audit(varied(48, False)))
    both = [*recordings.repeated("basket_left", "left", 30), *recordings.repeated("basket_right", "right", 30)]
    assert not raised(audit(both))
    assert not raised(audit(recordings.briefing(), info={"scenario": LEFT}))
    assert not raised(
        audit(recordings.repeated("one_box_left", "Go past the box on the left."), info={"scenario": LEFT})
    )


@pytest.mark.shared
def test_a_car_without_instructions_is_none(root: Any, shared_data: Any) -> None:
    from mvla_core.audit.audit import audit_dataset

    import_recordings(shared_data / "donkeycar_tub.tar.gz", root, "tub")
    assert not raised(audit_dataset(root, "tub"))


def test_the_prompts_ending_of_the_robot_project(audit: Audit, recordings: Any) -> None:
    endings = {"e": "sliding right", "w": "moving forward", "_": "waiting"}
    keys = recordings.table["briefing"]["keys"]
    sequences = [
        dataclasses.replace(s, instruction=f"Go to the basket, {endings[name[-1]]}.")
        for s, name in zip(recordings.briefing(), keys, strict=True)
    ]
    result = audit(sequences, info={"scenario": LEFT})
    found = next(finding for finding in result.findings if finding.code == "instruction_from_actions")
    assert found.details["drive"] == "last"
    assert found.details["told"] == 1.0
    assert found.details["needed"] == 1
    assert "the last direction tells which one an episode has (100 % beyond chance)" in found.message


def test_wordings_that_vary_by_chance_are_none(audit: Audit, varied: Any) -> None:
    generator = np.random.default_rng(0)
    wordings = ("Go left.", "Pass on the left.", "왼쪽으로 가세요.")
    sequences = [dataclasses.replace(s, instruction=str(generator.choice(wordings))) for s in varied(48)]
    assert not raised(audit(sequences, info={"scenario": LEFT}))


def test_a_text_of_its_own_for_each_different_drive_is_none(audit: Audit, varied: Any) -> None:
    """Hand-written descriptions: nothing repeats, so that nothing can be guessed."""
    sequences = [dataclasses.replace(s, instruction=f"Description {n}.") for n, s in enumerate(varied(24, False))]
    assert not raised(audit(sequences, info={"scenario": LEFT}))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), texts=st.integers(2, 5))
def test_texts_that_were_drawn_by_lot_never_raise_it(audit: Audit, seed: int, texts: int) -> None:
    generator = np.random.default_rng(seed)
    table = np.array([[1.15, 0.0], [1.15, 1.15], [0.0, -1.15], [0.0, 1.15]], dtype=np.float32)
    sequences = [
        ActionSequence(f"e{n:02d}", table[generator.integers(0, 4, 18)], f"text {generator.integers(0, texts)}")
        for n in range(30)
    ]
    assert not raised(audit(sequences, info={"scenario": LEFT}))


def test_an_episode_does_not_speak_for_its_own_text(audit: Audit) -> None:
    """Two drives, each with two texts at 2 : 1: the other episodes of a drive never tell."""
    rows = {"left": [0.0, 1.0], "right": [0.0, -1.0]}
    plan = [("left", "A"), ("left", "A"), ("left", "B"), ("right", "B"), ("right", "B"), ("right", "A")]
    sequences = [
        ActionSequence(f"e{n}", np.tile(np.float32(rows[way]), (18, 1)), text) for n, (way, text) in enumerate(plan)
    ]
    found = audit(sequences, info={"scenario": LEFT}).text
    assert found is not None
    assert found.told == -1.0
