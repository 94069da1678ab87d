"""Drivers that know the truth: the expert who follows the instruction, and the script that looks at nothing.

Keys are the real robot's: w forward, s back, a left, d right, q/e the forward diagonals, z/c the backward ones, _ stop. A
held key drives each of its axes at the chosen speed, so a diagonal is as fast along x as w is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mvla_core.schema import Frame
from mvla_core.simulation.config import TOP_SPEED
from mvla_core.simulation.planner import KEEP_OUT_M, SIDEWAYS, STRAIGHT, CostMap, clearance, move_cost, plan, stop_point
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
BRAKED_SHARE = 0.04
"""A continuous expert that reverses drives at this share of its speed in between: next to nothing, but no stop."""
_BLOCKED = 1e5
"""Price of a move that comes closer to something than is kept out; such a move is made only where all others are worse."""


def key_action(key: str, speed: float) -> npt.NDArray[np.float32]:
    """The velocity of a held key: float32 (2,), m/s, forward and left."""
    forward, left = KEYS[key]
    return np.array([forward * speed, left * speed], np.float32)


@dataclass(frozen=True)
class Move:
    """One thing the expert may command: forward and left as shares of a speed in m/s."""

    forward: float
    left: float
    speed: float

    @property
    def action(self) -> npt.NDArray[np.float32]:
        return np.array([self.forward * self.speed, self.left * self.speed], np.float32)

    @property
    def kind(self) -> tuple[int, int]:
        """The signs of its axes, by which the planner prices it; what is under a tenth of the rest counts as none."""
        return _sign(self.forward), _sign(self.left)


def keyboard_moves(speed: float) -> tuple[Move, ...]:
    """The real robot's keys, each axis at the speed."""
    return tuple(Move(*KEYS[key], speed) for key in KEYS if key != "_")


def combo_moves(combos: Sequence[tuple[float, float]]) -> tuple[Move, ...]:
    """Velocities of other keys, each with the speed of its faster axis."""
    speeds = [max(abs(x), abs(y)) for x, y in combos]
    return tuple(Move(x / speed, y / speed, speed) for (x, y), speed in zip(combos, speeds, strict=True))


def continuous_moves(speed: float) -> tuple[Move, ...]:
    """Directions 15 degrees apart, all ahead or to the side, at the speed over the ground."""
    angles = [math.radians(15.0 * step) for step in range(-6, 7)]
    return (*(Move(math.cos(angle), math.sin(angle), speed) for angle in angles), Move(-1.0, 0.0, speed))


class Expert:
    """Follows the planned costs with one key at a time, or with any velocity.

    It drives straight on while that costs next to nothing, holds a key rather than changing it, passes boxes on the side
    asked for, slows down close to the goal, and stops once before it.
    """

    def __init__(self, scene: Scene, *, actions: str = "keyboard", combos: Sequence[tuple[float, float]] = ()) -> None:
        """Plan for a scene.

        Args:
            scene: To drive through.
            actions: "keyboard" or "continuous", see `SimulationConfig`.
            combos: The keys' velocities in m/s; the robot's own at the scene's cruising speed if empty.

        Raises:
            SimulationError: No way leads to the goal.
        """
        self._scene = scene
        self._stop = stop_point(scene)
        self._smooth = actions == "continuous"
        self._combos = tuple(combos)
        self._costs: CostMap = plan(scene, {move.kind for move in self._moves(careful=False)})
        self._last = Move(1, 0, scene.cruise_speed)

    def act(self, world: World, frame: Frame | None) -> npt.NDArray[np.float32]:
        """Choose the next action from where the robot stands; the frame is not needed."""
        pose = world.pose
        moves = self._moves(self._costs.remaining_at(pose.x, pose.y) < CAREFUL_M)
        dt = self._scene.frame_interval_s
        if self._arrived(pose, max(move.speed for move in moves) * dt):
            return key_action("_", 0.0)
        best = min(moves, key=lambda move: self._price(move, pose, move.speed * dt))
        if self._smooth:
            best = self._smoothed(best, pose, dt)
        self._last = best
        return best.action

    def _moves(self, careful: bool) -> tuple[Move, ...]:
        """What may be commanded now; close to the goal the slow half, as far as there is one."""
        speed = self._scene.cruise_speed * (CAREFUL_SHARE if careful else 1.0)
        if self._smooth:
            return continuous_moves(speed)
        if not self._combos:
            return keyboard_moves(speed)
        moves = combo_moves(self._combos)
        straight = [move.speed for move in moves if move.kind == (1, 0)]
        limit = min(straight) if careful else max(straight)
        return tuple(move for move in moves if move.speed <= limit * 1.001) if careful else moves

    def _smoothed(self, move: Move, pose: Pose, dt: float) -> Move:
        """Half of the last velocity and half of the new one, where that leads no closer to anything than it may.

        Where it does, and where it would reverse, the robot brakes first, as no base changes its speed by twice that at once.
        """
        x, y = ((one + other) / 2 for one, other in zip(self._last.action, move.action, strict=True))
        speed = math.hypot(x, y)
        brake = Move(self._last.forward, self._last.left, BRAKED_SHARE * self._scene.cruise_speed)
        if speed <= brake.speed:
            return brake
        blended = Move(float(x) / speed, float(y) / speed, speed)
        if self._price(blended, pose, speed * dt) < _BLOCKED:
            return blended
        return brake if move.forward < 0 else move

    def _arrived(self, pose: Pose, step: float) -> bool:
        ahead, left = _in_frame_of(pose, *self._stop)
        return ahead <= step / 2 and abs(left) <= max(0.06, 0.6 * step)

    def _price(self, move: Move, pose: Pose, step: float) -> float:
        """Cost of holding a key for one frame and then going on as planned, less a bonus for habit."""
        forward, left = move.forward, move.left
        cosine, sine = math.cos(pose.yaw), math.sin(pose.yaw)
        along_x = (cosine * forward - sine * left) * step
        along_y = (sine * forward + cosine * left) * step
        shares = (1 / 3, 2 / 3, 1.0)
        points = [(pose.x + along_x * share, pose.y + along_y * share) for share in shares]
        room = clearance(self._scene, [x for x, _ in points], [y for _, y in points]).min()
        if room < ROBOT_RADIUS + KEEP_OUT_M / 2:
            return math.inf if room < ROBOT_RADIUS else _BLOCKED - float(room)
        travel = step * self._metre_cost(move) * sum(self._costs.local_at(x, y) for x, y in points) / len(points)
        habit = (0.30 if move.kind == (1, 0) else 0.0) + (0.25 if move.kind == self._last.kind else 0.0)
        if move.kind[1] * self._last.kind[1] < 0:
            habit -= 1.0
        return travel + self._costs.remaining_at(*points[-1]) - habit * step

    def _metre_cost(self, move: Move) -> float:
        """What the planner counts for the move; in between two keys, what the two cost together."""
        if not self._smooth:
            return move_cost(*move.kind)
        ahead, aside = abs(move.forward), abs(move.left)
        both = min(ahead, aside)
        return both * move_cost(*move.kind) + (ahead - both) * STRAIGHT + (aside - both) * SIDEWAYS


class Script:
    """Replays `SCRIPT` whatever happens, like the recordings in which every episode was the same."""

    def __init__(self) -> None:
        self._keys = iter(SCRIPT)

    def act(self, world: World, frame: Frame | None) -> npt.NDArray[np.float32]:
        key = next(self._keys, "_")
        return key_action(key.lower(), TOP_SPEED * (CAREFUL_SHARE if key.isupper() else 1.0))


def _sign(share: float) -> int:
    return 0 if abs(share) < 0.1 else 1 if share > 0 else -1


def _in_frame_of(pose: Pose, x: float, y: float) -> tuple[float, float]:
    """A point as metres ahead and to the left of a pose."""
    cosine, sine = math.cos(pose.yaw), math.sin(pose.yaw)
    return cosine * (x - pose.x) + sine * (y - pose.y), -sine * (x - pose.x) + cosine * (y - pose.y)
