"""Words and numbers of one language: the report's catalog, the verdict's catalog, and the audit's findings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mvla_core.audit.wording import worded
from mvla_core.evaluation.wording import fill, lookup
from mvla_core.metrics.directions import DIRECTION_NAMES
from mvla_core.wording import (
    Language,
    amount,
    format_text,
    interval,
    percent,
    read_catalog,
    real,
    signed,
    term,
    translated,
)

_DASH = "–"
_FINE = re.compile(r"\{(\w+):(percent1|ratio|loss|plain)\}")
_SMALLEST_REAL = 0.001


def catalog(name: str) -> dict[str, Any]:
    """A TOML file of this package, for example "text_en", or of the audit's, for example "findings_ko".

    What is said beyond the measured sections lies in "advice_en" and "advice_ko"; it belongs to "text_en" and "text_ko".
    """
    if name.startswith("findings"):
        return read_catalog("mvla_core.audit", name)
    said = read_catalog("mvla_core.reports", name)
    more = read_catalog("mvla_core.reports", name.replace("text_", "advice_"))
    return {**said, **{table: {**said.get(table, {}), **texts} for table, texts in more.items()}}


@dataclass(frozen=True)
class Words:
    """Everything that differs between languages.

    Attributes:
        language: "en" or "ko".
    """

    language: Language

    def table(self, name: str) -> dict[str, str]:
        """One table of the catalog, for example "figure"."""
        found: dict[str, str] = catalog(f"text_{self.language}")[name]
        return found

    def say(self, key: str, values: Mapping[str, Any] | None = None) -> str:
        """A text of the report's catalog by its dotted key, filled with values."""
        table, _, name = key.partition(".")
        return format_text(self.language, self.table(table)[name], values or {})

    def fill(self, template: str, values: Mapping[str, Any]) -> str:
        """A text that was chosen from a table, filled with values.

        Beside the shared kinds of figures it knows `percent1`, a share with one decimal, `ratio`, a very small number, `loss`
        with four decimals, and `plain`, a figure as it was published.
        """
        shown = dict(values)
        for name, kind in set(_FINE.findall(template)):
            shown[f"{name}_{kind}"] = self._fine(values[name], kind)
        return format_text(self.language, _FINE.sub(r"{\1_\2}", template), shown)

    def _fine(self, value: float | None, kind: str) -> str:
        if value is None:
            return _DASH
        if kind == "loss":
            return signed(value, 4)
        if kind == "plain":
            return f"{value:g}"
        if kind == "ratio":
            return real(value) if value >= _SMALLEST_REAL else f"{value:.1e}"
        return term(self.language, "percent.known").format(value=signed(100 * value, 1))

    def term_of(self, table: str, name: str) -> str:
        """A name of one of the report's own tables; what has no name of its own stays as it is."""
        return self.table(table).get(name, name)

    def reason(self, stored: str) -> str:
        """Why something was not measured, as it was stored in English; translated where the sentence is known."""
        if self.language == "en":
            return stored
        return translated(stored, read_catalog("mvla_core.reports", f"reasons_{self.language}"), whole=True)

    def verdict(self, key: str, values: Mapping[str, Any]) -> str:
        """A statement of the verdict's catalog."""
        return fill(self.language, key, values)

    def term(self, kind: str, name: str) -> str:
        """A name of the verdict's catalog: labels, baselines or directions."""
        return lookup(self.language, f"{kind}.{name}")

    def directions(self) -> dict[str, str]:
        """The names of all directions."""
        return {name: self.term("directions", name) for name in DIRECTION_NAMES}

    def percent(self, share: float | None) -> str:
        return _DASH if share is None else percent(self.language, share)

    def real(self, value: float | None) -> str:
        return _DASH if value is None else real(value)

    def count(self, value: int | None) -> str:
        return _DASH if value is None else f"{value:,d}"

    def amount(self, value: float | None) -> str:
        """A count where it is whole, else a measured value."""
        return _DASH if value is None else amount(value)

    def interval(self, low: float | None, high: float | None) -> str:
        """An interval of shares in words."""
        return interval(self.language, low, high)

    def span(self, low: float | None, high: float | None, *, share: bool = False) -> str:
        """An interval without words, for a column that says what it is."""
        if low is None or high is None:
            return _DASH
        ends = (self.percent(low), self.percent(high)) if share else (real(low), real(high))
        if self.language == "ko":
            return f"{ends[0]} ~ {ends[1]}"
        begin = ends[0].removesuffix(" %") if share else ends[0]
        return f"{begin} to {ends[1]}"

    def moment(self, iso: str) -> str:
        """A stored UTC time as the language writes it."""
        return datetime.fromisoformat(iso).strftime(self.say("page.date"))

    def finding(self, finding: Mapping[str, Any]) -> tuple[str, str, bool]:
        """Return message and next step of an audit finding, and whether they are in a foreign language."""
        said = worded(finding, self.language)
        return said.message, said.next, said.foreign
