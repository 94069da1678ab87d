"""The comparison as tables for a reader, in either language: one column a data set, one row a figure, and where each is stated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mvla_core.audit.comparison import TABLES, CitedFigure, Comparison, DatasetFigures, Reference
from mvla_core.wording import Language, amount, format_text, interval, percent, read_catalog, text_of

_SMALL = 0.01


@dataclass(frozen=True)
class WordedTable:
    """One table.

    Attributes:
        name: "data", "task" or "model".
        title: In the language.
        columns: Titles: of the figures first, then of each data set.
        rows: One a figure, cells in the order of the columns.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Citation:
    """Which figures of a published data set a source states."""

    title: str
    figures: str
    source: str


def comparison_catalog(language: Language) -> dict[str, Any]:
    """Words of the comparison: titles, names of the figures."""
    return read_catalog("mvla_core.audit", f"comparison_{language}")


def worded_tables(comparison: Comparison, language: Language) -> tuple[WordedTable, ...]:
    """Return the three tables; the table "model" has a column of ours only where a preset was chosen."""
    catalog = comparison_catalog(language)
    tables = []
    for name, figures in TABLES.items():
        columns = [text_of(catalog, "words.figure")]
        cells: list[Mapping[str, str]] = []
        if name == "model":
            if comparison.settings is not None:
                columns.append(text_of(catalog, "words.settings").format(preset=comparison.preset))
                cells.append(
                    {figure: _number(figure, value, language) for figure, value in comparison.settings.items()}
                )
        else:
            columns += [own.dataset for own in comparison.datasets]
            cells += [_computed(own, language) for own in comparison.datasets]
        unknown = [text_of(catalog, "words.unknown")] * len(cells)
        for reference in comparison.references:
            if any(figure in reference.figures for figure in figures):
                columns.append(reference.title[language])
                cells.append(_cited(reference, language))
                unknown.append(text_of(catalog, "words.not_stated"))
        rows = tuple(
            (
                text_of(catalog, f"figures.{figure}"),
                *(column.get(figure, none) for column, none in zip(cells, unknown, strict=True)),
            )
            for figure in figures
        )
        tables.append(WordedTable(name, text_of(catalog, f"titles.{name}"), tuple(columns), rows))
    return tuple(tables)


def worded_sources(comparison: Comparison, language: Language) -> tuple[Citation, ...]:
    """Return where the published figures are stated, one line for each source of each data set."""
    catalog = comparison_catalog(language)
    citations = []
    for reference in comparison.references:
        by_source: dict[str, list[str]] = {}
        for name, figure in reference.figures.items():
            by_source.setdefault(figure.source, []).append(text_of(catalog, f"figures.{name}"))
        citations += [
            Citation(reference.title[language], ", ".join(names), source) for source, names in by_source.items()
        ]
    return tuple(citations)


def _computed(own: DatasetFigures, language: Language) -> dict[str, str]:
    words = comparison_catalog(language)["words"]
    known: dict[str, Any] = {
        "episodes": own.episodes,
        "frames": own.frames,
        "mean_length": own.mean_length,
        "diversity": own.diversity,
        "unique_actions": own.unique_actions,
        "instructions": own.instructions,
        "train_windows": own.train_windows,
        "action_dims": len(own.action_names) or None,
        "image_size": ", ".join(own.image_sizes) or None,
        "frame_rate_hz": ", ".join(f"{rate:g}" for rate in own.frame_rates_hz) or None,
        "action_names": ", ".join(own.action_names) or None,
        "action_units": ", ".join(dict.fromkeys(own.action_units)) or None,
        "robot": words["mobile_base"],
    }
    cells = {name: _number(name, value, language) for name, value in known.items() if value is not None}
    if own.hours is not None:
        hours = _number("hours", own.hours, language)
        counts = {"value": hours, "timed": own.timed_episodes, "episodes": own.episodes}
        cells["hours"] = hours if own.timed_episodes == own.episodes else format_text(language, words["partly"], counts)
    if own.clock is not None:
        limits = interval(language, own.clock["low"], own.clock["high"])
        cells["clock_explained"] = format_text(
            language, words["explained"], {"value": own.clock["value"], "interval": limits}
        )
    if own.episodes:
        some = format_text(language, words["some"], {"count": own.simulated_episodes})
        cells["simulated"] = {0: words["none"], own.episodes: words["all"]}.get(own.simulated_episodes, some)
    return cells


def _cited(reference: Reference, language: Language) -> dict[str, str]:
    return {name: _worded_figure(name, figure, language) for name, figure in reference.figures.items()}


def _worded_figure(name: str, figure: CitedFigure, language: Language) -> str:
    value = figure.value[language] if isinstance(figure.value, Mapping) else _number(name, figure.value, language)
    if not figure.qualifier:
        return value
    return text_of(comparison_catalog(language), f"words.{figure.qualifier}").format(value=value)


def _number(name: str, value: float | str, language: Language) -> str:
    if isinstance(value, str):
        return value
    if name == "diversity":
        return percent(language, value)
    if name in TABLES["model"] and not float(value).is_integer():
        return f"{value:g}"  # A setting is written as it was chosen.
    return f"{value:.2g}" if 0 < abs(value) < _SMALL else amount(value)
