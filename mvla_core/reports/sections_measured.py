"""The sections that show what was measured: data, losses, overlay, skill, directions, inputs taken away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mvla_core.audit.table import LABELS, TableRow
from mvla_core.audit.table_wording import worded_row
from mvla_core.evaluation.facts import threshold
from mvla_core.reports.document import Block, Cell, Chip, Column, Figures, Paragraph, Section, Statements, Table, Tone
from mvla_core.reports.figures_data import data_panels
from mvla_core.reports.figures_losses import loss_panels
from mvla_core.reports.figures_results import ablation_panels, direction_panels, overlay_panel, skill_panels
from mvla_core.reports.language import Words
from mvla_core.reports.sections_judged import finding_statement
from mvla_core.reports.stored import Stored
from mvla_core.schema import NORMALISED

LEVEL_TONES: Mapping[str, Tone] = {"ok": "good", "info": "watch", "warning": "bad", "error": "bad", "none": "plain"}
_PANEL_COLUMNS = 2


def data_section(stored: Stored, words: Words, figure_words: Words) -> Section:
    """The audit: amount and variety beside what is recommended, by whom and why, and its findings."""
    audit = stored.audit
    rows: list[list[Cell]] = []
    for stored_row in audit["table"]:
        if stored_row["name"] not in LABELS:  # The dimensions have a section of their own.
            continue
        row = worded_row(TableRow(**stored_row), words.language)
        status = Chip(row.status, LEVEL_TONES[stored_row["status"]]) if row.status else ""
        rows.append([row.label, row.value, row.recommended or words.say("data.none"), status, row.source, row.reason])
    columns = [
        Column(words.say("data.figure_column")),
        Column(words.say("data.value_column"), number=True),
        Column(words.say("data.recommended_column"), number=True),
        *(Column(words.say(f"data.{key}_column")) for key in ("status", "source", "reason")),
    ]
    return Section(
        "data",
        words.say("data.title"),
        [
            Paragraph(words.say("data.intro", audit)),
            Table(columns, rows, title=words.say("data.table_title")),
            Statements(
                [finding_statement(finding, words) for finding in audit["findings"]],
                title=words.say("data.findings_title"),
            ),
        ],
    )


def action_section(stored: Stored, words: Words, figure_words: Words) -> Section:
    """How the actions are distributed: each dimension, each frame index, and the directions."""
    audit = stored.audit
    statistics: list[list[Cell]] = [
        [name, value["unit"], *(words.real(value[key]) for key in ("mean", "std", "min", "max"))]
        for name, value in audit["actions"].items()
    ]
    statistic_columns = [
        Column(words.say("data.axis_column")),
        Column(words.say("data.unit_column")),
        *(Column(words.say(f"data.{key}_column"), number=True) for key in ("mean", "std", "min", "max")),
    ]
    counts, shares = audit["directions"]["counts"], audit["directions"]["shares"]
    ways = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
    directions: list[list[Cell]] = [
        [words.term("directions", name), words.count(counts[name]), words.percent(shares[name])] for name in ways
    ]
    direction_columns = [
        Column(words.say("directions.direction_column")),
        *(Column(words.say(f"actions.{key}_column"), number=True) for key in ("frames", "share")),
    ]
    panels = data_panels(audit, figure_words.table("figure"), figure_words.directions())
    return Section(
        "actions",
        words.say("actions.title"),
        [
            Paragraph(words.say("actions.intro", audit)),
            Table(statistic_columns, statistics, title=words.say("data.actions_title")),
            Table(direction_columns, directions, title=words.say("actions.directions_title")),
            Figures("actions", panels, _PANEL_COLUMNS, words.say("data.index_caption")),
        ],
    )


def loss_section(stored: Stored, words: Words, figure_words: Words) -> Section:
    """The run's losses: the four panels and every epoch."""
    losses = stored.results["losses"]
    blocks: list[Block] = [Paragraph(words.say("losses.intro"))]
    if not losses["epochs"]:
        blocks.append(Paragraph(words.say("losses.none")))
        return Section("losses", words.say("losses.title"), blocks)
    summary = {**losses, "epochs": len(losses["epochs"])}
    if all(
        summary[key] is not None for key in ("val_reduction", "train_reduction", "mean_gap", "last_gap", "best_epoch")
    ):
        blocks.append(Paragraph(words.say("losses.summary", summary)))
    panels = loss_panels(losses, figure_words.table("figure"))
    blocks.append(Figures("losses", panels, _PANEL_COLUMNS, words.say("losses.caption")))
    keys = ("epoch", "train", "val", "gap", "train_improvement", "val_improvement")
    rows: list[list[Cell]] = [
        [
            words.count(row["epoch"]),
            *(words.real(row[key]) for key in ("train_loss", "val_loss", "gap")),
            *(words.percent(row[key]) for key in ("train_improvement", "val_improvement")),
        ]
        for row in losses["epochs"]
    ]
    columns = [Column(words.say(f"losses.{key}_column"), number=True) for key in keys]
    blocks.append(Table(columns, rows, title=words.say("losses.table_title"), folded=True))
    return Section("losses", words.say("losses.title"), blocks)


def overlay_section(stored: Stored, words: Words, figure_words: Words) -> Section:
    """Predicted over true velocities of the best, the median and the worst held-out episode."""
    rows = stored.results["per_episode"]
    order = sorted(range(len(rows)), key=lambda place: rows[place]["rmse"])
    chosen = {order[0]: "best", order[-1]: "worst", order[len(order) // 2]: "median"}
    labels = figure_words.table("figure")
    panels, captions = [], []
    clock = stored.results["clock"]["baseline"]
    for place in order:
        if place not in chosen:
            continue
        row, episode = rows[place], stored.predictions[place]
        title = figure_words.say(f"overlay.{chosen[place]}")
        panels.append(overlay_panel(episode, stored.results, title, labels, f"overlay-{chosen[place]}"))
        values = {"episode": row["episode_id"], "rmse": row["rmse"], "clock": row["baselines"][clock]}
        captions.append(f"{words.say(f'overlay.{chosen[place]}')}: {words.say('overlay.caption', values)}")
    blocks: list[Block] = [
        Paragraph(words.say("overlay.intro")),
        Figures("overlay", panels, 3, "\n".join(captions)),
    ]
    return Section("overlay", words.say("overlay.title"), blocks)


def skill_section(stored: Stored, words: Words, figure_words: Words) -> Section:
    """The policy beside the predictors that never look, and its errors by dimension."""
    results = stored.results
    metrics = results["metrics"]
    units = results["actions"]["units"]
    unit = "" if results["actions"]["mixed_units"] or units[0] == NORMALISED else f" {units[0]}"
    rows: list[list[Cell]] = [
        [
            words.say("skill.policy"),
            "",
            words.real(metrics["rmse"]) + unit,
            words.percent(metrics["direction_accuracy"]),
            "",
            "",
        ]
    ]
    for name, value in results["baselines"].items():
        certain = value["skill_low"] is not None and value["skill_low"] > 0
        text = words.percent(value["skill"])
        if value["skill_low"] is not None:
            text += f" ({words.span(value['skill_low'], value['skill_high'], share=True)})"
        rows.append(
            [
                words.term("baselines", name),
                words.table("knows")[name],
                words.real(value["rmse"]) + unit,
                words.percent(value["direction_accuracy"]),
                Chip(text, "good" if certain else "bad"),
                f"{words.count(value['wins'])} / {words.count(results['episodes'])}",
            ]
        )
    columns = [
        Column(words.say("skill.predictor_column")),
        Column(words.say("skill.knows_column")),
        Column(words.say("skill.rmse_column"), number=True),
        Column(words.say("skill.direction_column"), number=True),
        Column(words.say("skill.skill_column"), number=True),
        Column(words.say("skill.wins_column"), number=True),
    ]
    blocks: list[Block] = [Paragraph(words.say("skill.intro"))]
    if results["episodes"] < threshold("narrow_episodes"):
        narrow = {"episodes": results["episodes"], "narrow": int(threshold("narrow_episodes"))}
        blocks.append(Paragraph(words.say("skill.few_note", narrow)))
    blocks.append(Table(columns, rows))
    panels = skill_panels(results, figure_words.table("figure"), figure_words.table("figure_baselines"))
    blocks.append(Figures("skill", panels, _PANEL_COLUMNS, words.say("skill.caption")))
    blocks += _per_axis(results, words)
    return Section("skill", words.say("skill.title"), blocks)


def _per_axis(results: Mapping[str, Any], words: Words) -> list[Block]:
    metrics = results["metrics"]
    rows: list[list[Cell]] = [
        [
            f"{name} ({value['unit']})",
            words.real(value["rmse"]),
            words.span(value["low"], value["high"]),
            words.real(value["mae"]),
            words.real(value["huber"]),
            words.real(value["normalised_rmse"]),
        ]
        for name, value in metrics["per_axis"].items()
    ]
    interval = metrics["intervals"]["rmse"]
    rows.append(
        [
            words.say("skill.overall"),
            words.real(metrics["rmse"]),
            words.span(interval["low"], interval["high"]),
            words.real(metrics["mae"]),
            words.real(metrics["huber"]),
            words.real(metrics["normalised_rmse"]),
        ]
    )
    columns = [
        Column(words.say("data.axis_column")),
        *(
            Column(words.say(f"skill.{key}_column"), number=True)
            for key in ("rmse", "interval", "mae", "huber", "normalised")
        ),
    ]
    actions = results["actions"]
    axes = ", ".join(f"{name} ({unit})" for name, unit in zip(actions["names"], actions["units"], strict=True))
    first = metrics["first_window"]
    first_values = {"rmse": first["rmse"], "interval": _real_interval(first, words)}
    blocks: list[Block] = [
        Table(columns, rows, title=words.say("skill.per_axis_title")),
        Paragraph(words.say("skill.averages", {"axes": axes})),
    ]
    if actions["mixed_units"]:
        blocks.append(Paragraph(words.say("skill.mixed_units", {"normalised": metrics["normalised_rmse"]})))
    blocks.append(Paragraph(words.say("skill.first_window", first_values)))
    return blocks


def _real_interval(value: Mapping[str, Any], words: Words) -> str:
    """A measured value's interval in words."""
    if value["low"] is None:
        return words.interval(None, None)
    return f"{words.say('skill.interval_column')} {words.span(value['low'], value['high'])}"


def direction_section(stored: Stored, words: Words, figure_words: Words) -> Section:
    """Which way it drives: confusion, shares and recall."""
    directions = stored.results["directions"]
    units = dict(zip(stored.results["actions"]["names"], stored.results["actions"]["units"], strict=True))
    # An axis that is never moved has no band, and takes no part in the directions.
    bands = ", ".join(
        f"{name} ± {words.real(band)} {units[name]}"
        for name, band in directions["dead_band"].items()
        if band is not None
    )
    rows: list[list[Cell]] = [
        [
            words.term("directions", name),
            words.count(value["count"]),
            words.percent(value["recall"]),
            words.span(value["low"], value["high"], share=True),
        ]
        for name, value in directions["recall"].items()
    ]
    columns = [
        Column(words.say("directions.direction_column")),
        *(Column(words.say(f"directions.{key}_column"), number=True) for key in ("count", "recall", "interval")),
    ]
    panels = direction_panels(stored.results, figure_words.table("figure"), figure_words.directions())
    return Section(
        "directions",
        words.say("directions.title"),
        [
            Paragraph(words.say("directions.intro", {"bands": bands})),
            Figures("directions", panels, _PANEL_COLUMNS, words.say("directions.caption")),
            Table(columns, rows),
        ],
    )


def ablation_section(stored: Stored, words: Words, figure_words: Words) -> Section:
    """What happens when an input is taken away."""
    rows: list[list[Cell]] = []
    for name, value in stored.results["ablations"].items():
        named = words.table("ablation_names")[name]
        if not value["measured"]:
            rows.append([named, words.say("ablations.not_measured"), words.reason(value["reason"]), "", ""])
            continue
        change, rise = value["change"], value["rise"]
        rows.append(
            [
                named,
                words.percent(change["value"]),
                words.percent(rise["value"]),
                words.span(rise["low"], rise["high"], share=True),
                words.real(value["rmse"]),
            ]
        )
    columns = [
        Column(words.say("ablations.input_column")),
        *(Column(words.say(f"ablations.{key}_column"), number=True) for key in ("change", "rise", "interval", "rmse")),
    ]
    panels = ablation_panels(stored.results, figure_words.table("figure"), figure_words.table("ablation_names"))
    blocks: list[Block] = [Paragraph(words.say("ablations.intro"))]
    if panels:
        blocks.append(Figures("ablations", panels, 1, words.say("ablations.caption")))
    blocks.append(Table(columns, rows))
    return Section("ablations", words.say("ablations.title"), blocks)
