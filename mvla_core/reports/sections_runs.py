"""Several runs side by side: what they were made with, what they reached, and what may be said of their difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mvla_core.evaluation.facts import Facts
from mvla_core.evaluation.measure import CLOCKS
from mvla_core.reports.document import Block, Cell, Chip, Column, Figures, Paragraph, Section, Table
from mvla_core.reports.figures_losses import run_panels
from mvla_core.reports.language import Words
from mvla_core.reports.stored import Stored
from mvla_core.reports.tones import GRADE_TONES, VERDICT_TONES

Value = Callable[[Stored, Words], Cell]


def runs_section(several: Sequence[Stored], words: Words, figure_words: Words) -> Section:
    """Return the table of the runs, and their validation losses in one figure."""
    rows: list[list[Cell]] = [
        [words.say(f"runs.{name}"), *(value(stored, words) for stored in several)] for name, value in _ROWS.items()
    ]
    names = [stored.results["run_id"] for stored in several]
    columns = [Column(words.say("runs.figure_column")), *(Column(name) for name in names)]
    blocks: list[Block] = [Paragraph(words.say("runs.intro", {"count": len(several)})), Table(columns, rows)]
    curves = {stored.results["run_id"]: stored.results["losses"] for stored in several}
    panels = run_panels(curves, figure_words.table("figure"))
    if panels:
        blocks.append(Figures("runs", panels, 1, words.say("runs.caption")))
    blocks.append(Paragraph(words.say("runs.same_episodes" if _same_test(several) else "runs.other_episodes")))
    return Section("runs", words.say("runs.title"), blocks)


def _same_test(several: Sequence[Stored]) -> bool:
    """Whether all runs were evaluated on the same held-out episodes of the same data set."""
    held_out = {(stored.results["dataset"], tuple(sorted(stored.results["split"]["test"]))) for stored in several}
    return len(held_out) == 1


def _ends(stored: Mapping[str, Any], words: Words, *, share: bool) -> str:
    span = words.span(stored["low"], stored["high"], share=share)
    return "" if stored["low"] is None else f" ({span})"


def _rmse(stored: Stored, words: Words) -> Cell:
    metrics = stored.results["metrics"]
    name = "normalised_rmse" if stored.results["actions"]["mixed_units"] else "rmse"
    return words.real(metrics[name]) + _ends(metrics["intervals"][name], words, share=False)


def _skill(stored: Stored, words: Words) -> Cell:
    facts = Facts(stored.results)
    clock = facts.skill(facts.hardest(CLOCKS))
    return words.percent(clock["skill"]) + _ends(clock, words, share=True)


def _directions(stored: Stored, words: Words) -> Cell:
    metrics = stored.results["metrics"]
    ends = metrics["intervals"]["direction_accuracy"]
    return words.percent(metrics["direction_accuracy"]) + _ends(ends, words, share=True)


def _verdict(stored: Stored, words: Words) -> Cell:
    label = stored.results["verdict"]["label"]
    return Chip(words.term("labels", label), VERDICT_TONES[label])


def _overall(stored: Stored, words: Words) -> Cell:
    grade = stored.background["grades"]["overall"]["grade"]
    return Chip(grade, GRADE_TONES[grade])


def _efficiency(part: str, name: str) -> Value:
    def value(stored: Stored, words: Words) -> Cell:
        return words.amount(stored.background["efficiency"][part][name])

    return value


def _setting(name: str) -> Value:
    def value(stored: Stored, words: Words) -> Cell:
        given = stored.background["efficiency"]["settings"][name]
        return f"{given:g}" if isinstance(given, float) else str(given) or words.say("data.none")

    return value


_ROWS: Mapping[str, Value] = {
    "dataset": lambda stored, words: stored.results["dataset"],
    "preset": lambda stored, words: stored.results["preset"],
    "evaluated": lambda stored, words: words.moment(stored.results["evaluated"]),
    "verdict": _verdict,
    "overall": _overall,
    "skill": _skill,
    "rmse": _rmse,
    "directions": _directions,
    "held_out": lambda stored, words: words.count(stored.results["episodes"]),
    "best_epoch": lambda stored, words: words.count(stored.results["losses"]["best_epoch"]),
    "trained": _efficiency("parameters", "trained"),
    "seconds": _efficiency("speed", "seconds"),
    "augmentation": _setting("augmentation"),
    "learning_rate": _setting("learning_rate"),
    "lora_rank": _setting("lora_rank"),
    "precision": _setting("precision"),
}
