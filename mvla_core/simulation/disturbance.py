"""What happens to a robot beside what was commanded: noise on the executed action, and a shove from which it recovers.

The recorded action is always the driver's own. With noise, a policy sees places beside the expert's way together with the
action that leads back.

Source of the noise: Laskey et al., "DART: Noise Injection for Robust Imitation Learning", CoRL 2017.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mvla_core.simulation.planner import clearance
from mvla_core.simulation.scene import ROBOT_RADIUS, Pose, Scene

FREE_M = 0.14
"""A disturbance that would bring the rim closer to anything than this is left out: it teaches recovery, not collisions."""
SHOVE_FRAMES = 2
SHOVE_M = (0.16, 0.30)
"""Least and greatest way of a shove, over all of its frames."""
SHOVE_AFTER, SHOVE_BEFORE = 3, 10
"""A shove begins at one of the frames from the first to before the second."""


class Disturbance:
    """The noise and the shove of one drive. The same scene and settings disturb in the same way."""

    def __init__(self, scene: Scene, *, dart: float = 0.0, shove: bool = False) -> None:
        """Prepare one drive.

        Args:
            scene: That is driven; its seed is the noise's too.
            dart: Standard deviation of the noise as a share of the commanded speed, 0 to 1.
            shove: Whether the robot is shoved aside once, where there is room.
        """
        self._scene = scene
        self._dart = dart
        self._noise = np.random.default_rng([scene.seed, 10])
        rng = np.random.default_rng([scene.seed, 11])
        self._wanted = int(rng.integers(SHOVE_AFTER, SHOVE_BEFORE)) if shove else None
        self._way = float(rng.uniform(*SHOVE_M)) * (1 if rng.random() < 0.5 else -1)
        self._shoving = 0
        self.shoved_at: int | None = None
        """The frame in which the shove began; None before it, or where there was no room for one."""

    def executed(self, action: npt.NDArray[np.float32], pose: Pose, frame: int) -> npt.NDArray[np.float32]:
        """What the robot does when an action is commanded: float32 of the same shape, m/s and rad/s.

        Args:
            action: As commanded. A stop is executed as it is, so that a drive ends where the driver ended it.
            pose: Where the robot stands.
            frame: Number of the frame, from 0.
        """
        if not np.any(action):
            return action
        disturbed = action.copy()
        if self._dart:
            speed = math.hypot(float(action[0]), float(action[1]))
            disturbed[:2] += (self._dart * speed * self._noise.standard_normal(2)).astype(np.float32)
            disturbed = disturbed if self._free(pose, disturbed, 1) else action.copy()
        return self._shoved(disturbed, pose, frame)

    def _shoved(self, action: npt.NDArray[np.float32], pose: Pose, frame: int) -> npt.NDArray[np.float32]:
        if self._wanted is not None and self.shoved_at is None and self._wanted <= frame < self._wanted + 4:
            # Where there is no room on one hand it comes from the other; where there is none, a little later.
            for way in (self._way, -self._way):
                pushed = self._pushed(action, way)
                if self._free(pose, pushed, SHOVE_FRAMES):
                    self._way, self.shoved_at, self._shoving = way, frame, SHOVE_FRAMES
                    break
        if self._shoving:
            self._shoving -= 1
            return self._pushed(action, self._way)
        return action

    def _pushed(self, action: npt.NDArray[np.float32], way: float) -> npt.NDArray[np.float32]:
        pushed = action.copy()
        pushed[1] = way / (SHOVE_FRAMES * self._scene.frame_interval_s)
        return pushed

    def _free(self, pose: Pose, action: npt.NDArray[np.float32], frames: int) -> bool:
        """Whether holding a velocity for some frames keeps clear of everything."""
        cosine, sine = math.cos(pose.yaw), math.sin(pose.yaw)
        along_x = cosine * float(action[0]) - sine * float(action[1])
        along_y = sine * float(action[0]) + cosine * float(action[1])
        seconds = np.linspace(0.25, 1.0, 4) * frames * self._scene.frame_interval_s
        gap = clearance(self._scene, pose.x + along_x * seconds, pose.y + along_y * seconds)
        return bool(gap.min() > ROBOT_RADIUS + FREE_M)
