"""Scenes drawn from a seed. The side that is asked for changes nothing else, so that only the instruction tells it."""

from __future__ import annotations

import colorsys
from typing import Literal

import numpy as np

from mvla_core.simulation.config import TIMESTEP_S, SimulationConfig
from mvla_core.simulation.scene import (
    Basket,
    Box,
    Camera,
    Colour,
    Exposure,
    Furniture,
    Light,
    Pose,
    Room,
    Scene,
    Side,
    Surface,
)

CLOSE_M, MEDIUM_M = 1.2, 1.55


class _Draw:
    """Random values around a middle, scaled by a share between 0 (always the middle) and 1 (the whole range)."""

    def __init__(self, rng: np.random.Generator, share: float) -> None:
        self.rng = rng
        self.share = share

    def __call__(self, low: float, high: float) -> float:
        middle, half = (low + high) / 2, (high - low) / 2
        return float(middle + half * self.share * self.rng.uniform(-1.0, 1.0))

    def colour(self, hue: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
        red, green, blue = colorsys.hsv_to_rgb(self(*hue) % 1.0, self(*saturation), self(*value))
        return (red, green, blue)

    def surface(self, pattern: str, colour: Colour, accent: Colour = (0.9, 0.9, 0.9)) -> Surface:
        return Surface(pattern, colour, int(self.rng.integers(2**31)), accent)


def sample_scene(seed: int, side: Side, config: SimulationConfig | None = None) -> Scene:
    """Draw the scene of a seed: one box between the start and a basket, in a furnished room.

    Args:
        seed: Any whole number from 0; the same seed gives the same scene for both sides.
        side: The side on which the robot shall pass the box.
        config: Ranges; the defaults if None.

    Returns:
        The scene. Whether its task can be done is found by driving it.
    """
    config = config or SimulationConfig()
    rng = np.random.default_rng([seed, 1])
    place = _Draw(rng, config.placement)
    look = _Draw(np.random.default_rng([seed, 2]), config.appearance)

    box_x = place(0.90, 1.90)
    start = Pose(0.0, place(-0.45, 0.45), place(-0.05, 0.05))
    goal_x = box_x + place(1.55, 2.15)
    goal_y = place(-0.45, 0.45)
    # The box stands near the straight way from the start to the goal: one has to go around it.
    way_y = start.y + (goal_y - start.y) * box_x / goal_x
    box_y = way_y + place(-0.22, 0.22)
    layout: Literal["vert", "hori"] = "vert" if rng.random() < 0.5 else "hori"
    long_half, short_half = place(0.19, 0.25), place(0.13, 0.17)
    half_x, half_y = (long_half, short_half) if layout == "vert" else (short_half, long_half)
    carton = look.surface("carton", look.colour((0.065, 0.105), (0.35, 0.60), (0.55, 0.85)))
    box = Box(box_x, box_y, place(-0.3, 0.3), half_x, half_y, place(0.10, 0.14), carton)

    hue = (0.52, 0.66) if config.appearance <= 0.5 else (0.45, 1.0)
    woven = look.surface("basket", look.colour(hue, (0.60, 0.95), (0.45, 0.90)))
    basket = Basket(goal_x, goal_y, place(0.19, 0.23), place(0.40, 0.48), woven)
    room = _room(rng, look, goal_x)
    return Scene(
        seed=seed,
        side=side,
        layout=layout,
        distance="close" if box_x < CLOSE_M else "medium" if box_x < MEDIUM_M else "far",
        boxes=(box,),
        basket=basket,
        furniture=_furniture(rng, look, room, config.furniture),
        room=room,
        lights=_lights(look, room),
        camera=Camera(
            forward=0.10,
            height=look(0.31, 0.37),
            pitch=look(-0.10, 0.02),
            roll=look(-0.02, 0.02),
            yaw=look(-0.03, 0.03),
            field_of_view_deg=look(70.0, 82.0),
        ),
        exposure=Exposure(
            ambient=look(0.35, 0.60),
            gain=look(0.75, 1.25),
            white_balance=(look(0.92, 1.08), 1.0, look(0.90, 1.10)),
            vignette=look(0.05, 0.25),
            noise=config.image_noise,
        ),
        start=start,
        cruise_speed=float(config.cruise_speeds[rng.integers(len(config.cruise_speeds))]),
        frame_interval_s=round(float(rng.uniform(*config.frame_interval_s)) / TIMESTEP_S) * TIMESTEP_S,
        slip=config.slip,
    )


def _room(rng: np.random.Generator, look: _Draw, goal_x: float) -> Room:
    floors = {
        "plank": look.colour((0.06, 0.11), (0.25, 0.55), (0.45, 0.80)),
        "tile": look.colour((0.05, 0.60), (0.02, 0.12), (0.55, 0.90)),
        "carpet": look.colour((0.0, 1.0), (0.05, 0.30), (0.30, 0.60)),
    }
    pattern = str(rng.choice(sorted(floors)))
    hue = float(rng.random())
    wall = look.colour((hue, hue), (0.0, 0.22), (0.72, 0.98))
    return Room(
        x_min=-float(rng.uniform(1.0, 2.0)),
        x_max=goal_x + float(rng.uniform(0.9, 2.2)),
        y_min=-float(rng.uniform(1.9, 2.8)),
        y_max=float(rng.uniform(1.9, 2.8)),
        height=float(rng.uniform(2.3, 2.8)),
        floor=look.surface(pattern, floors[pattern]),
        wall=look.surface("wall", wall, accent=look.colour((0.0, 0.15), (0.0, 0.30), (0.35, 0.95))),
        ceiling=look.surface("plaster", (0.93, 0.93, 0.91)),
    )


def _lights(look: _Draw, room: Room) -> tuple[Light, ...]:
    lights = []
    for share in (0.25, 0.75):
        strength = look(0.55, 1.15)
        lights.append(
            Light(
                x=room.x_min + (room.x_max - room.x_min) * share + look(-0.6, 0.6),
                y=look(-1.4, 1.4),
                z=room.height - 0.12,
                colour=(strength * look(0.95, 1.08), strength, strength * look(0.85, 1.05)),
            )
        )
    return tuple(lights)


def _furniture(rng: np.random.Generator, look: _Draw, room: Room, most: int) -> tuple[Furniture, ...]:
    """Cabinets and shelves along the walls, and a door, a window or a picture on them; the way itself stays free."""
    pieces: list[Furniture] = []
    for _ in range(int(rng.integers(most // 2, most + 1)) if most else 0):
        wall = str(rng.choice(["left", "right", "far"]))
        kind = str(rng.choice(["cabinet", "cabinet", "door", "window", "picture"]))
        width, depth, height, middle = {
            "cabinet": (rng.uniform(0.25, 0.6), rng.uniform(0.12, 0.22), rng.uniform(0.2, 0.9), None),
            "door": (0.42, 0.02, 1.0, None),
            "window": (rng.uniform(0.4, 0.7), 0.02, 0.45, 1.45),
            "picture": (rng.uniform(0.2, 0.4), 0.02, rng.uniform(0.15, 0.3), 1.25),
        }[kind]
        z = height if middle is None else middle
        along = (room.y_min + 0.9, room.y_max - 0.9) if wall == "far" else (0.2, room.x_max - 0.8)
        at = float(rng.uniform(*along))
        half = (depth, width) if wall == "far" else (width, depth)
        x = room.x_max - depth if wall == "far" else at
        y = at if wall == "far" else room.y_max - depth if wall == "left" else room.y_min + depth
        colour = {
            "cabinet": look.colour((0.0, 1.0), (0.02, 0.35), (0.30, 0.95)),
            "door": look.colour((0.05, 0.12), (0.10, 0.50), (0.50, 0.90)),
            "window": (0.80, 0.90, 1.0),
            "picture": look.colour((0.0, 1.0), (0.30, 0.70), (0.40, 0.80)),
        }[kind]
        piece = Furniture(
            x=float(x),
            y=float(y),
            z=float(z),
            half_x=float(half[0]),
            half_y=float(half[1]),
            half_z=float(height),
            surface=look.surface(kind, colour),
            solid=kind == "cabinet",
            glows=kind == "window",
        )
        if not any(_overlap(piece, other) for other in pieces):
            pieces.append(piece)
    return tuple(pieces)


def _overlap(one: Furniture, other: Furniture, gap: float = 0.08) -> bool:
    return (
        abs(one.x - other.x) < one.half_x + other.half_x + gap
        and abs(one.y - other.y) < one.half_y + other.half_y + gap
    )
