"""The control loop in a simulated world: look, predict, hold back for as long as the computer would need, command.

It differs from `simulation.rollout.drive` in what a real robot adds: a command reaches the wheels later than its picture was
taken, the controller may run at another rate than the recording, and something may happen on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mvla_core.driving.chunks import Chunk, ChunkPlan
from mvla_core.driving.guard import Guard
from mvla_core.errors import SimulationError
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import Actions, Frame
from mvla_core.simulation.config import TIMESTEP_S
from mvla_core.simulation.scene import Pose, Scene
from mvla_core.simulation.world import World


class Pilot(Protocol):
    """What predicts chunks of actions: a policy, a baseline, the expert."""

    @property
    def looks(self) -> bool:
        """Whether it needs frames; a drive of one that does not is not drawn."""
        ...

    def reset(self) -> None:
        """Forget the former drive."""
        ...

    def see(self, frame: Frame) -> None:
        """Take the next frame, uint8 (H, W, 3), RGB; every frame is shown, whether or not a chunk is wanted."""
        ...

    def chunk(self, world: World, frame: int) -> Chunk | None:
        """Return the actions from frame number `frame` on, float32 (C, A); None if there is no answer in time.

        A policy leaves the world alone.
        """
        ...


@dataclass(frozen=True)
class Control:
    """How the predictions are driven.

    Attributes:
        execute_steps: Actions of a chunk that are driven before the next one is predicted, at least 1.
        ensembling: See `ChunkPlan`; None for none.
        latency_s: From the picture to the wheels, 0 to 1 s.
        interval_s: Time between two commands; None takes the scene's, which is the recordings'.
        max_frames: A drive that has not stopped by then is over.
    """

    execute_steps: int = 1
    ensembling: float | None = None
    latency_s: float = 0.0
    interval_s: float | None = None
    max_frames: int = 45


@dataclass(frozen=True)
class Driven:
    """What happened in a drive of T frames."""

    poses: tuple[Pose, ...]
    """(T + 1), or more where a late stop let the robot roll on."""
    commands: Actions
    """float32 (T, A): what was commanded, after the guard."""
    frames: tuple[Frame, ...]
    """(T,), or empty where the pilot does not look or nobody wants them."""
    stopped: bool
    """The pilot commanded a stop by itself."""
    collided: bool
    seconds: float
    """From the start until the robot was told to rest, in the world's time."""
    clamped: int
    """Commands that the guard changed otherwise than by the dead band."""


def drive_world(
    world: World,
    scene: Scene,
    pilot: Pilot,
    guard: Guard,
    control: Control,
    *,
    event: Callable[[World, int], None] | None = None,
    keep_frames: bool = False,
    progress: Progress = SILENT,
) -> Driven:
    """Reset a world to a scene and let a pilot drive until it stops, or until its frames are used up.

    Args:
        world: What was in it is gone.
        scene: Where to drive.
        pilot: Predicts.
        guard: Has the last word.
        control: Timing.
        event: Called before each frame with the world and the frame's number: something that befalls the robot.
        keep_frames: Return the frames, for a video.
        progress: Asked between frames whether to stop.

    Raises:
        SimulationError: The latency or interval is out of range.
        Stopped: The user asked for it.
    """
    interval = control.interval_s or scene.frame_interval_s
    if not 0 <= control.latency_s <= 1 or interval < TIMESTEP_S:
        raise SimulationError(
            f"A latency of {control.latency_s} s with {interval} s between commands cannot be driven; expected 0 to 1 s, and at "
            f"least {TIMESTEP_S} s."
        )
    late, rest = divmod(round(control.latency_s / TIMESTEP_S), round(interval / TIMESTEP_S))
    world.reset(scene)
    pilot.reset()
    plan = ChunkPlan(control.execute_steps, control.ensembling)
    still = np.zeros(len(guard.low), np.float32)
    line: list[npt.NDArray[np.float32]] = [still] * (late + 1)
    commands: list[npt.NDArray[np.float32]] = []
    frames: list[Frame] = []
    poses = [world.pose]
    stopped = False
    clamped = 0
    while len(commands) < control.max_frames and not stopped:
        progress.check()
        number = len(commands)
        if event is not None:
            event(world, number)
        if pilot.looks:
            frame = world.frame()
            pilot.see(frame)
            if keep_frames:
                frames.append(frame)
        chunk = pilot.chunk(world, number) if plan.wants(number) else None
        if chunk is not None:
            plan.offer(number, chunk)
        wish = plan.command(number) if plan.begun else still
        command = guard.held(wish, plan.age(number) if plan.begun else 0)
        clamped += bool(np.any(command)) and not np.array_equal(command, wish)
        commands.append(command)
        line.append(command)
        _run(world, line, late, rest, interval)
        poses.append(world.pose)
        stopped = not np.any(command)
    for _ in range(late + (rest > 0) if stopped else 0):
        line.append(still)
        _run(world, line, late, rest, interval)
        poses.append(world.pose)
    seconds = (len(poses) - 1) * interval
    return Driven(tuple(poses), np.stack(commands), tuple(frames), stopped, world.collided, seconds, clamped)


def _run(world: World, line: list[npt.NDArray[np.float32]], late: int, rest: int, interval: float) -> None:
    """Hold the commands that reach the wheels during one interval: until `rest` steps of it the one before, then the due one."""
    if rest:
        world.step(line[-late - 2], rest * TIMESTEP_S)
    remaining = interval - rest * TIMESTEP_S
    if remaining >= TIMESTEP_S / 2:
        world.step(line[-late - 1], remaining)
