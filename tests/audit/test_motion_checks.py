"""Commanded accelerations and idle stretches against counting by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.audit.motion_checks import check_changes, commanded_changes, idle_frames, longest_stretch
from mvla_core.audit.result import AuditResult
from mvla_core.audit.thresholds import default_thresholds
from mvla_core.schema import ActionSequence, ActionSpace

Audit = Callable[..., AuditResult]


def stick(seed: int, frames: int = 40) -> ActionSequence:
    """A smooth joystick."""
    phase = np.random.default_rng(seed).uniform(0, 6.3) + 0.2 * np.arange(frames)
    return ActionSequence(f"s{seed}", np.stack([np.cos(phase), np.sin(phase)], axis=1).astype(np.float32))


def changes_of(
    make_info: Callable[..., Any], sequences: list[ActionSequence], rates: list[float | None], space: ActionSpace
) -> Any:
    episodes = [
        make_info(sequence.episode_id, num_frames=sequence.num_frames, frame_rate_hz=rate)
        for sequence, rate in zip(sequences, rates, strict=True)
    ]
    return commanded_changes(episodes, sequences, space, default_thresholds())


def test_the_largest_change_agrees_with_a_few_lines(make_info: Callable[..., Any]) -> None:
    sequences, rates = [stick(0), stick(1), stick(2)], [50.0, None, 100.0]
    found = changes_of(make_info, sequences, rates, ActionSpace.default(2))
    for column, change in enumerate(found):
        steps = [np.abs(np.diff(s.actions[:, column].astype(float))) for s in sequences]
        known = np.concatenate([steps[0] * 50.0, steps[2] * 100.0])
        assert change.largest_step == pytest.approx(max(step.max() for step in steps))
        assert change.largest == pytest.approx(known.max())
        assert change.beyond == pytest.approx((known > 9.81).mean())
        assert 0 < change.beyond < 1
    assert [finding.code for finding in check_changes("set", found)] == ["implausible_acceleration"] * 2


def test_a_keyboard_step_is_a_command(audit: Audit, recordings: Any) -> None:
    result = audit(recordings.briefing(), info={"frame_rate_hz": 30.0})
    assert [change.keyboard for change in result.changes] == [True, True]
    assert [change.beyond for change in result.changes] == [None, None]
    assert result.changes[0].largest == pytest.approx(1.15 * 30, rel=1e-6)
    row = next(row for row in result.table if row.name == "linear_x_change")
    assert (row.unit, row.status, row.recommended) == ("m/s^2", "none", None)
    assert row.reason.startswith("Not judged: keys drive this axis")


def test_without_a_frame_rate_nothing_is_guessed(audit: Audit) -> None:
    result = audit([stick(seed) for seed in range(12)])
    found = [finding for finding in result.findings if "acceleration" in finding.code]
    assert [(finding.level, finding.code) for finding in found] == [("info", "acceleration_not_measured")]
    row = next(row for row in result.table if row.name == "linear_y_change")
    assert (row.value, row.reason) == (None, "Not measured: no frame rate.")


def test_a_normalised_axis_has_no_physical_scale(make_info: Callable[..., Any]) -> None:
    space = ActionSpace.from_names(("linear_x", "angular_z"), ("normalised", "normalised"))
    found = changes_of(make_info, [stick(0)], [100.0], space)
    assert [(change.limit, change.beyond, change.unit) for change in found] == [(None, None, "normalised/s")] * 2
    assert check_changes("set", found) == []


def test_turning_has_a_limit_of_its_own(make_info: Callable[..., Any]) -> None:
    space = ActionSpace.from_names(("linear_x", "angular_z"))
    found = changes_of(make_info, [stick(0)], [100.0], space)
    assert [change.limit for change in found] == [9.81, 65.0]
    assert [bool(change.beyond) for change in found] == [True, False]


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_the_longest_idle_stretch_agrees_with_counting(moves: list[bool]) -> None:
    actions = np.array([[0.0, 0.5 if move else 0.0] for move in moves], dtype=np.float32)
    first, last = longest_stretch(idle_frames(actions))
    runs = "".join("m" if move else "i" for move in moves).split("m")
    assert last - first + 1 == max(map(len, runs))
    assert not any(moves[first : last + 1])


def test_one_wrong_value_does_not_make_the_rest_idle() -> None:
    actions = np.full((30, 2), 0.5, dtype=np.float32)
    actions[4] = 100.0
    assert not idle_frames(actions).any()
