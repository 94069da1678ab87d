"""One trial: a world, the policy and the baselines in it, and what became of each."""

from __future__ import annotations

import contextlib
import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mvla_core.driving.guard import Guard
from mvla_core.driving.loop import Control, Driven, Pilot, drive_world
from mvla_core.driving.pilots import BASELINES, BlindTables, PolicyPilot
from mvla_core.driving.suites import SuddenBox, TrialScene, trial_scene, with_obstacle
from mvla_core.driving.video import write_video
from mvla_core.policies.adapter import load_policy
from mvla_core.policies.live import LivePolicy
from mvla_core.policies.threads import set_threads
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.planner import STANDOFF_M
from mvla_core.simulation.rollout import judge
from mvla_core.simulation.scene import Pose
from mvla_core.simulation.world import World

TIMES_THE_EXPERT = 2.0
"""A drive may take so many times the expert's time, and at least that of `FEWEST_FRAMES` of the world's own frames."""
FEWEST_FRAMES = 30
STILL_DRIVING_S = 0.3
"""A stop before a sudden obstacle counts only where the same drive without it goes on for at least so much longer."""
FILMED_ANYWAY = 1
"""So many trials of each suite are filmed also where they succeed; of those that fail every one is."""


@dataclass(frozen=True)
class TrialTask:
    """What a worker process is given."""

    config: SimulationConfig
    suite: str
    seed: int
    index: int
    adapter: Path
    policy: str
    """Digest of the adapter: a process that has loaded another policy from the same folder loads it anew."""
    device: str | None
    """None takes CUDA where it is available."""
    guard: Guard
    control: Control
    tables: BlindTables
    films: Path
    """Where its film goes; the trial names it relative to the folder above."""


def run_trial(task: TrialTask) -> dict[str, Any]:
    """Drive one trial.

    Returns:
        What `trials.jsonl` holds of it: see `results`.

    Raises:
        SimulationError: No world could be drawn, or its video not be written.
        PolicyError: The policy cannot be loaded.
    """
    trial = trial_scene(task.config, task.suite, task.seed, task.index)
    height, width = task.config.image_shape
    pilot = PolicyPilot(_policy(task.adapter, task.device, task.policy), trial.instruction)
    interval = task.control.interval_of(trial.scene)
    with contextlib.closing(World(height, width, renderer=task.config.renderer)) as world:
        driven, record = drive_trial(world, trial, pilot, task.guard, task.control, keep_frames=True)
        baselines = {}
        for name in BASELINES:
            blind = task.tables.pilot(name, trial.instruction, interval / trial.scene.frame_interval_s)
            _, found = drive_trial(world, trial, blind, task.guard, task.control)
            baselines[name] = {key: found[key] for key in ("success", "failure", "progress")}
    video = ""
    if not record["success"] or task.index < FILMED_ANYWAY:
        film = task.films / f"{task.suite}_{task.index:04d}.mp4"
        video = f"{task.films.name}/{film.name}"
        title = f"{task.suite} {task.index}: {record['failure'] or 'success'}"
        shown = with_obstacle(trial.judged, record["obstacle"])
        write_video(film, shown, driven.frames, driven.poses, driven.commands, 1 / interval, title)
    scene = trial.judged
    return {
        "suite": task.suite,
        "index": task.index,
        "digest": trial.digest,
        "instruction": trial.instruction,
        "scenario": scene.scenario_label,
        "start": [round(scene.start.x, 3), round(scene.start.y, 3)],
        "boxes": [[round(box.x, 3), round(box.y, 3)] for box in scene.boxes],
        "goal": [round(scene.basket.x, 3), round(scene.basket.y, 3)],
        "expert_path_m": round(trial.expert_path_m, 3),
        "video": video,
        **record,
        "baselines": baselines,
    }


def drive_trial(
    world: World, trial: TrialScene, pilot: Pilot, guard: Guard, control: Control, *, keep_frames: bool = False
) -> tuple[Driven, dict[str, Any]]:
    """Let a pilot drive a trial and judge it.

    Returns:
        The drive, and the record: success, failure, progress, path_m, path_ratio, seconds, frames, collided, least_clearance_m,
        final_distance_m, clamped, obstacle, path. The failure is the first thing that went wrong, "" for a success: "stale" and
        "not_finite" where the guard had to stop the robot, "stopped_anyway" where it stops without the obstacle too.
    """
    limited = replace(control, max_frames=_frames_allowed(trial, control))
    sudden = SuddenBox(trial)
    event = None if trial.sudden is None else sudden
    driven = drive_world(world, trial.scene, pilot, guard, limited, event=event, keep_frames=keep_frames)
    outcome = judge(trial.judged, list(driven.poses), driven.collided, driven.stopped)
    failure = outcome.failure if trial.sudden is None else _stop_failure(driven, sudden)
    if driven.refused and failure != "collided":
        failure = driven.refused
    if trial.sudden is not None and not failure and _stops_anyway(world, trial, pilot, guard, control, driven):
        failure = "stopped_anyway"
    record = {
        "success": not failure,
        "failure": failure,
        "progress": round(_progress(trial, driven.poses[-1]), 4),
        "path_m": round(outcome.path_m, 3),
        "path_ratio": round(outcome.path_m / trial.expert_path_m, 3) if trial.sudden is None else None,
        "seconds": round(driven.seconds, 2),
        "frames": len(driven.commands),
        "collided": driven.collided,
        "least_clearance_m": round(sudden.least_clearance_m(driven.poses), 3),
        "final_distance_m": round(outcome.final_distance_m, 3),
        "clamped": driven.clamped,
        "obstacle": None if sudden.place is None else [round(sudden.place[0], 3), round(sudden.place[1], 3)],
        "path": [[round(pose.x, 2), round(pose.y, 2)] for pose in driven.poses],
    }
    return driven, record


def _frames_allowed(trial: TrialScene, control: Control) -> int:
    """Frames that a drive may take: counted in time, so that a faster control rate does not shorten the drive."""
    own_frames = max(FEWEST_FRAMES, TIMES_THE_EXPERT * trial.expert_frames)
    seconds = own_frames * trial.scene.frame_interval_s
    return max(1, math.ceil(seconds / control.interval_of(trial.scene) - 1e-6))


def _stops_anyway(
    world: World, trial: TrialScene, pilot: Pilot, guard: Guard, control: Control, driven: Driven
) -> bool:
    """Whether the pilot stops at about the same frame also where no obstacle appears: then it was not the obstacle's doing.

    Everything else of the two drives is the same, to the noise of the camera and the slip of the wheels.
    """
    longer = max(1, math.ceil(STILL_DRIVING_S / control.interval_of(trial.scene) - 1e-6))
    alone = drive_world(world, trial.scene, pilot, guard, replace(control, max_frames=len(driven.commands) + longer))
    return alone.stopped or bool(alone.refused)


def _stop_failure(driven: Driven, sudden: SuddenBox) -> str:
    """What went wrong before a sudden obstacle, where success is to stand still before it, untouched."""
    if driven.collided:
        return "collided"
    if sudden.appeared_at is None:
        return "stopped_early" if driven.stopped else "not_reached"
    if not driven.stopped or sudden.passed(driven.poses[-1]):
        return "drove_on"
    return ""


def _progress(trial: TrialScene, last: Pose) -> float:
    """Share of the way to the stop point before the goal that was covered, as the crow flies, 0 to 1."""
    goal, start = trial.judged.basket, trial.judged.start
    whole = math.hypot(goal.x - start.x, goal.y - start.y) - STANDOFF_M
    left = math.hypot(goal.x - last.x, goal.y - last.y) - STANDOFF_M
    return min(1.0, max(0.0, 1.0 - left / whole))


@functools.lru_cache(maxsize=1)
def _policy(adapter: Path, device: str | None, digest: str) -> LivePolicy:
    """Loaded once in each worker process; `digest` tells apart what one folder held at different times."""
    policy = load_policy(adapter, device)
    set_threads(policy.spec.backbone)
    return LivePolicy(policy)
