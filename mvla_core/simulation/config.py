"""What a simulated data set is made from: one frozen set of settings, checked when it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from mvla_core.errors import SimulationError, UserInputError, did_you_mean
from mvla_core.simulation.scenarios import ScenarioCount, check_matrix, parse_scenario, scenario_of

RENDERERS = ("ray", "gl")
ACTION_KINDS = ("keyboard", "continuous")
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
    """Height of the frames in pixels, and their width too where `image_width` is None, 16 to 1024."""
    image_width: int | None = None
    """Width of the frames in pixels, 16 to 2048; None for square ones."""
    renderer: str = "ray"
    """"ray": rays cast by MuJoCo and shaded by NumPy; needs no graphics library. "gl": OpenGL through EGL, where there is one."""
    script: bool = False
    """True replays one fixed key sequence in every world, so that a clock explains the data."""
    placement: float = 1.0
    """0 to 1: how far start, box and goal may stand from their middle places."""
    appearance: float = 0.4
    """0 to 1: how far colours, light and camera pose may differ from their middle values; see the next three."""
    light: float | None = None
    """0 to 1: how far the lamps and the exposure may differ; None takes `appearance`."""
    colours: float | None = None
    """0 to 1: how far the colours of things may differ; None takes `appearance`."""
    camera_shift: float | None = None
    """0 to 1: how far the camera's pose and field of view may differ; None takes `appearance`."""
    textures: float = 1.0
    """0 to 1: the share of rooms whose floor has a pattern of its own; the others have planks."""
    furniture: int = 5
    """At most this many pieces of furniture along the walls, 0 to 12."""
    clutter: int = 0
    """At most this many small things beside the way, 0 to 12."""
    scenarios: tuple[ScenarioCount, ...] = ()
    """The scenario matrix, see `scenarios`: names and numbers; empty for one box, everything else drawn."""
    camera_height_m: float | None = None
    """Middle height of the camera above the floor, 0.15 to 1.0; None for 0.34."""
    camera_forward_m: float | None = None
    """Of the camera before the robot's middle, -0.2 to 0.3; None for 0.10."""
    camera_pitch_deg: float | None = None
    """Middle pitch, positive up, -45 to 30; None for -2.3."""
    camera_yaw_deg: float | None = None
    """Middle yaw, positive left, -60 to 60; None for 0."""
    field_of_view_deg: float | None = None
    """Middle vertical field of view, 30 to 120; None for 76."""
    image_noise: float = 2.0
    """Standard deviation of the sensor noise, in 8-bit grey levels, 0 to 40."""
    slip: float = 0.05
    """Standard deviation of the wheels' slip as a share of the commanded speed, 0 to 0.5; labels stay clean."""
    cruise_speeds: tuple[float, ...] = (TOP_SPEED,)
    """m/s, above 0 up to 1.15: one is drawn for each episode. More than one cannot be told from a single frame."""
    actions: str = "keyboard"
    """"keyboard": one key at a time, as on the real robot; "continuous": any velocity up to the cruising speed."""
    combos: tuple[tuple[float, float], ...] = ()
    """The (linear_x, linear_y) in m/s that the keys give, without the stop; empty for the robot's own keys."""
    action_dims: int = 2
    """2 writes linear_x and linear_y; 3 writes angular_z too, as 0, to be used beside a robot that records three."""
    dart: float = 0.0
    """Standard deviation of the noise on executed actions as a share of the speed, 0 to 1; labels stay clean (DART)."""
    shoves: float = 0.0
    """0 to 1: the share of episodes in which the robot is shoved aside once and recovers; they are tagged."""
    keep_failures: bool = False
    """True keeps the expert's failures, in a data set of their own, NAME_failures."""
    instructions: tuple[tuple[str, str], ...] = ()
    """Pairs of a side and the sentence to use for it; the program's own for the others."""
    color_gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Of each channel of the frames, 0.2 to 5."""
    color_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """In grey levels, -255 to 255."""
    frames: tuple[int, int] = (14, 26)
    """Fewest and most frames of an episode, 2 to 500; the expert's drives outside are drawn anew."""
    frame_interval_s: tuple[float, float] = (0.12, 0.19)
    """Shortest and longest time between two frames, in seconds, 0.05 to 1; one is drawn for each episode."""

    def __post_init__(self) -> None:
        _whole("count", self.count, 1, MAX_EPISODES, "episodes")
        _whole("seed", self.seed, 0, 2**31 - 1, "any whole number")
        _whole("image_size", self.image_size, 16, 1024, "pixels")
        _whole("action_dims", self.action_dims, 2, 3, "axes")
        _whole("furniture", self.furniture, 0, 12, "pieces")
        _whole("clutter", self.clutter, 0, 12, "things")
        if self.image_width is not None:
            _whole("image_width", self.image_width, 16, 2048, "pixels")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None or name in _NEVER_NONE:
                _number(name, value, low, high)
        for name in ("script", "keep_failures"):
            if not isinstance(getattr(self, name), bool):
                raise UserInputError(
                    f"The simulation setting {name} is {getattr(self, name)!r}; expected true or false."
                )
        if self.renderer not in RENDERERS:
            raise SimulationError(
                f"The renderer {self.renderer!r} is unknown: expected 'ray', which needs no graphics library, or 'gl'."
                f"{did_you_mean(str(self.renderer), RENDERERS)}"
            )
        if self.actions not in ACTION_KINDS:
            raise UserInputError(
                f"The simulation setting actions is {self.actions!r}; expected {' or '.join(map(repr, ACTION_KINDS))}."
            )
        check_matrix(self.scenarios)
        self._check_script()
        _check_combos(self.combos)
        _check_instructions(self.instructions)
        for name, low, high in (("color_gain", 0.2, 5.0), ("color_offset", -255.0, 255.0)):
            channels = getattr(self, name)
            if not isinstance(channels, tuple) or len(channels) != 3:
                raise UserInputError(f"The simulation setting {name} is {channels!r}; expected three numbers.")
            for value in channels:
                _number(name, value, low, high)
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

    def _check_script(self) -> None:
        """A script is replayed as it was rehearsed: with one box and the robot's own keys.

        Raises:
            UserInputError: It is combined with something that it cannot follow.
        """
        if not self.script:
            return
        changed = [
            name
            for name in ("scenarios", "actions", "combos", "dart", "shoves", "keep_failures")
            if getattr(self, name) != _DEFAULTS[name]
        ]
        if changed:
            raise UserInputError(
                f"A script is one key sequence in one kind of world, so {changed[0]} cannot be chosen with it; leave one out."
            )

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width of the frames in pixels."""
        return self.image_size, self.image_width or self.image_size

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
        values: dict[str, Any] = {name: _frozen(value) for name, value in settings.items()}
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        return {name: _thawed(value) for name, value in asdict(self).items()}


_DEFAULTS: dict[str, Any] = {item.name: item.default for item in fields(SimulationConfig)}
RANGES: dict[str, tuple[float, float]] = {
    "placement": (0, 1),
    "appearance": (0, 1),
    "light": (0, 1),
    "colours": (0, 1),
    "camera_shift": (0, 1),
    "textures": (0, 1),
    "image_noise": (0, 40),
    "slip": (0, 0.5),
    "dart": (0, 1),
    "shoves": (0, 1),
    "camera_height_m": (0.15, 1.0),
    "camera_forward_m": (-0.2, 0.3),
    "camera_pitch_deg": (-45, 30),
    "camera_yaw_deg": (-60, 60),
    "field_of_view_deg": (30, 120),
}
"""Least and greatest value of each setting that is one number with a fraction."""
_NEVER_NONE = tuple(name for name in RANGES if _DEFAULTS[name] is not None)


def scenario_counts(config: SimulationConfig) -> dict[str, int]:
    """How many of the `count` episodes each scenario of the matrix gets, by name; "1box" for all without a matrix."""
    counts: dict[str, int] = {}
    total = sum(number for _, number in config.scenarios) or 1
    whole, rest = divmod(config.count, total)
    for name, number in config.scenarios or (("1box", 1),):
        counts[name] = whole * number
    for index in range(config.count - rest, config.count):
        wanted = scenario_of(config.scenarios, config.seed, index)
        counts[next(name for name in counts if wanted.name == parse_scenario(name).name)] += 1
    return counts


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _thawed(value: Any) -> Any:
    return [_thawed(item) for item in value] if isinstance(value, list | tuple) else value


def _check_combos(combos: Sequence[tuple[float, float]]) -> None:
    """Keys must drive forward, left and right, or no world has a way.

    Raises:
        UserInputError: They do not, or one is no velocity within the robot's speed.
    """
    for combo in combos:
        if not isinstance(combo, tuple) or len(combo) != 2:
            raise UserInputError(
                f"The simulation setting combos holds {str(combo)[:60]}; expected pairs of linear_x and linear_y in m/s."
            )
        for value in combo:
            _number("combos", value, -TOP_SPEED, TOP_SPEED)
        if combo == (0.0, 0.0):
            raise UserInputError("The simulation setting combos holds the stop, which is always there; leave it out.")
    if combos and not (
        any(x > 0 and y == 0 for x, y in combos) and any(y > 0 for _, y in combos) and any(y < 0 for _, y in combos)
    ):
        raise UserInputError(
            "The simulation setting combos has no way past a box: expected keys that drive straight forward, left and right."
        )


def _check_instructions(instructions: Sequence[tuple[str, str]]) -> None:
    seen = set()
    for pair in instructions:
        if not isinstance(pair, tuple) or len(pair) != 2 or pair[0] not in ("left", "right", "straight"):
            raise UserInputError(
                f"The simulation setting instructions holds {str(pair)[:60]}; expected pairs of left, right or straight "
                "and a sentence."
            )
        if pair[0] in seen or not isinstance(pair[1], str) or not 1 <= len(pair[1].strip()) <= 300:
            raise UserInputError(
                f"The instruction for {pair[0]} cannot be used; expected one sentence of 1 to 300 characters for each side."
            )
        seen.add(pair[0])


def _whole(name: str, value: object, low: int, high: int, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UserInputError(
            f"The simulation setting {name} is {value!r}; expected a whole number from {low} to {high} ({unit})."
        )


def _number(name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UserInputError(f"The simulation setting {name} holds {value!r}; expected a number from {low} to {high}.")
