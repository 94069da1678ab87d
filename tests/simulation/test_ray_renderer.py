"""Pictures: repeatable, and they really hold the box, the basket, the way they moved, and shadows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mvla_core.schema import Frame
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.record import preview
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scene import Camera, Light, Pose, Scene, Surface
from mvla_core.simulation.world import World

SIZE = 64
BLUE, BROWN, GREY = (0.05, 0.15, 0.9), (0.65, 0.42, 0.2), (0.6, 0.6, 0.6)


def plain_scene(start: Pose | None = None) -> Scene:
    """A grey room with a brown box on the left and a blue basket on the right, so that colours tell things apart."""
    config = SimulationConfig(placement=0.0, appearance=0.0, furniture=0, image_noise=0.0, slip=0.0)
    scene = sample_scene(1, "left", config)
    grey = Surface("plaster", GREY, 1)
    return replace(
        scene,
        boxes=(replace(scene.boxes[0], x=1.5, y=0.5, surface=Surface("plaster", BROWN, 1)),),
        basket=replace(scene.basket, x=2.0, y=-0.5, surface=Surface("plaster", BLUE, 1)),
        room=replace(scene.room, floor=grey, wall=grey, ceiling=grey),
        camera=Camera(forward=0.1, height=0.34, pitch=0.0, roll=0.0, yaw=0.0, field_of_view_deg=76.0),
        start=start or Pose(0.0, 0.0, 0.0),
    )


def look(scene: Scene, size: int = SIZE) -> Frame:
    world = World(size)
    world.reset(scene)
    return world.frame()


def place(frame: Frame, where: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Mean column and row of pixels, as shares of the picture."""
    rows, columns = np.nonzero(where)
    return float(columns.mean()) / frame.shape[1], float(rows.mean()) / frame.shape[0]


def blue(frame: Frame) -> npt.NDArray[np.bool_]:
    red, _, blueness = np.moveaxis(frame.astype(int), 2, 0)
    return blueness > red + 40


def brown(frame: Frame) -> npt.NDArray[np.bool_]:
    red, _, blueness = np.moveaxis(frame.astype(int), 2, 0)
    return red > blueness + 40


def test_things_are_where_geometry_says() -> None:
    frame = look(plain_scene())
    assert frame.shape == (SIZE, SIZE, 3)
    assert frame.dtype == np.uint8
    assert blue(frame).sum() > 40
    assert brown(frame).sum() > 40
    focal = 0.5 / np.tan(np.radians(38.0))
    column, row = place(frame, blue(frame))
    assert abs(column - (0.5 + focal * 0.5 / 1.9)) < 0.03
    assert abs(row - (0.5 + focal * (0.34 - 0.22) / 1.9)) < 0.04
    column, _ = place(frame, brown(frame))
    assert abs(column - (0.5 - focal * 0.5 / 1.35)) < 0.04, "left in the world is left in the picture"


def test_moving_left_moves_the_goal_to_the_right_and_nearer_is_larger() -> None:
    middle, left, near = (look(plain_scene(Pose(x, y, 0.0))) for x, y in ((0.0, 0.0), (0.0, 0.3), (0.7, 0.0)))
    assert place(left, blue(left))[0] > place(middle, blue(middle))[0] + 0.05
    assert blue(near).sum() > 1.8 * blue(middle).sum()


def test_things_cast_shadows() -> None:
    scene = plain_scene()
    sideways = (Light(1.5, 1.5, 2.2, (1.2, 1.2, 1.2)),)
    with_box = look(replace(scene, lights=sideways))
    far_box = replace(scene.boxes[0], x=0.0, y=-1.6)
    without = look(replace(scene, lights=sideways, boxes=(far_box,)))
    # By the heights of lamp and box, its shadow lies on the floor from 0.17 to 0.31 m left of the middle.
    focal = SIZE * 0.5 / np.tan(np.radians(38.0))
    column, row = int(SIZE / 2 - focal * 0.24 / 1.4), int(SIZE / 2 + focal * 0.34 / 1.4)
    assert with_box[row, column].mean() < 0.9 * without[row, column].mean()


def test_the_same_state_gives_the_same_bytes_and_noise_differs_between_frames() -> None:
    scene = replace(plain_scene(), exposure=replace(plain_scene().exposure, noise=3.0))
    first, second = World(SIZE), World(SIZE)
    first.reset(scene)
    second.reset(scene)
    one = [first.frame(), first.frame()]
    two = [second.frame(), second.frame()]
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])
    assert not np.array_equal(one[0], one[1])


def test_turning_the_robot_turns_the_view() -> None:
    frame = look(plain_scene(Pose(0.0, 0.0, -0.25)))
    assert place(frame, blue(frame))[0] < 0.55, "a turn to the right brings the goal to the middle"


def test_a_preview_does_not_depend_on_the_side() -> None:
    config = SimulationConfig(image_size=32)
    assert np.array_equal(preview(5, side="left", config=config), preview(5, side="right", config=config))
    assert preview(5, config=config).shape == (32, 32, 3)
    assert not np.array_equal(preview(5, config=config), preview(6, config=config))


def test_default_pictures_are_neither_dark_nor_flat() -> None:
    for seed in range(6):
        frame = preview(seed, config=SimulationConfig(image_size=48))
        assert 60 < frame.mean() < 210
        assert frame.std() > 15
