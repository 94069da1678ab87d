"""Scenes: same seed same scene, the side changes nothing else, and the task is a sensible one."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.simulation.config import TIMESTEP_S, SimulationConfig
from mvla_core.simulation.planner import clearance
from mvla_core.simulation.record import instructed_side, scene_seed
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scene import ROBOT_RADIUS

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_only_the_instruction_tells_the_side(seed: int) -> None:
    left, right = sample_scene(seed, "left"), sample_scene(seed, "right")
    assert replace(right, side="left") == left
    assert left.instruction.replace("left", "right") == right.instruction != left.instruction


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_the_task_is_sensible(seed: int) -> None:
    scene = sample_scene(seed, "left", SimulationConfig(appearance=1.0, furniture=12))
    box, basket = scene.boxes[0], scene.basket
    assert clearance(scene, scene.start.x, scene.start.y) > ROBOT_RADIUS + 0.1
    assert scene.start.x < box.x < basket.x - 1.2
    bearing = math.atan2(basket.y - scene.start.y, basket.x - scene.start.x) - scene.start.yaw
    assert abs(math.degrees(bearing)) < scene.camera.field_of_view_deg / 2, "the goal is in view at the start"
    way_y = scene.start.y + (basket.y - scene.start.y) * (box.x - scene.start.x) / (basket.x - scene.start.x)
    assert abs(way_y - box.y) < box.half_y + ROBOT_RADIUS + 0.1, "the box stands in the way"
    assert 2 * box.half_z < scene.camera.height < basket.height, "the basket can be seen over the box"
    steps = scene.frame_interval_s / TIMESTEP_S
    assert abs(steps - round(steps)) < 1e-9
    long_side = "vert" if box.half_x > box.half_y else "hori"
    assert scene.layout == long_side
    for piece in scene.furniture:
        assert abs(piece.y) > 1.2 or piece.x > basket.x + 0.3, "furniture keeps off the way"


def test_draws_differ_and_sides_are_balanced() -> None:
    seeds = {scene_seed(seed, index, attempt) for seed in (0, 1) for index in range(50) for attempt in range(3)}
    assert len(seeds) == 300
    for seed in range(20):
        sides = [instructed_side(seed, index) for index in range(40)]
        assert sides.count("left") == 20
        assert all(sides[i] != sides[i + 1] for i in range(0, 40, 2))
    orders = {tuple(instructed_side(seed, index) for index in range(12)) for seed in range(20)}
    assert len(orders) > 10, "which of a pair comes first follows from the seed"


def test_no_placement_gives_the_middle_scene() -> None:
    config = SimulationConfig(placement=0.0)
    one, other = sample_scene(1, "left", config), sample_scene(2, "left", config)
    assert (one.start, one.boxes[0].x, one.basket.y) == (other.start, other.boxes[0].x, other.basket.y)
    assert one.start.y == 0.0
