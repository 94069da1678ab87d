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
    Steps,
    Table,
    Tone,
)
from mvla_core.reports.language import Words
from mvla_core.reports.stored import Stored

_WEIGHTS = ("error", "warning", "info")
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
    """What speaks against the policy or the data, the gravest first."""
    found: list[tuple[str, Statement]] = [
        (
            item["level"],
            Statement(Chip(_weight(item["level"], "from_policy", words), _TONES[item["level"]]), _said(item, words)),
        )
        for item in stored.results["verdict"]["evidence"]
        if not item["for"]
    ]
    for finding in stored.audit["findings"]:
        if finding["level"] in _WEIGHTS:
            message, step, foreign = words.finding(finding)
            chip = Chip(_weight(finding["level"], "from_data", words), _TONES[finding["level"]])
            found.append((finding["level"], Statement(chip, message, step, foreign)))
    ordered = [statement for weight in _WEIGHTS for level, statement in found if level == weight]
    blocks: list[Block] = [Paragraph(words.say("risks.intro" if ordered else "risks.none"))]
    if ordered:
        blocks.append(Statements(ordered))
    return Section("risks", words.say("risks.title"), blocks)


def next_section(stored: Stored, words: Words) -> Section:
    """What to do, the most useful first."""
    steps = [words.verdict(f"next.{step['code']}", step["values"]) for step in stored.results["verdict"]["next"]]
    return Section("next", words.say("next.title"), [Steps(steps)])


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


def _weight(level: str, origin: str, words: Words) -> str:
    return f"{words.table('levels')[level]} · {words.say(f'risks.{origin}')}"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
