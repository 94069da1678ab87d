"""Chunks, guard and loop: what is commanded when, and what reaches the wheels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mvla_core.driving.chunks import ChunkPlan
from mvla_core.driving.guard import Guard
from mvla_core.driving.loop import Control, drive_world
from mvla_core.driving.pilots import Blind, ExpertPilot
from mvla_core.driving.safety import provoke
from mvla_core.driving.suites import trial_scene
from mvla_core.errors import SimulationError
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.world import World

GUARD = Guard((-1.15, -1.15), (1.15, 1.15), 0.28, 4)
ABRUPT = np.array([[1.15, 0.0]] * 4, np.float32)


def numbered(first: int) -> np.ndarray:
    """A chunk of four whose actions tell when they were predicted, and for when."""
    return np.array([[first, step] for step in range(4)], np.float32)


def test_k_steps_of_a_chunk_are_driven_before_the_next_is_asked_for() -> None:
    plan = ChunkPlan(3, None)
    said = []
    for frame in range(7):
        if plan.wants(frame):
            plan.offer(frame, numbered(frame))
        said.append(plan.command(frame).tolist())
    assert said == [[0, 0], [0, 1], [0, 2], [3, 0], [3, 1], [3, 2], [6, 0]]


def test_a_chunk_shorter_than_the_steps_is_renewed_at_its_end() -> None:
    plan = ChunkPlan(100, None)
    asked = []
    for frame in range(9):
        if plan.wants(frame):
            asked.append(frame)
            plan.offer(frame, numbered(frame))
    assert asked == [0, 4, 8]


def test_overlapping_chunks_are_averaged_by_age() -> None:
    plan = ChunkPlan(1, 0.5)
    for frame in range(3):
        assert plan.wants(frame)
        plan.offer(frame, numbered(frame))
    weights = np.exp([-1.0, -0.5, 0.0])
    expected = (weights / weights.sum()) @ np.array([[0, 2], [1, 1], [2, 0]])
    assert np.allclose(plan.command(2), expected)
    alone = ChunkPlan(1, 0.0)
    alone.offer(0, numbered(0))
    assert alone.command(3).tolist() == [0, 3]


@given(arrays(np.float32, 2, elements=st.floats(width=32, allow_nan=True, allow_infinity=True)), st.integers(0, 9))
def test_whatever_is_wished_the_guard_stays_within_the_data(action: np.ndarray, age: int) -> None:
    held = GUARD.held(action, age)
    assert np.isfinite(held).all()
    assert (np.abs(held) <= 1.15001).all()
    if age >= GUARD.stale_frames:
        assert not held.any()


def test_the_dead_band_is_half_of_the_slowest_driving() -> None:
    guard = Guard.of_data(np.array([[0.0, 0.0], [0.6, -0.6], [1.2, 0.0]], np.float32), execute_steps=2)
    assert guard.dead_band == pytest.approx(0.3)
    assert guard.low == pytest.approx((0.0, -0.6))
    assert guard.high == pytest.approx((1.2, 0.0))
    assert not guard.held(np.array([0.29, 0.1], np.float32), 0).any()
    assert guard.held(np.array([0.31, 0.5], np.float32), 0).tolist() == pytest.approx([0.31, 0.0])
    assert guard.stale_frames > 2


@pytest.mark.parametrize("latency", [0.0, 0.05, 0.3])
def test_a_late_command_reaches_the_wheels_as_late_as_it_is(latency: float) -> None:
    scene = trial_scene(SimulationConfig(slip=0.0), "similar", 0, 0).scene
    control = Control(latency_s=latency, interval_s=0.15)
    driven = drive_world(World(16), scene, Blind(ABRUPT), GUARD, control)
    assert driven.stopped
    assert len(driven.commands) == 5
    moved = [pose.x - driven.poses[0].x for pose in driven.poses]
    # Four commands of 0.15 s are driven in all, whenever they arrive; the base follows with a lag of 0.04 s.
    assert moved[-1] == pytest.approx(4 * 0.15 * 1.15, abs=0.06)
    in_first = max(0.0, 0.15 - latency) * 1.15
    assert moved[1] == pytest.approx(in_first, abs=0.06)
    if latency == 0.3:
        assert moved[2] == pytest.approx(0.0, abs=1e-6)
        assert moved[3] > 0.05


def test_the_expert_drives_well_and_blind_drivers_do_not() -> None:
    config = SimulationConfig()
    world = World(16)
    from mvla_core.driving.trials import drive_trial

    won = {"expert": 0, "straight": 0, "late": 0}
    for index in range(10):
        trial = trial_scene(config, "similar", 5, index)
        straight = Blind(np.array([[1.15, 0.0]] * 18, np.float32))
        won["expert"] += drive_trial(world, trial, ExpertPilot(trial.scene), GUARD, Control())[1]["success"]
        won["straight"] += drive_trial(world, trial, straight, GUARD, Control())[1]["success"]
        won["late"] += drive_trial(world, trial, ExpertPilot(trial.scene), GUARD, Control(latency_s=0.6))[1]["success"]
    assert won["expert"] == 10
    assert won["straight"] <= 1
    assert won["late"] <= 8


@pytest.mark.parametrize("control", [Control(latency_s=1.5), Control(interval_s=0.001)])
def test_impossible_timing_is_refused(control: Control) -> None:
    scene = trial_scene(SimulationConfig(), "similar", 0, 0).scene
    with pytest.raises(SimulationError, match="cannot be driven"):
        drive_world(World(16), scene, Blind(ABRUPT), GUARD, control)


def test_provoked_faults_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvla_core.driving.safety.DRIVES", 4)
    found = provoke(SimulationConfig(), GUARD, seed=1)
    assert found["out_of_range"]["tried"] > 3
    assert found["out_of_range"]["held"] == found["out_of_range"]["tried"]
    assert found["stale_command"] == {"tried": 4, "held": 4}
    # A guard that lets everything through is found out.
    monkeypatch.setattr(Guard, "held", lambda self, action, age: np.nan_to_num(action, posinf=9.0, neginf=-9.0))
    found = provoke(SimulationConfig(), GUARD, seed=1)
    assert found["out_of_range"]["held"] < found["out_of_range"]["tried"]
    assert found["stale_command"]["held"] < 4
