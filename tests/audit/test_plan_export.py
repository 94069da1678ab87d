"""The plan on paper: a box for each item, a row for each cell, in both languages."""

from __future__ import annotations

import csv
import io
import json
import re
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.audit.analysis import audit_episodes
from mvla_core.audit.plan import HOW, WEIGHTS, PictureEvidence, Plan, make_plan
from mvla_core.audit.plan_export import to_csv, to_json, to_markdown
from mvla_core.audit.plan_wording import LANGUAGES, Language, PlanWords, catalog
from mvla_core.audit.targets import AXES, Cell, Targets
from mvla_core.metrics.intervals import Interval
from mvla_core.schema import EpisodeInfo, Scenario

MakeInfo = Callable[..., EpisodeInfo]


@pytest.fixture(scope="module")
def plan_of(make_info: MakeInfo, varied: Any) -> Callable[..., Plan]:
    def make(scenarios: list[Scenario], instruction: str = "", **keywords: Any) -> Plan:
        sequences = varied(len(scenarios))
        infos = [
            make_info(held.episode_id, scenario=scenario, instruction=instruction)
            for held, scenario in zip(sequences, scenarios, strict=True)
        ]
        return make_plan(audit_episodes("lab_1", infos, sequences), **keywords)

    return make


@pytest.fixture(scope="module")
def plan(plan_of: Callable[..., Plan]) -> Plan:
    """Every kind of cell item: a gap, an empty gap, the rarer side, opposed views; and advice."""
    scenario = {"boxes": 2, "layout": "hori", "pattern": "core", "time_of_day": "evening"}
    scenarios = [
        Scenario(side="left" if number else "right", distance=("close", "far")[number % 2], **scenario)
        for number in range(11)
    ]
    pictures = PictureEvidence(Interval(0.01, -0.1, 0.1), {"drive_0003": 2})
    return plan_of([*scenarios, Scenario(boxes=1)], pictures=pictures)


@pytest.mark.parametrize("language", LANGUAGES)
def test_markdown_has_a_box_for_each_item(plan: Plan, language: Language) -> None:
    text = to_markdown(plan, language)
    words = PlanWords(language)
    boxes = re.findall(r"^- \[ \] \*\*(.+)\*\*$", text, re.MULTILINE)
    assert len(boxes) == len(plan.items) > 2
    assert boxes == [words.headline(item) for item in plan.items]
    assert words.how(plan.items[0].how) in text
    assert "{" not in text


def test_english_reads_as_a_person_would_say_it(plan: Plan) -> None:
    text = to_markdown(plan, "en")
    assert "2box, hori, right, core, far, evening: 10 episodes" in text
    assert "How: vary the start; vary the speed;" in text
    assert "All cells: 2box, hori, core, evening" not in text, "one episode has one box, so the boxes differ"
    assert "All cells: hori, core, evening" in text


@given(
    drawn=st.lists(
        st.builds(Scenario, side=st.sampled_from(["left", "right"]), distance=st.sampled_from(["close", "a*b_c"])),
        min_size=1,
        max_size=6,
    ),
    default=st.integers(0, 4),
)
@settings(max_examples=15, deadline=None)
def test_boxes_and_rows_are_as_many_as_items_and_cells(drawn: list[Scenario], default: int, plan_of: Any) -> None:
    plan = plan_of(drawn, targets=Targets(default))
    assert to_markdown(plan, "ko").count("\n- [ ] ") == len(plan.items)
    rows = list(csv.reader(io.StringIO(to_csv(plan, "en"))))
    assert len(rows) == len(plan.cells) + 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_csv_has_a_row_for_each_cell(plan: Plan, language: Language) -> None:
    text = to_csv(plan, language)
    assert text[0] == "\ufeff", "else a spreadsheet misreads Korean"
    words = PlanWords(language)
    rows = list(csv.DictReader(io.StringIO(text[1:])))
    head = {name: words.say("columns", name) for name in ("have", "counted", "target", "missing", "how")}
    assert sum(int(row[head["have"]]) for row in rows) == 11
    assert [int(row[head["missing"]]) for row in rows] == [cell.missing for cell in plan.cells]
    assert all(bool(row[head["how"]]) == (int(row[head["missing"]]) > 0) for row in rows)


def test_a_text_of_a_recording_is_never_a_formula_nor_formatting(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of([Scenario()] * 3, instruction="=HYPERLINK(1) **go**")
    assert "by_instruction" in {advice.code for advice in plan.advice}
    row = next(csv.DictReader(io.StringIO(to_csv(plan, "en")[1:])))
    assert row["instruction"] == "'=HYPERLINK(1) **go**"
    assert r"\*\*go\*\*" in to_markdown(plan, "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_json_is_json(plan: Plan, language: Language) -> None:
    value = json.loads(json.dumps(to_json(plan, language), allow_nan=False))
    assert value["episodes"] == sum(item["episodes"] for item in value["items"])
    assert sum(cell["have"] for cell in value["cells"]) + len(value["coverage"]["partly_known"]) == 12
    first = value["items"][0]
    assert set(first) == {"rank", "cell", "focus", "what", "episodes", "weight", "reasons", "how"}
    assert all(reason["code"] and reason["text"] for reason in first["reasons"])


def test_both_languages_say_the_same_things() -> None:
    english, korean = catalog("en"), catalog("ko")
    for table, texts in english.items():
        if table == "values":
            continue
        assert korean[table].keys() == texts.keys(), table
        for key, text in texts.items():
            fields = [
                {name for _, name, _, _ in string.Formatter().parse(one) if name} for one in (text, korean[table][key])
            ]
            assert fields[0] == fields[1], f"{table}.{key}"
    assert set(english["axes"]) == set(AXES)
    assert set(english["how"]) == set(english["ways"]) == set(HOW)
    assert {code.removesuffix("_empty") for code in english["reasons"]} == set(WEIGHTS)


def test_names_of_the_users_own_are_left_as_they_are() -> None:
    cell = Cell.of({"boxes": "3", "distance": "{odd}", "time_of_day": "evening"})
    assert PlanWords("en").cell(cell) == "3box, {odd}, evening"
    assert PlanWords("ko").cell(cell) == "박스 3개, {odd}, 오후"
