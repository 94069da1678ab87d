"""The sections that put a run beside others: RoboVLMs, full fine-tuning, and what the briefing claimed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mvla_core.audit.comparison import Comparison, DatasetFigures, references
from mvla_core.audit.comparison_wording import worded_sources, worded_tables
from mvla_core.reports.document import Block, Cell, Chip, Column, Paragraph, Section, Table, Tone
from mvla_core.reports.language import Words
from mvla_core.reports.stored import Stored

_HELD: Mapping[bool | None, tuple[str, Tone]] = {
    True: ("claims.holds", "good"),
    False: ("claims.fails", "bad"),
    None: ("claims.not_measured", "unknown"),
}
_TITLES = {"run": "claim_titles", "published": "claim_titles_published"}


def comparison_section(stored: Stored, words: Words) -> Section:
    """Data, task and model beside RoboVLMs, CALVIN and the briefing, and where each figure is stated."""
    background = stored.background
    data = background["data"]
    own = (_figures(data["figures"]),) if data["measured"] else ()
    comparison = Comparison(own, references(), stored.results["preset"], background["comparison"]["settings"])
    blocks: list[Block] = [Paragraph(words.say("comparison.intro"))]
    if not data["measured"]:
        blocks.append(Paragraph(words.say("comparison.no_data")))
    elif data["changed"]:
        blocks.append(Paragraph(words.say("comparison.changed", data["figures"])))
    for table in worded_tables(comparison, words.language):
        columns = [Column(title) for title in table.columns]
        blocks.append(Table(columns, [list(row) for row in table.rows], title=table.title))
    citations: list[list[Cell]] = [
        [citation.title, citation.figures, citation.source] for citation in worded_sources(comparison, words.language)
    ]
    source_columns = [Column(words.say(f"comparison.{key}_column")) for key in ("title", "figures", "source")]
    blocks.append(Table(source_columns, citations, title=words.say("comparison.sources"), folded=True))
    return Section("comparison", words.say("comparison.title"), blocks)


def _figures(stored: Mapping[str, Any]) -> DatasetFigures:
    lists = ("frame_rates_hz", "image_sizes", "action_names", "action_units")
    values: dict[str, Any] = {name: tuple(value) if name in lists else value for name, value in stored.items()}
    return DatasetFigures(**values)


def efficiency_section(stored: Stored, words: Words) -> Section:
    """Parameters, memory against full fine-tuning, speed, convergence, precision and schedule."""
    efficiency = stored.background["efficiency"]
    parameters, memory, speed = efficiency["parameters"], efficiency["memory"], efficiency["speed"]
    settings, convergence, latency = efficiency["settings"], efficiency["convergence"], stored.results["latency"]
    none = words.say("efficiency.none")

    def known(key: str, values: Mapping[str, Any], *needed: str) -> str:
        return words.say(f"efficiency.{key}", values) if all(values[name] is not None for name in needed) else none

    rows: list[list[Cell]] = [
        [words.say("efficiency.trained"), words.say("efficiency.trained_value", parameters), ""],
        [
            words.say("efficiency.static"),
            words.say("efficiency.gib", {"value": memory["adapter_gib"]}),
            words.say("efficiency.static_note", memory),
        ],
        [
            words.say("efficiency.full"),
            words.say("efficiency.gib", {"value": memory["full_gib"]}),
            words.say("efficiency.full_note", memory),
        ],
        [
            words.say("efficiency.peak"),
            none if memory["peak_gib"] is None else words.say("efficiency.gib", {"value": memory["peak_gib"]}),
            "" if memory["peak_gib"] is None else words.say("efficiency.peak_note"),
        ],
        [
            words.say("efficiency.speed"),
            known("speed_value", speed, "windows_per_second"),
            words.say("efficiency.speed_note", speed) if speed["windows_per_second"] is not None else "",
        ],
        [words.say("efficiency.epoch"), known("epoch_value", speed, "epoch_seconds"), ""],
        [words.say("efficiency.latency"), words.say("efficiency.latency_value", latency), ""],
        [
            words.say("efficiency.convergence"),
            words.say("efficiency.convergence_value", convergence) if convergence["measured"] else none,
            words.say("efficiency.convergence_note", convergence) if convergence["measured"] else "",
        ],
        [words.say("efficiency.precision"), settings["precision"], ""],
        [
            words.say("efficiency.schedule"),
            words.term_of("schedules", settings["schedule"]),
            words.say("efficiency.schedule_note", settings),
        ],
        [words.say("efficiency.batch"), words.say("efficiency.batch_value", settings), ""],
    ]
    columns = [
        Column(words.say("efficiency.figure_column")),
        Column(words.say("efficiency.value_column"), number=True),
        Column(words.say("efficiency.note_column")),
    ]
    return Section(
        "efficiency",
        words.say("efficiency.title"),
        [
            Paragraph(words.say("efficiency.intro")),
            Table(columns, rows),
            Paragraph(words.say("efficiency.formula", memory)),
        ],
    )


def claims_section(stored: Stored, words: Words) -> Section:
    """Usual claims of a training report, checked on this run, and on what the briefing published of its own."""
    claims = stored.background["claims"]
    blocks: list[Block] = [
        Paragraph(words.say("claims.intro")),
        _claims_table(claims["run"], "run", words),
        Paragraph(words.say("claims.published_intro", {"epochs": claims["published"][0]["values"]["epochs"]})),
        _claims_table(claims["published"], "published", words),
    ]
    return Section("claims", words.say("claims.title"), blocks)


def _claims_table(claims: list[dict[str, Any]], kind: str, words: Words) -> Table:
    rows: list[list[Cell]] = []
    for claim in claims:
        key, tone = _HELD[claim["holds"]]
        code = claim["code"]
        outcome = {True: "yes", False: "no", None: "unknown"}[claim["holds"]]
        said = words.table(f"claims_{kind}")
        text = said.get(f"{code}_{outcome}") or said.get(code, "")
        title = words.fill(words.table(_TITLES[kind])[code], {"claimed": claim["claimed"]})
        rows.append([title, Chip(words.say(key), tone), _said(text, claim, words)])
    columns = [Column(words.say(f"claims.{name}_column")) for name in ("claim", "check", "found")]
    return Table(columns, rows, title=words.say(f"claims.{kind}_title"))


def _said(text: str, claim: Mapping[str, Any], words: Words) -> str:
    values = {**claim["values"], "claimed": claim["claimed"], "found": claim["found"]}
    for name in ("train_epochs", "val_epochs"):
        epochs = values[name]
        values[name] = ", ".join(str(epoch) for epoch in epochs) if epochs else words.say("claims.no_epoch")
    found = claim["found"]
    if found is None and "{found" in text:
        return words.say("claims.unknown")
    return words.fill(text, {**values, "interval": words.interval(values.get("low"), values.get("high"))})
