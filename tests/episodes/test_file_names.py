"""What file names of all three generations tell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.episodes.names import merged, parse_moment, parse_name, scenario_from_text, time_of_day
from mvla_core.schema import Scenario

BOXES = {"boxes": 1, "layout": "hori", "side": "left", "pattern": "core", "distance": "medium"}
TARGET = {"goal": "target", "side": "right", "pattern": "core", "distance": "far"}
NAMES: dict[str, tuple[str | None, dict[str, Any], str]] = {
    "episode_20251106_145248": ("2025-11-06T14:52:48", {}, ""),
    "episode_20251106_145248_1box_hori_left_core_medium": (
        "2025-11-06T14:52:48",
        BOXES,
        "Drive past the box on the left.",
    ),
    "episode_20251106_145248_1box_hori_left_core_medium_evening": (
        "2025-11-06T14:52:48",
        BOXES | {"time_of_day": "evening"},
        "Drive past the box on the left.",
    ),
    "episode_20251204_013302_basket_2box_vert_right_variant_close": (
        "2025-12-04T01:33:02",
        {"goal": "basket", "boxes": 2, "layout": "vert", "side": "right", "pattern": "variant", "distance": "close"},
        "Drive past the two boxes on the right to the basket.",
    ),
    "episode_20251106_145248_1box_hori_left__core__medium-2": (
        "2025-11-06T14:52:48",
        BOXES,
        "Drive past the box on the left.",
    ),
    "episode_251118_093000_target_l_right_path__core__far_goal_2": (
        "2025-11-18T09:30:00",
        TARGET,
        "Drive to the target on the left by the right path.",
    ),
    "episode_251118_093000_target_c_straight_path__wide_turn__close_end": (
        "2025-11-18T09:30:00",
        {"goal": "target", "side": "straight", "pattern": "wide_turn", "distance": "close"},
        "Drive to the target in the centre by the straight path.",
    ),
    "episode_251118_093000": ("2025-11-18T09:30:00", {}, ""),
    "episode_20251399_145248_1box_hori_left_core_medium": (None, BOXES, "Drive past the box on the left."),
    "episode_20251106_145248_something_else": ("2025-11-06T14:52:48", {}, ""),
    "my_left_turn": (None, {}, ""),
    "episode_1": (None, {}, ""),
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    moment, scenario, instruction = NAMES[name]
    parsed = parse_name(name)
    assert parsed.recorded_at == (datetime.fromisoformat(moment) if moment else None)
    assert parsed.scenario == Scenario(**scenario)
    assert parsed.instruction == instruction


@given(
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2099, 12, 31)).map(lambda m: m.replace(microsecond=0)),
    goal=st.sampled_from(["", "basket_"]),
    boxes=st.sampled_from([1, 2]),
    layout=st.sampled_from(["vert", "hori"]),
    side=st.sampled_from(["left", "right"]),
    pattern=st.sampled_from(["core", "variant"]),
    distance=st.sampled_from(["close", "medium", "far"]),
    evening=st.sampled_from(["", "_evening"]),
)
def test_every_name_of_the_grammar_is_read(
    moment: datetime, goal: str, boxes: int, layout: str, side: str, pattern: str, distance: str, evening: str
) -> None:
    name = f"episode_{moment:%Y%m%d_%H%M%S}_{goal}{boxes}box_{layout}_{side}_{pattern}_{distance}{evening}"
    parsed = parse_name(name)
    assert parsed.recorded_at == moment
    assert parsed.scenario == Scenario(
        goal.strip("_") or None, boxes, layout, side, pattern, distance, evening.strip("_") or None
    )
    assert side in parsed.instruction


@given(st.text(max_size=80))
def test_any_name_is_read_without_an_error(name: str) -> None:
    parse_name(name)
    parse_name(f"episode_20251106_145248_{name}")
    scenario_from_text(name)


def test_scenario_attribute() -> None:
    assert scenario_from_text("2box_vert_right") == Scenario(boxes=2, layout="vert", side="right")
    assert scenario_from_text("unheard of") == Scenario()


def test_merging_keeps_what_comes_first() -> None:
    first, second = Scenario(side="left"), Scenario(side="right", boxes=2)
    assert merged(first, second, Scenario(distance="far")) == Scenario(side="left", boxes=2, distance="far")
    assert first == Scenario(side="left")


def test_time_of_day() -> None:
    hours = [0, 5, 6, 11, 12, 17, 18, 23]
    found = [time_of_day(datetime(2025, 1, 1, hour)) for hour in hours]
    assert found == ["dawn", "dawn", "morning", "morning", "evening", "evening", "night", "night"]
    assert time_of_day(datetime(2025, 1, 1, tzinfo=UTC)) is None
    assert parse_moment("yesterday") is None
