"""The audit's table in both languages: every label, state, source and reason, and figures as the language writes them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest

from mvla_core.audit.result import AuditResult
from mvla_core.audit.table import LABELS, PresetSize, TableRow
from mvla_core.audit.table_wording import SHARES, table_catalog, worded_row
from mvla_core.audit.thresholds import OWN_SOURCE, default_thresholds
from mvla_core.wording import LANGUAGES, placeholders, terms

HANGUL = re.compile(r"[가-힣]")
NOTES = ("Not judged:", "Not measured:", "Commanded change", "Set in", "{windows} training windows")
"""How the sentences begin that are told of a figure beside its threshold's reason."""


def keys(node: dict[str, Any], prefix: str = "") -> set[str]:
    """The dotted keys of a catalog's texts."""
    found = set()
    for name, value in node.items():
        found |= keys(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return found


def row(name: str = "episodes", **fields: Any) -> TableRow:
    values: dict[str, Any] = {"label": LABELS[name][0], "value": 13.0, "unit": LABELS[name][1], "recommended": 100.0}
    values |= {"sense": "at_least", "source": "briefing", "reason": default_thresholds()["episodes"].reason}
    return TableRow(**{"name": name, "status": "warning", **values, **fields})


def test_both_languages_hold_the_same_words() -> None:
    assert keys(terms("en")) == keys(terms("ko"))
    english, korean = table_catalog("en"), table_catalog("ko")
    assert keys(english) == keys({name: korean[name] for name in english})
    assert set(korean) - set(english) == {"labels", "reasons"}


def test_every_row_and_every_reason_has_its_korean() -> None:
    korean = table_catalog("ko")
    assert set(korean["labels"]) == set(LABELS)
    reasons = {
        reason
        for threshold in default_thresholds().values()
        for reason in (threshold.reason, threshold.limit_reason)
        if reason
    }
    assert reasons - set(korean["reasons"]) == set(), "translate these reasons of thresholds.toml in table_ko.toml"
    for english, text in korean["reasons"].items():
        assert placeholders(english) == placeholders(text)
        assert english in reasons or english.startswith(NOTES), f"nothing says this any more: {english}"
    assert all(HANGUL.search(text) and text.endswith(".") for text in korean["reasons"].values())
    sources = {threshold.source for threshold in default_thresholds().values()}
    assert sources | {OWN_SOURCE} == set(korean["sources"])


def test_a_whole_table_is_said_in_both_languages(audit: Callable[..., AuditResult], recordings: Any) -> None:
    result = audit(recordings.briefing(), preset=PresetSize("briefing", (51_200, 51_300)))
    korean = {row.name: worded_row(row, "ko") for row in result.table}
    english = {row.name: worded_row(row, "en") for row in result.table}
    assert dataclasses.astuple(english["diversity"])[:5] == (
        "Diversity (different actions / frames)",
        "2.3 %",
        "at least 30 %",
        "below the goal",
        "the briefing",
    )
    assert dataclasses.astuple(korean["diversity"])[:5] == (
        "다양성(서로 다른 동작 / 프레임)",
        "2.3%",
        "30% 이상",
        "권장값 미달",
        "브리핑",
    )
    assert korean["mean_length"].value == "16.8 프레임"
    assert korean["linear_x_std"].label == "linear_x, 표준편차"
    assert korean["linear_x_std"].value == "0.417 m/s"
    assert korean["determinism"].status == "초과"
    ratio = korean["samples_per_parameter"].reason
    assert ratio.startswith("학습 윈도우 ")
    assert "briefing 프리셋의 학습 파라미터 51,200개" in ratio
    assert not re.search(r"[A-Za-z]{3,} [A-Za-z]{3,}", " ".join(row.reason for row in korean.values())), (
        "English is left"
    )
    assert all(HANGUL.search(row.label) for row in korean.values())
    assert not any(HANGUL.search("".join(dataclasses.astuple(row))) for row in english.values())


@pytest.mark.parametrize(
    ("status", "sense", "english", "korean"),
    [
        ("ok", "at_least", "reached", "충족"),
        ("info", "at_least", "below the goal", "권장값 미달"),
        ("warning", "at_least", "too little", "부족"),
        ("error", "at_most", "too much", "초과"),
        ("none", None, "", ""),
    ],
)
def test_states(status: Any, sense: str | None, english: str, korean: str) -> None:
    said = row(status=status, sense=sense)
    assert (worded_row(said, "en").status, worded_row(said, "ko").status) == (english, korean)


def test_what_the_user_wrote_is_shown_as_it_is() -> None:
    own = row(reason="My professor says so.", source="my professor")
    assert worded_row(own, "ko").reason == "My professor says so."
    assert worded_row(own, "ko").source == "my professor"


def test_figures_that_are_missing_or_tiny() -> None:
    assert worded_row(row(value=None), "ko").value == "–"
    assert worded_row(row("samples_per_parameter", value=9.1e-7), "en").value == "9.1e-07"
    assert worded_row(row("samples_per_parameter", value=0.024), "en").value == "0.024"
    assert set(SHARES) <= set(LABELS)
    assert LANGUAGES == ("en", "ko")
