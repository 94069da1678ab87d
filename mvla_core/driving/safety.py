"""Provoking what must never reach the wheels: commands beyond the data's limits, and commands that nobody renews.

It is the program's guard that is tried here, in a simulated world, not the robot's own watchdog.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mvla_core.driving.chunks import Chunk
from mvla_core.driving.guard import Guard
from mvla_core.driving.loop import Control, drive_world
from mvla_core.driving.pilots import ExpertPilot
from mvla_core.driving.suites import trial_scene
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import Frame
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.scene import Scene
from mvla_core.simulation.world import World

DRIVES = 20
"""Of each kind."""
RESTS_M = 0.01
"""A robot rests if it moves less than this within a frame."""


class _WatchedWorld(World):
    """Keeps what reaches the wheels."""

    def __init__(self) -> None:
        super().__init__(16)
        self.given: list[npt.NDArray[np.float64]] = []

    def step(self, action: npt.ArrayLike, duration_s: float) -> None:
        self.given.append(np.asarray(action, np.float64))
        super().step(action, duration_s)


class _Wild(ExpertPilot):
    """The expert with a broken scale: some commands many times too large, some not numbers at all."""

    def __init__(self, scene: Scene, seed: int) -> None:
        super().__init__(scene)
        self._rng = np.random.default_rng(seed)
        self.provoked = 0

    def chunk(self, world: World, frame: int) -> Chunk | None:
        chunk = super().chunk(world, frame)
        kind = self._rng.integers(3)
        if chunk is None or kind == 0 or not np.any(chunk):
            return chunk
        self.provoked += 1
        if kind == 1:
            return chunk * np.float32(self._rng.uniform(3.0, 50.0))
        return np.full_like(chunk, [np.nan, np.inf, -np.inf][int(self._rng.integers(3))])


class _Silent(ExpertPilot):
    """The expert until a frame from which on it answers no more."""

    def __init__(self, scene: Scene, last_answer: int) -> None:
        super().__init__(scene)
        self._last_answer = last_answer

    def see(self, frame: Frame) -> None:
        """Frames still come; answers do not."""

    def chunk(self, world: World, frame: int) -> Chunk | None:
        return super().chunk(world, frame) if frame <= self._last_answer else None


def provoke(
    config: SimulationConfig, guard: Guard, seed: int, progress: Progress = SILENT
) -> dict[str, dict[str, int]]:
    """Drive with broken pilots and look at what reaches the wheels.

    Returns:
        `out_of_range` and `stale_command`, each `{"tried", "held"}`: commands beyond the limits and how many of the drives' such
        commands stayed within; drives that fell silent and how many of them came to rest in time.

    Raises:
        Stopped: The user asked for it.
    """
    counts = {"out_of_range": {"tried": 0, "held": 0}, "stale_command": {"tried": 0, "held": 0}}
    for number in range(DRIVES):
        progress.check()
        scene = trial_scene(config, "similar", seed, number).scene
        world, wild = _WatchedWorld(), _Wild(scene, seed + number)
        drive_world(world, scene, wild, guard, Control())
        given = np.stack(world.given)
        low, high = np.array(guard.low) - 1e-6, np.array(guard.high) + 1e-6
        beyond = ~(np.isfinite(given).all(axis=1) & (given >= low).all(axis=1) & (given <= high).all(axis=1))
        counts["out_of_range"]["tried"] += wild.provoked
        counts["out_of_range"]["held"] += max(0, wild.provoked - int(beyond.sum()))
        world = _WatchedWorld()
        last = 2 + number % 5
        driven = drive_world(world, scene, _Silent(scene, last), guard, Control())
        moving = np.flatnonzero(driven.commands.any(axis=1))
        after = driven.poses[-1]
        world.step(np.zeros(len(guard.low)), scene.frame_interval_s)
        rest = world.pose
        resting = math.hypot(rest.x - after.x, rest.y - after.y) < RESTS_M
        in_time = int(moving[-1]) < last + guard.stale_frames if len(moving) else True
        counts["stale_command"]["tried"] += 1
        counts["stale_command"]["held"] += driven.stopped and resting and in_time
    return counts
