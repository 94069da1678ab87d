"""From stored results to a document in one language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mvla_core.evaluation.facts import Facts
from mvla_core.evaluation.measure import CLOCKS
from mvla_core.reports.document import Chip, Document, Tile, Tone
from mvla_core.reports.language import Words
from mvla_core.reports.sections_judged import evidence_section, next_section, risk_section, technical_section
from mvla_core.reports.sections_measured import (
    ablation_section,
    data_section,
    direction_section,
    loss_section,
    overlay_section,
    skill_section,
)
from mvla_core.reports.stored import Stored
from mvla_core.schema import NORMALISED

VERDICT_TONES: dict[str, Tone] = {
    "learned": "good",
    "partly_learned": "watch",
    "memorised_script": "bad",
    "no_better_than_clock": "bad",
    "collapsed": "bad",
    "blind": "bad",
    "deaf": "bad",
    "cannot_tell": "unknown",
}


def build_document(stored: Stored, words: Words, figure_words: Words) -> Document:
    """Return the whole report.

    Args:
        stored: What the run and its evaluation have stored.
        words: The report's language.
        figure_words: The language within figures; English where no font for another one is installed.
    """
    results = stored.results
    verdict = results["verdict"]
    measured = (data_section, loss_section, overlay_section, skill_section, direction_section, ablation_section)
    judged = (evidence_section, risk_section, next_section, technical_section)
    return Document(
        lang=words.language,
        kind=words.say("page.kind"),
        title=words.say("page.title", results),
        facts=[
            (words.say("page.dataset"), results["dataset"]),
            (words.say("page.run"), results["run_id"]),
            (words.say("page.preset"), results["preset"]),
            (words.say("page.evaluated"), words.moment(results["evaluated"])),
        ],
        verdict=Chip(words.term("labels", verdict["label"]), VERDICT_TONES[verdict["label"]]),
        sentence=words.verdict(f"verdict.{verdict['rule']}", verdict["values"]),
        tiles=_tiles(stored, words),
        contents=words.say("page.contents"),
        sections=[
            *(section(stored, words, figure_words) for section in measured),
            *(section(stored, words) for section in judged),
        ],
        footer=words.say("page.footer"),
    )


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
