"""What can be chosen of a closed-loop evaluation. Free of torch and of the simulation: pages and commands read it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from mvla_core.errors import UserInputError, did_you_mean

GENERAL: dict[str, str] = {
    "similar": "worlds drawn as those of the training, with seeds that it never had",
    "slightly_different": "more varied colours, light, placement and camera poses, and twice the image noise",
    "new": "every colour, light and camera pose that can be drawn, a crowded room, other basket colours, thrice the noise",
}
EDGE_CASES: dict[str, str] = {
    "sudden_obstacle": "a box appears right ahead on the way: the robot has to stop before it",
    "sharp_turn": "the box stands so close that the robot has to turn aside at once",
    "goal_hidden": "a high box hides the goal from the start",
    "dark": "about a quarter of the light",
    "camera_moved": "the camera is 7 cm higher and turned, as after a knock",
    "against_habit": "the longer way round the box is asked for",
}
SUITES: dict[str, str] = {**GENERAL, **EDGE_CASES}
"""By name, what its worlds are."""
ALL_SUITES = tuple(SUITES)
SEED_MAX = 2**31 - 1
STEP_S = 0.01
"""Times are whole multiples of this, the physics' step: anything finer would silently be driven as something else."""


@dataclass(frozen=True)
class DriveSettings:
    """One closed-loop evaluation.

    Raises:
        UserInputError: A value is out of its range; the message names it.
    """

    suites: tuple[str, ...] = ("similar",)
    """Some of `SUITES`."""
    trials: int = 50
    """Of each suite, 2 to 1,000."""
    seed: int = 0
    """Of the worlds."""
    execute_steps: int = 1
    """Actions of a chunk that are driven before the next is predicted, 1 to 100."""
    ensembling: float | None = None
    """Weight exp(-x * age) of older chunks in the mean of all that speak of a frame, 0 to 10; None for no mean."""
    latency_s: float = 0.0
    """From the picture to the wheels, 0 to 1 s, a multiple of `STEP_S`."""
    interval_s: float | None = None
    """Time between two commands, 0.05 to 1 s, a multiple of `STEP_S`; None for the world's own, drawn as in the recordings."""

    def __post_init__(self) -> None:
        if not self.suites:
            raise UserInputError(f"No suite is named; expected some of {', '.join(SUITES)}.")
        for name in self.suites:
            if name not in SUITES:
                raise UserInputError(
                    f"The suite {name!r} is unknown: expected some of {', '.join(SUITES)}.{did_you_mean(name, SUITES)}"
                )
        if len(set(self.suites)) != len(self.suites):
            raise UserInputError(f"A suite is named twice: {', '.join(self.suites)}; name each once.")
        for name, low, high in (("trials", 2, 1000), ("seed", 0, SEED_MAX), ("execute_steps", 1, 100)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise UserInputError(
                    f"The setting {name} is {value!r}; expected a whole number from {low} to {high:,}."
                )
        for name, least, most in (("ensembling", 0.0, 10.0), ("latency_s", 0.0, 1.0), ("interval_s", 0.05, 1.0)):
            value = getattr(self, name)
            if value is None and name != "latency_s":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                raise UserInputError(f"The setting {name} is {value!r}; expected a number from {least} to {most}.")
            if name.endswith("_s") and abs(value / STEP_S - round(value / STEP_S)) > 1e-6:
                raise UserInputError(
                    f"The setting {name} is {value!r}; the physics knows no finer time than {STEP_S} s: give a multiple of it."
                )

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> DriveSettings:
        """Read what `to_json` wrote; keys that are left out keep their default.

        Raises:
            UserInputError: A key is unknown or a value cannot be used.
        """
        known = [item.name for item in fields(cls)]
        for name in value:
            if name not in known:
                raise UserInputError(
                    f"The setting {name!r} is unknown: expected one of {', '.join(known)}.{did_you_mean(name, known)}"
                )
        suites = value.get("suites", cls.suites)
        if not isinstance(suites, list | tuple):
            raise UserInputError(f"The setting suites is {suites!r}; expected a list of names.")
        return cls(**{**value, "suites": tuple(suites)})

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "suites": list(self.suites)}

    def control_key(self) -> dict[str, Any]:
        """What a kept trial depends on, besides policy and world: everything but which trials are wanted."""
        return {name: value for name, value in asdict(self).items() if name not in ("suites", "trials")}


def suites_named(text: str) -> tuple[str, ...]:
    """Read a choice of suites: "all", "edge_cases", or names with commas between.

    Raises:
        UserInputError: A name is unknown.
    """
    if text == "all":
        return ALL_SUITES
    if text == "edge_cases":
        return tuple(EDGE_CASES)
    return DriveSettings(suites=tuple(part.strip() for part in text.split(",") if part.strip())).suites
