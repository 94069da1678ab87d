"""Simulated episodes, written as an ordinary data set by several processes.

Episode `i` of a seed is the same, byte for byte in frames and actions, whoever records it and in which order: its scene
follows from the seed, its number and how many draws before it failed. A data set's folder holds `simulation.jsonl`: its
settings in the first line, then a line for each finished episode, so that a stopped recording goes on where it ended.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mvla_core.episodes.writer import write_episode
from mvla_core.errors import SimulationError
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import ActionSpace, Frame
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.expert import SCRIPT_INTERVAL_S, SCRIPT_PLACEMENT, SCRIPT_SIDE, Expert, Script
from mvla_core.simulation.journal import EpisodeRecord, Journal
from mvla_core.simulation.pool import run_in_order
from mvla_core.simulation.rollout import Drive, drive
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scene import Scene, Side
from mvla_core.simulation.world import World

FIRST_DAY = datetime(2026, 1, 1, 12)
"""A simulated episode's time of recording only names it: noon of a day that follows from the seed, and on from there."""
MAX_DRAWS = 100


@dataclass(frozen=True)
class SimulationSummary:
    """What a recording made."""

    dataset: str
    episodes: int
    frames: int
    successes: int
    seconds: float
    kept: int
    """Episodes that an earlier recording with the same settings had finished."""
    redrawn: dict[str, int]
    """Drives that were not recorded, by reason; each was drawn anew with the next sub-seed."""

    def to_json(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "episodes": self.episodes,
            "frames": self.frames,
            "successes": self.successes,
            "seconds": round(self.seconds, 2),
            "kept": self.kept,
            "redrawn": dict(self.redrawn),
        }


@dataclass(frozen=True)
class AcceptedScene:
    """A scene that will be recorded, and the drives before it that will not."""

    scene: Scene
    redrawn: dict[str, int] = field(default_factory=dict)


def simulate_episodes(
    root: DataRoot,
    dataset: str,
    *,
    count: int = 24,
    seed: int = 0,
    image_size: int = 224,
    renderer: str = "ray",
    script: bool = False,
    workers: int = 2,
    progress: Progress = SILENT,
    **settings: Any,
) -> SimulationSummary:
    """Record a data set of simulated episodes, or finish one that was begun with the same settings.

    Left and right instructions alternate in random order within pairs, so that they are balanced. By default every
    recorded drive is a success of the expert; with `script` each is recorded as it went.

    Args:
        root: Where data sets lie.
        dataset: Name of the new data set, or of one that this function began with the same settings.
        count: Episodes in the data set afterwards, unless it already held more.
        seed: Of everything random.
        image_size: Height and width of the frames, in pixels.
        renderer: "ray".
        script: Replay one key sequence in every world.
        workers: Processes that record at the same time, 1 to 64; 1 records in this process.
        progress: Told after each episode; asked whether to stop.
        settings: Further fields of `SimulationConfig`.

    Returns:
        What the data set's first `count` episodes hold.

    Raises:
        UserInputError: A setting is out of range or unknown, or the data set holds something else.
        SimulationError: A world cannot be built, or the episodes cannot be written.
        Stopped: The user asked for it; finished episodes are kept.
    """
    began = time.monotonic()
    config = SimulationConfig.from_settings(
        count=count, seed=seed, image_size=image_size, renderer=renderer, script=script, **settings
    )
    journal = Journal.open(root.dataset(dataset), dataset, config)
    tasks = [EpisodeTask(config, index, journal.folder) for index in range(count) if not journal.has(index)]
    kept = count - len(tasks)
    done = kept
    progress.emit("progress", done=done, total=count, message="episodes")
    for record in run_in_order(record_episode, tasks, workers, progress):
        journal.add(record)
        done += 1
        progress.emit("progress", done=done, total=count, message="episodes")
    records = [journal.records[index] for index in range(count)]
    return SimulationSummary(
        dataset=dataset,
        episodes=len(records),
        frames=sum(record.frames for record in records),
        successes=sum(record.success for record in records),
        seconds=time.monotonic() - began,
        kept=kept,
        redrawn=dict(sum((Counter(record.redrawn) for record in records), Counter())),
    )


@dataclass(frozen=True)
class EpisodeTask:
    """One episode to record: what a worker process is given."""

    config: SimulationConfig
    index: int
    folder: Path


def record_episode(task: EpisodeTask) -> EpisodeRecord:
    """Record one episode into a file of the task's folder.

    Raises:
        SimulationError: No drive succeeded, or the file cannot be written.
    """
    config, index = task.config, task.index
    accepted = accepted_scene(config, index)
    scene = accepted.scene
    episode_id = f"{episode_name(config.seed, index)}_{scene.scenario_label}"
    path = task.folder / f"{episode_id}.h5"
    # A file of these settings that the journal does not know was written whole just before a recording was killed.
    draw = not path.exists()
    driver = Script() if config.script else Expert(scene)
    recorded = drive(World(config.image_size), scene, driver, max_frames=config.frames[1], draw=draw)
    if draw:
        _write(path, config, index, scene, recorded)
    outcome = recorded.outcome
    return EpisodeRecord(
        index, episode_id, scene.seed, len(recorded.actions), outcome.success, outcome.failure, accepted.redrawn
    )


def accepted_scene(config: SimulationConfig, index: int) -> AcceptedScene:
    """Draw scenes for episode `index` until the expert's drive succeeds within the allowed number of frames.

    Scripted data sets take the first draw, whatever becomes of it.

    Raises:
        SimulationError: None of `MAX_DRAWS` scenes would do.
    """
    if config.script:
        rehearsed = replace(
            config,
            placement=SCRIPT_PLACEMENT * config.placement,
            frame_interval_s=(SCRIPT_INTERVAL_S, SCRIPT_INTERVAL_S),
        )
        return AcceptedScene(sample_scene(scene_seed(config.seed, index, 0), SCRIPT_SIDE, rehearsed))
    redrawn: Counter[str] = Counter()
    side = instructed_side(config.seed, index)
    world = World(config.image_size)
    for attempt in range(MAX_DRAWS):
        scene = sample_scene(scene_seed(config.seed, index, attempt), side, config)
        reason = _refusal(config, world, scene)
        if not reason:
            return AcceptedScene(scene, dict(redrawn))
        redrawn[reason] += 1
    common = redrawn.most_common(1)[0][0]
    raise SimulationError(
        f"Episode {index} of seed {config.seed} found no world in {MAX_DRAWS} draws that the expert could drive within "
        f"{config.frames[0]} to {config.frames[1]} frames (mostly: {common}); widen frames or frame_interval_s."
    )


def _refusal(config: SimulationConfig, world: World, scene: Scene) -> str:
    """Why the expert's drive through a scene shall not be recorded; "" if it shall."""
    try:
        expert = Expert(scene)
    except SimulationError:
        return "no_way"
    tried = drive(world, scene, expert, max_frames=config.frames[1] + 1, draw=False)
    if len(tried.actions) > config.frames[1]:
        return "too_long"
    if tried.outcome.failure:
        return tried.outcome.failure
    return "too_short" if len(tried.actions) < config.frames[0] else ""


def scene_seed(seed: int, index: int, attempt: int) -> int:
    """The seed of one draw of one episode, 0 to 2**32 - 1."""
    return int(np.random.SeedSequence((seed, index, attempt)).generate_state(1)[0])


def instructed_side(seed: int, index: int) -> Side:
    """The side of episode `index`: of each pair of episodes one is left and one right, in random order."""
    swapped = int(np.random.SeedSequence((seed, index // 2, 0x51DE)).generate_state(1)[0]) % 2
    sides: tuple[Literal["left"], Literal["right"]] = ("left", "right")
    return sides[(index + swapped) % 2]


def episode_name(seed: int, index: int) -> str:
    """The beginning of an episode's name in the recorder's grammar, for example "episode_20260101_120000"."""
    return f"{_moment(seed, index):episode_%Y%m%d_%H%M%S}"


def _moment(seed: int, index: int) -> datetime:
    return FIRST_DAY + timedelta(days=seed % 365, seconds=10 * index)


def _write(path: Path, config: SimulationConfig, index: int, scene: Scene, recorded: Drive) -> None:
    try:
        write_episode(
            path,
            recorded.frames,
            recorded.actions,
            action_space=ActionSpace.default(recorded.actions.shape[1]),
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
        "goal": "basket",
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
    }


def preview(seed: int, *, side: Side = "left", config: SimulationConfig | None = None) -> Frame:
    """The first frame of a scene, as the front camera sees it.

    Args:
        seed: Of the scene, any whole number from 0.
        side: The instruction's side; the picture does not depend on it.
        config: Image size and ranges; the defaults if None.

    Returns:
        uint8 (image_size, image_size, 3), RGB.
    """
    config = config or SimulationConfig()
    world = World(config.image_size)
    world.reset(sample_scene(seed, side, config))
    return world.frame()


def drives(config: SimulationConfig, *, draw: bool = False) -> Iterator[Drive]:
    """Drive the episodes of a data set one after the other without writing them, for statistics and tests."""
    for index in range(config.count):
        scene = accepted_scene(config, index).scene
        driver = Script() if config.script else Expert(scene)
        yield drive(World(config.image_size), scene, driver, max_frames=config.frames[1], draw=draw)
