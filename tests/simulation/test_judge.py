"""The rule of success: goal reached, on the side asked for, facing it, at rest, nothing touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mvla_core.errors import Stopped
from mvla_core.progress import JobProgress
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.expert import Expert
from mvla_core.simulation.rollout import drive, judge
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scene import Pose
from mvla_core.simulation.world import World

SCENE = sample_scene(1, "left", SimulationConfig(placement=0.0))
BOX, BASKET = SCENE.boxes[0], SCENE.basket
END = Pose(BASKET.x - 0.7, BASKET.y, 0.0)
LEFT, RIGHT = Pose(BOX.x, BOX.y + 0.6, 0.0), Pose(BOX.x, BOX.y - 0.6, 0.0)


def way(*poses: Pose) -> list[Pose]:
    return [SCENE.start, *poses]


@pytest.mark.parametrize(
    ("poses", "collided", "stopped", "failure"),
    [
        (way(LEFT, END), False, True, ""),
        (way(LEFT, END), True, True, "collided"),
        (way(RIGHT, END), False, True, "wrong_side"),
        (way(Pose(BOX.x - 0.5, 0.6, 0.0)), False, True, "wrong_side"),
        (way(LEFT, Pose(BASKET.x - 1.1, BASKET.y, 0.0)), False, True, "not_reached"),
        (way(LEFT, END), False, False, "not_stopped"),
        (way(LEFT, replace(END, yaw=0.4)), False, True, "not_facing"),
        (way(RIGHT, Pose(BOX.x + 0.3, -0.6, 0.0), Pose(BOX.x - 0.3, 0.6, 0.0), LEFT, END), False, True, ""),
    ],
)
def test_a_way_is_judged(poses: list[Pose], collided: bool, stopped: bool, failure: str) -> None:
    outcome = judge(SCENE, poses, collided, stopped)
    assert outcome.failure == failure
    assert outcome.success == (failure == "")
    assert outcome.to_json()["success"] == (failure == "")


def test_the_other_side_asked_for() -> None:
    assert judge(replace(SCENE, side="right"), way(RIGHT, END), False, True).success


def test_a_drive_can_be_stopped(tmp_path: object) -> None:
    progress = JobProgress(tmp_path / "progress.jsonl")  # type: ignore[operator]
    progress.request_stop()
    with pytest.raises(Stopped):
        drive(World(), SCENE, Expert(SCENE), draw=False, progress=progress)


def test_a_driver_that_never_stops_is_cut_off() -> None:
    driven = drive(World(), SCENE, Expert(SCENE), max_frames=5, draw=False)
    assert len(driven.actions) == 5
    assert len(driven.poses) == 6
    assert driven.frames == ()
    assert not driven.outcome.stopped
