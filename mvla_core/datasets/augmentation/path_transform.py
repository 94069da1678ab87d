"""The camera moved sideways and turned by a warp of the picture, with an action that steers back.

Source: Bojarski et al. 2016, "End to End Learning for Self-Driving Cars", arXiv:1604.07316: pictures of a shifted and turned
camera are made by assuming that all points below the horizon lie on flat ground and all points above it infinitely far away;
the steering label becomes the one that brings the car back to the desired place and direction in two seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from mvla_core.datasets.augmentation.settings import setting
from mvla_core.datasets.augmentation.transform import Drawn, EpisodeLabels, Seed, Transform
from mvla_core.schema import Frame

Map = npt.NDArray[np.float32]

_STANDS = 1e-6
_SHORTEST_LOOK_AHEAD_M = 0.2
"""A car that barely moves is steered as one that would come back within this way, not within no way at all."""


@dataclass(frozen=True)
class CameraView:
    """A pinhole camera over a flat floor.

    Attributes:
        field_of_view_deg: Horizontal.
        height_m: Above the floor.
        pitch_deg: How far it looks down.
    """

    field_of_view_deg: float
    height_m: float
    pitch_deg: float


@dataclass(frozen=True)
class DrawnPath(Drawn):
    left_m: float
    """How far the camera is moved to the left."""
    turned_deg: float
    """How far it is turned to the left, counter-clockwise."""
    recovery_s: float
    camera: CameraView

    def describe(self) -> str:
        move, turn = ("left" if value >= 0 else "right" for value in (self.left_m, self.turned_deg))
        return f"camera {abs(self.left_m):.2f} m to the {move}, turned {abs(self.turned_deg):.1f}° to the {turn}"

    def picture(self, frame: Frame, seed: Seed) -> Frame:
        columns, rows = shown_places(
            self.camera, self.left_m, self.turned_deg, height=frame.shape[0], width=frame.shape[1]
        )
        warped = cv2.remap(frame, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped, dtype=np.uint8)

    def relabel(self, labels: EpisodeLabels) -> EpisodeLabels:
        """A robot that stands goes on standing. See `PathPerturbation` for the rules of the others."""
        actions = labels.actions.astype(np.float64)
        turn = math.radians(self.turned_deg)
        forward, sideways, turning = (labels.space.column(name) for name in ("linear_x", "linear_y", "angular_z"))
        if sideways is not None:
            actions[:, sideways] -= self.left_m / self.recovery_s
            if forward is not None:
                ahead, left = actions[:, forward].copy(), actions[:, sideways].copy()
                actions[:, forward] = ahead * math.cos(turn) + left * math.sin(turn)
                actions[:, sideways] = -ahead * math.sin(turn) + left * math.cos(turn)
            if turning is not None:
                actions[:, turning] -= turn / self.recovery_s
        elif forward is not None and turning is not None:
            speed = actions[:, forward]
            look_ahead = np.maximum(speed * self.recovery_s, _SHORTEST_LOOK_AHEAD_M)
            aim = -self.left_m - look_ahead * turn
            actions[:, turning] += 2 * speed * aim / look_ahead**2
        moves = (np.abs(labels.actions) > _STANDS).any(axis=1, keepdims=True)
        changed = np.where(moves, actions, labels.actions).astype(np.float32)
        return replace(labels, actions=changed)


@dataclass(frozen=True)
class PathPerturbation(Transform):
    """The camera beside the driven path, or turned away from it, and the action that leads back in `recovery_s` seconds.

    An omnidirectional robot (linear_y) slides back: linear_y -= left_m / recovery_s; its velocity is then turned by -turned_deg,
    so that it keeps its direction in the room, and where it has angular_z it turns back: angular_z -= turn / recovery_s. A robot
    that only turns (linear_x, angular_z) aims at the point of the path that it would reach in recovery_s seconds (pure
    pursuit): angular_z += 2 v y / L^2 with L = v recovery_s and y = -left_m - L turn. It must drive forward.
    """

    name: ClassVar[str] = "path"
    title: ClassVar[str] = "Path perturbation"
    help: ClassVar[str] = "Shows the view from beside the driven path and corrects the action so that it leads back."
    assumption: ClassVar[str] = (
        "Field of view, height and pitch of the camera are as given, the floor is flat and what is above the horizon is far away; "
        "boxes that stand on the floor are bent a little. Each frame is answered by itself: the sequence does not come back."
    )
    changes_label: ClassVar[bool] = True

    shift_m: float = setting(0.08, "Shift", "How far sideways at most.", unit="m", between=(0, 0.5))
    turn_deg: float = setting(3.0, "Turn", "How far turned at most.", unit="°", between=(0, 15))
    recovery_s: float = setting(2.0, "Way back", "Time in which the action leads back.", unit="s", between=(0.3, 10))
    field_of_view_deg: float = setting(
        60.0, "Field of view", "Of the camera, from the left edge to the right one.", unit="°", between=(20, 140)
    )
    camera_height_m: float = setting(0.2, "Camera height", "Above the floor.", unit="m", between=(0.02, 2))
    camera_pitch_deg: float = setting(
        0.0,
        "Camera pitch",
        "How far the camera looks down; 0 puts the horizon in the middle.",
        unit="°",
        between=(-30, 60),
    )

    def draw(self, generator: np.random.Generator) -> DrawnPath:
        shift = float(generator.uniform(-self.shift_m, self.shift_m))
        turn = float(generator.uniform(-self.turn_deg, self.turn_deg))
        camera = CameraView(self.field_of_view_deg, self.camera_height_m, self.camera_pitch_deg)
        return DrawnPath(shift, turn, self.recovery_s, camera)


@lru_cache(maxsize=4)
def shown_places(camera: CameraView, left_m: float, turned_deg: float, *, height: int, width: int) -> tuple[Map, Map]:
    """Return which column and row of the recorded picture each place of the moved camera's picture shows.

    Axes: x right, y down, z ahead, level. A ray that points down meets the floor at height_m / y; others end infinitely far.

    Returns:
        Two float32 (height, width).
    """
    focal = width / 2 / math.tan(math.radians(camera.field_of_view_deg) / 2)
    columns = (np.arange(width) - (width - 1) / 2) / focal
    rows = (np.arange(height) - (height - 1) / 2) / focal
    x, y = np.meshgrid(columns, rows)
    rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ _pitched(camera.pitch_deg).T
    turn = math.radians(turned_deg)
    # A camera that is turned left sees, straight ahead, what was to the left: negative x.
    turned = np.array([[math.cos(turn), 0, -math.sin(turn)], [0, 1, 0], [math.sin(turn), 0, math.cos(turn)]])
    rays = rays @ turned.T
    down = rays[..., 1]
    floor = np.asarray(down > 1e-9)
    distance = np.where(floor, camera.height_m / np.where(floor, down, 1.0), 0.0)
    points = np.where(floor[..., None], rays * distance[..., None] - (left_m, 0, 0), rays) @ _pitched(camera.pitch_deg)
    ahead = np.maximum(points[..., 2], 1e-9)
    return (
        np.asarray(points[..., 0] / ahead * focal + (width - 1) / 2, dtype=np.float32),
        np.asarray(points[..., 1] / ahead * focal + (height - 1) / 2, dtype=np.float32),
    )


def _pitched(degrees: float) -> npt.NDArray[np.float64]:
    """Takes a ray of the camera, which looks down by so much, to level axes."""
    angle = math.radians(degrees)
    return np.array([[1, 0, 0], [0, math.cos(angle), math.sin(angle)], [0, -math.sin(angle), math.cos(angle)]])
