"""Driving a world from its start to the end, whoever drives, and judging how it went."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mvla_core.progress import SILENT, Progress
from mvla_core.schema import Actions, Frame
from mvla_core.simulation.disturbance import Disturbance
from mvla_core.simulation.planner import clearance
from mvla_core.simulation.scene import ROBOT_RADIUS, Pose, Scene
from mvla_core.simulation.world import Driver, World

REACHED_M = 0.95
"""The goal counts as reached with the robot's middle at most this far from the basket's middle."""
FACING_RAD = math.radians(15.0)
"""The robot faces the goal if the basket lies within this angle of straight ahead."""


@dataclass(frozen=True)
class Outcome:
    """How a drive ended."""

    reached: bool
    side_kept: bool
    """Every box was passed, on the side asked for."""
    facing: bool
    stopped: bool
    """The driver stopped by itself."""
    collided: bool
    final_distance_m: float
    """From the robot's middle to the basket's."""
    least_clearance_m: float
    """From the robot's rim to the nearest thing, over all frames."""
    path_m: float

    @property
    def success(self) -> bool:
        """Reached the goal, on the side asked for, facing it, at rest, without touching anything."""
        return self.reached and self.side_kept and self.facing and self.stopped and not self.collided

    @property
    def failure(self) -> str:
        """What went wrong first, in one word of the catalogue; "" for a success."""
        checks = {
            "collided": not self.collided,
            "wrong_side": self.side_kept,
            "not_reached": self.reached,
            "not_stopped": self.stopped,
            "not_facing": self.facing,
        }
        return next((name for name, passed in checks.items() if not passed), "")

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "success": self.success, "failure": self.failure}


@dataclass(frozen=True)
class Drive:
    """One recorded drive: at each frame the picture, the pose and the action that was then given."""

    frames: tuple[Frame, ...]
    """Empty where nothing was drawn."""
    actions: Actions
    """float32 (num_frames, 2 or 3)."""
    poses: tuple[Pose, ...]
    """(num_frames + 1): the last one is where the robot came to rest."""
    outcome: Outcome
    shoved_at: int | None = None
    """The first frame in which the robot was shoved; None in a drive without one."""


def drive(
    world: World,
    scene: Scene,
    driver: Driver,
    *,
    max_frames: int = 60,
    draw: bool = True,
    progress: Progress = SILENT,
    disturbance: Disturbance | None = None,
) -> Drive:
    """Reset the world to the scene and let the driver act, frame by frame, until it stops or has used its frames.

    A stop is recorded as one frame with a zero action, so that an episode ends with it and holds no idle frame.

    Args:
        world: Anything that was in it is gone.
        scene: With the time between frames.
        driver: Chooses the actions.
        max_frames: The most frames to record.
        draw: False saves the time of drawing; the driver then gets no frame.
        progress: Asked between frames whether to stop.
        disturbance: Changes what is executed, never what is recorded; None executes what was commanded.

    Raises:
        Stopped: The user asked for it.
    """
    world.reset(scene)
    frames: list[Frame] = []
    actions: list[Actions] = []
    poses = [world.pose]
    stopped = False
    while not stopped and len(actions) < max_frames:
        progress.check()
        frame = world.frame() if draw else None
        if frame is not None:
            frames.append(frame)
        action = driver.act(world, frame)
        actions.append(action)
        executed = action if disturbance is None else disturbance.executed(action, world.pose, len(actions) - 1)
        world.step(executed, scene.frame_interval_s)
        poses.append(world.pose)
        stopped = not np.any(action)
    outcome = judge(scene, poses, world.collided, stopped)
    shoved_at = None if disturbance is None else disturbance.shoved_at
    return Drive(tuple(frames), np.stack(actions), tuple(poses), outcome, shoved_at)


def judge(scene: Scene, poses: list[Pose], collided: bool, stopped: bool) -> Outcome:
    """Judge a way through a scene by where its things stood at the start, so that pushing a box wins nothing."""
    x, y = np.array([pose.x for pose in poses]), np.array([pose.y for pose in poses])
    last = poses[-1]
    ahead = math.atan2(scene.basket.y - last.y, scene.basket.x - last.x) - last.yaw
    distance = math.hypot(scene.basket.x - last.x, scene.basket.y - last.y)
    return Outcome(
        reached=distance <= REACHED_M,
        side_kept=all(_passed(x, y, box.x, box.y) == scene.side_of(box) for box in scene.boxes),
        facing=abs(math.remainder(ahead, 2 * math.pi)) <= FACING_RAD,
        stopped=stopped,
        collided=collided,
        final_distance_m=distance,
        least_clearance_m=float(clearance(scene, x, y).min()) - ROBOT_RADIUS,
        path_m=float(np.hypot(np.diff(x), np.diff(y)).sum()),
    )


def _passed(x: Actions, y: Actions, box_x: float, box_y: float) -> str:
    """The side on which a way crosses a box's line for good; "" if it ends before it."""
    before = np.flatnonzero(x < box_x)
    if not len(before) or before[-1] + 1 == len(x):
        return ""
    first = before[-1]
    share = (box_x - x[first]) / (x[first + 1] - x[first])
    crossing = y[first] + share * (y[first + 1] - y[first])
    return "left" if crossing > box_y else "right"
