"""Simulated episodes, written as an ordinary data set by several processes.

Episode `i` of a seed is the same, byte for byte in frames and actions, whoever records it and in which order: its scene
follows from the seed, its number and how many draws before it failed. A data set's folder holds `simulation.jsonl`: its
settings in the first line, then a line for each finished episode, so that a stopped recording goes on where it ended.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mvla_core.errors import SimulationError
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import Frame
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.disturbance import Disturbance
from mvla_core.simulation.episode_file import episode_name, write_drive
from mvla_core.simulation.expert import SCRIPT_INTERVAL_S, SCRIPT_PLACEMENT, SCRIPT_SIDE, Expert, Script
from mvla_core.simulation.failures import FailureSet, failure_name
from mvla_core.simulation.gl_renderer import check_renderer
from mvla_core.simulation.journal import EpisodeRecord, Journal
from mvla_core.simulation.labels import tag_shoved
from mvla_core.simulation.pool import run_in_order
from mvla_core.simulation.rollout import Drive, drive
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scenarios import scenario_of
from mvla_core.simulation.scene import Scene, Side
from mvla_core.simulation.world import Driver, World

MAX_DRAWS = 100
END_FRAMES = 200
"""Frames beyond the settings' after which a drive that is judged without regard to its length has failed."""
NOT_FAILURES = ("no_way", "too_long", "too_short")
"""Reasons for a new draw that are none of the expert's failures."""


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
    scenarios: dict[str, int] = field(default_factory=dict)
    """Episodes by the recorder's name of their scenario."""
    shoved: int = 0
    """Episodes in which the robot was shoved and recovered."""
    failures: str = ""
    """The data set of the kept failures; "" where none are kept."""

    def to_json(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "episodes": self.episodes,
            "frames": self.frames,
            "successes": self.successes,
            "seconds": round(self.seconds, 2),
            "kept": self.kept,
            "redrawn": dict(self.redrawn),
            "scenarios": dict(self.scenarios),
            "shoved": self.shoved,
            "failures": self.failures,
        }


@dataclass(frozen=True)
class AcceptedScene:
    """A scene that will be recorded, and the drives before it that will not."""

    scene: Scene
    redrawn: dict[str, int] = field(default_factory=dict)
    failed: tuple[tuple[int, str, Scene], ...] = ()
    """Scenes that the expert failed in, each with the number of its draw and what went wrong; worlds without a way are not
    among them."""
    driven: Drive | None = None
    """The expert's drive through the scene, without pictures; None for a script."""


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
        renderer: "ray", or "gl" where this machine has EGL.
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
    check_renderer(config.renderer)
    failures = FailureSet(root, dataset, config) if config.keep_failures else None
    if failures is not None:
        failures.open(Journal.look(root.dataset(dataset), dataset, config).records)
    journal = Journal.open(root.dataset(dataset), dataset, config)
    tasks = [EpisodeTask(config, index, journal.folder, failures) for index in range(count) if not journal.has(index)]
    kept = count - len(tasks)
    done = kept
    progress.emit("progress", done=done, total=count, message="episodes")
    for record in run_in_order(record_episode, tasks, workers, progress):
        tag_shoved(root, dataset, record)
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
        scenarios=dict(sorted(Counter(record.scenario for record in records if record.scenario).items())),
        shoved=sum(record.shoved for record in records),
        failures=failures.name if failures is not None and not failures.is_empty else "",
    )


@dataclass(frozen=True)
class EpisodeTask:
    """One episode to record: what a worker process is given."""

    config: SimulationConfig
    index: int
    folder: Path
    failures: FailureSet | None = None
    """Where failed drives are kept; None where they are not."""


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
    known = None if draw else accepted.driven
    recorded = known or drive_scene(config, index, scene, draw=draw)
    if draw:
        write_drive(path, config, index, scene, recorded)
    if task.failures is not None:
        for attempt, reason, failed in accepted.failed:
            name = failure_name(config.seed, index, attempt, reason, failed)
            if not task.failures.has(name):
                task.failures.keep(index, name, reason, failed, drive_scene(config, index, failed))
    outcome = recorded.outcome
    return EpisodeRecord(
        index,
        episode_id,
        scene.seed,
        len(recorded.actions),
        outcome.success,
        outcome.failure,
        accepted.redrawn,
        scene.scenario_label,
        recorded.shoved_at is not None,
    )


def driver_for(config: SimulationConfig, scene: Scene) -> Driver:
    """The expert, or the script, as the settings want it.

    Raises:
        SimulationError: The expert finds no way to the goal.
    """
    return Script() if config.script else Expert(scene, actions=config.actions, combos=config.combos)


def drive_scene(
    config: SimulationConfig,
    index: int,
    scene: Scene,
    *,
    draw: bool = True,
    world: World | None = None,
    longer: int = 0,
) -> Drive:
    """Drive a scene as it is recorded: with the settings' driver, its noise and its shoves.

    Args:
        config: Of the data set.
        index: Of the episode, which decides whether the robot is shoved.
        scene: To drive.
        draw: False saves the time of drawing.
        world: To drive in, as making one takes time; a new one if None.
        longer: Frames that are allowed beyond the settings'.
    """
    own = world or World(*config.image_shape, renderer=config.renderer)
    disturbance = None
    if config.dart or config.shoves:
        shove = float(np.random.default_rng([config.seed, index, 0x540E]).random()) < config.shoves
        disturbance = Disturbance(scene, dart=config.dart, shove=shove)
    driver = driver_for(config, scene)
    try:
        return drive(own, scene, driver, max_frames=config.frames[1] + longer, draw=draw, disturbance=disturbance)
    finally:
        own.close()


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
    failed: list[tuple[int, str, Scene]] = []
    world = World(*config.image_shape)
    for attempt in range(MAX_DRAWS):
        tried = rehearse(config, index, attempt, world)
        if not tried.refused:
            return AcceptedScene(tried.scene, dict(redrawn), tuple(failed), tried.driven)
        redrawn[tried.refused] += 1
        if tried.refused not in NOT_FAILURES:
            failed.append((attempt, tried.refused, tried.scene))
    common = redrawn.most_common(1)[0][0]
    raise SimulationError(
        f"Episode {index} of seed {config.seed} found no world in {MAX_DRAWS} draws that the expert could drive within "
        f"{config.frames[0]} to {config.frames[1]} frames (mostly: {common}); widen frames or frame_interval_s."
    )


def drawn_scene(config: SimulationConfig, index: int, attempt: int = 0) -> Scene:
    """One draw of the scene of episode `index`, whatever the expert makes of it."""
    wanted = scenario_of(config.scenarios, config.seed, index)
    side = wanted.side or instructed_side(config.seed, index)
    return sample_scene(scene_seed(config.seed, index, attempt), side, config, wanted)


@dataclass(frozen=True)
class Rehearsal:
    """One draw of an episode's scene, and how the expert drives it."""

    scene: Scene
    driven: Drive | None
    """Not drawn; None where there is no way."""
    refused: str
    """Why it will not be recorded: "no_way", "too_long", "too_short", or the drive's failure; "" if it will."""


def rehearse(config: SimulationConfig, index: int, attempt: int = 0, world: World | None = None) -> Rehearsal:
    """Draw a scene of episode `index` and let the expert drive it, without pictures."""
    scene = drawn_scene(config, index, attempt)
    try:
        tried = drive_scene(config, index, scene, draw=False, world=world, longer=1)
    except SimulationError:
        return Rehearsal(scene, None, "no_way")
    if len(tried.actions) > config.frames[1]:
        return Rehearsal(scene, tried, "too_long")
    too_short = "too_short" if len(tried.actions) < config.frames[0] else ""
    return Rehearsal(scene, tried, tried.outcome.failure or too_short)


def first_end(config: SimulationConfig, index: int, world: World | None = None) -> str:
    """How the expert's drive through the first draw of an episode's scene ends: "no_way", its failure, or "" for a success.

    That it would be recorded or not for its length does not matter: a drive that was too long goes on for `END_FRAMES` more, and
    one that has not ended by then has failed. This is the figure to judge the expert by; `rehearse` alone would count a drive
    that was broken off as neither.
    """
    tried = rehearse(config, index, 0, world)
    if tried.refused in ("", "too_short"):
        return ""
    if tried.refused != "too_long":
        return tried.refused
    return drive_scene(config, index, tried.scene, draw=False, world=world, longer=END_FRAMES).outcome.failure


def scene_seed(seed: int, index: int, attempt: int) -> int:
    """The seed of one draw of one episode, 0 to 2**32 - 1."""
    return int(np.random.SeedSequence((seed, index, attempt)).generate_state(1)[0])


def instructed_side(seed: int, index: int) -> Side:
    """The side of episode `index`: of each pair of episodes one is left and one right, in random order."""
    swapped = int(np.random.SeedSequence((seed, index // 2, 0x51DE)).generate_state(1)[0]) % 2
    sides: tuple[Literal["left"], Literal["right"]] = ("left", "right")
    return sides[(index + swapped) % 2]


def preview(seed: int, *, side: Side = "left", config: SimulationConfig | None = None) -> Frame:
    """The first frame of a scene, as the front camera sees it.

    Args:
        seed: Of the scene, any whole number from 0.
        side: The instruction's side; the picture does not depend on it.
        config: Image size and ranges; the defaults if None.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    config = config or SimulationConfig()
    world = World(*config.image_shape, renderer=config.renderer)
    try:
        world.reset(sample_scene(seed, side, config))
        return world.frame()
    finally:
        world.close()


def drives(config: SimulationConfig, *, draw: bool = False) -> Iterator[Drive]:
    """Drive the episodes of a data set one after the other without writing them, for statistics and tests."""
    for index in range(config.count):
        accepted = accepted_scene(config, index)
        known = None if draw else accepted.driven
        yield known or drive_scene(config, index, accepted.scene, draw=draw)
