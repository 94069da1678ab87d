"""The worlds of the suites: the same for the same seed, drivable, and what their names promise."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mvla_core.driving.chunks import Chunk
from mvla_core.driving.guard import Guard
from mvla_core.driving.loop import Control
from mvla_core.driving.pilots import Blind, ExpertPilot
from mvla_core.driving.settings import ALL_SUITES, DriveSettings, suites_named
from mvla_core.driving.suites import trial_scene, with_obstacle, world_settings
from mvla_core.driving.trials import drive_trial
from mvla_core.errors import UserInputError
from mvla_core.layout import DataRoot
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.record import simulate_episodes
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.world import World

CONFIG = SimulationConfig()
GUARD = Guard((-1.15, -1.15), (1.15, 1.15), 0.28, 4)


@pytest.mark.parametrize("suite", ALL_SUITES)
def test_the_expert_can_drive_every_world_of_a_suite(suite: str) -> None:
    world, digests, sides = World(16), set(), set()
    for index in range(3):
        trial = trial_scene(CONFIG, suite, 0, index)
        assert trial == trial_scene(CONFIG, suite, 0, index)
        digests.add(trial.digest)
        sides.add(trial.scene.side)
        if suite != "sudden_obstacle":
            assert drive_trial(world, trial, ExpertPilot(trial.judged), GUARD, Control())[1]["success"]
    assert len(digests) == 3
    assert sides == {"left", "right"}
    assert trial_scene(CONFIG, suite, 1, 0).digest not in digests


def test_a_hidden_goal_is_hidden_and_a_dark_world_dark() -> None:
    trial = trial_scene(CONFIG, "goal_hidden", 0, 0)
    scene, box, basket = trial.scene, trial.scene.boxes[0], trial.scene.basket
    eye = np.array([scene.start.x + scene.camera.forward, scene.start.y])
    bearing = math.atan2(basket.y - eye[1], basket.x - eye[0])
    half = math.asin(basket.radius / math.hypot(basket.x - eye[0], basket.y - eye[1]))
    edges = [math.atan2(box.y + sign * box.half_y - eye[1], box.x - box.half_x - eye[0]) for sign in (-1, 1)]
    assert edges[0] < bearing - half
    assert bearing + half < edges[1]
    # Every ray over the basket's rim passes below the box's upper edge: the box is higher than camera and basket.
    assert 2 * box.half_z > max(scene.camera.height, basket.height)
    light = []
    for suite in ("similar", "dark"):
        world = World(64)
        world.reset(trial_scene(CONFIG, suite, 0, 0).scene)
        light.append(world.frame().mean())
    assert light[1] < 0.7 * light[0]


def test_a_sudden_obstacle_appears_ahead_and_must_be_stopped_for() -> None:
    world = World(16)
    trial = trial_scene(CONFIG, "sudden_obstacle", 0, 0)
    assert trial.sudden == len(trial.judged.boxes)
    assert "boxes" not in trial.instruction
    assert drive_trial(world, trial, ExpertPilot(trial.judged), GUARD, Control())[1]["failure"] in (
        "collided",
        "drove_on",
    )
    stops_at_once = Blind(np.zeros((1, 2), np.float32))
    assert drive_trial(world, trial, stops_at_once, GUARD, Control())[1]["failure"] == "stopped_early"


class Watchful(ExpertPilot):
    """The expert, who stops as soon as the hidden box stands before it."""

    def chunk(self, world: World, frame: int) -> Chunk | None:
        hidden = world._running.data.body(f"box{len(world.scene.boxes) - 1}").xpos
        pose = world.pose
        if hidden[0] > pose.x and math.hypot(hidden[0] - pose.x, hidden[1] - pose.y) < 1.0:
            return np.zeros((1, 2), np.float32)
        return super().chunk(world, frame)


def test_who_stops_because_of_the_obstacle_succeeds_and_who_stops_anyway_does_not() -> None:
    world = World(16)
    trial = trial_scene(CONFIG, "sudden_obstacle", 0, 0)
    driven, record = drive_trial(world, trial, Watchful(trial.judged), GUARD, Control())
    assert record["success"]
    assert record["obstacle"] is not None
    # The same commands, driven without looking, stop without the obstacle too.
    blind = drive_trial(world, trial, Blind(driven.commands), GUARD, Control())[1]
    assert blind["failure"] == "stopped_anyway"
    assert not blind["collided"]
    late = drive_trial(world, trial, Watchful(trial.judged), GUARD, Control(latency_s=0.9))
    assert not late[1]["success"]
    assert len(with_obstacle(trial.judged, record["obstacle"]).boxes) == 2


def test_no_driver_that_never_looks_wins_a_sudden_obstacle() -> None:
    """Straight ahead for some frames and then a stop stood before the box in half of the worlds."""
    world, stopped = World(16), 0
    for index in range(6):
        trial = trial_scene(CONFIG, "sudden_obstacle", 0, index)
        for frames in (3, 4, 5):
            record = drive_trial(world, trial, Blind(np.array([[1.15, 0.0]] * frames, np.float32)), GUARD, Control())[1]
            assert not record["success"]
            stopped += record["failure"] == "stopped_anyway"
    assert stopped > 3


def test_the_least_clearance_is_also_that_to_the_obstacle() -> None:
    """The expert knows nothing of the box that appears, and keeps well clear of everything else."""
    world, touched = World(16), 0
    for index in range(4):
        trial = trial_scene(CONFIG, "sudden_obstacle", 0, index)
        record = drive_trial(world, trial, ExpertPilot(trial.judged), GUARD, Control())[1]
        touched += record["collided"]
        assert (record["least_clearance_m"] < 0.02) == record["collided"]
    assert touched >= 3


def test_a_moved_box_is_named_by_where_it_stands() -> None:
    for index in range(3):
        scene = trial_scene(CONFIG, "sharp_turn", 0, index).scene
        assert scene.boxes[0].x - scene.start.x == pytest.approx(0.80)
        assert scene.scenario_label.endswith("_close")
        hidden = trial_scene(CONFIG, "goal_hidden", 0, index).scene
        assert "_hori_" in hidden.scenario_label


def test_a_script_is_tried_where_it_was_recorded(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "data")
    simulate_episodes(root, "scripted", count=2, image_size=16, script=True, workers=1)
    config, told = world_settings(root.dataset("scripted"))
    assert told
    assert not config.script
    recorded = [sample_scene(seed, "left", config) for seed in range(3)]
    assert {scene.frame_interval_s for scene in recorded} == {0.15}
    for suite in ("similar", "dark"):
        scenes = [trial_scene(config, suite, 0, index).scene for index in range(3)]
        assert {scene.side for scene in scenes} == {"left"}
        assert {scene.frame_interval_s for scene in scenes} == {0.15}
        # Placement 0.2 of 0.45 m to both sides.
        assert all(abs(scene.start.y) <= 0.09 for scene in scenes)


def test_the_worlds_are_those_of_the_training_data(driven_root: DataRoot, tmp_path: Path) -> None:
    config, told = world_settings(driven_root.dataset("worlds"))
    assert told
    assert config.image_size == 16
    assert world_settings(tmp_path) == (SimulationConfig(), False)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"suites": []}, "No suite"),
        ({"suites": ["simlar"]}, "similar"),
        ({"suites": ["dark", "dark"]}, "twice"),
        ({"trials": 1}, "trials"),
        ({"trials": True}, "trials"),
        ({"latency_s": 2}, "latency_s"),
        ({"latency_s": None}, "latency_s"),
        ({"latency_s": 0.005}, "multiple"),
        ({"interval_s": 0.055}, "multiple"),
        ({"ensembling": -1.0}, "ensembling"),
        ({"execute_step": 2}, "execute_steps"),
    ],
)
def test_settings_out_of_range_are_named(values: dict[str, object], named: str) -> None:
    with pytest.raises(UserInputError, match=named):
        DriveSettings.from_json(values)


def test_settings_survive_json_and_choices_have_names() -> None:
    settings = DriveSettings(suites=("dark", "new"), trials=7, ensembling=0.1)
    assert DriveSettings.from_json(settings.to_json()) == settings
    assert suites_named("all") == ALL_SUITES
    assert suites_named("dark, new") == ("dark", "new")
    with pytest.raises(UserInputError, match="unknown"):
        suites_named("dusk")
