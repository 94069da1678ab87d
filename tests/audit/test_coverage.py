"""The coverage matrix: every usable episode is counted once, and nobody's gap grows by recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.audit.coverage import MOST_COLUMNS, cover, known_values
from mvla_core.audit.targets import Cell, Targets
from mvla_core.errors import UserInputError
from mvla_core.schema import EpisodeInfo, Scenario

MakeInfo = Callable[..., EpisodeInfo]

scenarios = st.builds(
    Scenario,
    goal=st.sampled_from([None, "basket"]),
    boxes=st.sampled_from([None, 1, 2]),
    layout=st.sampled_from([None, "hori", "vert"]),
    side=st.sampled_from([None, "left", "right", "straight"]),
    pattern=st.sampled_from([None, "core", "odd"]),
    distance=st.sampled_from([None, "close", "far"]),
    time_of_day=st.sampled_from([None, "morning", "night"]),
)
instructions = st.sampled_from(["", "Go left.", "상자 오른쪽으로", "Go."])
episodes = st.lists(st.tuples(scenarios, instructions), max_size=12)
some_targets = st.sampled_from(
    [
        Targets(),
        Targets(default=2, axes=("side", "distance")),
        Targets(values={"time_of_day": ("morning", "evening")}).with_cell(Cell.of({"side": "left"}), 1),
    ]
)


@pytest.fixture(scope="module")
def infos(make_info: MakeInfo) -> Callable[[list[tuple[Scenario, str]]], list[EpisodeInfo]]:
    return lambda drawn: [
        make_info(f"e{number}", scenario=scenario, instruction=instruction)
        for number, (scenario, instruction) in enumerate(drawn)
    ]


@given(drawn=episodes, targets=some_targets)
def test_counts_sum_to_the_usable_episodes(drawn: Any, targets: Targets, infos: Any) -> None:
    coverage = cover(infos(drawn), targets)
    assert coverage.usable == len(drawn)
    placed = [name for count in coverage.cells for name in count.episodes]
    assert sorted([*placed, *coverage.partly_known, *coverage.unknown]) == sorted(f"e{n}" for n in range(len(drawn)))
    assert len({count.cell for count in coverage.cells}) == len(coverage.cells)


@given(drawn=episodes, targets=some_targets, more=st.tuples(scenarios, instructions))
def test_an_episode_more_never_makes_a_gap_larger(drawn: Any, targets: Targets, more: Any, infos: Any) -> None:
    before, after = cover(infos(drawn), targets), cover(infos([*drawn, more]), targets)
    if before.axes != after.axes:
        return  # An axis that nobody had told of before makes other cells; a fixed choice of axes keeps them.
    gaps = {count.cell: count.gap for count in after.cells}
    for count in before.cells:
        assert gaps[count.cell] <= count.gap


@given(drawn=episodes)
def test_a_few_lines_count_the_same(drawn: Any, infos: Any) -> None:
    targets = Targets(axes=("boxes", "distance"))
    by_hand = Counter((str(s.boxes), s.distance) for s, _ in drawn if s.boxes is not None and s.distance is not None)
    coverage = cover(infos(drawn), targets)
    if coverage.axes == ("boxes", "distance"):
        counted = {(count.cell.get("boxes"), count.cell.get("distance")): count.have for count in coverage.cells}
        assert {key: have for key, have in counted.items() if have} == dict(by_hand)
        assert len(counted) == len({str(s.boxes) for s, _ in drawn} - {"None"}) * len(
            {s.distance for s, _ in drawn} - {None}
        )


@given(drawn=episodes, targets=some_targets)
def test_the_picture_shows_every_cell_once(drawn: Any, targets: Targets, infos: Any) -> None:
    coverage = cover(infos(drawn), targets)
    if not coverage.cells:
        return
    pivot = coverage.pivot()
    shown = [count for row in pivot.grid for count in row if count is not None]
    assert Counter(count.cell for count in shown) == Counter(count.cell for count in coverage.cells)
    assert len(pivot.columns) <= MOST_COLUMNS
    assert all(len(row) == len(pivot.columns) for row in pivot.grid)


def test_the_mirror_of_a_side_is_wanted(make_info: MakeInfo) -> None:
    scenario = Scenario(boxes=1, layout="hori", side="left", distance="far")
    coverage = cover([make_info("a", scenario=scenario)], Targets())
    assert coverage.axes == ("boxes", "layout", "side", "distance")
    assert [(count.cell.get("side"), count.have, count.gap) for count in coverage.cells] == [
        ("left", 1, 9),
        ("right", 0, 10),
    ]
    straight = cover([make_info("a", scenario=Scenario(boxes=1, side="straight"))], Targets())
    assert [count.cell.get("side") for count in straight.cells] == ["straight"]


def test_a_value_that_nobody_recorded_can_be_wanted(make_info: MakeInfo) -> None:
    infos = [make_info("a", scenario=Scenario(side="straight", time_of_day="morning"))]
    coverage = cover(infos, Targets().with_values("time_of_day", ["morning", "evening"]))
    assert [(count.cell.get("time_of_day"), count.gap) for count in coverage.cells] == [("morning", 9), ("evening", 10)]


def test_an_episode_of_an_unwanted_value_is_counted_and_not_asked_for(make_info: MakeInfo) -> None:
    infos = [make_info(time, scenario=Scenario(time_of_day=time)) for time in ("morning", "night")]
    coverage = cover(infos, Targets().with_values("time_of_day", ["morning"]))
    assert [(count.have, count.target) for count in coverage.cells] == [(1, 10), (1, 0)]


def test_the_goal_names_the_place_only_where_no_boxes_are_told(make_info: MakeInfo) -> None:
    goal = cover([make_info("a", scenario=Scenario(goal="target", side="left"))], Targets())
    boxes = cover([make_info("a", scenario=Scenario(goal="basket", boxes=1, side="left"))], Targets())
    assert goal.axes == ("goal", "side")
    assert boxes.axes == ("boxes", "side")


def test_partly_known_episodes_are_named_and_in_no_cell(make_info: MakeInfo) -> None:
    full = Scenario(boxes=1, side="straight", time_of_day="morning")
    infos = [make_info("full", scenario=full), make_info("part", scenario=Scenario(boxes=1)), make_info("none")]
    coverage = cover(infos, Targets())
    assert (coverage.partly_known, coverage.unknown) == (("part",), ("none",))
    assert [count.episodes for count in coverage.cells] == [("full",)]


def test_without_a_scenario_the_instruction_takes_its_place_and_without_that_there_is_one_cell(
    make_info: MakeInfo,
) -> None:
    told = cover([make_info("a", instruction="Find  the\nbasket")], Targets())
    assert [count.cell.to_json() for count in told.cells] == [{"instruction": "Find the basket"}]
    nothing = cover([make_info("a"), make_info("b")], Targets())
    assert nothing.axes == ()
    assert [(count.cell, count.have) for count in nothing.cells] == [(Cell(), 2)]


def test_the_instruction_tells_the_side_where_the_scenario_does_not(make_info: MakeInfo) -> None:
    assert known_values(make_info("a", instruction="상자 왼쪽으로 가세요"))["side"] == "left"


def test_too_many_cells_are_refused_with_what_to_do(make_info: MakeInfo) -> None:
    infos = [make_info(f"e{n}", scenario=Scenario(pattern=f"p{n}", distance=f"d{n}", goal=f"g{n}")) for n in range(20)]
    with pytest.raises(UserInputError, match="choose fewer axes"):
        cover(infos, Targets())
    assert len(cover(infos, Targets(axes=("distance",))).cells) == 20


def test_rows_and_columns_stay_readable(make_info: MakeInfo) -> None:
    infos = [
        make_info(f"e{b}{d}{t}", scenario=Scenario(boxes=b, layout="hori", side="left", distance=d, time_of_day=t))
        for b in (1, 2)
        for d in ("close", "medium", "far")
        for t in ("dawn", "morning", "evening")
    ]
    pivot = cover(infos, Targets()).pivot()
    assert pivot.shared.to_json() == {"layout": "hori"}
    assert pivot.column_axes == ("distance",), "nine columns would be too many"
    assert pivot.row_axes == ("boxes", "side", "time_of_day")
    assert [column.get("distance") for column in pivot.columns] == ["close", "medium", "far"]
