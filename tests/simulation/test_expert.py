"""The expert succeeds with the robot's own keys, and its data cannot be explained by a clock."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from mvla_core.errors import SimulationError
from mvla_core.metrics.predictors import FrameIndexClock, InstructionClock
from mvla_core.schema import ActionSequence
from mvla_core.simulation.config import TOP_SPEED, SimulationConfig
from mvla_core.simulation.expert import CAREFUL_SHARE, KEYS, SCRIPT, Expert
from mvla_core.simulation.record import drives, instructed_side, scene_seed
from mvla_core.simulation.rollout import Drive, drive
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scene import Scene
from mvla_core.simulation.world import World

HARD = SimulationConfig(seed=9, slip=0.10, furniture=12)


def combos(speeds: tuple[float, ...]) -> set[tuple[float, float]]:
    return {(round(f * v, 4), round(s * v, 4)) for f, s in KEYS.values() for v in speeds}


def test_the_expert_succeeds_in_nearly_every_first_draw() -> None:
    failures = []
    for index in range(60):
        scene = sample_scene(scene_seed(HARD.seed, index, 0), instructed_side(HARD.seed, index), HARD)
        try:
            outcome = drive(World(), scene, Expert(scene), draw=False).outcome
        except SimulationError:
            failures.append("no_way")
        else:
            failures += [outcome.failure] if outcome.failure else []
    assert len(failures) <= 1, failures


def test_episodes_hold_only_key_combos_and_end_with_their_only_stop(sixty_drives: list[Drive]) -> None:
    allowed = combos((TOP_SPEED, TOP_SPEED * CAREFUL_SHARE))
    for driven in sixty_drives:
        assert {(round(float(x), 4), round(float(y), 4)) for x, y in driven.actions} <= allowed
        moving = np.any(driven.actions != 0, axis=1)
        assert moving[:-1].all()
        assert not moving[-1]


def test_lengths_vary_within_limits(sixty_drives: list[Drive]) -> None:
    lengths = [len(driven.actions) for driven in sixty_drives]
    assert min(lengths) >= 14
    assert max(lengths) <= 26
    assert 16.5 <= np.mean(lengths) <= 20
    assert len(set(lengths)) >= 7


def test_every_drive_of_a_default_set_is_a_success(sixty_drives: list[Drive]) -> None:
    for driven in sixty_drives:
        assert driven.outcome.success
        assert driven.outcome.least_clearance_m > 0.05
    assert len({driven.actions.tobytes() for driven in sixty_drives}) >= 55


def test_the_goal_is_in_view_in_nearly_every_frame_and_the_box_until_it_is_passed(
    sixty_scenes: list[Scene], sixty_drives: list[Drive]
) -> None:
    goal, box = [], []
    for scene, driven in zip(sixty_scenes, sixty_drives, strict=True):
        half = math.radians(scene.camera.field_of_view_deg / 2)
        for pose in driven.poses[:-1]:
            ahead = scene.basket.x - pose.x - scene.camera.forward
            goal.append(abs(math.atan2(scene.basket.y - pose.y, ahead) - pose.yaw) < half)
            if scene.boxes[0].x - pose.x > 0.6:
                ahead = scene.boxes[0].x - pose.x - scene.camera.forward
                box.append(abs(math.atan2(scene.boxes[0].y - pose.y, ahead) - pose.yaw) < half)
    assert np.mean(goal) > 0.95
    assert np.mean(box) > 0.95


def explained(predictor: type, sequences: list[ActionSequence]) -> float:
    """Share of the variance of the next action that a predictor explains on held-out episodes."""
    train, held_out = sequences[::2] + sequences[1::4], sequences[3::4]
    fitted = predictor.fit(train)
    mean = np.concatenate([sequence.actions for sequence in train]).mean(0)
    error = total = 0.0
    for sequence in held_out:
        frames = np.arange(sequence.num_frames)
        error += float(((fitted.predict(sequence, frames, 1)[:, 0] - sequence.actions) ** 2).sum())
        total += float(((mean - sequence.actions) ** 2).sum())
    return 1 - error / total


def as_sequences(driven: list[Drive], sides: Sequence[str]) -> list[ActionSequence]:
    return [ActionSequence(str(i), d.actions, side) for i, (d, side) in enumerate(zip(driven, sides, strict=True))]


def test_no_clock_explains_a_default_set(sixty_scenes: list[Scene], sixty_drives: list[Drive]) -> None:
    sequences = as_sequences(sixty_drives, [scene.side for scene in sixty_scenes])
    assert explained(FrameIndexClock, sequences) < 0.25
    assert explained(InstructionClock, sequences) < 0.65


def seen(scene: Scene, driven: Drive) -> npt.NDArray[np.float64]:
    """What is to be seen, (num_frames, 5): box and goal relative to the robot, mirrored so that the way is on the left."""
    sign = 1.0 if scene.side == "left" else -1.0
    rows = []
    for pose in driven.poses[:-1]:
        row = []
        for thing in (scene.boxes[0], scene.basket):
            x, y = thing.x - pose.x, thing.y - pose.y
            row += [
                math.cos(pose.yaw) * x + math.sin(pose.yaw) * y,
                sign * (math.cos(pose.yaw) * y - math.sin(pose.yaw) * x),
            ]
        rows.append([*row, scene.boxes[0].half_y])
    return np.array(rows)


def test_what_is_seen_explains_what_the_clock_does_not(sixty_scenes: list[Scene], sixty_drives: list[Drive]) -> None:
    places, actions = [], []
    for scene, driven in zip(sixty_scenes, sixty_drives, strict=True):
        places.append(seen(scene, driven))
        sign = 1.0 if scene.side == "left" else -1.0
        actions.append(driven.actions * np.array([1.0, sign], np.float32))
    train_places, train_actions = np.concatenate(places[:45]), np.concatenate(actions[:45])
    error = total = 0.0
    for place, action in zip(places[45:], actions[45:], strict=True):
        nearest = np.argsort(((place[:, None] - train_places) ** 2).sum(2), axis=1)[:, :5]
        error += float(((train_actions[nearest].mean(1) - action) ** 2).sum())
        total += float(((train_actions.mean(0) - action) ** 2).sum())
    assert 1 - error / total > 0.75


def test_the_script_is_the_same_in_every_world_and_a_clock_knows_it() -> None:
    driven = list(drives(SimulationConfig(count=12, script=True)))
    assert len({d.actions.tobytes() for d in driven}) == 1
    assert len(driven[0].actions) == len(SCRIPT)
    assert explained(FrameIndexClock, as_sequences(driven, ["left"] * 12)) > 0.999
    assert len({d.poses[-1] for d in driven}) == 12, "the worlds differ"


@pytest.mark.parametrize("speeds", [(0.6,), (0.8, 1.15)])
def test_other_speed_levels(speeds: tuple[float, ...]) -> None:
    config = SimulationConfig(count=6, cruise_speeds=speeds, frames=(10, 60))
    found = {tuple(np.round(row, 4).tolist()) for d in drives(config) for row in d.actions}
    allowed = combos((*speeds, *(speed * CAREFUL_SHARE for speed in speeds)))
    assert {(round(x, 3), round(y, 3)) for x, y in found} <= {(round(x, 3), round(y, 3)) for x, y in allowed}
