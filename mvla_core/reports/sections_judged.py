"""The sections that say what follows: evidence, risks, next steps, and the technical record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mvla_core.evaluation.facts import rule_file
from mvla_core.reports.document import (
    Block,
    Cell,
    Chip,
    Code,
    Column,
    Heading,
    Paragraph,
    Section,
    Statement,
    Statements,
    Table,
    Tone,
)
from mvla_core.reports.language import Words
from mvla_core.reports.stored import Stored

_TONES: Mapping[str, Tone] = {"error": "bad", "warning": "watch", "info": "unknown", "ok": "good"}


def finding_statement(finding: Mapping[str, Any], words: Words) -> Statement:
    """An audit finding as a statement."""
    message, step, foreign = words.finding(finding)
    return Statement(Chip(words.table("levels")[finding["level"]], _TONES[finding["level"]]), message, step, foreign)


def evidence_section(stored: Stored, words: Words) -> Section:
    """The measured statements for and against, the rule that decided, and all rules."""
    verdict = stored.results["verdict"]

    def statements(supports: bool) -> list[Statement]:
        return [
            Statement(Chip("+" if supports else "−", "good" if supports else _TONES[item["level"]]), _said(item, words))
            for item in verdict["evidence"]
            if item["for"] is supports
        ]

    blocks: list[Block] = [Paragraph(words.say("evidence.intro"))]
    for supports, title, none in ((True, "for", "none"), (False, "against", "none_against")):
        items = statements(supports)
        if items:
            blocks.append(Statements(items, title=words.say(f"evidence.{title}")))
        else:
            blocks += [Heading(words.say(f"evidence.{title}")), Paragraph(words.say(f"evidence.{none}"))]
    rules = rule_file()["rules"]
    decided = next(rule for rule in rules if rule["name"] == verdict["rule"])
    when = "when" if words.language == "en" else f"when_{words.language}"
    rows: list[list[Cell]] = [[words.term("labels", rule["label"]), rule[when]] for rule in rules]
    columns = [Column(words.say("evidence.label_column")), Column(words.say("evidence.rule_column"))]
    blocks += [
        Heading(words.say("evidence.rule")),
        Paragraph(f"{words.term('labels', decided['label'])}: {decided[when]}"),
        Table(columns, rows, title=words.say("evidence.rules_title"), folded=True),
    ]
    return Section("evidence", words.say("evidence.title"), blocks)


def risk_section(stored: Stored, words: Words) -> Section:
    """What speaks against the policy or the data: the gravest first, then by what was measured of it."""
    risks = stored.background["risks"]
    blocks: list[Block] = [Paragraph(words.say("risks.intro" if risks else "risks.none"))]
    if risks:
        rows: list[list[Cell]] = []
        for rank, risk in enumerate(risks, start=1):
            chip = Chip(words.table("levels")[risk["level"]], _TONES[risk["level"]])
            said, step = _risk(risk, stored, words)
            effect = words.say("risks.not_measured")
            if risk["effect"] is not None:
                effect = words.say(f"risks.{risk['kind']}", {"effect": risk["effect"]})
            rows.append([words.count(rank), chip, words.say(f"risks.from_{risk['origin']}"), said, effect, step])
        columns = [
            Column(words.say("risks.rank_column"), number=True),
            *(Column(words.say(f"risks.{key}_column")) for key in ("priority", "origin", "problem", "effect", "step")),
        ]
        blocks.append(Table(columns, rows))
    return Section("risks", words.say("risks.title"), blocks)


def _risk(risk: Mapping[str, Any], stored: Stored, words: Words) -> tuple[str, str]:
    """What was found, and what to do about it; the verdict's next steps stand in a section of their own."""
    if risk["origin"] == "policy":
        return _said(stored.results["verdict"]["evidence"][risk["place"]], words), ""
    message, step, _ = words.finding(stored.audit["findings"][risk["place"]])
    return message, step


def technical_section(stored: Stored, words: Words) -> Section:
    """Split, latency, every episode, configuration and provenance."""
    results = stored.results
    split = results["split"]
    parts = [part for part in ("train", "validation", "test", "gap", "excluded") if split[part]]
    split_rows: list[list[Cell]] = [[words.say(f"technical.{part}"), words.count(len(split[part]))] for part in parts]
    clock = results["clock"]["baseline"]
    episode_rows: list[list[Cell]] = [
        [
            row["episode_id"],
            row["instruction"] or words.say("data.none"),
            words.real(row["rmse"]),
            words.real(row["mae"]),
            words.percent(row["direction_accuracy"]),
            words.real(row["baselines"][clock]),
        ]
        for row in results["per_episode"]
    ]
    latency = results["latency"]
    provenance = {key: value for key, value in stored.provenance.items() if key != "episodes"}
    # A report is handed on: where the data lies on this machine is nobody else's concern.
    settings = {**stored.config, "result": stored.ending}
    del settings["dataset_folder"]
    return Section(
        "technical",
        words.say("technical.title"),
        [
            Table(
                [
                    Column(words.say("technical.part_column")),
                    Column(words.say("technical.episodes_column"), number=True),
                ],
                split_rows,
                title=words.say("technical.split_title"),
            ),
            Paragraph(words.say("technical.clean" if split["clean"] else "technical.leaked", split)),
            Heading(words.say("technical.latency_title")),
            Paragraph(words.say("technical.latency", latency)),
            Table(
                [
                    Column(words.say("technical.episode_column")),
                    Column(words.say("technical.instruction_column")),
                    *(
                        Column(words.say(f"technical.{key}_column"), number=True)
                        for key in ("rmse", "mae", "direction", "clock")
                    ),
                ],
                episode_rows,
                title=words.say("technical.episodes_title"),
                folded=True,
            ),
            Heading(words.say("technical.words_title")),
            *(Paragraph(words.say(f"words.{key}", results["window"]), rich=True) for key in words.table("words")),
            Code(words.say("technical.config_title"), _json(settings)),
            Code(words.say("technical.provenance_title"), _json(provenance)),
        ],
    )


def _said(item: Mapping[str, Any], words: Words) -> str:
    return words.verdict(item["say"], item["values"])


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
