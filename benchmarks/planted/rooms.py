"""Rooms that a benchmark draws: a robot drives towards a box, past it, and on. Small pictures, quickly drawn.

A picture shows how far the box is and nothing of the side on which the robot will pass it: that is for the driver, or for
the instruction, to say. Walls, floor, box and light differ from room to room, and noise from picture to picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from mvla_core.schema import ActionSpace, Frame

SPACE = ActionSpace.default(2)
SPEED = 1.15
"""m/s, of every key of the robot's keyboard."""
HEIGHT, WIDTH = 60, 80
LENGTH = 12
"""Frames of an episode."""
ROOMS = 60
"""Different rooms; the episodes of one data set are each in another one."""
SHADE = 3
"""By how many of 255 levels every picture of a scene with a clock is lighter than the one before, as by daylight."""
SHADOW = 6.0
"""Standard deviation of the light and shadow, in levels, that fall otherwise at each drive in the same room: no drive is a copy."""
AVOIDING = 5
"""Frames in which the robot goes sideways past the box."""
NEAR = 2
"""Frames before the box at which it begins to."""
KEYS = {"w": (1.0, 0.0), "a": (0.0, 1.0), "d": (0.0, -1.0), "q": (1.0, 1.0), "e": (1.0, -1.0), "_": (0.0, 0.0)}

Frames = npt.NDArray[np.uint8]


def velocities(keys: str) -> npt.NDArray[np.float32]:
    """float32 (T, 2), m/s, of the keys that were held down."""
    return np.array([KEYS[key] for key in keys], dtype=np.float32) * np.float32(SPEED)


def passing(far: int, side: str) -> str:
    """Keys of a way past a box that is `far` frames away at the start: forward, sideways, forward."""
    straight = max(far - NEAR, 0)
    sideways = {"left": "a", "right": "d"}[side]
    return ("w" * straight + sideways * AVOIDING + "w" * LENGTH)[:LENGTH]


@dataclass(frozen=True)
class Room:
    """How one episode looks: float64 (3,) colours in RGB, 0 to 255, and how wide the box is."""

    wall: npt.NDArray[np.float64]
    floor: npt.NDArray[np.float64]
    box: npt.NDArray[np.float64]
    horizon: int
    width: float
    shift: float

    @classmethod
    def draw(cls, generator: np.random.Generator) -> Room:
        """A room of its own; the box is always darker and redder than what is around it, as cardboard is."""
        light = generator.uniform(0.8, 1.15)
        wall = generator.uniform(130, 200, 3) * light
        floor = generator.uniform(80, 140, 3) * light
        box = np.array([150.0, 70.0, 30.0]) * light + generator.uniform(-15, 15, 3)
        return cls(
            wall, floor, box, int(generator.integers(22, 28)), generator.uniform(34, 42), generator.uniform(-5, 5)
        )

    def picture(self, distance: float, generator: np.random.Generator) -> Frame:
        """uint8 (60, 80, 3), RGB, with the box `distance` frames ahead; below -2 it is behind the robot."""
        seen = np.empty((HEIGHT, WIDTH, 3))
        seen[: self.horizon] = self.wall
        seen[self.horizon :] = self.floor
        if distance > -NEAR:
            # A pinhole camera: the nearer the box, the larger it is and the lower its foot stands.
            size = self.width / (max(distance + NEAR, 0.0) + 1.0)
            foot = self.horizon + 1.1 * size
            left, right = WIDTH / 2 + self.shift - size, WIDTH / 2 + self.shift + size
            top = foot - 1.3 * size
            corners = np.array([[left, top], [right, top], [right, foot], [left, foot]]).round().astype(np.int32)
            cv2.fillPoly(seen, [corners], self.box.tolist())
        seen += generator.normal(0.0, 4.0, seen.shape)
        return np.clip(seen, 0, 255).astype(np.uint8)


def approach(far: int, number: int) -> Frames:
    """Pictures of an episode, uint8 (T, 60, 80, 3), that starts `far` frames before the box in the room of a number.

    A room at a distance is always the same picture, so that its features are computed once for all data sets.
    """
    room = Room.draw(np.random.default_rng([number]))
    distances = [max(far - frame, -NEAR) for frame in range(LENGTH)]
    return np.stack(
        [room.picture(distance, np.random.default_rng([number, distance + NEAR])) for distance in distances]
    )


def timed(far: int, number: int, episode: int) -> Frames:
    """As `approach`, driven again: a little to the side, in other light; lighter from frame to frame, so that it tells the time."""
    room = Room.draw(np.random.default_rng([number]))
    generator = np.random.default_rng([episode, 77])
    room = replace(room, shift=room.shift + generator.uniform(-2, 2))
    shadow = cv2.resize(generator.normal(0.0, SHADOW, (6, 8)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    frames = np.stack([room.picture(max(far - frame, -NEAR), generator) for frame in range(LENGTH)])
    light = SHADE * np.arange(LENGTH)[:, None, None, None] + shadow[:, :, None]
    return np.asarray(np.clip(frames + light, 0, 255), dtype=np.uint8)
