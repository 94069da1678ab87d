"""The briefing's data set again: its thirteen key sequences, in pictures of a simulated room, each episode in a room of its own.

The sequences are facts of a recording that is not part of the repository: `briefing_replica.json` in the folder MVLA_SHARED_DATA,
else in `shared/data` beside the repository. Without it the case is left out.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.planted.cases import Case, Drive
from benchmarks.planted.rooms import HEIGHT, WIDTH, Frames, velocities
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.world import World

PUBLISHED_HUBER = 0.0198
"""The validation loss of the briefing's last epoch: a mean over six dimensions, four of them always zero, where `results.json`
averages the two that the robot has."""
PUBLISHED_DIMENSIONS, REAL_DIMENSIONS = 6, 2
STEP_S = 0.17
"""Seconds between two keys: seventeen of them at 1.15 m/s are the three metres of a simulated room."""
_FIRST_SCENE = 5000


def replica_file() -> Path:
    """Where the key sequences lie, if they are there."""
    folder = os.environ.get("MVLA_SHARED_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(folder) / "briefing_replica.json"


@cache
def _episodes() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(replica_file().read_text(encoding="utf-8"))["episodes"])


@cache
def _driven(number: int, keys: str) -> Frames:
    """Pictures of a drive with these keys, uint8 (T, 60, 80, 3); the robot may touch what stands in its way."""
    world = World(HEIGHT, WIDTH)
    world.reset(sample_scene(_FIRST_SCENE + number, "left"))
    frames = []
    for forward, left in velocities(keys):
        frames.append(world.frame())
        world.step([forward, left], STEP_S)
    return np.stack(frames)


def replica_drives(seed: int) -> list[Drive]:
    """The same episodes for every seed: only the split and the training differ."""
    return [
        Drive(_driven(number, episode["keys"]), episode["keys"], "Go past the box on the left.")
        for number, episode in enumerate(_episodes())
    ]


def replica_case() -> Case:
    """The briefing's window and chunk; the verdict has three held-out episodes and the audit of all thirteen."""
    return Case(
        "replica",
        "memorised_script",
        "the briefing's thirteen episodes: one script, and pictures of a simulated room",
        replica_drives,
        recipe={"window_size": 4, "chunk_size": 10, "epochs": 10},
    )
