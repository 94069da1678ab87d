"""A plan as files to take along: a checklist in Markdown, the matrix as CSV, everything as JSON."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from mvla_core.audit.coverage import CellCount
from mvla_core.audit.plan import HOW, Plan, PlanItem, Statement
from mvla_core.audit.plan_wording import Language, PlanWords

_MARKDOWN = re.compile(r"([\\`*\[\]|<>~$]|(?<!\w)_|_(?!\w))")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BYTE_ORDER_MARK = "\ufeff"


def to_markdown(plan: Plan, language: Language) -> str:
    """Return the checklist: a box for each item with why and how, then the matrix."""
    words = PlanWords(language)
    lines = [f"# {_plain(words.say('document', 'title', dataset=plan.dataset))}", "", progress_line(plan, words)]
    if plan.advice:
        lines += ["", f"## {words.say('document', 'advice')}", ""]
        lines += [f"- {_plain(words.advice(advice))}" for advice in plan.advice]
    lines += ["", f"## {words.say('document', 'list')}", ""]
    if plan.items:
        lines += [words.say("document", "rule"), ""]
    for item in plan.items:
        lines.append(f"- [ ] **{_plain(words.headline(item))}**")
        lines.append(f"  {words.say('document', 'why')}: {_plain(words.why(item))}.")
        lines.append(f"  {words.say('document', 'how')}: {_plain(words.how(item.how))}.")
    if not plan.items:
        lines.append(words.say("document", "nothing"))
    used = {code for item in plan.items for code in item.how}
    if used:
        lines += ["", f"## {words.say('document', 'ways')}", ""]
        lines += [f"- {_plain(way)}" for way in words.explained([code for code in HOW if code in used])]
    return "\n".join([*lines, *_matrix(plan, words)]) + "\n"


def to_csv(plan: Plan, language: Language) -> str:
    """Return a row for each cell. It begins with a byte order mark, without which spreadsheets misread Korean.

    A text of a recording that begins like a formula is led by an apostrophe.
    """
    words = PlanWords(language)
    axes = plan.coverage.axes
    how = {item.cell: words.how(item.how) for item in plan.items if item.cell is not None}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [words.say("columns", name) for name in ("have", "counted", "target", "missing", "how")]
    writer.writerow([*(words.axis(axis) for axis in axes), *names])
    for cell in plan.cells:
        values = [_no_formula(words.value(axis, value)) for axis, value in cell.count.cell.pairs]
        figures = [cell.count.have, cell.counted, cell.count.target, cell.missing]
        writer.writerow([*values, *figures, how.get(cell.count.cell, "")])
    return _BYTE_ORDER_MARK + out.getvalue()


def to_json(plan: Plan, language: Language) -> dict[str, Any]:
    """Return the plan for other programs; codes are stable, texts are in the language."""
    words = PlanWords(language)
    return {
        "dataset": plan.dataset,
        "language": language,
        "targets": plan.targets.to_json(),
        "coverage": plan.coverage.to_json(),
        "cells": [
            {
                "cell": cell.count.cell.to_json(),
                "have": cell.count.have,
                "counted": cell.counted,
                "scripted": cell.scripted,
                "target": cell.count.target,
                "missing": cell.missing,
                "episodes": list(cell.count.episodes),
            }
            for cell in plan.cells
        ],
        "items": [_item(item, words) for item in plan.items],
        "advice": [{"code": advice.code, "text": words.advice(advice)} for advice in plan.advice],
        "too_short": list(plan.too_short),
        "reached": plan.reached,
        "wanted": plan.wanted,
        "progress": plan.progress,
        "episodes": plan.episodes,
    }


def progress_line(plan: Plan, words: PlanWords) -> str:
    """One sentence on how far the collection is."""
    return words.say(
        "document",
        "progress",
        reached=plan.reached,
        wanted=plan.wanted,
        share=words.percent(plan.progress),
        episodes=plan.episodes,
    )


def shown_count(count: CellCount | None) -> str:
    """Return "3 / 10"; the number alone where none is wanted, and nothing for no cell."""
    if count is None or (count.have == 0 and count.target == 0):
        return ""
    return f"{count.have} / {count.target}" if count.target else f"{count.have}"


def _matrix(plan: Plan, words: PlanWords) -> list[str]:
    pivot = plan.coverage.pivot()
    everything = words.say("document", "all")
    lines = ["", f"## {words.say('document', 'matrix')}", ""]
    if pivot.shared.pairs:
        lines += [_plain(words.say("document", "shared", cell=words.cell(pivot.shared))), ""]
    heads = [_plain(words.cell(column)) if column.pairs else everything for column in pivot.columns]
    lines += [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for row, counts in zip(pivot.rows, pivot.grid, strict=True):
        head = _plain(words.cell(row)) if row.pairs else everything
        lines.append(f"| {head} | {' | '.join(shown_count(count) for count in counts)} |")
    return lines


def _item(item: PlanItem, words: PlanWords) -> dict[str, Any]:
    return {
        "rank": item.rank,
        "cell": None if item.cell is None else item.cell.to_json(),
        "focus": item.focus,
        "what": words.what(item),
        "episodes": item.episodes,
        "weight": item.weight,
        "reasons": [_stated(reason, words) for reason in item.reasons],
        "how": [{"code": code, "text": words.say("how", code)} for code in item.how],
    }


def _stated(reason: Statement, words: PlanWords) -> dict[str, Any]:
    return {"code": reason.code, **reason.values, "text": words.reason(reason)}


def _plain(text: str) -> str:
    """Escape what Markdown would read as formatting; an underscore within a word is none."""
    return _MARKDOWN.sub(r"\\\1", text)


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
