"""Pictures by OpenGL through EGL, where this machine has a GL library: several times faster than rays, nearly the same picture.

The physics' model is left alone: a model of its own holds everything as meshes with texture coordinates, as 2-D textures streak
on the sides of MuJoCo's own boxes. It is moved to where the physics' things are before each picture.
"""

from __future__ import annotations

import math
import os
import xml.etree.ElementTree as ET
from functools import lru_cache
from typing import Any

import mujoco
import numpy as np

from mvla_core.errors import SimulationError
from mvla_core.schema import Frame
from mvla_core.simulation.mjcf import BuiltModel, Skin, add_robot, room_planes, text_of
from mvla_core.simulation.ray_renderer import GAMMA, developed
from mvla_core.simulation.scene import Furniture, Scene
from mvla_core.simulation.textures import TEXTURE_SIZE, paint

HEADROOM = 0.6
"""Light is dimmed by this before OpenGL cuts it off at white, and brightened after."""
TILES = 16
"""Along each side of a wall."""
_CORNERS = ((-1, -1), (1, -1), (1, 1), (-1, 1))
Mesh = tuple[list[tuple[float, float, float]], list[tuple[float, float]], list[tuple[int, int, int]]]
"""Vertices in m, their texture coordinates, and triangles."""


@lru_cache(maxsize=1)
def gl_problem() -> str:
    """Why this machine cannot draw with OpenGL, in part of a sentence; "" if it can."""
    os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
    try:
        from mujoco.egl import GLContext

        context = GLContext(16, 16)
        context.free()
    except Exception as error:  # noqa: BLE001 - drivers fail in ways of their own; each means that there is no OpenGL here
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return ""


def check_renderer(renderer: str) -> None:
    """See that a renderer can be used here.

    Raises:
        SimulationError: "gl" was asked for and there is no GL library.
    """
    if renderer == "gl" and (problem := gl_problem()):
        raise SimulationError(
            f"The renderer 'gl' cannot be used on this machine ({problem}); install PyOpenGL and a GL library "
            "(Debian: libegl1 libgl1), or choose the renderer 'ray', which needs none."
        )


class GlRenderer:
    """Draws the front camera's view of one scene."""

    def __init__(self, scene: Scene, built: BuiltModel, height: int, width: int) -> None:
        """Prepare a context, which is freed with the renderer.

        Raises:
            SimulationError: There is no GL library.
        """
        check_renderer("gl")
        from mujoco.egl import GLContext

        self._scene, self._height, self._width = scene, height, width
        self._model = _painted_model(scene, built, height, width)
        self._data = mujoco.MjData(self._model)
        self._gl: Any = GLContext(width, height)
        self._gl.make_current()
        self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._view = mujoco.MjvScene(self._model, 1000)
        self._option, self._camera = mujoco.MjvOption(), mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = int(self._model.camera("front").id)

    def render(self, data: mujoco.MjData, noise_seed: tuple[int, ...]) -> Frame:
        """Draw the view of the physics' present state: uint8 (height, width, 3), RGB."""
        self._gl.make_current()
        self._data.qpos[:] = data.qpos
        mujoco.mj_forward(self._model, self._data)
        area = mujoco.MjrRect(0, 0, self._width, self._height)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(
            self._model, self._data, self._option, mujoco.MjvPerturb(), self._camera, everything, self._view
        )
        mujoco.mjr_render(area, self._view, self._context)
        pixels = np.empty((self._height, self._width, 3), np.uint8)
        mujoco.mjr_readPixels(pixels, None, area, self._context)
        linear = pixels[::-1].reshape(-1, 3).astype(np.float32) / np.float32(255.0 * HEADROOM)
        return developed(linear, self._scene.exposure, self._height, self._width, noise_seed)

    def close(self) -> None:
        """Give the context back. A renderer is of no use afterwards."""
        self._context.free()
        self._gl.free()


def _painted_model(scene: Scene, built: BuiltModel, height: int, width: int) -> mujoco.MjModel:
    root = ET.Element("mujoco")
    ET.SubElement(root, "compiler", angle="radian")
    visual = ET.SubElement(root, "visual")
    ET.SubElement(visual, "global", offwidth=str(width), offheight=str(height))
    ET.SubElement(visual, "quality", shadowsize="2048", offsamples="4")
    ET.SubElement(visual, "map", znear="0.005", zfar="30")
    ambient = text_of([HEADROOM * scene.exposure.ambient] * 3)
    ET.SubElement(visual, "headlight", ambient=ambient, diffuse="0 0 0", specular="0 0 0")
    asset, world = ET.SubElement(root, "asset"), ET.SubElement(root, "worldbody")
    for lamp in scene.lights:
        ET.SubElement(
            world,
            "light",
            pos=text_of((lamp.x, lamp.y, lamp.z)),
            dir="0 0 -1",
            cutoff="90",
            exponent="0",
            attenuation=text_of((1.0, 0.0, 1 / 12)),
            ambient="0 0 0",
            diffuse=text_of(HEADROOM * part for part in lamp.colour),
            specular="0 0 0",
        )
    for name, (position, axes, half) in room_planes(scene.room).items():
        _add(
            asset,
            world,
            name,
            _quad(half, built.skins[name]),
            built.skins[name],
            pos=text_of(position),
            xyaxes=text_of(axes),
        )
    for number, piece in enumerate(scene.furniture):
        name = f"furniture{number}"
        _add(asset, world, name, _block(_half(piece)), built.skins[name], pos=text_of((piece.x, piece.y, piece.z)))
    for number, box in enumerate(scene.boxes):
        name = f"box{number}"
        body = ET.SubElement(world, "body", name=name, pos=text_of((box.x, box.y, box.half_z)))
        ET.SubElement(body, "freejoint")
        ET.SubElement(body, "inertial", pos="0 0 0", mass="1", diaginertia="1 1 1")
        _add(asset, body, name, _block((box.half_x, box.half_y, box.half_z)), built.skins[name])
    goal = scene.basket
    _add(asset, world, "basket", _frustum(scene), built.skins["basket"], pos=text_of((goal.x, goal.y, 0.0)))
    add_robot(root, world, scene.camera)
    model = mujoco.MjModel.from_xml_string(ET.tostring(root, encoding="unicode"))
    model.geom("robot").rgba[3] = 0.0
    for number in range(model.ntex):
        start = int(model.tex_adr[number])
        linear = (paint(built.skins[model.tex(number).name].surface) / 255.0) ** GAMMA
        model.tex_data[start : start + 3 * TEXTURE_SIZE**2] = np.round(255.0 * linear[::-1]).astype(np.uint8).ravel()
    return model


def _add(asset: ET.Element, parent: ET.Element, name: str, mesh: Mesh, skin: Skin, **place: str) -> None:
    vertices, coordinates, faces = mesh
    size = str(TEXTURE_SIZE)
    ET.SubElement(asset, "texture", name=name, type="2d", builtin="flat", width=size, height=size)
    glow = {"emission": str(HEADROOM)} if skin.glows else {}
    ET.SubElement(asset, "material", {"name": name, "texture": name, "specular": "0", "shininess": "0", **glow})
    ET.SubElement(
        asset,
        "mesh",
        name=name,
        inertia="shell",
        vertex=text_of(value for vertex in vertices for value in vertex),
        texcoord=text_of(value for pair in coordinates for value in pair),
        face=" ".join(str(corner) for face in faces for corner in face),
    )
    ET.SubElement(
        parent, "geom", {"type": "mesh", "mesh": name, "material": name, "contype": "0", "conaffinity": "0", **place}
    )


def _half(piece: Furniture) -> tuple[float, float, float]:
    return piece.half_x, piece.half_y, piece.half_z


def _quad(half: tuple[float, float], skin: Skin) -> Mesh:
    """A wall, the floor or the ceiling, seen from its +z side, in tiles: OpenGL computes light at corners alone."""
    steps = [2 * step / TILES - 1 for step in range(TILES + 1)]
    places = [(a, b) for a in steps for b in steps]
    if skin.mapping == "wall":
        coordinates = [(a * half[0] / skin.period, 0.5 + 0.5 * b) for a, b in places]
    else:
        coordinates = [(a * half[0] / skin.period, b * half[1] / skin.period) for a, b in places]
    row = TILES + 1
    faces = []
    for corner in (i * row + j for i in range(TILES) for j in range(TILES)):
        faces += [(corner, corner + row, corner + row + 1), (corner, corner + row + 1, corner + 1)]
    # A point behind it, which no face uses, gives the mesh the extent that MuJoCo asks for.
    vertices = [(a * half[0], b * half[1], 0.0) for a, b in places]
    return [*vertices, (0.0, 0.0, -0.01)], [*coordinates, (0.0, 0.0)], faces


def _block(half: tuple[float, float, float]) -> Mesh:
    """A box whose texture fits each face, upright on its sides."""
    vertices: list[tuple[float, float, float]] = []
    coordinates: list[tuple[float, float]] = []
    faces: list[tuple[int, int, int]] = []
    for axis in range(3):
        across, up = {0: (1, 2), 1: (0, 2), 2: (0, 1)}[axis]
        for sign in (-1.0, 1.0):
            first = len(vertices)
            for a, b in _CORNERS:
                unit = [0.0, 0.0, 0.0]
                unit[axis], unit[across], unit[up] = sign, float(a), float(b)
                vertices.append((unit[0] * half[0], unit[1] * half[1], unit[2] * half[2]))
                coordinates.append((0.5 + 0.5 * a, 0.5 + 0.5 * b))
            # With x across and z up the face towards -y is counter-clockwise from outside; the others follow.
            outward = (sign > 0) != (axis == 1)
            order = ((0, 1, 2), (0, 2, 3)) if outward else ((2, 1, 0), (3, 2, 0))
            faces += [(first + a, first + b, first + c) for a, b, c in order]
    return vertices, coordinates, faces


def _frustum(scene: Scene, sides: int = 48) -> Mesh:
    """The goal: its wall with the texture around it, closed by a lid."""
    goal, turns = scene.basket, 6.0
    rings = ((goal.foot_share * goal.radius, 0.0), (goal.rim_share * goal.radius, goal.height))
    angles = [2 * math.pi * step / sides for step in range(sides + 1)]
    vertices = [(radius * math.cos(a), radius * math.sin(a), z) for radius, z in rings for a in angles]
    coordinates = [(turns * a / (2 * math.pi), z / goal.height) for _, z in rings for a in angles]
    top = sides + 1
    faces = [face for i in range(sides) for face in ((i, i + 1, top + i + 1), (i, top + i + 1, top + i))]
    for ring, z in ((top, goal.height), (0, 0.0)):
        vertices.append((0.0, 0.0, z))
        coordinates.append((0.5, 0.95))
        middle = len(vertices) - 1
        faces += [(middle, ring + i, ring + i + 1) if z else (middle, ring + i + 1, ring + i) for i in range(sides)]
    return vertices, coordinates, faces
