"""A scene: everything that a world is built from, as plain frozen values in metres and radians.

The world's x axis points from the start towards the goal, y to the left, z up. The robot stands at the origin give or
take its start pose. A scene holds no picture and no physics: `textures` paints its surfaces, `mjcf` builds its bodies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["left", "right", "straight"]
"""The way past the boxes; "straight" leads between two boxes that stand side by side."""
Goal = Literal["basket", "target"]
Colour = tuple[float, float, float]
"""sRGB, each 0 to 1."""

ROBOT_RADIUS = 0.20
"""m: the omni base is a flat cylinder."""


@dataclass(frozen=True)
class Surface:
    """How a surface is painted: a pattern of `textures.PATTERNS`, its colours, and a seed for its irregularities."""

    pattern: str
    colour: Colour
    seed: int
    accent: Colour = (0.9, 0.9, 0.9)


@dataclass(frozen=True)
class Box:
    """A movable carton that stands in the way."""

    x: float
    y: float
    yaw: float
    half_x: float
    half_y: float
    half_z: float
    surface: Surface


@dataclass(frozen=True)
class Basket:
    """The goal: something round, a basket that is wider at its rim than at its foot, or a cone that is not."""

    x: float
    y: float
    radius: float
    """m, where it is widest."""
    height: float
    surface: Surface
    kind: Goal = "basket"
    foot_share: float = 0.78
    """Of the radius, at the floor."""
    rim_share: float = 1.0
    """Of the radius, at the top."""


@dataclass(frozen=True)
class Furniture:
    """A fixed block: a cabinet, a door leaf, a window. `z` is the height of its middle."""

    x: float
    y: float
    z: float
    half_x: float
    half_y: float
    half_z: float
    surface: Surface
    solid: bool = True
    """False for things on the wall, which nothing can touch."""
    glows: bool = False
    """True for windows and lamps, which are not shaded."""


@dataclass(frozen=True)
class Room:
    """Four walls, a floor and a ceiling."""

    x_min: float
    x_max: float
    y_min: float
    y_max: float
    height: float
    floor: Surface
    wall: Surface
    ceiling: Surface


@dataclass(frozen=True)
class Light:
    """A point light below the ceiling; `colour` is linear and holds its strength."""

    x: float
    y: float
    z: float
    colour: Colour


@dataclass(frozen=True)
class Camera:
    """The front camera, fixed to the robot. Angles are zero for a level view straight ahead."""

    forward: float
    """m in front of the robot's middle."""
    height: float
    pitch: float
    """Positive looks up."""
    roll: float
    yaw: float
    """Positive looks left."""
    field_of_view_deg: float
    """Vertical; horizontal too, where frames are square."""


@dataclass(frozen=True)
class Exposure:
    """How light becomes pixel values."""

    ambient: float
    gain: float
    white_balance: Colour
    vignette: float
    """Share of brightness lost in the corners."""
    noise: float
    """Standard deviation in 8-bit grey levels."""
    color_gain: Colour = (1.0, 1.0, 1.0)
    """Of each channel, applied to pixel values before the noise: how a matched camera differs from this one."""
    color_offset: Colour = (0.0, 0.0, 0.0)
    """In 8-bit grey levels, added after the gain."""


@dataclass(frozen=True)
class Pose:
    """Where the robot stands: metres, and radians counter-clockwise from the x axis."""

    x: float
    y: float
    yaw: float


@dataclass(frozen=True)
class Scene:
    """One world with its task."""

    seed: int
    side: Side
    """The side of the boxes on which the robot passes, as told."""
    layout: Literal["vert", "hori"]
    """"vert": the carton's long side points along the way; "hori": it lies across."""
    distance: Literal["close", "medium", "far"]
    """From the start to the carton: below 1.2 m, below 1.55 m, or more."""
    boxes: tuple[Box, ...]
    basket: Basket
    furniture: tuple[Furniture, ...]
    room: Room
    lights: tuple[Light, ...]
    camera: Camera
    exposure: Exposure
    start: Pose
    cruise_speed: float
    """m/s."""
    frame_interval_s: float
    slip: float
    """Standard deviation of the wheels' slip as a share of the commanded speed."""
    wording: str = ""
    """What the robot is told instead of the program's own sentence; "" for that."""

    @property
    def instruction(self) -> str:
        """What the robot is told. The program's own wordings of one world differ in the side alone."""
        if self.wording:
            return self.wording
        what = "box" if len(self.boxes) == 1 else "two boxes"
        way = f"straight past the {what}" if self.side == "straight" else f"past the {what} on the {self.side}"
        return f"Drive {way} to the {self.basket.kind}."

    @property
    def scenario_label(self) -> str:
        """The recorder's name of the scenario, for example "basket_1box_vert_left_core_medium".

        The recorder names no goal in these scenarios but the basket; another one is told by the file's attributes.
        """
        goal = "basket_" if self.basket.kind == "basket" else ""
        return f"{goal}{len(self.boxes)}box_{self.layout}_{self.side}_core_{self.distance}"

    def side_of(self, box: Box) -> Literal["left", "right"]:
        """The side on which the robot passes one box: between two, it has one on each hand."""
        if self.side != "straight":
            return self.side
        return "left" if box.y < sum(other.y for other in self.boxes) / len(self.boxes) else "right"
