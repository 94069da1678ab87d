"""Pictures without a graphics library: MuJoCo finds what each ray hits, NumPy paints it.

One ray a pixel finds the surface; one ray from each lamp finds whether the spot lies in shadow; pixels at outlines are
refined with four rays. Light is computed in linear colour: ambient light that is dimmer in corners near the floor,
point lights with soft-edged shadows, textures with bilinear lookup in a pyramid of halved sizes.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np
import numpy.typing as npt

from mvla_core.schema import Frame
from mvla_core.simulation.mjcf import CASTS_SHADOW, BuiltModel, Skin
from mvla_core.simulation.scene import Exposure, Scene
from mvla_core.simulation.textures import TEXTURE_SIZE, paint

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

FAR_M = 60.0
GAMMA = 2.2
SHADOW_GAP_M = 0.01
"""A spot counts as lit unless something stands at least this far in front of it, seen from the lamp."""
SHADE_M = 0.09
"""Scale over which a thing that stands on the floor dims the floor beside it."""
SHADOW_CASTERS = np.array([group == CASTS_SHADOW for group in range(6)], np.uint8)
SUBSAMPLES = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))
_TO_SRGB = np.round(255.0 * np.linspace(0.0, 1.0, 4096) ** (1 / GAMMA)).astype(np.float32)
_TO_LINEAR = (np.arange(256) / 255.0).astype(np.float32) ** np.float32(GAMMA)


def _dot(one: Floats, other: Floats) -> Floats:
    """Scalar products (N,) of the columns of (3, N) arrays."""
    product: Floats = one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
    return product


def _blurred(image: Floats, radius: int) -> Floats:
    """The mean (height, width) over squares of 2 * radius + 1 pixels; the border repeats."""
    for axis in (0, 1):
        width = [(radius, radius) if i == axis else (0, 0) for i in (0, 1)]
        padded = np.pad(image, width, mode="edge")
        slices = [np.take(padded, np.arange(image.shape[axis]) + step, axis) for step in range(2 * radius + 1)]
        image = np.add.reduce(slices) / np.float32(2 * radius + 1)
    return image


def _pixel_places(height: int, width: int) -> tuple[Doubles, Doubles]:
    """Columns and rows (height * width,) of the pixels' middles, from the picture's middle."""
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return columns.ravel() - width / 2, rows.ravel() - height / 2


def developed(colours: Floats, exposure: Exposure, height: int, width: int, noise_seed: tuple[int, ...]) -> Frame:
    """Light as pixel values: exposure, vignette, white balance, the matched camera's colours, and noise.

    Args:
        colours: Linear, (height * width, 3), row by row; used up.
        exposure: Of the scene.
        height: In pixels.
        width: In pixels.
        noise_seed: Of the sensor noise; the same gives the same bytes.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    columns, rows = _pixel_places(height, width)
    radius = (columns**2 + rows**2) / (0.25 * (height**2 + width**2))
    shade = exposure.gain * (1.0 - exposure.vignette * radius)
    colours *= (shade[:, None] * np.asarray(exposure.white_balance)).astype(np.float32)
    np.clip(colours, 0.0, 1.0, out=colours)
    image = _TO_SRGB[(colours * np.float32(len(_TO_SRGB) - 1)).astype(np.intp)]
    if exposure.color_gain != (1.0, 1.0, 1.0) or exposure.color_offset != (0.0, 0.0, 0.0):
        image = image * np.asarray(exposure.color_gain, np.float32) + np.asarray(exposure.color_offset, np.float32)
    if exposure.noise > 0:
        rng = np.random.default_rng(noise_seed)
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        image += noise * np.float32(exposure.noise)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8).reshape(height, width, 3)


class _Textures:
    """All textures of a scene with their halved sizes, in one flat array of linear colours."""

    def __init__(self, skins: list[Skin]) -> None:
        levels: list[Floats] = []
        for skin in skins:
            level: Floats = _TO_LINEAR[paint(skin.surface)]
            while True:
                levels.append(level.reshape(-1, 3))
                if len(level) == 1:
                    break
                level = (level[::2, ::2] + level[1::2, ::2] + level[::2, 1::2] + level[1::2, 1::2]) * np.float32(0.25)
        self.colours = np.concatenate(levels)
        self.num_levels = int(math.log2(TEXTURE_SIZE)) + 1
        sizes = np.array([(TEXTURE_SIZE >> level) ** 2 for level in range(self.num_levels)])
        self.level_start = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.texture_length = int(sizes.sum())

    def look_up(self, texture: Indices, u: Floats, v: Floats, repeats: npt.NDArray[np.bool_], level: Indices) -> Floats:
        """Colours (N, 3) at `u` (to the right) and `v` (up), in textures; `repeats` (N, 2) says where 0 to 1 is one of many."""
        size = TEXTURE_SIZE >> level
        base = texture * self.texture_length + self.level_start[level]
        column = u * size - np.float32(0.5)
        row = (np.float32(1.0) - v) * size - np.float32(0.5)
        left, top = np.floor(column), np.floor(row)
        right_share, bottom_share = (column - left)[:, None], (row - top)[:, None]
        columns = [self._wrap(left.astype(np.intp) + step, size, repeats[:, 0]) for step in (0, 1)]
        rows = [self._wrap(top.astype(np.intp) + step, size, repeats[:, 1]) * size + base for step in (0, 1)]
        upper = self._mix(self.colours[rows[0] + columns[0]], self.colours[rows[0] + columns[1]], right_share)
        lower = self._mix(self.colours[rows[1] + columns[0]], self.colours[rows[1] + columns[1]], right_share)
        return self._mix(upper, lower, bottom_share)

    @staticmethod
    def _wrap(index: Indices, size: Indices, repeats: npt.NDArray[np.bool_]) -> Indices:
        return np.where(repeats, index & (size - 1), np.clip(index, 0, size - 1))

    @staticmethod
    def _mix(one: Floats, other: Floats, share: Floats) -> Floats:
        mixed: Floats = one + (other - one) * share
        return mixed


class _Hits:
    """What rays hit, one column a ray: geom, distance in m, position (3, N) in m and outward normal (3, N).

    The wall of a round thing is made of flat facets; its normals are replaced by those of a cylinder.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        eye: Doubles,
        rays: Doubles,
        robot: int,
        rounded: dict[int, Skin],
    ) -> None:
        count = len(rays)
        geom, distance, normal = np.zeros(count, np.int32), np.zeros(count), np.zeros(3 * count)
        mujoco.mj_multiRay(model, data, eye, rays.ravel(), None, True, robot, geom, distance, normal, count, FAR_M)
        self.geom: npt.NDArray[np.int32] = np.maximum(geom, 0)
        self.distance: Floats = np.clip(distance, 0.0, FAR_M).astype(np.float32)
        ways = np.ascontiguousarray(rays.T, np.float32)
        self.position: Floats = ways * self.distance + eye.astype(np.float32)[:, None]
        self.normal: Floats = np.ascontiguousarray(normal.reshape(-1, 3).T, np.float32)
        for number, skin in rounded.items():
            on = np.flatnonzero((self.geom == number) & (np.abs(self.normal[2]) < 0.7))
            x, y = (self.position[i, on] - np.float32(skin.centre[i]) for i in (0, 1))
            radius = np.maximum(np.hypot(x, y), np.float32(1e-6))
            self.normal[:, on] = np.stack([x / radius, y / radius, np.zeros_like(radius)])
        self.facing: Floats = np.abs(_dot(self.normal, ways))


class RayRenderer:
    """Draws the front camera's view of one scene."""

    def __init__(self, scene: Scene, built: BuiltModel, height: int, width: int) -> None:
        self._scene = scene
        self._model = built.model
        self._height, self._width = height, width
        self._robot = int(built.model.body("robot").id)
        self._camera = int(built.model.camera("front").id)
        self._focal_px = 0.5 * height / math.tan(math.radians(scene.camera.field_of_view_deg) / 2)
        self._columns, self._rows = _pixel_places(height, width)
        self._prepare_skins(built)

    def _prepare_skins(self, built: BuiltModel) -> None:
        """Lay out, for each geom, which texture it wears and how its surface maps to it."""
        model, names = built.model, list(built.skins)
        self._textures = _Textures(list(built.skins.values()))
        count = model.ngeom
        self._texture = np.zeros(count, np.intp)
        self._uv_scale = np.ones((count, 3), np.float32)
        self._uv_offset = np.zeros((count, 3), np.float32)
        self._repeats = np.zeros((count, 2), np.bool_)
        self._glows = np.zeros(count, np.bool_)
        self._round: dict[int, Skin] = {}
        self._grounds: list[int] = []
        for number, name in enumerate(names):
            skin, geom = built.skins[name], int(model.geom(name).id)
            self._texture[geom] = number
            self._glows[geom] = skin.glows
            if skin.grounds:
                self._grounds.append(geom)
            self._repeats[geom] = (skin.mapping != "fit", skin.mapping == "tile")
            if skin.mapping == "fit":
                self._uv_scale[geom] = 0.5 / model.geom_size[geom]
                self._uv_offset[geom] = 0.5
            elif skin.mapping == "round":
                self._round[geom] = skin
            else:
                self._uv_scale[geom] = 1.0 / skin.period
            if skin.mapping == "wall":
                self._uv_scale[geom, 1] = 1.0 / skin.extent
                self._uv_offset[geom, 1] = 0.5
        self._floor = int(model.geom("floor").id)
        casts = (model.geom_group == CASTS_SHADOW) & (model.geom_rbound > 0)
        self._casters = [int(geom) for geom in np.flatnonzero(casts)]

    def render(self, data: mujoco.MjData, noise_seed: tuple[int, ...]) -> Frame:
        """Draw the view of the present state.

        Args:
            data: The physics' state, after `mj_forward`.
            noise_seed: Of the sensor noise; the same state and seed give the same bytes.

        Returns:
            uint8 (height, width, 3), RGB.
        """
        axes = data.cam_xmat[self._camera].reshape(3, 3)
        eye = data.cam_xpos[self._camera].copy()
        rays = self._rays(axes, self._columns, self._rows)
        hits = _Hits(self._model, data, eye, rays, self._robot, self._round)
        visible = [self._visibility(data, hits, light) for light in range(len(self._scene.lights))]
        colours = self._shade(data, hits, visible)
        outline = np.flatnonzero(self._outline(hits))
        if len(outline):
            columns = np.concatenate([self._columns[outline] + right for right, _ in SUBSAMPLES])
            rows = np.concatenate([self._rows[outline] + down for _, down in SUBSAMPLES])
            fine = _Hits(self._model, data, eye, self._rays(axes, columns, rows), self._robot, self._round)
            fine_colours = self._shade(data, fine, [np.tile(share[outline], len(SUBSAMPLES)) for share in visible])
            colours[outline] = fine_colours.reshape(len(SUBSAMPLES), len(outline), 3).mean(axis=0)
        return developed(colours, self._scene.exposure, self._height, self._width, noise_seed)

    def _rays(self, axes: Doubles, columns: Doubles, rows: Doubles) -> Doubles:
        """Unit directions (N, 3) in the world. Written out, as a matrix product may differ between numbers of threads."""
        length = np.sqrt(columns**2 + rows**2 + self._focal_px**2)
        right, up, forward = columns / length, -rows / length, self._focal_px / length
        return np.stack([right * axes[i, 0] + up * axes[i, 1] - forward * axes[i, 2] for i in range(3)], axis=1)

    def _visibility(self, data: mujoco.MjData, hits: _Hits, light: int) -> Floats:
        """The share of a lamp that each pixel's spot sees, (N,), 0 to 1, softened over neighbouring pixels.

        Only spots that face the lamp and lie behind the bounding sphere of a thing are asked about: asking is slow.
        """
        lamp = self._scene.lights[light]
        origin = np.array([lamp.x, lamp.y, lamp.z])
        ways = hits.position - origin.astype(np.float32)[:, None]
        distance = np.sqrt(_dot(ways, ways))
        doubtful = np.zeros(len(distance), np.bool_)
        for geom in self._casters:
            to_centre = data.geom_xpos[geom] - origin
            span = float(np.sqrt((to_centre * to_centre).sum()))
            half_angle = min(1.0, float(self._model.geom_rbound[geom]) / span)
            along = _dot(to_centre.astype(np.float32), ways)
            doubtful |= along >= distance * np.float32(span * math.sqrt(1.0 - half_angle**2))
        doubtful &= _dot(hits.normal, ways) < 0
        asked = np.flatnonzero(doubtful)
        lit = np.ones(len(distance), np.float32)
        if len(asked):
            rays = ways[:, asked].T.astype(np.float64)
            geoms, reached = np.zeros(len(asked), np.int32), np.zeros(len(asked))
            mujoco.mj_multiRay(
                self._model,
                data,
                origin,
                rays.ravel(),
                SHADOW_CASTERS,
                True,
                -1,
                geoms,
                reached,
                None,
                len(asked),
                FAR_M,
            )
            # `reached` is in parts of the way from the lamp to the spot, as the rays are not of unit length.
            lit[asked] = (reached < 0) | ((1.0 - reached) * distance[asked] < SHADOW_GAP_M)
        return _blurred(lit.reshape(self._height, self._width), radius=max(1, self._height // 80)).ravel()

    def _outline(self, hits: _Hits) -> npt.NDArray[np.bool_]:
        """Which pixels lie at the border of two things, or of two faces of one."""
        shape = self._height, self._width
        geom, normal = hits.geom.reshape(shape), hits.normal.reshape(3, *shape)
        edge = np.zeros(shape, np.bool_)
        for one, two in (
            ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
            ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ):
            aligned = _dot(normal[(slice(None), *one)], normal[(slice(None), *two)])
            differs = (geom[one] != geom[two]) | (aligned < 0.9)
            edge[one] |= differs
            edge[two] |= differs
        return edge.ravel()

    def _shade(self, data: mujoco.MjData, hits: _Hits, visible: list[Floats]) -> Floats:
        """Linear colours (N, 3) of spots, given how much of each lamp they see."""
        ambient = np.float32(self._scene.exposure.ambient) * (np.float32(0.8) + np.float32(0.2) * hits.normal[2])
        on_floor = np.flatnonzero(hits.geom == self._floor)
        ambient[on_floor] *= self._openness(data, hits.position[:2, on_floor])
        light = np.repeat(ambient[:, None], 3, axis=1)
        for lamp, share in zip(self._scene.lights, visible, strict=True):
            way = np.array([[lamp.x], [lamp.y], [lamp.z]], np.float32) - hits.position
            square = _dot(way, way)
            slant = np.maximum(_dot(hits.normal, way), np.float32(0.0)) / np.sqrt(square)
            strength = slant * share / (np.float32(1.0) + square * np.float32(1 / 12))
            light += strength[:, None] * np.asarray(lamp.colour, np.float32)
        light[self._glows[hits.geom]] = 1.1
        light *= self._surface_colours(data, hits)
        return light

    def _openness(self, data: mujoco.MjData, position: Floats) -> Floats:
        """How open the floor is around spots (2, N): (N,), below 1 close to what stands on it."""
        share = np.ones(position.shape[1], np.float32)
        for geom in self._grounds:
            axes, half = data.geom_xmat[geom].astype(np.float32), self._model.geom_size[geom].astype(np.float32)
            across, along = (position[i] - np.float32(data.geom_xpos[geom, i]) for i in (0, 1))
            if geom in self._round:
                foot = self._scene.basket.foot_share * self._scene.basket.radius
                gap = np.hypot(across, along) - np.float32(foot)
            else:
                x = np.abs(across * axes[0] + along * axes[3]) - half[0]
                y = np.abs(across * axes[1] + along * axes[4]) - half[1]
                gap = np.hypot(np.maximum(x, 0), np.maximum(y, 0))
            close = np.flatnonzero(gap < 5 * SHADE_M)
            dimmed = np.exp(np.maximum(gap[close], 0) / np.float32(-SHADE_M))
            share[close] *= np.float32(1.0) - np.float32(0.45) * dimmed
        return share

    def _surface_colours(self, data: mujoco.MjData, hits: _Hits) -> Floats:
        """Texture colours (N, 3) before any light."""
        count = len(hits.geom)
        u, v, scale = np.zeros(count, np.float32), np.zeros(count, np.float32), np.ones(count, np.float32)
        for geom in np.flatnonzero(np.bincount(hits.geom, minlength=1)):
            on = np.flatnonzero(hits.geom == geom)
            u[on], v[on], scale[on] = self._map(data, int(geom), hits.position[:, on], hits.normal[:, on])
        texels_a_pixel = hits.distance * scale * np.float32(TEXTURE_SIZE / self._focal_px)
        level = np.log2(np.maximum(texels_a_pixel / np.sqrt(np.maximum(hits.facing, np.float32(0.04))), 1.0))
        level = np.minimum(np.rint(level), self._textures.num_levels - 1).astype(np.intp)
        return self._textures.look_up(self._texture[hits.geom], u, v, self._repeats[hits.geom], level)

    def _map(self, data: mujoco.MjData, geom: int, position: Floats, normal: Floats) -> tuple[Floats, Floats, Floats]:
        """Where spots (3, N) of one geom lie in its texture: u, v, and repeats of the texture a metre, each (N,)."""
        if geom in self._round:
            skin = self._round[geom]
            x, y = (position[i] - np.float32(skin.centre[i]) for i in (0, 1))
            turns = skin.period / (2 * math.pi)
            repeats = np.full(len(x), turns / self._scene.basket.radius, np.float32)
            return np.arctan2(y, x) * np.float32(turns), position[2] / np.float32(skin.extent), repeats
        axes = data.geom_xmat[geom].astype(np.float32).reshape(3, 3)
        offset = position - data.geom_xpos[geom].astype(np.float32)[:, None]
        local = [_dot(axes[:, i], offset) for i in range(3)]
        # The face of a block is the one whose axis its normal follows; a plane has but one.
        face = np.abs(np.stack([_dot(axes[:, i], normal) for i in range(3)])).argmax(0)
        on_end = face == 0
        across, up = np.where(on_end, local[1], local[0]), np.where(face == 2, local[1], local[2])
        scale, start = self._uv_scale[geom], self._uv_offset[geom]
        across_scale = np.where(on_end, scale[1], scale[0])
        u = across * across_scale + np.where(on_end, start[1], start[0])
        v = up * np.where(face == 2, scale[1], scale[2]) + np.where(face == 2, start[1], start[2])
        return u, v, across_scale
