"""Chunks, guard and loop: what is commanded when, and what reaches the wheels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mvla_core.driving.chunks import Chunk, ChunkPlan
from mvla_core.driving.guard import Guard
from mvla_core.driving.loop import Control, drive_world
from mvla_core.driving.pilots import Blind, BlindTables, ExpertPilot
from mvla_core.driving.safety import provoke
from mvla_core.driving.settings import STEP_S
from mvla_core.driving.suites import trial_scene
from mvla_core.driving.trials import drive_trial
from mvla_core.errors import SimulationError
from mvla_core.schema import ActionSequence
from mvla_core.simulation.config import TIMESTEP_S, SimulationConfig
from mvla_core.simulation.scene import Scene
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
    guard = Guard.of_data(np.array([[0.0, 0.0], [0.6, -0.6], [1.2, 0.0]], np.float32), renewed_after=2)
    assert guard.dead_band == pytest.approx(0.3)
    assert guard.low == pytest.approx((0.0, -0.6))
    assert guard.high == pytest.approx((1.2, 0.0))
    assert not guard.held(np.array([0.29, 0.1], np.float32), 0).any()
    assert guard.held(np.array([0.31, 0.5], np.float32), 0).tolist() == pytest.approx([0.31, 0.0])
    assert guard.stale_frames > 2


def test_a_single_slow_frame_does_not_decide_what_a_stop_is() -> None:
    actions = np.array([[0.0, 0.0], [1e-4, 0.0], *[[0.6, 0.0]] * 60, *[[0.0, -1.2]] * 60], np.float32)
    assert Guard.of_data(actions, 1).dead_band == pytest.approx(0.3)
    assert Guard.of_data(np.zeros((3, 2), np.float32), 1).dead_band == 0.0


class Numbed(ExpertPilot):
    """The expert until a frame, from which on its answers are no numbers, or none at all."""

    def __init__(self, scene: Scene, frame: int, answers: bool) -> None:
        super().__init__(scene)
        self.frame, self.answers = frame, answers

    def chunk(self, world: World, frame: int) -> Chunk | None:
        if frame < self.frame:
            return super().chunk(world, frame)
        return np.full((1, 2), np.nan, np.float32) if self.answers else None


def test_a_stop_that_the_guard_had_to_make_is_no_success() -> None:
    trial, world = trial_scene(SimulationConfig(), "similar", 0, 0), World(16)
    driven, record = drive_trial(world, trial, ExpertPilot(trial.scene), GUARD, Control())
    assert record["success"]
    assert driven.stopped
    last = len(driven.commands) - 1
    for answers, failure in ((True, "not_finite"), (False, "stale")):
        driven, record = drive_trial(world, trial, Numbed(trial.scene, last, answers), GUARD, Control())
        assert (driven.stopped, driven.refused, record["success"]) == (False, failure, False)
    driven, record = drive_trial(world, trial, Numbed(trial.scene, last, True), GUARD, Control())
    assert record["final_distance_m"] < 0.95
    assert record["failure"] == "not_finite"
    # Who has never answered has not commanded a stop either.
    driven, record = drive_trial(world, trial, Numbed(trial.scene, 0, False), GUARD, Control())
    assert record["failure"] == "stale"


@pytest.mark.parametrize("interval", [0.05, 0.4])
def test_another_control_rate_leaves_the_drive_its_time(interval: float) -> None:
    config, world = SimulationConfig(), World(16)
    control = Control(interval_s=interval)
    won = 0
    for index in range(4):
        trial = trial_scene(config, "similar", 5, index)
        driven, record = drive_trial(world, trial, ExpertPilot(trial.scene), GUARD, control)
        won += record["success"]
        assert driven.seconds == pytest.approx((len(driven.poses) - 1) * interval)
        # Who drives on for ever is stopped after the same time at every rate.
        endless = Blind(np.array([[0.3, 0.0]] * 4000, np.float32))
        usual = drive_trial(world, trial, endless, GUARD, Control())[1]["seconds"]
        assert drive_trial(world, trial, endless, GUARD, control)[1]["seconds"] == pytest.approx(usual, abs=interval)
    assert won == 4 if interval < 0.1 else won >= 1


def test_tables_of_blind_drivers_are_read_by_time() -> None:
    actions = np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.0]], np.float32)
    tables = BlindTables.fit([ActionSequence("a", actions, "Go.")])
    world = World(16)
    for pace, rows in ((1.0, [0, 1, 2, 3, 3]), (0.5, [0, 0, 1, 1, 2]), (2.0, [0, 2, 3, 3, 3])):
        clock = tables.pilot("clock", "Go.", pace)
        driven = [clock.chunk(world, frame)[0].tolist() for frame in range(5)]
        assert driven == [[*actions.tolist(), [0.0, 0.0]][row] for row in rows]
    brake = tables.pilot("brake", "Go.", 0.5)
    assert [float(brake.chunk(world, frame)[0, 0]) for frame in range(9)] == [1.0] * 8 + [0.0]


def test_times_are_those_that_the_physics_knows() -> None:
    assert STEP_S == TIMESTEP_S
    scene = replace(trial_scene(SimulationConfig(), "similar", 0, 0).scene, frame_interval_s=0.15)
    for asked, driven_s in ((0.15, 0.15), (0.055, 0.06), (None, 0.15)):
        control = Control(interval_s=asked, max_frames=10)
        assert control.interval_of(scene) == pytest.approx(driven_s)
        driven = drive_world(World(16), scene, Blind(np.array([[1.0, 0.0]] * 10, np.float32)), GUARD, control)
        assert driven.seconds == pytest.approx(10 * driven_s)
        covered = driven.poses[-1].x - driven.poses[0].x
        assert covered == pytest.approx(driven.seconds, abs=0.1)


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


@pytest.mark.parametrize(
    ("control", "chunk_size"),
    [
        (Control(), 5),
        (Control(execute_steps=5, latency_s=0.2), 5),
        (Control(execute_steps=100, interval_s=0.05), 60),
        (Control(execute_steps=7, ensembling=0.1), 10),
    ],
)
def test_provoked_faults_are_held(control: Control, chunk_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvla_core.driving.safety.DRIVES", 3)
    guard = replace(GUARD, stale_frames=control.renewed_after(chunk_size) + 3)
    found = provoke(SimulationConfig(), guard, control, chunk_size, seed=1)
    assert found["out_of_range"]["tried"] > 3
    assert found["out_of_range"]["held"] == found["out_of_range"]["tried"]
    assert found["stale_command"] == {"tried": 3, "held": 3}


def test_a_guard_that_lets_everything_through_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvla_core.driving.safety.DRIVES", 4)
    monkeypatch.setattr(Guard, "held", lambda self, action, age: np.nan_to_num(action, posinf=9.0, neginf=-9.0))
    found = provoke(SimulationConfig(), GUARD, Control(), 5, seed=1)
    assert found["out_of_range"]["held"] < found["out_of_range"]["tried"]
    assert found["stale_command"]["held"] < 4


def test_a_robot_that_also_turns_is_provoked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvla_core.driving.safety.DRIVES", 2)
    guard = Guard((-1.15, -1.15, -0.5), (1.15, 1.15, 0.5), 0.28, 4)
    found = provoke(SimulationConfig(), guard, Control(), 5, seed=1)
    assert found["out_of_range"]["held"] == found["out_of_range"]["tried"] > 0
    assert found["stale_command"] == {"tried": 2, "held": 2}
