"""Levels of difficulty for a curriculum: named settings that change what is hard about a world, and nothing of its task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mvla_core.errors import UserInputError, did_you_mean


@dataclass(frozen=True)
class Level:
    """One level."""

    name: str
    summary: str
    """What is easy or hard about it, in one sentence."""
    settings: dict[str, Any]
    """Fields of `SimulationConfig`; what is not named stays at its default."""


LEVELS = {
    level.name: level
    for level in (
        Level(
            "easy",
            "One plank floor, steady light and camera, no clutter, hardly any slip; places differ by three quarters.",
            {
                "placement": 0.75,
                "light": 0.1,
                "colours": 0.1,
                "camera_shift": 0.1,
                "textures": 0.0,
                "furniture": 2,
                "clutter": 0,
                "image_noise": 1.0,
                "slip": 0.02,
                "dart": 0.0,
                "shoves": 0.0,
            },
        ),
        Level(
            "medium",
            "The defaults: three kinds of floor, moderate light, colours and camera, furniture, places over their whole range.",
            {
                "placement": 1.0,
                "light": 0.4,
                "colours": 0.4,
                "camera_shift": 0.4,
                "textures": 1.0,
                "furniture": 5,
                "clutter": 0,
                "image_noise": 2.0,
                "slip": 0.05,
                "dart": 0.0,
                "shoves": 0.0,
            },
        ),
        Level(
            "hard",
            "Any colour and light, a camera that is never mounted twice the same way, clutter, noise, slip, and shoves to "
            "recover from.",
            {
                "placement": 1.0,
                "light": 1.0,
                "colours": 1.0,
                "camera_shift": 1.0,
                "textures": 1.0,
                "furniture": 10,
                "clutter": 6,
                "image_noise": 8.0,
                "slip": 0.10,
                "dart": 0.3,
                "shoves": 0.25,
            },
        ),
    )
}
"""From easy to hard. The scenario matrix, the actions and the camera's middle pose are the same in all."""


def level_settings(name: str) -> dict[str, Any]:
    """The settings of a level.

    Raises:
        UserInputError: There is no such level.
    """
    if name not in LEVELS:
        raise UserInputError(
            f"The level {name!r} is unknown; expected one of {', '.join(LEVELS)}.{did_you_mean(name, LEVELS)}"
        )
    return dict(LEVELS[name].settings)
