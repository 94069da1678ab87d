"""What the expert commands with other keys, without keys, while it is disturbed, and after a shove."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mvla_core.errors import UserInputError
from mvla_core.simulation.config import TOP_SPEED, SimulationConfig
from mvla_core.simulation.disturbance import SHOVE_M, Disturbance
from mvla_core.simulation.expert import CAREFUL_SHARE, KEYS
from mvla_core.simulation.record import drive_scene, drives, rehearse
from mvla_core.simulation.rollout import Drive
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scene import Pose

OWN_KEYS = ((0.9, 0.0), (0.45, 0.0), (0.9, 0.9), (0.9, -0.9), (0.0, 0.6), (0.0, -0.6))


def some(count: int = 8, **settings: Any) -> list[Drive]:
    return list(drives(SimulationConfig(count=count, seed=2, frames=(8, 60), **settings)))


def test_other_keys_are_the_only_actions() -> None:
    found = {tuple(np.round(row, 4).tolist()) for driven in some(combos=OWN_KEYS) for row in driven.actions}
    assert {(round(x, 3), round(y, 3)) for x, y in found} <= {
        (round(x, 3), round(y, 3)) for x, y in (*OWN_KEYS, (0.0, 0.0))
    }
    assert len(found) >= 4


def test_keys_without_sideways_still_find_a_way() -> None:
    for driven in some(combos=((1.15, 0.0), (1.15, 1.15), (1.15, -1.15))):
        assert driven.outcome.success


@pytest.mark.parametrize(
    ("combos", "sentence"),
    [
        (((1.0, 0.0),), "has no way past a box"),
        (((1.0, 0.0), (0.0, 1.0)), "has no way past a box"),
        (((0.0, 0.0), (1.0, 0.0)), "holds the stop"),
        (((3.0, 0.0), (0.0, 1.0), (0.0, -1.0)), "holds 3.0"),
        (((1.0,),), "pairs of linear_x"),
    ],
)
def test_keys_that_cannot_drive_are_refused(combos: Any, sentence: str) -> None:
    with pytest.raises(UserInputError, match=sentence):
        SimulationConfig(combos=combos)


def test_continuous_actions_are_many_smooth_and_within_limits() -> None:
    driven = some(actions="continuous")
    rows = np.concatenate([one.actions for one in driven])
    assert np.hypot(rows[:, 0], rows[:, 1]).max() <= TOP_SPEED + 1e-6
    assert len({tuple(row) for row in rows.tolist()}) > 60
    assert all(one.outcome.success for one in driven)
    steps = np.concatenate([np.abs(np.diff(one.actions[:-1], axis=0)).max(axis=1) for one in driven])
    assert np.median(steps) < 0.5


def test_actions_stay_within_limits_whatever_happens() -> None:
    for driven in some(dart=1.0, shoves=1.0, slip=0.5):
        assert np.abs(driven.actions).max() <= TOP_SPEED + 1e-6


def test_noise_moves_the_robot_and_leaves_the_labels_clean() -> None:
    speeds = (TOP_SPEED, TOP_SPEED * CAREFUL_SHARE)
    keys = {(round(x * speed, 3), round(y * speed, 3)) for x, y in KEYS.values() for speed in speeds}
    noisy = some(dart=0.5)
    assert {(round(float(x), 3), round(float(y), 3)) for driven in noisy for x, y in driven.actions} <= keys
    plain = some()
    assert [driven.poses for driven in noisy] != [driven.poses for driven in plain]
    off = [
        np.hypot(pose.x - before.x - action[0] * 0.155, pose.y - before.y - action[1] * 0.155)
        for driven in noisy
        for before, pose, action in zip(driven.poses[:-1], driven.poses[1:], driven.actions, strict=True)
    ]
    assert np.mean(off) > 0.02
    assert all(driven.outcome.success for driven in noisy)


def test_a_shove_is_told_and_recovered_from() -> None:
    config = SimulationConfig(count=20, seed=2, shoves=0.5)
    shoved = [driven for driven in drives(config) if driven.shoved_at is not None]
    assert 4 <= len(shoved) <= 16
    assert all(driven.outcome.success for driven in shoved)
    for driven in shoved:
        at = driven.shoved_at
        assert at is not None
        moved = driven.poses[at + 2].y - driven.poses[at].y
        assert SHOVE_M[0] - 0.12 < abs(moved) < SHOVE_M[1] + 0.12
        assert np.any(driven.actions[at:, 1] != 0), "it goes back"


def test_a_disturbance_is_the_same_each_time_and_spares_a_stop() -> None:
    scene = sample_scene(4, "left")
    one, other = (Disturbance(scene, dart=0.5, shove=True) for _ in range(2))
    action, pose = np.array([1.0, 0.0], np.float32), Pose(0.0, 0.0, 0.0)
    ways = [[disturbance.executed(action, pose, frame).tolist() for frame in range(12)] for disturbance in (one, other)]
    assert ways[0] == ways[1]
    assert one.shoved_at is not None
    stop = np.zeros(2, np.float32)
    assert not np.any(one.executed(stop, pose, 3))


def test_nothing_is_disturbed_towards_a_wall() -> None:
    scene = sample_scene(4, "left")
    beside = Pose(0.5, scene.room.y_max - 0.37, 0.0)
    disturbance = Disturbance(scene, dart=1.0, shove=True)
    action = np.array([1.0, 0.0], np.float32)
    executed = np.stack([disturbance.executed(action, beside, frame) for frame in range(40)])
    assert executed[:, 1].max() <= 0.4


def test_same_seed_same_drive_with_everything_on() -> None:
    config = SimulationConfig(
        seed=3, scenarios=(("2box", 1),), dart=0.4, shoves=1.0, clutter=6, image_size=24, slip=0.1
    )
    scene = rehearse(config, 0).scene
    one, other = drive_scene(config, 0, scene), drive_scene(config, 0, scene)
    assert one.actions.tobytes() == other.actions.tobytes()
    assert np.stack(one.frames).tobytes() == np.stack(other.frames).tobytes()
    assert one.poses == other.poses
    assert rehearse(config, 1).scene != scene


@pytest.mark.parametrize("changed", [{"dart": 0.1}, {"scenarios": (("2box", 1),)}, {"actions": "continuous"}])
def test_a_script_is_not_mixed_with_what_it_cannot_follow(changed: dict[str, Any]) -> None:
    with pytest.raises(UserInputError, match="A script is one key sequence"):
        SimulationConfig(script=True, **changed)
