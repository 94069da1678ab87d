"""Scenario names, the matrix, and what the worlds of each scenario are like."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.errors import SimulationError, UserInputError
from mvla_core.simulation.config import SimulationConfig, scenario_counts
from mvla_core.simulation.expert import Expert
from mvla_core.simulation.planner import clearance
from mvla_core.simulation.record import drawn_scene, first_end, rehearse
from mvla_core.simulation.rollout import judge
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scenarios import ALL_SCENARIOS, matrix_from_texts, parse_scenario, scenario_of
from mvla_core.simulation.scene import ROBOT_RADIUS, Pose
from mvla_core.simulation.world import World

IN_CI, IN_FULL = 40, 200
NAMES = st.sampled_from([*ALL_SCENARIOS, "1box", "2box", "target_2box_vert", "2box_hori_straight_close", "1box_far"])


@given(NAMES)
def test_a_name_is_read_and_written_alike(name: str) -> None:
    parts = parse_scenario(name)
    assert parse_scenario(parts.name) == parts
    assert parse_scenario(f"basket_{name}" if parts.goal == "basket" else name) == parts


@pytest.mark.parametrize("name", ["", "3box", "box", "1box_left_vert", "1box_vert_left_core_near", "chair_1box", 7])
def test_an_unknown_scenario_is_one_sentence(name: object) -> None:
    with pytest.raises(UserInputError, match=r"is unknown; expected .* for example '2box_vert_left'"):
        parse_scenario(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["1box_straight", "2box_vert_straight", "2box_straight"])
def test_a_scenario_without_a_way_is_refused(name: str) -> None:
    with pytest.raises(UserInputError, match="has no way"):
        parse_scenario(name)


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (("1box",), "expected a name and a number"),
        ((("1box", 0),), "from 1 to 100000"),
        ((("1box", True),), "from 1 to 100000"),
        ((("1box", 2), ("basket_1box", 2)), "named twice"),
        ([("1box", 2)], "pairs of a name and a number"),
    ],
)
def test_a_wrong_matrix_is_one_sentence(matrix: object, sentence: str) -> None:
    with pytest.raises(UserInputError, match=sentence):
        SimulationConfig(scenarios=matrix)  # type: ignore[arg-type]


def test_texts_of_the_command() -> None:
    assert matrix_from_texts(["2box_vert_left=10", "1box"]) == (("2box_vert_left", 10), ("1box", 1))
    with pytest.raises(UserInputError, match="no whole number"):
        matrix_from_texts(["1box=many"])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_matrix_is_met_exactly_and_early(numbers: list[int], seed: int) -> None:
    matrix = tuple(zip(ALL_SCENARIOS, numbers, strict=False))
    found = Counter(scenario_of(matrix, seed, index).name for index in range(sum(numbers)))
    assert found == dict(matrix)
    config = SimulationConfig(count=sum(numbers) + 3, seed=seed, scenarios=matrix)
    counts = scenario_counts(config)
    assert sum(counts.values()) == config.count
    assert all(counts[name] >= number for name, number in matrix)


@given(st.sampled_from(ALL_SCENARIOS), st.sampled_from(["close", "medium", "far"]), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_a_world_is_what_its_name_says(name: str, distance: str, seed: int) -> None:
    wanted = parse_scenario(f"{name}_{distance}")
    config = SimulationConfig(scenarios=((wanted.name, 1),), clutter=12, furniture=12)
    scene = sample_scene(seed, wanted.side or "left", config, wanted)
    assert scene.scenario_label == f"basket_{wanted.boxes}box_{wanted.layout}_{wanted.side}_core_{distance}"
    boxes, goal = scene.boxes, scene.basket
    assert len(boxes) == wanted.boxes
    if wanted.boxes == 2:
        ahead, aside = abs(boxes[0].x - boxes[1].x), abs(boxes[0].y - boxes[1].y)
        assert ahead > 0.35 > aside if wanted.layout == "vert" else aside > 0.35 > ahead
    assert goal.x > max(box.x for box in boxes) + 1.0
    assert clearance(scene, scene.start.x, scene.start.y) > ROBOT_RADIUS + 0.1
    bearing = math.atan2(goal.y - scene.start.y, goal.x - scene.start.x) - scene.start.yaw
    assert abs(math.degrees(bearing)) < scene.camera.field_of_view_deg / 2, "the goal is in view at the start"


def test_only_straight_needs_a_world_of_its_own() -> None:
    wanted = parse_scenario("2box_hori")
    left, right = (sample_scene(5, side, None, wanted) for side in ("left", "right"))
    assert replace(left, side="right") == right
    straight = sample_scene(5, "straight", None, wanted)
    apart = abs(straight.boxes[0].y - straight.boxes[1].y) - straight.boxes[0].half_y - straight.boxes[1].half_y
    assert apart > 2 * (ROBOT_RADIUS + 0.1)
    assert straight.instruction == "Drive straight past the two boxes to the basket."


def test_another_goal() -> None:
    scene = sample_scene(5, "left", None, parse_scenario("target_1box_vert"))
    assert scene.basket.kind == "target"
    assert scene.instruction == "Drive past the box on the left to the target."
    assert scene.scenario_label.startswith("1box_vert_left")


def succeeds(name: str, episodes: int, **changed: object) -> Counter[str]:
    """How the expert's first draws of a scenario end, long ones driven on to their end."""
    config = SimulationConfig(seed=11, scenarios=((name, 1),), **changed)  # type: ignore[arg-type]
    world = World(16)
    return Counter(first_end(config, index, world) for index in range(episodes))


def test_a_long_drive_is_judged_by_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drive that is too long to be recorded is no success by that alone: an expert that never stops has failed."""
    config = SimulationConfig(seed=11, frames=(2, 8))
    assert rehearse(config, 0).refused == "too_long"
    assert first_end(config, 0) == ""
    forever = np.array([0.01, 0.0], np.float32)
    monkeypatch.setattr(Expert, "act", lambda self, world, frame: forever)
    assert rehearse(config, 0).refused == "too_long"
    assert first_end(config, 0) in ("wrong_side", "not_reached")


@pytest.mark.parametrize("name", [*ALL_SCENARIOS, "target_2box"])
def test_the_expert_succeeds_in_every_scenario(name: str) -> None:
    ends = succeeds(name, IN_CI)
    assert ends[""] >= 0.97 * IN_CI, dict(ends)


@pytest.mark.slow
@pytest.mark.parametrize("level", [{}, {"dart": 0.3, "shoves": 0.25, "slip": 0.1, "clutter": 6, "furniture": 10}])
@pytest.mark.parametrize("name", [*ALL_SCENARIOS, "target_1box", "target_2box"])
def test_the_expert_succeeds_over_two_hundred_drives(name: str, level: dict[str, object]) -> None:
    ends = succeeds(name, IN_FULL, **level)
    assert ends[""] >= 0.97 * IN_FULL, dict(ends)


def test_between_two_boxes_is_judged_box_by_box() -> None:
    scene = sample_scene(5, "straight", SimulationConfig(placement=0.0), parse_scenario("2box_hori"))
    end = Pose(scene.basket.x - 0.7, scene.basket.y, 0.0)
    middle = sum(box.y for box in scene.boxes) / 2
    between, around = Pose(scene.boxes[0].x, middle, 0.0), Pose(scene.boxes[0].x, middle + 1.3, 0.0)
    assert judge(scene, [scene.start, between, end], False, True).success
    assert judge(scene, [scene.start, around, end], False, True).failure == "wrong_side"


def test_pushing_both_boxes_away_wins_nothing() -> None:
    """A robot that ploughs through a pair reaches the goal with both boxes moved, and has still collided."""
    scene = sample_scene(5, "left", SimulationConfig(placement=0.0, slip=0.0), parse_scenario("2box_hori"))
    world = World(16)
    world.reset(scene)
    for _ in range(18):
        world.step((1.15, 0.0), 0.15)
    assert world.collided
    outcome = judge(scene, [scene.start, world.pose], world.collided, True)
    assert not outcome.success
    assert outcome.failure == "collided"


def test_a_gap_that_is_too_narrow_is_told() -> None:
    scene = replace(sample_scene(5, "left", None, parse_scenario("2box_hori")), side="straight")
    with pytest.raises(SimulationError, match="has no way to the basket between its boxes"):
        Expert(scene)


def test_the_scene_of_an_episode_follows_the_matrix() -> None:
    config = SimulationConfig(scenarios=(("2box_vert_right_close", 1),))
    scene = drawn_scene(config, 3)
    assert (len(scene.boxes), scene.layout, scene.side, scene.distance) == (2, "vert", "right", "close")
