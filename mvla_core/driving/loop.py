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
from mvla_core.driving.guard import Guard, Refusal
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

    def steps_of(self, scene: Scene) -> int:
        """Physics' steps between two commands in a scene, each of `TIMESTEP_S`."""
        return round((self.interval_s or scene.frame_interval_s) / TIMESTEP_S)

    def interval_of(self, scene: Scene) -> float:
        """Seconds between two commands, as they are driven: a whole number of the physics' steps."""
        return self.steps_of(scene) * TIMESTEP_S

    def renewed_after(self, chunk_size: int) -> int:
        """Frames after which the next chunk is asked for, of chunks of so many actions."""
        return 1 if self.ensembling is not None else min(self.execute_steps, chunk_size)


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
    """The pilot commanded a stop by itself: a finite, fresh command within the dead band."""
    refused: Refusal
    """Why the guard ended the drive with a stop of its own; "" where it did not."""
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
    steps = control.steps_of(scene)
    if not 0 <= control.latency_s <= 1 or steps < 1:
        raise SimulationError(
            f"A latency of {control.latency_s} s with {control.interval_s} s between commands cannot be driven; expected 0 to 1 s, "
            f"and at least {TIMESTEP_S} s."
        )
    late, rest = divmod(round(control.latency_s / TIMESTEP_S), steps)
    world.reset(scene)
    pilot.reset()
    plan = ChunkPlan(control.execute_steps, control.ensembling)
    still = np.zeros(len(guard.low), np.float32)
    line: list[npt.NDArray[np.float32]] = [still] * (late + 1)
    commands: list[npt.NDArray[np.float32]] = []
    frames: list[Frame] = []
    poses = [world.pose]
    ended = False
    refused: Refusal = ""
    clamped = 0
    while len(commands) < control.max_frames and not ended:
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
        # A pilot that has not answered yet has asked for nothing: its robot stands still because it is late.
        wish, age = (plan.command(number), plan.age(number)) if plan.begun else (still, guard.stale_frames)
        command = guard.held(wish, age)
        clamped += bool(np.any(command)) and not np.array_equal(command, wish)
        commands.append(command)
        line.append(command)
        _run(world, line, late, rest, steps)
        poses.append(world.pose)
        ended = not np.any(command)
        refused = guard.refusal(wish, age) if ended else ""
    for _ in range(late + (rest > 0) if ended else 0):
        line.append(still)
        _run(world, line, late, rest, steps)
        poses.append(world.pose)
    seconds = (len(poses) - 1) * control.interval_of(scene)
    stopped = ended and not refused
    return Driven(tuple(poses), np.stack(commands), tuple(frames), stopped, refused, world.collided, seconds, clamped)


def _run(world: World, line: list[npt.NDArray[np.float32]], late: int, rest: int, steps: int) -> None:
    """Hold the commands that reach the wheels during one interval: in its first `rest` steps the one before, then the due one."""
    if rest:
        world.step(line[-late - 2], rest * TIMESTEP_S)
    world.step(line[-late - 1], (steps - rest) * TIMESTEP_S)
