"""Grades, checklist, risks and efficiency: fixed rules over stored figures."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.reports.efficiency import GIB, training_efficiency
from mvla_core.reports.grading import GRADES, SUBJECTS, TERMS, check_all, grade_all, meets, rules
from mvla_core.reports.language import catalog
from mvla_core.reports.risks import LEVELS, rank_risks
from mvla_core.reports.sections_advice import SENSES
from mvla_core.training.recipe import PRESETS

BEST: dict[str, Any] = {
    "clean_split": True,
    "held_out": 20,
    "val_reduction": 0.8,
    "gap_share": 0.1,
    "worse_share": 0.1,
    "skill_low": 0.3,
    "verdict": "learned",
    "clock_value": 0.2,
    "weakest_recall": 0.9,
    "errors": 0,
    "warnings": 0,
    "met_share": 0.9,
    "episodes": 200,
    "frames": 20_000,
    "train_windows": 9000,
    "scenarios": 9,
    "times_of_day": 3,
    "edge_cases": 1.0,
    "new_environment": 1,
    "safety_test": True,
    "closed_loop": 0.95,
}


def test_the_best_figures_get_the_best_grades_and_meet_everything() -> None:
    assert {subject: given["grade"] for subject, given in grade_all(BEST).items()} == dict.fromkeys(SUBJECTS, "A")
    assert {item["status"] for term in TERMS for item in check_all(BEST)[term]} == {"met"}


def test_nothing_measured_gets_the_worst_grade_and_meets_nothing() -> None:
    assert {given["grade"] for given in grade_all({}).values()} == {"F"}
    assert {item["status"] for term in TERMS for item in check_all({})[term]} == {"not_measured"}


def test_the_briefings_data_is_graded_f() -> None:
    """Good losses, clean technique, and data of which a clock explains nearly everything: A, F, and no good grade overall."""
    figures = {
        **BEST,
        "errors": 2,
        "met_share": 0.1,
        "clock_value": 0.83,
        "skill_low": -0.2,
        "verdict": "memorised_script",
    }
    grades = {subject: given["grade"] for subject, given in grade_all(figures).items()}
    assert grades == {"technique": "A", "data": "F", "overall": "D"}


def test_without_closed_loop_nothing_is_overall_a() -> None:
    assert grade_all({**BEST, "closed_loop": None})["overall"]["grade"] == "B"


@given(name=st.sampled_from(sorted(BEST)))
def test_taking_a_measurement_away_never_improves_a_grade(name: str) -> None:
    full, less = grade_all(BEST), grade_all({**BEST, name: None})
    for subject in SUBJECTS:
        assert GRADES.index(less[subject]["grade"]) <= GRADES.index(full[subject]["grade"])


def test_each_subject_ends_in_a_rule_that_always_holds_and_names_known_figures() -> None:
    for subject in SUBJECTS:
        table = rules("grades")[subject]
        assert [rule["grade"] for rule in table] == list(reversed(GRADES))
        assert table[-1]["needs"] == []
        for rule in table:
            for name, sense, _ in rule["needs"]:
                assert name in BEST or name in SUBJECTS
                assert sense == "=" or sense in SENSES
                assert all(name in catalog(f"text_{lang}")["figures"] for lang in ("en", "ko"))
    for term in TERMS:
        for item in rules("checklist")[term]:
            assert item["need"][0] in BEST
            assert all(item["code"] in catalog(f"text_{lang}")["checklist"] for lang in ("en", "ko"))


@pytest.mark.parametrize(
    ("need", "value", "met"),
    [
        (["x", ">=", 2], 2, True),
        (["x", "<=", 2], 3, False),
        (["x", "=", True], True, True),
        (["x", ">=", "B"], "C", False),
    ],
)
def test_a_need_is_compared(need: list[Any], value: Any, met: bool) -> None:
    assert meets(need, {"x": value}) is met
    assert meets(need, {}) is None


def test_memory_follows_the_stated_formula() -> None:
    """Of the briefing's recipe: a base of 1,664.5 M in 16 bits and 33.6 M trained parameters; all of them with full fine-tuning."""
    recipe = PRESETS["briefing"].recipe.to_json()
    losses = {"epochs": [], "best_epoch": None}
    found = training_efficiency(
        {"recipe": recipe}, {"seconds": 100.0, "epochs_done": 20, "peak_memory_bytes": GIB}, losses, 2, 45
    )
    trained = found["parameters"]["trained"]
    assert trained == 33_572_884
    assert found["memory"]["adapter_gib"] == pytest.approx((1_664_500_000 * 2 + trained * 16) / GIB)
    assert found["memory"]["full_gib"] == pytest.approx((1_664_500_000 + trained) * 16 / GIB)
    assert 24 < found["memory"]["full_gib"] < 28
    assert found["memory"]["peak_gib"] == 1.0
    assert found["speed"]["epoch_seconds"] == 5.0
    assert found["speed"]["windows_per_second"] == pytest.approx(45 * 20 / 100)
    assert found["convergence"] == {"measured": False}


def test_convergence_is_the_first_epoch_with_most_of_the_fall() -> None:
    rows = [{"epoch": number, "val_loss": loss} for number, loss in enumerate([1.0, 0.5, 0.15, 0.1, 0.12], start=1)]
    losses = {"epochs": rows, "best_epoch": 4}
    found = training_efficiency({"recipe": {}}, {}, losses, 2, None)["convergence"]
    assert (found["epoch"], found["best_epoch"], found["last_epoch"]) == (3, 4, 5)


def test_risks_are_ranked_by_gravity_and_then_by_effect() -> None:
    def evidence(code: str, level: str, value: float | None, **values: Any) -> dict[str, Any]:
        return {"for": False, "level": level, "code": code, "value": value, "low": values.get("low"), "values": values}

    results = {
        "verdict": {
            "evidence": [
                evidence("wins", "warning", 0.25),
                evidence("skill_constant", "error", -0.5, low=-0.9),
                evidence("recall", "warning", 0.1, recall=0.1, count=50),
                evidence("episodes", "info", 3),
                {"for": True, "level": "ok", "code": "split", "value": 0, "low": None, "values": {}},
            ]
        },
        "actions_compared": 100,
        "episodes": 4,
        "split": {"leaked": 0},
    }
    findings = [
        {"code": "clipped_actions", "level": "info", "details": {"share": 0.4}},
        {"code": "clock_suffices", "level": "error", "details": {"explained": {"value": 0.83}}},
        {"code": "few_frames", "level": "warning", "details": {"value": 100, "recommended": 2000, "limit": 300}},
        {"code": "clock_fails", "level": "ok"},
    ]
    risks = rank_risks(results, {"findings": findings})
    assert [risk["level"] for risk in risks] == sorted((risk["level"] for risk in risks), key=LEVELS.index)
    effects = [(risk["level"], risk["effect"]) for risk in risks]
    assert effects == [
        ("error", 0.9),
        ("error", 0.83),
        ("warning", 0.75),
        ("warning", pytest.approx(2 / 3)),
        ("warning", pytest.approx(0.45)),
        ("info", 0.4),
        ("info", None),
    ]
    assert all(risk["effect"] is None or math.isfinite(risk["effect"]) for risk in risks)
