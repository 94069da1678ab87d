"""What a simulated data set is made from: one frozen set of settings, checked when it is made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from mvla_core.errors import SimulationError, UserInputError, did_you_mean

RENDERERS = ("ray",)
MAX_EPISODES = 100_000
MAX_WORKERS = 64
TIMESTEP_S = 0.01
"""The physics' step; the time between two frames is a multiple of it."""
TOP_SPEED = 1.15
"""m/s along each axis while a key is held; a diagonal key drives both axes at it, as on the real robot."""


@dataclass(frozen=True)
class SimulationConfig:
    """Settings of one simulated data set. The same settings give the same frames and actions, byte for byte.

    Raises:
        UserInputError: A value is out of its range; the message names it.
        SimulationError: The renderer cannot be used.
    """

    count: int = 24
    """Episodes, 1 to 100,000."""
    seed: int = 0
    """0 to 2**31 - 1."""
    image_size: int = 224
    """Height and width of the square frames in pixels, 16 to 1024."""
    renderer: str = "ray"
    """"ray": rays cast by MuJoCo and shaded by NumPy; needs no graphics library."""
    script: bool = False
    """True replays one fixed key sequence in every world, so that a clock explains the data."""
    placement: float = 1.0
    """0 to 1: how far start, box and goal may stand from their middle places."""
    appearance: float = 0.4
    """0 to 1: how far colours, light and camera pose may differ from their middle values."""
    furniture: int = 5
    """At most this many pieces of furniture along the walls, 0 to 12."""
    image_noise: float = 2.0
    """Standard deviation of the sensor noise, in 8-bit grey levels, 0 to 40."""
    slip: float = 0.05
    """Standard deviation of the wheels' slip as a share of the commanded speed, 0 to 0.5; labels stay clean."""
    cruise_speeds: tuple[float, ...] = (TOP_SPEED,)
    """m/s, above 0 up to 1.15: one is drawn for each episode. More than one cannot be told from a single frame."""
    frames: tuple[int, int] = (14, 26)
    """Fewest and most frames of an episode, 2 to 500; the expert's drives outside are drawn anew."""
    frame_interval_s: tuple[float, float] = (0.12, 0.19)
    """Shortest and longest time between two frames, in seconds, 0.05 to 1; one is drawn for each episode."""

    def __post_init__(self) -> None:
        _whole("count", self.count, 1, MAX_EPISODES, "episodes")
        _whole("seed", self.seed, 0, 2**31 - 1, "any whole number")
        _whole("image_size", self.image_size, 16, 1024, "pixels")
        _whole("furniture", self.furniture, 0, 12, "pieces")
        for name, low, high in (("placement", 0, 1), ("appearance", 0, 1), ("image_noise", 0, 40), ("slip", 0, 0.5)):
            _number(name, getattr(self, name), low, high)
        if not isinstance(self.script, bool):
            raise UserInputError(f"The simulation setting script is {self.script!r}; expected true or false.")
        if self.renderer not in RENDERERS:
            raise SimulationError(
                f"The renderer {self.renderer!r} is unknown: expected {' or '.join(map(repr, RENDERERS))}, which needs no "
                f"graphics library.{did_you_mean(str(self.renderer), RENDERERS)}"
            )
        if not self.cruise_speeds:
            raise UserInputError("The simulation setting cruise_speeds is empty; give at least one speed in m/s.")
        for speed in self.cruise_speeds:
            _number("cruise_speeds", speed, 0.2, TOP_SPEED)
        for name, ordered in (("frame_interval_s", self.frame_interval_s), ("frames", self.frames)):
            if len(ordered) != 2 or ordered[0] > ordered[1]:
                raise UserInputError(
                    f"The simulation setting {name} is {ordered}; expected the least and the greatest value, in this order."
                )
        for interval in self.frame_interval_s:
            _number("frame_interval_s", interval, 0.05, 1.0)
        for number in self.frames:
            _whole("frames", number, 2, 500, "frames")

    @classmethod
    def from_settings(cls, **settings: Any) -> SimulationConfig:
        """Make a configuration from names and values, lists standing for tuples as in JSON.

        Raises:
            UserInputError: A name is unknown or a value out of range.
            SimulationError: The renderer cannot be used.
        """
        known = [item.name for item in fields(cls)]
        for name in settings:
            if name not in known:
                raise UserInputError(
                    f"The simulation setting {name!r} is unknown; expected one of {', '.join(known)}."
                    f"{did_you_mean(name, known)}"
                )
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
        }
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def _whole(name: str, value: object, low: int, high: int, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UserInputError(
            f"The simulation setting {name} is {value!r}; expected a whole number from {low} to {high} ({unit})."
        )


def _number(name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UserInputError(f"The simulation setting {name} holds {value!r}; expected a number from {low} to {high}.")
