"""The sections that say what follows: conclusions, recommendations, checklist, grades and the one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mvla_core.audit.plan import HOW, PlanItem
from mvla_core.audit.plan import Statement as PlanStatement
from mvla_core.audit.plan_wording import PlanWords
from mvla_core.audit.targets import Cell as PlanCell
from mvla_core.evaluation.facts import Facts
from mvla_core.evaluation.measure import CLOCKS
from mvla_core.reports.document import (
    Block,
    Cell,
    Chip,
    Column,
    Heading,
    Paragraph,
    Section,
    Statement,
    Statements,
    Steps,
    Table,
    Tone,
)
from mvla_core.reports.figures import SHARES
from mvla_core.reports.gains import STRATEGIES
from mvla_core.reports.grading import SUBJECTS, TERMS, meets, rules
from mvla_core.reports.language import Words
from mvla_core.reports.stored import Stored
from mvla_core.reports.tones import GRADE_TONES

_STATUS_TONES: Mapping[str, Tone] = {"met": "good", "not_met": "bad", "not_measured": "unknown"}
_MOST_ITEMS = 12


_MOST_CONCLUSIONS = 4
_TELLING = (
    "split",
    "skill_instruction_clock",
    "skill_frame_index",
    "pictures_other",
    "instruction_swap",
    "recall",
    "collapse",
)
"""What is told first of the evidence; the section on the evidence holds all of it."""


def _weight(code: str) -> int:
    return _TELLING.index(code) if code in _TELLING else len(_TELLING)


def conclusion_section(stored: Stored, words: Words) -> Section:
    """What was shown, what was not, and what nobody has measured yet."""
    verdict = stored.results["verdict"]
    evidence = sorted(verdict["evidence"], key=lambda item: _weight(item["code"]))
    shown = [item for item in evidence if item["for"]][:_MOST_CONCLUSIONS]
    against = [item for item in evidence if not item["for"] and item["level"] != "info"][:_MOST_CONCLUSIONS]
    missing = [
        words.table("checklist")[item["code"]]
        for term in TERMS
        for item in stored.background["checklist"][term]
        if item["status"] == "not_measured"
    ]
    blocks: list[Block] = [Paragraph(words.verdict(f"verdict.{verdict['rule']}", verdict["values"]))]
    for key, items in (("shown", shown), ("against", against)):
        blocks.append(Heading(words.say(f"conclusions.{key}")))
        blocks.append(
            Steps([words.verdict(item["say"], item["values"]) for item in items])
            if items
            else Paragraph(words.say(f"conclusions.no_{key}"))
        )
    if missing:
        blocks += [Heading(words.say("conclusions.open")), Steps(missing)]
    return Section("conclusions", words.say("conclusions.title"), blocks)


def next_section(stored: Stored, words: Words) -> Section:
    """What to do, the most useful first: steps, collection plan, augmentation, validation, strategies."""
    background = stored.background
    steps = [words.verdict(f"next.{step['code']}", step["values"]) for step in stored.results["verdict"]["next"]]
    blocks: list[Block] = [Steps(steps), Heading(words.say("next.plan_title"))]
    blocks += _plan(background, words)
    for kind in ("augmentation", "validation"):
        said = [words.say(f"advice.{item['code']}", item["values"]) for item in background["recommend"][kind]]
        blocks += [Heading(words.say(f"next.{kind}_title")), Steps(said)]
    blocks.append(_strategies(background, words))
    if background["needed_episodes"] is not None:
        blocks.append(Paragraph(words.say("next.needed", {"needed": background["needed_episodes"]})))
    return Section("next", words.say("next.title"), blocks)


def _plan(background: Mapping[str, Any], words: Words) -> list[Block]:
    data = background["data"]
    if not data["measured"]:
        return [Paragraph(words.say("next.no_plan"))]
    plan, said = data["plan"], PlanWords(words.language)
    progress = said.say(
        "document",
        "progress",
        reached=plan["reached"],
        wanted=plan["wanted"],
        share=said.percent(plan["progress"]),
        episodes=plan["episodes"],
    )
    blocks: list[Block] = [
        Paragraph(words.say("next.plan_intro", {"gathered": words.moment(background["gathered"])})),
        Paragraph(progress if plan["wanted"] else words.say("next.no_targets", plan)),
    ]
    if plan["advice"]:
        blocks.append(Steps([said.advice(_statement(item)) for item in plan["advice"]]))
    items = [_item(item) for item in plan["items"][:_MOST_ITEMS]]
    rows: list[list[Cell]] = [
        [words.count(item.rank), said.what(item), words.count(item.episodes), said.why(item), said.how(item.how)]
        for item in items
    ]
    if not rows:
        return [*blocks, Paragraph(said.say("document", "nothing"))]
    columns = [
        Column(said.say("columns", "rank"), number=True),
        Column(said.say("columns", "what")),
        Column(said.say("columns", "episodes"), number=True),
        Column(said.say("columns", "why")),
        Column(said.say("columns", "how")),
    ]
    blocks.append(Table(columns, rows))
    left_out = len(plan["items"]) - len(items)
    if left_out:
        blocks.append(Paragraph(words.say("next.more_items", {"count": left_out})))
    used = {code for item in items for code in item.how}
    blocks.append(Steps(said.explained([code for code in HOW if code in used])))
    return blocks


def _item(stored: Mapping[str, Any]) -> PlanItem:
    cell = None if stored["cell"] is None else PlanCell.of(stored["cell"])
    reasons = tuple(_statement(reason) for reason in stored["reasons"])
    return PlanItem(
        stored["rank"], cell, stored["focus"], stored["episodes"], stored["weight"], reasons, tuple(stored["how"])
    )


def _statement(stored: Mapping[str, Any]) -> PlanStatement:
    return PlanStatement(stored["code"], stored["values"])


def _strategies(background: Mapping[str, Any], words: Words) -> Table:
    rows: list[list[Cell]] = []
    for name in STRATEGIES:
        gain = background["gains"][name]
        expected: Cell = Chip(words.say("next.gain_not_measured"), "unknown")
        if gain is not None:
            expected = (
                f"{words.percent(gain['value'])} ({words.span(gain['low'], gain['high'], share=True)}): {gain['how']}"
            )
        texts = words.table("strategies")
        rows.append([texts[name], texts[f"{name}_what"], expected, texts[f"{name}_how"]])
    columns = [Column(words.say(f"next.{key}_column")) for key in ("strategy", "what", "gain", "measure")]
    return Table(columns, rows, title=words.say("next.strategies_title"))


def checklist_section(stored: Stored, words: Words) -> Section:
    """What is to be done in short, medium and long term, and what is met already."""
    blocks: list[Block] = [Paragraph(words.say("checklists.intro"))]
    columns = [
        Column(words.say("checklists.status_column")),
        Column(words.say("checklists.item_column")),
        Column(words.say("checklists.value_column"), number=True),
        Column(words.say("checklists.bound_column"), number=True),
    ]
    for term in TERMS:
        rows: list[list[Cell]] = [
            [
                Chip(words.say(f"checklists.{item['status']}"), _STATUS_TONES[item["status"]]),
                words.table("checklist")[item["code"]],
                _figure(item["figure"], item["value"], words),
                _bound(item, words),
            ]
            for item in stored.background["checklist"][term]
        ]
        blocks.append(Table(columns, rows, title=words.say(f"checklists.{term}")))
    return Section("checklist", words.say("checklists.title"), blocks)


def _figure(name: str, value: Any, words: Words) -> str:
    if value is None:
        return words.say("data.none")
    if isinstance(value, bool):
        return words.say("checklists.true" if value else "checklists.false")
    if isinstance(value, str):
        return words.term("labels", value) if name == "verdict" else value
    return words.percent(value) if name in SHARES else words.amount(value)


def _bound(item: Mapping[str, Any], words: Words) -> str:
    bound = _figure(item["figure"], item["bound"], words)
    return bound if item["sense"] == "=" else words.say(f"data.{SENSES[item['sense']]}", {"value": bound})


SENSES = {">=": "at_least", "<=": "at_most"}


def summary_section(stored: Stored, words: Words) -> Section:
    """Everything in one sentence, and the grades with the rules that gave them."""
    results, grades, figures = stored.results, stored.background["grades"], stored.background["figures"]
    facts = Facts(results)
    clock = facts.skill(facts.hardest(CLOCKS))
    sentence = words.say(
        "summary.sentence",
        {
            "dataset": results["dataset"],
            "data_episodes": stored.audit["episodes"],
            "frames": stored.audit["frames"],
            "episodes": results["episodes"],
            "label": words.term("labels", results["verdict"]["label"]),
            "skill": clock["skill"],
            "baseline": clock["baseline"],
            "interval": words.interval(clock["low"], clock["high"]),
            **{subject: grades[subject]["grade"] for subject in SUBJECTS},
        },
    )
    known = {**figures, **{subject: grades[subject]["grade"] for subject in SUBJECTS}}
    rows: list[list[Cell]] = []
    for subject in SUBJECTS:
        given = grades[subject]
        needs = rules("grades")[subject][given["rule"]]["needs"]
        because = _because(subject, given["rule"], known, words)
        rows.append(
            [
                words.say(f"summary.{subject}"),
                Chip(given["grade"], GRADE_TONES[given["grade"]]),
                _needs(needs, words),
                because,
            ]
        )
    columns = [Column(words.say(f"summary.{key}_column")) for key in ("subject", "grade", "rule", "missed")]
    blocks: list[Block] = [
        Statements([Statement(Chip(grades["overall"]["grade"], GRADE_TONES[grades["overall"]["grade"]]), sentence)]),
        Table(columns, rows, title=words.say("summary.grades_title")),
        Paragraph(words.say("summary.note")),
        _rule_table(words),
    ]
    return Section("summary", words.say("summary.title"), blocks)


def _because(subject: str, place: int, figures: Mapping[str, Any], words: Words) -> str:
    """Which needs of the next better grade are not met, with what was measured instead."""
    if place == 0:
        return words.say("summary.best")
    missed = [need for need in rules("grades")[subject][place - 1]["needs"] if not meets(need, figures)]
    said = [
        f"{_need(need, words)} ({words.say('summary.found', {'value': _figure_of(need[0], figures, words)})})"
        for need in missed
    ]
    return "; ".join(said)


def _figure_of(name: str, figures: Mapping[str, Any], words: Words) -> str:
    value = figures.get(name)
    return words.say("checklists.not_measured") if value is None else _figure(name, value, words)


def _needs(needs: Sequence[Sequence[Any]], words: Words) -> str:
    return "; ".join(_need(need, words) for need in needs) or words.say("summary.always")


def _need(need: Sequence[Any], words: Words) -> str:
    name, sense, bound = need
    item = {"figure": name, "sense": sense, "bound": bound}
    return f"{words.table('figures')[name]}: {_bound(item, words)}"


def _rule_table(words: Words) -> Table:
    rows: list[list[Cell]] = [
        [words.say(f"summary.{subject}"), rule["grade"], _needs(rule["needs"], words)]
        for subject in SUBJECTS
        for rule in rules("grades")[subject]
    ]
    columns = [Column(words.say(f"summary.{key}_column")) for key in ("subject", "grade", "rule")]
    return Table(columns, rows, title=words.say("summary.rules_title"), folded=True)
