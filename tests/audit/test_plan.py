"""What to record next: gaps and faults of the data in one ranked list that shrinks as the folder grows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.audit.plan import HOW, WEIGHTS, PictureEvidence, Plan, make_plan
from mvla_core.audit.result import AuditResult
from mvla_core.audit.targets import Cell, Targets
from mvla_core.metrics.intervals import Interval
from mvla_core.schema import ActionSequence, Scenario

Audit = Callable[..., AuditResult]
Varied = Callable[..., list[ActionSequence]]
MakeInfo = Callable[..., Any]


@pytest.fixture(scope="module")
def audited(make_info: MakeInfo) -> Callable[..., AuditResult]:
    """Return a function that audits sequences, each with a scenario of its own."""
    from mvla_core.audit.analysis import audit_episodes

    def run(sequences: list[ActionSequence], scenarios: list[Scenario], instruction: str = "") -> AuditResult:
        infos = [
            make_info(held.episode_id, num_frames=held.num_frames, scenario=scenario, instruction=instruction)
            for held, scenario in zip(sequences, scenarios, strict=True)
        ]
        return audit_episodes("lab", infos, sequences)

    return run


@pytest.fixture(scope="module")
def briefing(audit: Audit, recordings: Any) -> AuditResult:
    return audit(recordings.briefing(), info={"scenario": Scenario(boxes=1, layout="hori", side="left")})


def sides(count: int, **fields: Any) -> list[Scenario]:
    return [Scenario(side="left" if number % 2 else "right", **fields) for number in range(count)]


def codes(plan: Plan) -> set[str]:
    return {advice.code for advice in plan.advice}


def test_one_script_asks_to_vary_and_not_for_more_of_the_same(briefing: AuditResult) -> None:
    plan = make_plan(briefing)
    assert plan.advice[0].code == "vary_clock"
    left = next(cell for cell in plan.cells if cell.count.cell.get("side") == "left")
    assert left.count.gap == 0, "twelve episodes reach the target of ten by number"
    assert left.scripted >= 6
    assert 0 < left.missing < 10
    item = next(item for item in plan.items if item.cell == left.count.cell)
    assert [reason.code for reason in item.reasons] == ["one_script"]
    assert {"vary_start", "vary_speed", "vary_route", "move_scene", "recoveries"} <= set(item.how)
    assert plan.items[0].cell == Cell.of({"boxes": "1", "layout": "hori", "side": "right"})
    assert plan.items[0].reasons[0].code == "rarer_side"
    assert plan.too_short == ("b09",)
    assert plan.progress < 0.5


def test_a_hundred_copies_count_as_one(audited: Any, recordings: Any) -> None:
    one = ActionSequence("x", recordings.actions("_wwwaaqqqqqqwwwwww"))
    copies = [ActionSequence(f"c{number}", one.actions) for number in range(100)]
    plan = make_plan(audited(copies, [Scenario(side="left")] * 100))
    left = next(cell for cell in plan.cells if cell.count.have)
    assert (left.scripted, left.counted, left.missing) == (100, 1, 9)


def test_varied_episodes_are_asked_for_by_number_alone(audited: Any, varied: Varied) -> None:
    plan = make_plan(audited(varied(30), sides(30, distance="far")))
    assert not codes(plan) & {"vary_clock", "vary_script"}
    assert all(cell.scripted == 0 for cell in plan.cells)
    assert (plan.items, plan.progress, plan.episodes) == ((), 1.0, 0)


def test_progress_follows_the_folder(audited: Any, varied: Varied) -> None:
    targets = Targets(default=20)
    plans = [make_plan(audited(varied(count), sides(count)), targets) for count in (24, 30, 40)]
    assert [plan.episodes for plan in plans] == [16, 10, 0]
    assert [plan.progress for plan in plans] == [0.6, 0.75, 1.0]


def test_the_rarer_side_comes_first(audited: Any, varied: Varied) -> None:
    scenarios = [Scenario(side="right" if number < 3 else "left", distance="far") for number in range(30)]
    plan = make_plan(audited(varied(30), scenarios), Targets(default=40))
    assert [item.cell.get("side") for item in plan.items if item.cell] == ["right", "left"]
    first = plan.items[0]
    assert (first.episodes, first.weight) == (37, 37 * (WEIGHTS["rarer_side"] + WEIGHTS["gap"]))
    assert first.reasons[0].values == {"side": "right", "have": 3, "other": "left", "others": 27}
    assert "both_sides" in first.how


def test_opposed_views_make_a_cell_heavier(audited: Any, varied: Varied) -> None:
    result = audited(varied(20), sides(20))
    targets = Targets(default=12)
    without, seen = make_plan(result, targets), make_plan(result, targets, PictureEvidence(conflicts={"drive_0000": 4}))
    assert [item.cell.get("side") for item in without.items if item.cell] == ["left", "right"]
    assert [item.cell.get("side") for item in seen.items if item.cell] == ["right", "left"]
    assert "tell_side" in seen.items[0].how
    assert "opposed" in codes(seen)


@pytest.mark.parametrize(("low", "told"), [(-0.1, True), (0.2, False), (math.nan, False)])
def test_pictures_that_were_not_shown_to_help_ask_for_other_scenes(
    low: float, told: bool, audited: Any, varied: Varied
) -> None:
    pictures = PictureEvidence(headroom=Interval(0.1, low, 0.4))
    plan = make_plan(audited(varied(20), sides(20)), Targets(default=12), pictures)
    assert ("no_headroom" in codes(plan)) == told
    assert all(("move_scene" in item.how) == told for item in plan.items)


def test_where_nothing_is_known_the_plan_goes_by_number_and_direction(audit: Audit, make_info: MakeInfo) -> None:
    generator = np.random.default_rng(0)
    drives = []
    for number in range(8):
        actions = np.zeros((18, 2), dtype=np.float32)
        actions[:, 0] = generator.uniform(0.4, 1.0, 18)
        actions[generator.integers(3, 8) :, 1] = generator.uniform(0.3, 0.9)
        drives.append(ActionSequence(f"d{number}", actions))
    plan = make_plan(audit(drives))
    assert {"nothing_known", "directions"} <= codes(plan)
    by_focus = {item.focus: item for item in plan.items}
    assert by_focus["right"].episodes == 8, "none steers right, so as many again as there are"
    assert by_focus[""].cell == Cell()
    assert by_focus[""].episodes == 2
    assert by_focus["more"].episodes == 20 - 8 - 8 - 2, "the audit needs twenty episodes"


def test_too_much_forward_asks_for_turns(audit: Audit) -> None:
    ahead = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (18, 1))
    drives = []
    for number in range(30):
        actions = ahead * np.float32(0.5 + number / 60)
        actions[number % 12 : number % 12 + 2, 1] = 0.5 if number % 2 else -0.5
        drives.append(ActionSequence(f"d{number}", actions))
    plan = make_plan(audit(drives))
    turns = next(item for item in plan.items if item.focus == "turns")
    share = float(turns.reasons[0].values["share"])
    new = turns.episodes / (30 + turns.episodes)
    assert share * (1 - new) + 0.3 * new <= 0.6, "with half the limit's share in each new episode the limit is met"
    assert {"turns", "recoveries"} <= set(turns.how)


def test_no_usable_episode(audit: Audit) -> None:
    plan = make_plan(audit([]))
    assert [item.episodes for item in plan.items] == [10, 10]
    assert plan.coverage.usable == 0
    assert plan.progress == 0.0


def test_a_cell_that_is_not_wanted_is_not_asked_for(audited: Any, varied: Varied) -> None:
    result = audited(varied(24), sides(24, time_of_day="night"))
    targets = Targets(default=20).with_cell(Cell.of({"time_of_day": "night"}), 0)
    plan = make_plan(result, targets)
    assert (plan.items, plan.wanted, plan.progress) == ((), 0, 1.0)


scenarios = st.builds(
    Scenario,
    boxes=st.sampled_from([None, 1, 2]),
    side=st.sampled_from(["left", "right", None]),
    distance=st.sampled_from(["close", "far"]),
)


@settings(max_examples=25, deadline=None)
@given(drawn=st.lists(scenarios, min_size=1, max_size=10), default=st.integers(0, 12), pairs=st.integers(0, 3))
def test_the_ranking_is_total_stable_and_explained(
    drawn: list[Scenario], default: int, pairs: int, audited: Any, varied: Varied
) -> None:
    sequences = varied(len(drawn))
    result = audited(sequences, drawn)
    pictures = PictureEvidence(conflicts={"drive_0000": pairs} if pairs else {})
    plan = make_plan(result, Targets(default), pictures)
    assert make_plan(result, Targets(default), pictures) == plan
    assert [item.rank for item in plan.items] == list(range(1, len(plan.items) + 1))
    weights = [(item.weight, item.episodes) for item in plan.items]
    assert weights == sorted(weights, reverse=True)
    for item in plan.items:
        assert item.episodes > 0
        assert item.reasons
        assert item.how == tuple(code for code in HOW if code in item.how)
        assert item.weight == item.episodes * sum(WEIGHTS[r.code.removesuffix("_empty")] for r in item.reasons)
    missing = {item.cell: item.episodes for item in plan.items if item.cell is not None}
    assert missing == {cell.count.cell: cell.missing for cell in plan.cells if cell.missing}
    assert all(cell.missing + min(cell.counted, cell.count.target) == cell.count.target for cell in plan.cells)
    assert 0.0 <= plan.progress <= 1.0
    assert plan.coverage.usable == len(drawn)
