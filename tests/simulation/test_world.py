"""The world obeys velocities, notices contact, and shows what is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mvla_core.errors import SimulationError
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.rollout import drive
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scene import Pose, Scene
from mvla_core.simulation.world import World

STEADY = SimulationConfig(slip=0.0, image_noise=0.0, placement=0.0)


def steady_scene(seed: int = 1) -> Scene:
    return sample_scene(seed, "left", STEADY)


class Keys:
    """A driver that holds one velocity for some frames, then stops."""

    def __init__(self, velocity: tuple[float, ...], frames: int) -> None:
        self._left = frames
        self._velocity = np.array(velocity, np.float32)

    def act(self, world: World, frame: object) -> np.ndarray:
        self._left -= 1
        return self._velocity if self._left >= 0 else np.zeros_like(self._velocity)


@pytest.mark.parametrize(
    ("action", "moved"), [((1.0, 0.0), (1, 0)), ((0.0, 0.8), (0, 0.8)), ((-0.5, -0.5), (-0.5, -0.5))]
)
def test_a_second_at_a_velocity(action: tuple[float, float], moved: tuple[float, float]) -> None:
    world = World()
    world.reset(replace(steady_scene(), boxes=()))
    world.step(action, 1.0)
    assert (world.pose.x, world.pose.y) == pytest.approx(moved, abs=0.06)
    assert world.pose.yaw == pytest.approx(0.0, abs=0.01)
    assert not world.collided


def test_velocities_are_in_the_robots_frame_and_it_can_turn() -> None:
    world = World()
    world.reset(replace(steady_scene(), boxes=(), start=Pose(0.0, 0.0, 0.0)))
    world.step((0.0, 0.0, np.pi / 2), 1.0)
    assert world.pose.yaw == pytest.approx(np.pi / 2, abs=0.1)
    world.step((1.0, 0.0), 0.5)
    assert world.pose.y > 0.4
    assert abs(world.pose.x) < 0.1


def test_driving_into_the_box_is_a_collision_and_wins_nothing() -> None:
    driven = drive(World(), steady_scene(), Keys((1.15, 0.0), 14), draw=False)
    assert driven.outcome.collided
    assert not driven.outcome.success
    assert driven.outcome.failure == "collided"


def test_a_wall_stops_the_robot() -> None:
    world = World()
    world.reset(replace(steady_scene(), boxes=()))
    world.step((-1.15, 0.0), 3.0)
    assert world.collided
    assert world.pose.x > world.scene.room.x_min


@pytest.mark.parametrize("action", [(1.0,), (1.0, 0.0, 0.0, 0.0), (float("nan"), 0.0), [[1.0, 0.0]]])
def test_an_action_that_cannot_be_driven(action: object) -> None:
    world = World()
    world.reset(steady_scene())
    with pytest.raises(SimulationError, match="expected 2 or 3 finite numbers"):
        world.step(action, 0.1)  # type: ignore[arg-type]


def test_an_empty_world_says_so() -> None:
    with pytest.raises(SimulationError, match="call reset"):
        _ = World().pose


def test_a_scene_that_cannot_be_built() -> None:
    scene = steady_scene()
    flat = replace(scene.boxes[0], half_z=0.0)
    with pytest.raises(SimulationError, match="cannot be built"):
        World().reset(replace(scene, boxes=(flat,)))


def test_slip_disturbs_the_same_way_each_time() -> None:
    scene = sample_scene(4, "left", SimulationConfig(slip=0.2))
    ways = []
    for _ in range(2):
        world = World()
        world.reset(scene)
        world.step((0.5, 0.0), 0.4)
        ways.append(world.pose)
    assert ways[0] == ways[1]
    assert abs(ways[0].x - scene.start.x - 0.2) > 1e-3
