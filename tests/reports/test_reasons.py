"""Why an input was not taken away stands in the report as it was stored, in Korean translated where the sentence is known."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from mvla_core.evaluation.ablation_pictures import _ONE_FRAME
from mvla_core.evaluation.ablations import _unmeasurable
from mvla_core.reports.language import Words
from mvla_core.reports.sections_measured import ablation_section

REFUSED = "The policy knows no instruction 'Go round.'; teach it."


def subject(instruction: str) -> Any:
    return SimpleNamespace(info=SimpleNamespace(instruction=instruction))


def known_reasons() -> set[str | None]:
    asked = ("pictures_other", "pictures_moment", "instruction_swap", "instruction_other", "instruction_empty")
    without = {_unmeasurable(name, [subject("")], [""]) for name in asked}
    return {*without, *(_unmeasurable(name, [subject("Go.")], ["Go."]) for name in asked[2:4]), _ONE_FRAME}


def test_every_reason_of_an_evaluation_is_known_in_korean() -> None:
    korean = Words("ko")
    reasons = [reason for reason in known_reasons() if reason is not None]
    assert len(reasons) == 5
    for reason in reasons:
        assert Words("en").reason(reason) == reason
        assert not korean.reason(reason).isascii()
    nan = "Without this input the policy predicts NaN or infinity on the episode e7, expected velocities."
    assert "e7" in korean.reason(nan)
    assert "에피소드" in korean.reason(nan)
    assert korean.reason(REFUSED) == REFUSED


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_report_gives_the_stored_reason(lang: Any) -> None:
    found: dict[str, Any] = {"measured": False, "reason": REFUSED}
    stored: Any = SimpleNamespace(results={"ablations": {"instruction_swap": found, "pictures_moment": found}})
    section = ablation_section(stored, Words(lang), Words(lang))
    text = json.dumps([vars(block) for block in section.blocks], ensure_ascii=False, default=str)
    assert text.count(REFUSED) == 2
