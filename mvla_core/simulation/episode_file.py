"""How a simulated drive is written: an ordinary episode file with what the simulator knows as attributes."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from mvla_core.episodes.writer import write_episode
from mvla_core.errors import SimulationError
from mvla_core.schema import ActionSpace
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.rollout import Drive
from mvla_core.simulation.scene import Scene

FIRST_DAY = datetime(2026, 1, 1, 12)
"""A simulated episode's time of recording only names it: noon of a day that follows from the seed, and on from there."""


def episode_name(seed: int, index: int) -> str:
    """The beginning of an episode's name in the recorder's grammar, for example "episode_20260101_120000"."""
    return f"{_moment(seed, index):episode_%Y%m%d_%H%M%S}"


def _moment(seed: int, index: int) -> datetime:
    return FIRST_DAY + timedelta(days=seed % 365, seconds=10 * index)


def write_drive(path: Path, config: SimulationConfig, index: int, scene: Scene, recorded: Drive) -> None:
    """Write a drive with its frames.

    Raises:
        SimulationError: The file cannot be written, for example because the disk is full.
    """
    # The drivers command two axes; where a third one is recorded, the robot never turned.
    turns = np.zeros((len(recorded.actions), config.action_dims - recorded.actions.shape[1]), np.float32)
    try:
        write_episode(
            path,
            recorded.frames,
            np.hstack([recorded.actions, turns]),
            action_space=ActionSpace.default(config.action_dims),
            instruction=scene.instruction,
            attributes={"episode_name": path.stem, **_attributes(config, index, scene, recorded)},
        )
    except OSError as error:
        raise SimulationError(
            f"The episode {path.name} cannot be written to {path.parent} ({_short(error)}); "
            "make room or choose another data root, then start again: finished episodes are kept."
        ) from error


def _short(error: OSError) -> str:
    """The reason without the library's addresses and offsets."""
    return (error.strerror or str(error)).splitlines()[0].split(" (file write failed")[0]


def _attributes(config: SimulationConfig, index: int, scene: Scene, recorded: Drive) -> dict[str, Any]:
    box, outcome = scene.boxes[0], recorded.outcome
    return {
        "simulated": True,
        "collection_datetime": _moment(config.seed, index).isoformat(),
        "frame_rate_hz": 1.0 / scene.frame_interval_s,
        "total_duration": len(recorded.actions) * scene.frame_interval_s,
        "scenario": f"{len(scene.boxes)}box_{scene.layout}_{scene.side}",
        "goal": scene.basket.kind,
        "boxes": len(scene.boxes),
        "layout": scene.layout,
        "side": scene.side,
        "pattern": "core",
        "distance": scene.distance,
        "driver": "script" if config.script else "expert",
        "success": outcome.success,
        "failure": outcome.failure,
        "collided": outcome.collided,
        "least_clearance_m": outcome.least_clearance_m,
        "final_distance_m": outcome.final_distance_m,
        "simulation_seed": config.seed,
        "simulation_index": index,
        "scene_seed": scene.seed,
        "box_distance_m": math.hypot(box.x - scene.start.x, box.y - scene.start.y),
        "goal_distance_m": math.hypot(scene.basket.x - scene.start.x, scene.basket.y - scene.start.y),
        # Below is what only some recordings have; an attribute of None is not written.
        "action_kind": config.actions if config.actions != "keyboard" else None,
        "dart": config.dart or None,
        "shove_frame": recorded.shoved_at,
    }
