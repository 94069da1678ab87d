"""The audit's table in words: the one place where its figures, bounds, states and reasons are written for a reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mvla_core.audit.table import LABELS, TableRow
from mvla_core.wording import Language, amount, percent, read_catalog, real, text_of, translated

SHARES = ("diversity", "determinism", "clock_explained", "forward_share")
"""Rows whose value is a share between 0 and 1."""
_STATISTICS = ("mean", "std", "min", "max", "change")
_SMALLEST_WRITTEN_OUT = 0.00005


@dataclass(frozen=True)
class WordedRow:
    """A row of the table as a reader of one language sees it; "" where there is nothing to say.

    Attributes:
        label: What the figure is.
        value: The figure with its unit; "–" where it could not be computed.
        recommended: "at least 100", "30% 이하".
        status: Whether the recommendation is met.
        source: Who recommends it.
        reason: Why.
    """

    label: str
    value: str
    recommended: str
    status: str
    source: str
    reason: str


def table_catalog(language: Language) -> dict[str, Any]:
    """Words of the table: columns, bounds, states, sources, units."""
    return read_catalog("mvla_core.audit", f"table_{language}")


def worded_row(row: TableRow, language: Language) -> WordedRow:
    """Return a row in a language. A reason that the user wrote into `thresholds.toml` has no translation and stays as it is."""
    catalog = table_catalog(language)
    recommended = "" if row.recommended is None else _figure(row, row.recommended, language)
    if row.recommended is not None and row.sense is not None:
        recommended = text_of(catalog, f"bounds.{row.sense}").format(value=recommended)
    return WordedRow(
        label=row_label(row, language),
        value="–" if row.value is None else _figure(row, row.value, language),
        recommended=recommended,
        status=_status(row, catalog),
        source=catalog["sources"].get(row.source, row.source),
        reason=translated(row.reason, catalog.get("reasons", {})),
    )


def row_label(row: TableRow, language: Language) -> str:
    """Return what the figure is, for example "Different actions" or "linear_x, 표준편차"."""
    catalog = table_catalog(language)
    axis, _, statistic = row.name.rpartition("_")
    if row.name not in LABELS and statistic in _STATISTICS:
        return f"{axis}, {catalog['statistics'][statistic]}"
    return row.label if language == "en" else text_of(catalog, f"labels.{row.name}")


def _figure(row: TableRow, value: float, language: Language) -> str:
    if row.name in SHARES:
        return percent(language, value)
    if 0 < abs(value) < _SMALLEST_WRITTEN_OUT:
        return f"{value:.1e}"
    number = real(value) if row.unit else amount(value)
    return f"{number} {table_catalog(language)['units'].get(row.unit, row.unit)}".strip()


def _status(row: TableRow, catalog: dict[str, Any]) -> str:
    if row.status == "none":
        return ""
    if row.status == "ok":
        return text_of(catalog, "status.ok")
    if row.sense == "at_most":
        return text_of(catalog, "status.much")
    return text_of(catalog, "status.goal" if row.status == "info" else "status.little")
