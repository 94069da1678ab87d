"""A plan in words, English or Korean: the texts lie in `plan_en.toml` and `plan_ko.toml`."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, get_args

from mvla_core.audit.plan import PlanItem, Statement
from mvla_core.audit.targets import Cell
from mvla_core.audit.wording import percent

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_NAMED_AT_MOST = 5
_SHARES = ("share", "limit", "low", "left", "right", "ahead")
_VALUES = {"side": "side", "other": "side"}


@functools.cache
def catalog(language: Language) -> dict[str, Any]:
    """The texts of a language."""
    return tomllib.loads(
        resources.files("mvla_core.audit").joinpath(f"plan_{language}.toml").read_text(encoding="utf-8")
    )


@dataclass(frozen=True)
class PlanWords:
    """Everything a plan says in one language."""

    language: Language

    def say(self, table: str, key: str, **values: Any) -> str:
        """Return a text of the catalog with its values, numbers with thousands separators."""
        shown = {name: f"{value:,d}" if isinstance(value, int) else value for name, value in values.items()}
        return str(catalog(self.language)[table][key].format(**shown))

    def axis(self, name: str) -> str:
        return self.say("axes", name)

    def value(self, axis: str, value: str) -> str:
        """How a value is called; values of the user's own are shown as they are."""
        words = catalog(self.language)["values"].get(axis, {})
        return str(words.get(value, words.get("other", "{value}"))).replace("{value}", value)

    def cell(self, cell: Cell, *, separator: str = ", ") -> str:
        """Return "2box, hori, left, far, evening"; a text for the empty cell."""
        return separator.join(self.value(axis, value) for axis, value in cell.pairs) or self.say("cell", "any")

    def what(self, item: PlanItem) -> str:
        """What to record, without the number of episodes."""
        return self.say("cell", item.focus) if item.cell is None else self.cell(item.cell)

    def headline(self, item: PlanItem) -> str:
        """What to record, and how many episodes of it."""
        key = "item_one" if item.episodes == 1 else "item"
        return self.say("document", key, what=self.what(item), episodes=item.episodes)

    def reason(self, reason: Statement) -> str:
        return self._stated("reasons", reason)

    def why(self, item: PlanItem) -> str:
        return "; ".join(self.reason(reason) for reason in item.reasons)

    def how(self, codes: Sequence[str]) -> str:
        return "; ".join(self.say("how", code) for code in codes)

    def explained(self, codes: Sequence[str]) -> list[str]:
        """What the ways to record mean, a sentence each."""
        return [self.say("ways", code) for code in codes]

    def advice(self, statement: Statement) -> str:
        return self._stated("advice", statement)

    def percent(self, share: float) -> str:
        text = percent(share)
        return text.replace(" %", "%") if self.language == "ko" else text

    def names(self, names: Sequence[str]) -> str:
        """A few names: "a, b", or "a, b, c, d, e and 7 more"."""
        shown = ", ".join(names[:_NAMED_AT_MOST])
        rest = len(names) - _NAMED_AT_MOST
        return shown if rest <= 0 else self.say("names", "more", names=shown, count=rest)

    def _stated(self, table: str, statement: Statement) -> str:
        values: dict[str, Any] = {}
        for name, value in statement.values.items():
            if name in _SHARES:
                values[name] = self.percent(value)
            elif name in _VALUES:
                values[name] = self.value(_VALUES[name], value)
            elif name == "names":
                values[name] = self.names(value)
            else:
                values[name] = value
        return self.say(table, statement.code, **values)
