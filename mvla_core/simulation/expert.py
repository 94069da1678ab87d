"""Drivers that know the truth: the expert who follows the instruction with a keyboard, and the script that looks at nothing.

Keys are the real robot's: w forward, s back, a left, d right, q/e the forward diagonals, z/c the backward ones, _ stop. A
held key drives each of its axes at the chosen speed, so a diagonal is as fast along x as w is.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mvla_core.schema import Frame
from mvla_core.simulation.config import TOP_SPEED
from mvla_core.simulation.planner import KEEP_OUT_M, CostMap, clearance, move_cost, plan, stop_point
from mvla_core.simulation.scene import ROBOT_RADIUS, Pose, Scene, Side
from mvla_core.simulation.world import World

KEYS: dict[str, tuple[int, int]] = {
    "w": (1, 0),
    "s": (-1, 0),
    "a": (0, 1),
    "d": (0, -1),
    "q": (1, 1),
    "e": (1, -1),
    "z": (-1, 1),
    "c": (-1, -1),
    "_": (0, 0),
}
"""Forward and left share of each key."""
SCRIPT = "wwqqqqwwwwweeeEE_"
"""The key sequence that `Script` replays; capitals are held at the careful speed. It was rehearsed in the middle scene."""
SCRIPT_SIDE: Side = "left"
"""The side on which the script drives."""
SCRIPT_INTERVAL_S = 0.15
"""Time between two frames for which the script was rehearsed."""
SCRIPT_PLACEMENT = 0.2
"""Scripted worlds differ by this share of the usual placement, like the recordings of one rehearsed layout."""
CAREFUL_SHARE = 0.5
"""Close to the goal the robot drives at this share of its cruising speed."""
CAREFUL_M = 0.60
"""The remaining way below which it does."""


def key_action(key: str, speed: float) -> npt.NDArray[np.float32]:
    """The velocity of a held key: float32 (2,), m/s, forward and left."""
    forward, left = KEYS[key]
    return np.array([forward * speed, left * speed], np.float32)


class Expert:
    """Follows the planned costs with one key at a time.

    It drives straight on while that costs next to nothing, holds a key rather than changing it, passes boxes on the side
    asked for, slows down close to the basket, and stops once before it.
    """

    def __init__(self, scene: Scene) -> None:
        """Plan for a scene.

        Raises:
            SimulationError: No way leads to the goal.
        """
        self._scene = scene
        self._costs: CostMap = plan(scene)
        self._stop = stop_point(scene)
        self._last = "w"

    def act(self, world: World, frame: Frame | None) -> npt.NDArray[np.float32]:
        """Choose the next key from where the robot stands; the frame is not needed."""
        pose = world.pose
        careful = self._costs.remaining_at(pose.x, pose.y) < CAREFUL_M
        speed = self._scene.cruise_speed * (CAREFUL_SHARE if careful else 1.0)
        step = speed * self._scene.frame_interval_s
        if self._arrived(pose, step):
            return key_action("_", 0.0)
        self._last = min((key for key in KEYS if key != "_"), key=lambda key: self._price(key, pose, step))
        return key_action(self._last, speed)

    def _arrived(self, pose: Pose, step: float) -> bool:
        ahead, left = _in_frame_of(pose, *self._stop)
        return ahead <= step / 2 and abs(left) <= max(0.06, 0.6 * step)

    def _price(self, key: str, pose: Pose, step: float) -> float:
        """Cost of holding a key for one frame and then going on as planned, less a bonus for habit."""
        forward, left = KEYS[key]
        cosine, sine = math.cos(pose.yaw), math.sin(pose.yaw)
        along_x = (cosine * forward - sine * left) * step
        along_y = (sine * forward + cosine * left) * step
        shares = (1 / 3, 2 / 3, 1.0)
        points = [(pose.x + along_x * share, pose.y + along_y * share) for share in shares]
        room = clearance(self._scene, [x for x, _ in points], [y for _, y in points]).min()
        if room < ROBOT_RADIUS + KEEP_OUT_M / 2:
            return math.inf if room < ROBOT_RADIUS else 1e5 - float(room)
        travel = step * move_cost(forward, left) * sum(self._costs.local_at(x, y) for x, y in points) / len(points)
        habit = (0.30 if key == "w" else 0.0) + (0.25 if key == self._last else 0.0)
        if left * KEYS[self._last][1] < 0:
            habit -= 1.0
        return travel + self._costs.remaining_at(*points[-1]) - habit * step


class Script:
    """Replays `SCRIPT` whatever happens, like the recordings in which every episode was the same."""

    def __init__(self) -> None:
        self._keys = iter(SCRIPT)

    def act(self, world: World, frame: Frame | None) -> npt.NDArray[np.float32]:
        key = next(self._keys, "_")
        return key_action(key.lower(), TOP_SPEED * (CAREFUL_SHARE if key.isupper() else 1.0))


def _in_frame_of(pose: Pose, x: float, y: float) -> tuple[float, float]:
    """A point as metres ahead and to the left of a pose."""
    cosine, sine = math.cos(pose.yaw), math.sin(pose.yaw)
    return cosine * (x - pose.x) + sine * (y - pose.y), -sine * (x - pose.x) + cosine * (y - pose.y)
