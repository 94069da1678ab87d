"""The worlds in which a policy is tried: as in training, a little different, new, and edge cases.

Trial `i` of a suite and seed is the same world for every run that was trained on the same kind of data, so that runs can be
compared in pairs. A world counts only if the expert can drive it: what nobody can do tells nothing of a policy.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mvla_core.driving.settings import ALL_SUITES, EDGE_CASES
from mvla_core.errors import SimulationError
from mvla_core.files import read_json_lines
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.expert import SCRIPT_INTERVAL_S, SCRIPT_PLACEMENT, SCRIPT_SIDE
from mvla_core.simulation.journal import FILE_NAME
from mvla_core.simulation.planner import clearance
from mvla_core.simulation.record import drawn_scene, driver_for
from mvla_core.simulation.rollout import drive
from mvla_core.simulation.sampling import CLOSE_M, MEDIUM_M
from mvla_core.simulation.scenarios import Distance, ScenarioParts, parse_scenario
from mvla_core.simulation.scene import ROBOT_RADIUS, Box, Pose, Scene
from mvla_core.simulation.world import World

MAX_DRAWS = 200
MORE_FRAMES = 8
"""A trial's world may take the expert so many frames more than a recorded episode."""
OBSTACLE_GAP_M = 0.85
"""From the robot's middle to the near side of a sudden obstacle at the moment when it appears."""
OBSTACLE_AFTER_M = 0.3
"""It appears at the first frame on which the robot has come this far and there is room for it ahead."""
OBSTACLE_HALF_M = (0.12, 0.20, 0.20)


@dataclass(frozen=True)
class TrialScene:
    """One world with its task.

    Attributes:
        scene: What is built.
        judged: By which the drive is judged; differs from `scene` where something appears on the way.
        sudden: Number of the box that appears; None where nothing does.
        expert_path_m: Length of the expert's way to the goal.
        expert_frames: Frames that it took.
        digest: Tells worlds apart; equal for equal worlds and tasks.
    """

    scene: Scene
    judged: Scene
    sudden: int | None
    expert_path_m: float
    expert_frames: int
    digest: str

    @property
    def instruction(self) -> str:
        return self.judged.instruction


def world_settings(dataset_folder: Path) -> tuple[SimulationConfig, bool]:
    """Return how the worlds of a data set were drawn, and whether the data set says so.

    Recordings of a real robot say nothing of this kind: they get the defaults. What only disturbs the recording of data (noise,
    shoves) is left out. A script's worlds stay those in which it was recorded: near the middle, on its side, at its rate.

    Raises:
        UserInputError: The data set's settings are damaged.
        SimulationError: They name a renderer that is unknown.
    """
    path = dataset_folder / FILE_NAME
    lines = read_json_lines(path)[0] if path.is_file() else []
    if not lines:
        return SimulationConfig(), False
    settings = {name: value for name, value in lines[0].items() if name != "world_version"}
    config = SimulationConfig.from_settings(**settings)
    if config.script:
        config = replace(
            config,
            script=False,
            placement=SCRIPT_PLACEMENT * config.placement,
            frame_interval_s=(SCRIPT_INTERVAL_S, SCRIPT_INTERVAL_S),
            scenarios=((ScenarioParts(side=SCRIPT_SIDE).name, 1),),
        )
    return replace(config, count=1, dart=0.0, shoves=0.0, keep_failures=False), True


def trial_scene(config: SimulationConfig, suite: str, seed: int, index: int) -> TrialScene:
    """Draw the world of one trial.

    Args:
        config: What `world_settings` gave for the training data.
        suite: One of `ALL_SUITES`.
        seed: Of the trials. Their worlds are none of the training's, whatever the seed of those was.
        index: Number of the trial.

    Raises:
        SimulationError: The expert can drive none of `MAX_DRAWS` drawn worlds.
    """
    settings = _changed(config, suite, seed)
    world = World(16)
    for attempt in range(MAX_DRAWS):
        scene = drawn_scene(settings, index, attempt)
        if suite in _EDITS:
            scene = _EDITS[suite](scene)
        found = _expert_drive(world, scene, settings)
        if found is None:
            continue
        path_m, frames = found
        built = _with_hidden_box(scene) if suite == "sudden_obstacle" else scene
        sudden = len(scene.boxes) if suite == "sudden_obstacle" else None
        digest = hashlib.sha256(repr((built, scene.instruction, sudden)).encode()).hexdigest()[:16]
        return TrialScene(built, scene, sudden, path_m, frames, digest)
    raise SimulationError(
        f"Trial {index} of the suite {suite!r} found no world in {MAX_DRAWS} draws that the expert can drive; choose another seed."
    )


class SuddenBox:
    """An event for `drive_world`: a box appears right ahead as soon as the robot is on its way and there is room."""

    def __init__(self, trial: TrialScene) -> None:
        self._trial = trial
        self.appeared_at: Pose | None = None
        """Where the robot was then; None before."""
        self.frame: int | None = None
        """The number of the frame before which it appeared."""
        self.place: tuple[float, float] | None = None
        """Of the middle of the box."""

    def __call__(self, world: World, frame: int) -> None:
        trial, pose = self._trial, world.pose
        if trial.sudden is None or self.appeared_at is not None:
            return
        start = trial.scene.start
        ahead = OBSTACLE_GAP_M + OBSTACLE_HALF_M[0]
        x, y = pose.x + ahead * math.cos(pose.yaw), pose.y + ahead * math.sin(pose.yaw)
        needed = math.hypot(*OBSTACLE_HALF_M[:2]) + 0.02
        if math.hypot(pose.x - start.x, pose.y - start.y) < OBSTACLE_AFTER_M:
            return
        if float(clearance(trial.judged, x, y)) < needed:
            return
        world.place_box(trial.sudden, x, y)
        self.appeared_at, self.frame, self.place = pose, frame, (x, y)

    def passed(self, pose: Pose) -> bool:
        """Whether a robot there is level with the obstacle or beyond it."""
        seen = self.appeared_at
        if seen is None:
            return False
        forward = math.cos(seen.yaw) * (pose.x - seen.x) + math.sin(seen.yaw) * (pose.y - seen.y)
        return forward >= OBSTACLE_GAP_M

    def least_clearance_m(self, poses: Sequence[Pose]) -> float:
        """From the robot's rim to the nearest thing over a drive's poses; the obstacle counts from where it appeared on."""
        x, y = np.array([pose.x for pose in poses]), np.array([pose.y for pose in poses])
        room = clearance(self._trial.judged, x, y)
        if self.frame is not None:
            shown = with_obstacle(self._trial.judged, self.place)
            room = np.concatenate([room[: self.frame], clearance(shown, x[self.frame :], y[self.frame :])])
        return float(room.min()) - ROBOT_RADIUS


def with_obstacle(scene: Scene, place: Sequence[float] | None) -> Scene:
    """Return a scene with the obstacle that appeared at `place` (x, y), for drawing; the scene itself if there was none."""
    if place is None:
        return scene
    appeared = Box(place[0], place[1], 0.0, *OBSTACLE_HALF_M, scene.boxes[0].surface)
    return replace(scene, boxes=(*scene.boxes, appeared))


def _changed(config: SimulationConfig, suite: str, seed: int) -> SimulationConfig:
    """The settings of a suite's worlds: every suite starts from those of the training."""
    drawn = int(np.random.SeedSequence((0xD21FE, ALL_SUITES.index(suite), seed)).generate_state(1)[0]) % 2**31
    config = replace(config, seed=drawn, frames=(min(6, config.frames[0]), config.frames[1] + MORE_FRAMES))
    if suite == "slightly_different":
        more = min(1.0, config.appearance + 0.3)
        noise = min(40.0, 2 * config.image_noise)
        return replace(_looks(config, more), placement=1.0, image_noise=noise)
    if suite == "new":
        noise = min(40.0, 3 * config.image_noise)
        return replace(_looks(config, 1.0), placement=1.0, textures=1.0, furniture=12, image_noise=noise)
    if suite in EDGE_CASES and config.scenarios:
        parts = [parse_scenario(name) for name, _ in config.scenarios]
        sides = {part.side for part in parts}
        # Where every episode asked for one side, the policy has never heard of the other one.
        side = next(iter(sides)) if sides in ({"left"}, {"right"}) else None
        names = sorted({ScenarioParts(goal=part.goal, side=side).name for part in parts})
        return replace(config, scenarios=tuple((name, 1) for name in names))
    return config


def _looks(config: SimulationConfig, share: float) -> SimulationConfig:
    return replace(config, appearance=share, light=share, colours=share, camera_shift=share)


def _expert_drive(world: World, scene: Scene, config: SimulationConfig) -> tuple[float, int] | None:
    """Length in m and frames of the expert's way; None where it does not arrive, or needs too few or too many frames."""
    try:
        driven = drive(world, scene, driver_for(config, scene), max_frames=config.frames[1], draw=False)
    except SimulationError:
        return None
    frames = len(driven.actions)
    return (driven.outcome.path_m, frames) if driven.outcome.success and frames >= config.frames[0] else None


def _sharp_turn(scene: Scene) -> Scene:
    """The box stands close, on the side asked for, so that the robot has to turn aside at once."""
    return _moved_box(scene, x=scene.start.x + 0.80, aside=0.16)


def _against_habit(scene: Scene) -> Scene:
    """The box stands on the side asked for: the shorter way is the one that was not asked for."""
    return _moved_box(scene, x=scene.boxes[0].x, aside=0.30)


def _moved_box(scene: Scene, x: float, aside: float) -> Scene:
    """Put the first box at `x`, off the straight way by `aside` metres towards the side asked for."""
    share = (x - scene.start.x) / (scene.basket.x - scene.start.x)
    way = scene.start.y + share * (scene.basket.y - scene.start.y)
    moved = replace(scene.boxes[0], x=x, y=way + (aside if scene.side == "left" else -aside))
    distance: Distance = "close" if x < CLOSE_M else "medium" if x < MEDIUM_M else "far"
    return replace(scene, boxes=(moved, *scene.boxes[1:]), distance=distance)


def _goal_hidden(scene: Scene) -> Scene:
    """The box is so high and wide that it hides the goal from the start."""
    straight = _moved_box(scene, scene.boxes[0].x, 0.0)
    high = replace(straight.boxes[0], half_x=0.15, half_y=0.30, half_z=0.32, yaw=0.0)
    return replace(straight, boxes=(high, *straight.boxes[1:]), layout="hori")


def _dark(scene: Scene) -> Scene:
    exposure = replace(scene.exposure, gain=0.25 * scene.exposure.gain)
    return replace(scene, exposure=exposure)


def _camera_moved(scene: Scene) -> Scene:
    """The camera sits 7 cm higher, looks 5 degrees further down and 4 degrees to the left, as after a knock."""
    camera = scene.camera
    moved = replace(camera, height=camera.height + 0.07, pitch=camera.pitch - 0.087, yaw=camera.yaw + 0.07)
    return replace(scene, camera=moved)


def _with_hidden_box(scene: Scene) -> Scene:
    """Add the box that will appear; until then it waits behind the robot, where the camera never looks."""
    room = scene.room
    hidden = Box(room.x_min + 0.45, room.y_min + 0.45, 0.0, *OBSTACLE_HALF_M, scene.boxes[0].surface)
    return replace(scene, boxes=(*scene.boxes, hidden))


_EDITS: Mapping[str, Callable[[Scene], Scene]] = {
    "sharp_turn": _sharp_turn,
    "goal_hidden": _goal_hidden,
    "dark": _dark,
    "camera_moved": _camera_moved,
    "against_habit": _against_habit,
}
