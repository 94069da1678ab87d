"""The worlds of the suites: the same for the same seed, drivable, and what their names promise."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mvla_core.driving.guard import Guard
from mvla_core.driving.loop import Control
from mvla_core.driving.pilots import Blind, ExpertPilot
from mvla_core.driving.settings import ALL_SUITES, DriveSettings, suites_named
from mvla_core.driving.suites import trial_scene, with_obstacle, world_settings
from mvla_core.driving.trials import drive_trial
from mvla_core.errors import UserInputError
from mvla_core.layout import DataRoot
from mvla_core.simulation.config import SimulationConfig
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


def test_a_driver_that_stops_before_the_obstacle_succeeds() -> None:
    world = World(16)
    trial = trial_scene(CONFIG, "sudden_obstacle", 0, 0)
    driven, record = drive_trial(world, trial, ExpertPilot(trial.judged), GUARD, Control())
    assert record["obstacle"] is not None
    place = record["obstacle"]
    appeared = next(
        number
        for number, pose in enumerate(driven.poses)
        if math.isclose(math.hypot(place[0] - pose.x, place[1] - pose.y), 0.97, abs_tol=2e-3)
    )
    stopping = np.concatenate([driven.commands[:appeared], np.zeros((1, 2), np.float32)])
    assert drive_trial(world, trial, Blind(stopping), GUARD, Control())[1]["success"]
    late = drive_trial(world, trial, Blind(stopping), GUARD, Control(latency_s=0.9))
    assert not late[1]["success"]
    assert len(with_obstacle(trial.judged, place).boxes) == 2


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
