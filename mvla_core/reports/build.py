"""From stored results to a document in one language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mvla_core.evaluation.facts import Facts
from mvla_core.evaluation.measure import CLOCKS
from mvla_core.reports.choice import SECTIONS, ReportChoice
from mvla_core.reports.document import Chip, Document, Section, Tile
from mvla_core.reports.language import Words
from mvla_core.reports.sections_advice import (
    checklist_section,
    conclusion_section,
    next_section,
    summary_section,
)
from mvla_core.reports.sections_context import claims_section, comparison_section, efficiency_section
from mvla_core.reports.sections_judged import evidence_section, risk_section, technical_section
from mvla_core.reports.sections_measured import (
    ablation_section,
    action_section,
    data_section,
    direction_section,
    loss_section,
    overlay_section,
    skill_section,
)
from mvla_core.reports.sections_readiness import readiness_section
from mvla_core.reports.sections_runs import runs_section
from mvla_core.reports.stored import Stored
from mvla_core.reports.tones import VERDICT_TONES
from mvla_core.schema import NORMALISED

WHOLE_REPORT = ReportChoice()

_MEASURED: Mapping[str, Callable[[Stored, Words, Words], Section]] = {
    "losses": loss_section,
    "data": data_section,
    "actions": action_section,
    "skill": skill_section,
    "overlay": overlay_section,
    "directions": direction_section,
    "ablations": ablation_section,
}
_TOLD: Mapping[str, Callable[[Stored, Words], Section]] = {
    "comparison": comparison_section,
    "evidence": evidence_section,
    "risks": risk_section,
    "efficiency": efficiency_section,
    "claims": claims_section,
    "readiness": readiness_section,
    "conclusions": conclusion_section,
    "next": next_section,
    "checklist": checklist_section,
    "technical": technical_section,
    "summary": summary_section,
}


def build_document(
    several: Sequence[Stored], words: Words, figure_words: Words, choice: ReportChoice = WHOLE_REPORT
) -> Document:
    """Return the chosen sections of a report.

    Args:
        several: What each run and its evaluation have stored. The report is about the first; a table puts the others beside it.
        words: The report's language.
        figure_words: The language within figures; English where no font for another one is installed.
        choice: Sections and foreword.
    """
    stored = several[0]
    results = stored.results
    verdict = results["verdict"]
    others = [each.results["run_id"] for each in several[1:]]
    return Document(
        lang=words.language,
        kind=words.say("page.kind"),
        title=words.say("page.title", results),
        facts=[
            (words.say("page.dataset"), results["dataset"]),
            (words.say("page.run"), results["run_id"]),
            *([(words.say("page.others"), ", ".join(others))] if others else []),
            (words.say("page.preset"), results["preset"]),
            (words.say("page.evaluated"), words.moment(results["evaluated"])),
        ],
        verdict=Chip(words.term("labels", verdict["label"]), VERDICT_TONES[verdict["label"]]),
        sentence=words.verdict(f"verdict.{verdict['rule']}", verdict["values"]),
        tiles=_tiles(stored, words),
        contents=words.say("page.contents"),
        sections=[_section(name, several, words, figure_words) for name in _names(several, choice)],
        footer=words.say("page.footer"),
        foreword_title=words.say("page.foreword"),
        foreword=choice.paragraphs,
        tools=words.table("tools"),
    )


def _names(several: Sequence[Stored], choice: ReportChoice) -> list[str]:
    return [name for name in SECTIONS if choice.has(name) and (name != "runs" or len(several) > 1)]


def _section(name: str, several: Sequence[Stored], words: Words, figure_words: Words) -> Section:
    if name == "runs":
        return runs_section(several, words, figure_words)
    if name in _MEASURED:
        return _MEASURED[name](several[0], words, figure_words)
    return _TOLD[name](several[0], words)


def _tiles(stored: Stored, words: Words) -> list[Tile]:
    results = stored.results
    metrics, facts = results["metrics"], Facts(results)
    clock = facts.skill(facts.hardest(CLOCKS))
    directions = metrics["intervals"]["direction_accuracy"]
    counts = {"windows": results["windows"], "actions": results["actions_compared"]}
    skill_key = "tiles.skill" if clock["skill"] > 0 else "tiles.skill_above"
    return [
        Tile(
            words.say(skill_key, clock),
            words.percent(clock["skill"]),
            _note(clock["low"], clock["high"], words, share=True),
        ),
        _error_tile(metrics, results["actions"], words),
        Tile(
            words.say("tiles.directions"),
            words.percent(metrics["direction_accuracy"]),
            _note(directions["low"], directions["high"], words, share=True),
        ),
        Tile(words.say("tiles.episodes"), words.count(results["episodes"]), words.say("tiles.windows", counts)),
    ]


def _error_tile(metrics: Mapping[str, Any], actions: Mapping[str, Any], words: Words) -> Tile:
    """The overall error with its unit; in deviations where the dimensions have different units."""
    units = sorted(set(actions["units"]))
    name, label, unit = "rmse", "tiles.rmse", f" {units[0]}"
    if actions["mixed_units"]:
        name, label, unit = "normalised_rmse", "tiles.rmse_deviations", ""
    elif units == [NORMALISED]:
        label, unit = "tiles.rmse_normalised", ""
    ends = metrics["intervals"][name]
    return Tile(
        words.say(label), words.real(metrics[name]) + unit, _note(ends["low"], ends["high"], words, share=False)
    )


def _note(low: float | None, high: float | None, words: Words, *, share: bool) -> str:
    """An interval for below a figure."""
    if low is None:
        return words.interval(None, None)
    return f"{words.say('skill.interval_column')}: {words.span(low, high, share=share)}"
