"""Lengths, times of day, groups and transitions against counting by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.audit.balance import (
    by_instruction,
    by_length,
    by_scenario,
    by_time_of_day,
    keyboard_directions,
    length_class,
    transitions,
)
from mvla_core.audit.result import AuditResult
from mvla_core.schema import ActionSequence, ActionSpace, Scenario

SPACE = ActionSpace.default(2)
BAND = np.array([0.1, 0.1])
KEYS = {"_": (0.0, 0.0), "w": (1.15, 0.0), "a": (0.0, 1.15), "e": (1.15, -1.15)}
NAMES = {"_": "stop", "w": "forward", "a": "left", "e": "forward-right"}


def driven(keys: str) -> ActionSequence:
    return ActionSequence(keys, np.array([KEYS[key] for key in keys], dtype=np.float32))


def test_lengths_fall_into_the_robot_projects_classes(make_info: Callable[..., Any]) -> None:
    assert [length_class(n) for n in (1, 10, 11, 25, 26, 50, 51, 9999)] == [
        "short",
        "short",
        "medium",
        "medium",
        "long",
        "long",
        "extra_long",
        "extra_long",
    ]
    found = by_length([make_info(str(n), num_frames=n) for n in (2, 18, 18, 60)])
    assert [(g.name, g.episodes, g.frames, g.share) for g in found] == [
        ("short", 1, 2, 0.25),
        ("medium", 2, 36, 0.5),
        ("long", 0, 0, 0.0),
        ("extra_long", 1, 60, 0.25),
    ]


def test_groups_of_episodes(make_info: Callable[..., Any]) -> None:
    episodes = [
        make_info("a", scenario=Scenario(boxes=1, side="left", time_of_day="evening"), instruction="go"),
        make_info("b", scenario=Scenario(boxes=1, side="left", time_of_day="dawn"), instruction="go"),
        make_info("c"),
    ]
    assert [(g.name, g.episodes) for g in by_scenario(episodes)] == [("1box_left", 2), ("unknown", 1)]
    assert [(g.name, g.episodes) for g in by_instruction(episodes)] == [("go", 2), ("", 1)]
    assert {g.name: g.episodes for g in by_time_of_day(episodes)} == {
        "dawn": 1,
        "morning": 0,
        "evening": 1,
        "night": 0,
        "unknown": 1,
    }
    assert by_scenario([]) == ()


@given(st.lists(st.text(alphabet="_wae", min_size=1, max_size=12), min_size=1, max_size=6))
def test_transitions_agree_with_counting_pairs(drives: list[str]) -> None:
    pairs = Counter((NAMES[a], NAMES[b]) for keys in drives for a, b in pairwise(keys))
    found = transitions([driven(keys) for keys in drives], SPACE, BAND)
    assert set(found.names) == {NAMES[key] for keys in drives for key in keys}
    for row, before in enumerate(found.names):
        total = sum(count for (first, _), count in pairs.items() if first == before)
        for column, after in enumerate(found.names):
            assert found.counts[row, column] == pairs[before, after]
            assert found.probabilities[row, column] == pytest.approx(pairs[before, after] / total if total else 0.0)


def test_the_keys_of_a_data_set_are_all_its_signs_combined() -> None:
    actions = np.concatenate([driven(keys).actions for keys in ("_w", "a")])
    assert keyboard_directions(actions, SPACE, BAND) == ("stop", "forward", "left", "forward-left")


def test_a_direction_that_hardly_occurs_is_named(audit: Callable[..., AuditResult], recordings: Any) -> None:
    found = next(f for f in audit(recordings.briefing()).findings if f.code == "rare_direction")
    assert found.level == "info"
    # 4 of 218 frames are forward-right; right alone never occurs, though its two keys do.
    assert found.details["shares"] == {"right": 0.0, "forward-right": pytest.approx(4 / 218)}


def test_the_json_holds_every_distribution(audit: Callable[..., AuditResult], recordings: Any) -> None:
    found = audit(recordings.briefing()).to_json()
    assert found["transitions"]["names"] == ["stop", "forward", "left", "forward-left", "forward-right"]
    assert np.sum(found["transitions"]["counts"]) == 218 - 13
    assert set(found["balance"]) == {"instruction", "scenario", "length", "time_of_day"}
    assert [group["episodes"] for group in found["balance"]["length"]] == [1, 12, 0, 0]
