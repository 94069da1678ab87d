"""Distances to things, and costs whose fall leads to the goal on the right side."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.errors import SimulationError
from mvla_core.simulation.planner import CELL_M, clearance, plan, stop_point
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scene import Scene, Side


@given(st.integers(0, 200), st.floats(-0.9, 4.0), st.floats(-1.8, 1.8))
@settings(max_examples=60, deadline=None)
def test_clearance_is_the_distance_to_the_nearest_outline(seed: int, x: float, y: float) -> None:
    scene = replace(sample_scene(seed, "left"), furniture=())
    box, basket, room = scene.boxes[0], scene.basket, scene.room
    steps = np.linspace(-1, 1, 401)
    ones = np.ones_like(steps)
    local_x = box.half_x * np.concatenate([steps, steps, ones, -ones])
    local_y = box.half_y * np.concatenate([ones, -ones, steps, steps])
    cosine, sine = math.cos(box.yaw), math.sin(box.yaw)
    to_box = np.hypot(
        box.x + cosine * local_x - sine * local_y - x, box.y + sine * local_x + cosine * local_y - y
    ).min()
    to_wall = min(x - room.x_min, room.x_max - x, y - room.y_min, room.y_max - y)
    to_basket = math.hypot(x - basket.x, y - basket.y) - basket.radius
    found = float(clearance(scene, x, y))
    if found > 0:
        assert found == pytest.approx(min(to_box, to_wall, to_basket), abs=2e-3)
    else:
        assert min(to_wall, to_basket) <= 0 or to_box < box.half_x + box.half_y


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("seed", range(6))
def test_following_the_falling_cost_passes_the_box_as_told(seed: int, side: Side) -> None:
    scene = sample_scene(seed, side)
    costs = plan(scene)
    x, y = scene.start.x, scene.start.y
    beside: list[float] = []
    for _ in range(300):
        around = [(x + i * CELL_M, y + j * CELL_M) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        x, y = min(around, key=lambda place: costs.remaining_at(*place))
        assert clearance(scene, x, y) > 0.2, "the way never comes closer than the robot's radius"
        if abs(x - scene.boxes[0].x) < CELL_M:
            beside.append(y - scene.boxes[0].y)
    assert math.dist((x, y), stop_point(scene)) < 2 * CELL_M
    assert beside
    assert all((gap > 0) == (side == "left") for gap in beside)


def blocked(scene: Scene) -> Scene:
    """The same scene with a box from the middle to the left wall."""
    box = scene.boxes[0]
    return replace(scene, boxes=(replace(box, yaw=0.0, y=1.5, half_y=1.6),))


def test_a_world_without_a_way_says_so() -> None:
    with pytest.raises(SimulationError, match="has no way to the basket on the left"):
        plan(blocked(sample_scene(3, "left")))
    plan(blocked(sample_scene(3, "right")))


def test_a_goal_in_the_wall_has_no_way() -> None:
    scene = sample_scene(3, "left")
    with pytest.raises(SimulationError, match="has no way"):
        plan(replace(scene, basket=replace(scene.basket, x=scene.room.x_max + 3.0)))
