"""Scenes drawn from a seed. The side that is asked for changes nothing else, so that only the instruction tells it.

One thing is an exception: the way straight between two boxes needs a gap, which left and right have no use for.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from mvla_core.simulation.config import TIMESTEP_S, SimulationConfig
from mvla_core.simulation.furnishing import Draw, draw_clutter, draw_furniture, draw_lights, draw_room
from mvla_core.simulation.scenarios import Distance, Layout, ScenarioParts
from mvla_core.simulation.scene import Basket, Box, Camera, Exposure, Pose, Room, Scene, Side

CLOSE_M, MEDIUM_M = 1.2, 1.55
_AWAY_M: dict[tuple[int, Distance | None], tuple[float, float]] = {
    (1, None): (0.90, 1.90),
    (1, "close"): (0.90, 1.18),
    (1, "medium"): (1.22, 1.53),
    (1, "far"): (1.57, 1.90),
    (2, None): (0.95, 1.45),
    (2, "close"): (0.95, 1.18),
    (2, "medium"): (1.22, 1.53),
    (2, "far"): (1.57, 1.75),
}
"""How far the first box stands from the start, by the number of boxes and the distance asked for."""


def sample_scene(
    seed: int, side: Side, config: SimulationConfig | None = None, scenario: ScenarioParts | None = None
) -> Scene:
    """Draw the scene of a seed: one or two boxes between the start and a goal, in a furnished room.

    Args:
        seed: Any whole number from 0; the same seed gives the same scene for left and right.
        side: The side on which the robot shall pass the boxes; "straight" between two that stand side by side.
        config: Ranges; the defaults if None.
        scenario: What the world shall be; one box before a basket, the rest drawn, if None. Its own side is not looked at.

    Returns:
        The scene. Whether its task can be done is found by driving it.
    """
    config = config or SimulationConfig()
    wanted = scenario or ScenarioParts()
    rng = np.random.default_rng([seed, 1])
    place = Draw(rng, config.placement)
    look = Draw(np.random.default_rng([seed, 2]), _share(config.colours, config))
    # The three draw from one stream, so that a changed share leaves all other draws as they are.
    light = Draw(look.rng, _share(config.light, config))
    shift = Draw(look.rng, _share(config.camera_shift, config))

    box_x = place(*_AWAY_M[wanted.boxes, wanted.distance])
    start = Pose(0.0, place(-0.45, 0.45), place(-0.05, 0.05))
    goal_x = box_x + place(1.55, 2.15)
    goal_y = place(-0.45, 0.45)
    # The box stands near the straight way from the start to the goal: one has to go around it.
    way_y = start.y + (goal_y - start.y) * box_x / goal_x
    box_y = way_y + place(-0.22, 0.22)
    drawn: Layout = "vert" if rng.random() < 0.5 else "hori"
    layout = wanted.layout or drawn
    long_half, short_half = place(0.19, 0.25), place(0.13, 0.17)
    half_x, half_y = (long_half, short_half) if layout == "vert" else (short_half, long_half)
    carton = look.surface("carton", look.colour((0.065, 0.105), (0.35, 0.60), (0.55, 0.85)))
    boxes: tuple[Box, ...] = (Box(box_x, box_y, place(-0.3, 0.3), half_x, half_y, place(0.10, 0.14), carton),)

    hue = (0.52, 0.66) if look.share <= 0.5 else (0.45, 1.0)
    woven = look.surface("basket", look.colour(hue, (0.60, 0.95), (0.45, 0.90)))
    basket = Basket(goal_x, goal_y, place(0.19, 0.23), place(0.40, 0.48), woven)
    if wanted.boxes == 2:
        boxes, goal_x = _second_box(seed, config, boxes[0], way_y, layout, side)
        basket = replace(basket, x=goal_x)
    if wanted.goal == "target":
        basket = _cone(seed, config, basket)
    room = _floor_varied(seed, config, draw_room(rng, look, goal_x))
    if wanted.boxes == 2:
        # The way around two boxes side by side is wide: the furniture along the walls must not close it.
        room = replace(room, y_min=room.y_min - 0.5, y_max=room.y_max + 0.5)
    furniture = draw_furniture(rng, look, room, config.furniture)
    clutter = draw_clutter(
        np.random.default_rng([seed, 5]),
        Draw(np.random.default_rng([seed, 6]), look.share),
        (start.x, start.y),
        (basket.x, basket.y),
        boxes,
        room,
        config.clutter,
    )
    return Scene(
        seed=seed,
        side=side,
        layout=layout,
        distance="close" if box_x < CLOSE_M else "medium" if box_x < MEDIUM_M else "far",
        boxes=boxes,
        basket=basket,
        furniture=furniture + clutter,
        room=room,
        lights=draw_lights(light, room),
        camera=_camera(shift, config),
        exposure=Exposure(
            ambient=light(0.35, 0.60),
            gain=light(0.75, 1.25),
            white_balance=(light(0.92, 1.08), 1.0, light(0.90, 1.10)),
            vignette=light(0.05, 0.25),
            noise=config.image_noise,
            color_gain=config.color_gain,
            color_offset=config.color_offset,
        ),
        start=start,
        cruise_speed=float(config.cruise_speeds[rng.integers(len(config.cruise_speeds))]),
        frame_interval_s=round(float(rng.uniform(*config.frame_interval_s)) / TIMESTEP_S) * TIMESTEP_S,
        slip=config.slip,
        wording=dict(config.instructions).get(side, ""),
    )


def _share(own: float | None, config: SimulationConfig) -> float:
    return config.appearance if own is None else own


def _camera(shift: Draw, config: SimulationConfig) -> Camera:
    """The camera around its middle pose, which the settings may move; a setting that is None moves nothing."""
    height, pitch, roll = shift(0.31, 0.37), shift(-0.10, 0.02), shift(-0.02, 0.02)
    yaw, view = shift(-0.03, 0.03), shift(70.0, 82.0)
    if config.camera_height_m is not None:
        height += config.camera_height_m - 0.34
    if config.camera_pitch_deg is not None:
        pitch += math.radians(config.camera_pitch_deg) + 0.04
    if config.camera_yaw_deg is not None:
        yaw += math.radians(config.camera_yaw_deg)
    if config.field_of_view_deg is not None:
        view += config.field_of_view_deg - 76.0
    forward = 0.10 if config.camera_forward_m is None else config.camera_forward_m
    return Camera(forward, height, pitch, roll, yaw, view)


def _second_box(
    seed: int, config: SimulationConfig, box: Box, way_y: float, layout: Layout, side: Side
) -> tuple[tuple[Box, ...], float]:
    """Two boxes, one behind the other or side by side, and how far away the goal then stands."""
    rng = np.random.default_rng([seed, 7])
    place = Draw(rng, config.placement)
    look = Draw(rng, _share(config.colours, config))
    carton = look.surface("carton", look.colour((0.065, 0.105), (0.35, 0.60), (0.55, 0.85)))
    other = replace(box, yaw=place(-0.2, 0.2), half_z=place(0.10, 0.14), surface=carton)
    narrow, wide, behind = place(0.05, 0.25), place(0.88, 1.10), place(0.10, 0.40)
    aside, goal_gap = place(-0.10, 0.10), place(1.50, 1.85)
    if layout == "vert":
        gap = box.half_x + other.half_x + behind
        return (box, replace(other, x=box.x + gap, y=box.y + aside)), box.x + gap + goal_gap
    apart = box.half_y + (wide if side == "straight" else narrow) / 2
    middle = min(max(way_y + aside, -0.35), 0.35)
    turned = replace(box, y=middle + apart, yaw=box.yaw / 3)
    return (turned, replace(other, y=middle - apart, yaw=other.yaw / 3)), box.x + goal_gap


def _cone(seed: int, config: SimulationConfig, basket: Basket) -> Basket:
    look = Draw(np.random.default_rng([seed, 8]), _share(config.colours, config))
    surface = look.surface("cone", look.colour((0.01, 0.09), (0.75, 1.0), (0.75, 1.0)), accent=(0.95, 0.95, 0.95))
    return replace(
        basket,
        radius=look(0.16, 0.19),
        height=look(0.50, 0.60),
        surface=surface,
        kind="target",
        foot_share=1.0,
        rim_share=0.2,
    )


def _floor_varied(seed: int, config: SimulationConfig, room: Room) -> Room:
    """The room as it was drawn, or with the plank floor of a set without variety."""
    if np.random.default_rng([seed, 9]).random() < config.textures:
        return room
    return replace(room, floor=replace(room.floor, pattern="plank", seed=0))
