"""A scene as a MuJoCo model: walls, furniture, movable boxes, the basket, and an omni base that obeys velocities.

Units are metres, kilograms, seconds and radians. The base slides along x and y and turns about z; it touches walls, boxes,
furniture and the basket, but not the floor, on which its wheels are not modelled.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np
import numpy.typing as npt

from mvla_core.errors import SimulationError
from mvla_core.simulation.config import TIMESTEP_S
from mvla_core.simulation.scene import ROBOT_RADIUS, Basket, Camera, Room, Scene, Surface

MEMORY = "4M"
"""MuJoCo's scratch memory. Its own guess of 13 MB for each scene leaves holes, by which a process grew by 10 MB an episode."""
BASE_MASS_KG = 12.0
BASE_GAIN = 300.0
"""N s/m: with the mass it makes the base reach a commanded speed with a lag of 0.04 s."""
TURN_GAIN = 6.0
BOX_MASS_KG = 2.0

CASTS_SHADOW, CASTS_NONE = 0, 1
"""Geom groups: the room's planes and what hangs flat on them are in the second."""
TOUCHES_ALL, TOUCHED_BY_BASE = "1", "3"
"""MuJoCo collision bits: 1 for things among themselves, 2 for the base."""


@dataclass(frozen=True)
class Skin:
    """How a geom is painted.

    `mapping` "tile" repeats the texture every `period` metres; "wall" does so along the wall and fits its height; "fit" fits
    each face; "round" wraps it `period` times around the vertical axis at `centre` and fits the height `extent`.
    """

    surface: Surface
    mapping: Literal["tile", "wall", "fit", "round"]
    period: float = 1.0
    extent: float = 1.0
    centre: tuple[float, float] = (0.0, 0.0)
    glows: bool = False
    grounds: bool = False
    """True if it darkens the floor beside it."""


@dataclass(frozen=True)
class BuiltModel:
    """A compiled model with the skin of each geom that can be seen, by geom name."""

    model: mujoco.MjModel
    skins: dict[str, Skin]


def build_model(scene: Scene) -> BuiltModel:
    """Compile a scene.

    Raises:
        SimulationError: MuJoCo refuses the model, for example because of a thing without extent.
    """
    root = ET.Element("mujoco")
    ET.SubElement(root, "compiler", angle="radian")
    ET.SubElement(root, "option", timestep=str(TIMESTEP_S), integrator="implicitfast")
    ET.SubElement(root, "size", memory=MEMORY)
    asset = ET.SubElement(root, "asset")
    world = ET.SubElement(root, "worldbody")
    skins: dict[str, Skin] = {}
    _add_room(world, scene.room, skins)
    for number, piece in enumerate(scene.furniture):
        name = f"furniture{number}"
        touch = _collides() if piece.solid else _untouchable()
        half = (piece.half_x, piece.half_y, piece.half_z)
        _add_block(world, name, half, pos=text_of((piece.x, piece.y, piece.z)), **touch)
        skins[name] = Skin(piece.surface, "fit", glows=piece.glows, grounds=piece.solid)
    for number, box in enumerate(scene.boxes):
        name = f"box{number}"
        place = text_of((box.x, box.y, box.half_z))
        body = ET.SubElement(world, "body", name=name, pos=place, euler=text_of((0, 0, box.yaw)))
        ET.SubElement(body, "freejoint")
        _add_block(body, name, (box.half_x, box.half_y, box.half_z), mass=str(BOX_MASS_KG), **_collides())
        skins[name] = Skin(box.surface, "fit", grounds=True)
    _add_basket(asset, world, scene.basket, skins)
    add_robot(root, world, scene.camera)
    try:
        model = mujoco.MjModel.from_xml_string(ET.tostring(root, encoding="unicode"))
    except ValueError as error:
        raise SimulationError(
            f"The scene of seed {scene.seed} cannot be built ({error}); choose another seed."
        ) from error
    return BuiltModel(model, skins)


def camera_axes(camera: Camera) -> npt.NDArray[np.float64]:
    """The camera's right, up and forward axes as rows (3, 3), in the robot's frame."""
    level, tilt = math.cos(camera.pitch), math.sin(camera.pitch)
    forward = np.array([level * math.cos(camera.yaw), level * math.sin(camera.yaw), tilt])
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    cosine, sine = math.cos(camera.roll), math.sin(camera.roll)
    return np.stack([right * cosine + up * sine, up * cosine - right * sine, forward])


def text_of(values: Iterable[float]) -> str:
    """Numbers as MJCF wants them."""
    return " ".join(f"{value:.9g}" for value in values)


def _collides() -> dict[str, str]:
    return {"contype": TOUCHES_ALL, "conaffinity": TOUCHED_BY_BASE}


def _untouchable() -> dict[str, str]:
    return {"contype": "0", "conaffinity": "0", "group": str(CASTS_NONE)}


def _add_block(parent: ET.Element, name: str, half: tuple[float, float, float], **attributes: str) -> None:
    ET.SubElement(parent, "geom", {"name": name, "type": "box", "size": text_of(half), **attributes})


def room_planes(
    room: Room,
) -> dict[str, tuple[tuple[float, float, float], tuple[int, ...], tuple[float, float]]]:
    """Six planes by name: their middle, their local x and y axes, and half their extent along these.

    The local y axis is up on the walls, so that a texture stands upright.
    """
    middle_x, middle_y = (room.x_min + room.x_max) / 2, (room.y_min + room.y_max) / 2
    middle_z = room.height / 2
    half_x, half_y = (room.x_max - room.x_min) / 2, (room.y_max - room.y_min) / 2
    return {
        "floor": ((middle_x, middle_y, 0.0), (1, 0, 0, 0, 1, 0), (half_x, half_y)),
        "ceiling": ((middle_x, middle_y, room.height), (1, 0, 0, 0, -1, 0), (half_x, half_y)),
        "wall_far": ((room.x_max, middle_y, middle_z), (0, -1, 0, 0, 0, 1), (half_y, middle_z)),
        "wall_near": ((room.x_min, middle_y, middle_z), (0, 1, 0, 0, 0, 1), (half_y, middle_z)),
        "wall_left": ((middle_x, room.y_max, middle_z), (1, 0, 0, 0, 0, 1), (half_x, middle_z)),
        "wall_right": ((middle_x, room.y_min, middle_z), (-1, 0, 0, 0, 0, 1), (half_x, middle_z)),
    }


def _add_room(world: ET.Element, room: Room, skins: dict[str, Skin]) -> None:
    for name, (position, axes, _) in room_planes(room).items():
        ET.SubElement(
            world,
            "geom",
            name=name,
            type="plane",
            size="0 0 1",
            pos=text_of(position),
            xyaxes=text_of(axes),
            contype=TOUCHES_ALL,
            conaffinity="1" if name == "floor" else TOUCHED_BY_BASE,
            group=str(CASTS_NONE),
        )
        if name.startswith("wall"):
            skins[name] = Skin(room.wall, "wall", period=2.5, extent=room.height)
        else:
            skins[name] = Skin(room.floor if name == "floor" else room.ceiling, "tile", period=1.2)


def _add_basket(asset: ET.Element, world: ET.Element, basket: Basket, skins: dict[str, Skin], sides: int = 32) -> None:
    angles = np.arange(sides) * (2 * math.pi / sides)
    vertices = [
        (radius * math.cos(angle), radius * math.sin(angle), z)
        for radius, z in ((basket.foot_share * basket.radius, 0.0), (basket.rim_share * basket.radius, basket.height))
        for angle in angles
    ]
    ET.SubElement(asset, "mesh", name="basket", vertex=text_of(value for vertex in vertices for value in vertex))
    place = text_of((basket.x, basket.y, 0.0))
    ET.SubElement(world, "geom", {"name": "basket", "type": "mesh", "mesh": "basket", "pos": place, **_collides()})
    skins["basket"] = Skin(
        basket.surface, "round", period=6.0, extent=basket.height, centre=(basket.x, basket.y), grounds=True
    )


def add_robot(root: ET.Element, world: ET.Element, camera: Camera) -> None:
    """Add the base with its camera and its motors."""
    robot = ET.SubElement(world, "body", name="robot")
    for joint, kind, axis in (("x", "slide", "1 0 0"), ("y", "slide", "0 1 0"), ("yaw", "hinge", "0 0 1")):
        ET.SubElement(robot, "joint", name=joint, type=kind, axis=axis)
    ET.SubElement(
        robot,
        "geom",
        name="robot",
        type="cylinder",
        size=text_of((ROBOT_RADIUS, 0.07)),
        pos="0 0 0.1",
        mass=str(BASE_MASS_KG),
        contype="2",
        conaffinity="0",
    )
    right, up, _ = camera_axes(camera)
    ET.SubElement(
        robot,
        "camera",
        name="front",
        pos=text_of((camera.forward, 0.0, camera.height)),
        xyaxes=text_of((*right, *up)),
        fovy=str(camera.field_of_view_deg),
    )
    actuators = ET.SubElement(root, "actuator")
    for joint, gain in (("x", BASE_GAIN), ("y", BASE_GAIN), ("yaw", TURN_GAIN)):
        ET.SubElement(actuators, "velocity", joint=joint, kv=str(gain))
