"""Provoking what must never reach the wheels: commands beyond the data's limits, and commands that nobody renews.

It is the program's guard that is tried here, in a simulated world, not the robot's own watchdog.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mvla_core.driving.chunks import Chunk
from mvla_core.driving.guard import Guard
from mvla_core.driving.loop import Control, drive_world
from mvla_core.driving.pilots import ExpertPilot
from mvla_core.driving.suites import trial_scene
from mvla_core.progress import SILENT, Progress
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.scene import Scene
from mvla_core.simulation.world import World

DRIVES = 20
"""Of each kind."""
RESTS_M = 0.01
"""A robot rests if it moves less than this within a frame."""
SETTLES_S = 0.3
"""The base follows a stop with a lag; so long after it was told to stop it has to rest."""
WILD_FRAMES = 45
"""A provoked drive that is not stopped is over after so many frames."""


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

    def __init__(self, scene: Scene, axes: int, seed: int) -> None:
        super().__init__(scene, axes)
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
    """The expert until a frame from which on it answers no more. Its chunks are as long as those that the run's loop drives."""

    def __init__(self, scene: Scene, axes: int, chunk_size: int, last_answer: int) -> None:
        super().__init__(scene, axes)
        self._chunk_size = chunk_size
        self._last_answer = last_answer
        self.answered = 0
        """The last frame at which it has answered."""

    def chunk(self, world: World, frame: int) -> Chunk | None:
        answer = super().chunk(world, frame) if frame <= self._last_answer else None
        if answer is None:
            return None
        self.answered = frame
        return np.repeat(answer, self._chunk_size, axis=0)


def provoke(
    config: SimulationConfig,
    guard: Guard,
    control: Control,
    chunk_size: int,
    seed: int,
    progress: Progress = SILENT,
) -> dict[str, dict[str, int]]:
    """Drive with broken pilots under the run's own control and look at what reaches the wheels.

    Args:
        config: Of the worlds.
        guard: Tried here; it says how many axes there are.
        control: How the run is driven.
        chunk_size: Actions of a chunk of the run's policy.
        seed: Of the worlds and the faults.
        progress: Asked between drives whether to stop.

    Returns:
        `out_of_range` and `stale_command`, each `{"tried", "held"}`: commands beyond the limits and how many of the drives' such
        commands stayed within; drives that fell silent and how many of them came to rest in time.

    Raises:
        Stopped: The user asked for it.
    """
    counts = {"out_of_range": {"tried": 0, "held": 0}, "stale_command": {"tried": 0, "held": 0}}
    axes = len(guard.low)
    for number in range(DRIVES):
        progress.check()
        scene = trial_scene(config, "similar", seed, number).scene
        world, wild = _WatchedWorld(), _Wild(scene, axes, seed + number)
        drive_world(world, scene, wild, guard, replace(control, max_frames=WILD_FRAMES))
        given = np.stack(world.given)
        low, high = np.array(guard.low) - 1e-6, np.array(guard.high) + 1e-6
        beyond = ~(np.isfinite(given).all(axis=1) & (given >= low).all(axis=1) & (given <= high).all(axis=1))
        counts["out_of_range"]["tried"] += wild.provoked
        counts["out_of_range"]["held"] += max(0, wild.provoked - int(beyond.sum()))
        counts["stale_command"]["tried"] += 1
        counts["stale_command"]["held"] += _comes_to_rest(scene, guard, control, chunk_size, last_answer=2 + number % 5)
    return counts


def _comes_to_rest(scene: Scene, guard: Guard, control: Control, chunk_size: int, last_answer: int) -> bool:
    """Whether a robot whose pilot falls silent is told to stop before its last answer is stale, and then rests."""
    world = _WatchedWorld()
    silent = _Silent(scene, len(guard.low), control.renewed_after(chunk_size), last_answer)
    longest = replace(control, max_frames=last_answer + guard.stale_frames + 1)
    driven = drive_world(world, scene, silent, guard, longest)
    if np.any(driven.commands[-1]):
        return False
    moving = np.flatnonzero(driven.commands.any(axis=1))
    in_time = not len(moving) or int(moving[-1]) < silent.answered + guard.stale_frames
    still = np.zeros(len(guard.low))
    world.step(still, SETTLES_S)
    before = world.pose
    world.step(still, control.interval_of(scene))
    return in_time and math.hypot(world.pose.x - before.x, world.pose.y - before.y) < RESTS_M
