"""What stands in a room beside the task: walls, lamps, furniture along the walls, and clutter beside the way."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

import numpy as np

from mvla_core.simulation.scene import Box, Colour, Furniture, Light, Room, Surface

CLUTTER_GAP_M = 1.15
"""Clutter keeps this far from the straight line between start and goal: the ways around the boxes stay free."""
BOX_GAP_M = 0.95
"""And this far from each box's sides."""
CLUTTER_PATTERNS = ("carton", "cabinet", "plaster", "basket")


class Draw:
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


def draw_room(rng: np.random.Generator, look: Draw, goal_x: float) -> Room:
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


def draw_lights(look: Draw, room: Room) -> tuple[Light, ...]:
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


def draw_furniture(rng: np.random.Generator, look: Draw, room: Room, most: int) -> tuple[Furniture, ...]:
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


def draw_clutter(
    rng: np.random.Generator,
    look: Draw,
    start: tuple[float, float],
    goal: tuple[float, float],
    boxes: Sequence[Box],
    room: Room,
    most: int,
) -> tuple[Furniture, ...]:
    """Small things on the floor on either side of the way, in view but never on it.

    Args:
        rng: Of places and sizes.
        look: Of colours.
        start: Where the robot begins, m.
        goal: Where the goal stands, m.
        boxes: To keep away from.
        room: They stand inside.
        most: Fewer are drawn where there is no room.
    """
    pieces: list[Furniture] = []
    slope = (goal[1] - start[1]) / (goal[0] - start[0])
    for _ in range(int(rng.integers((most + 1) // 2, most + 1)) if most else 0):
        half = float(rng.uniform(0.05, 0.13))
        x = float(rng.uniform(0.7, goal[0] + 0.4))
        side = 1.0 if rng.random() < 0.5 else -1.0
        off = CLUTTER_GAP_M * math.hypot(1.0, slope) + half + float(rng.uniform(0.0, 0.5))
        y = start[1] + slope * x + side * off
        colour = look.colour((0.0, 1.0), (0.25, 0.95), (0.35, 0.95))
        surface = look.surface(str(rng.choice(CLUTTER_PATTERNS)), colour)
        height = float(rng.uniform(0.05, 0.16))
        piece = Furniture(x, y, height, half, float(rng.uniform(0.05, 0.13)), height, surface)
        inside = room.y_min + 0.3 < y < room.y_max - 0.3 and x < room.x_max - 0.4
        near = any(math.hypot(x - box.x, y - box.y) < BOX_GAP_M + max(box.half_x, box.half_y) for box in boxes)
        if inside and not near and not any(_overlap(piece, other) for other in pieces):
            pieces.append(piece)
    return tuple(pieces)


def _overlap(one: Furniture, other: Furniture, gap: float = 0.08) -> bool:
    return (
        abs(one.x - other.x) < one.half_x + other.half_x + gap
        and abs(one.y - other.y) < one.half_y + other.half_y + gap
    )
