"""The verdict in words: English and Korean, from the catalogs `wording_en.toml` and `wording_ko.toml` of this package.

They hold what only a verdict says; percentages, intervals, baselines and directions are the shared terms of `mvla_core.wording`,
and `catalog` joins both.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from mvla_core.wording import (
    LANGUAGES,
    Language,
    format_text,
    interval,
    percent,
    read_catalog,
    real,
    terms,
    text_of,
)

__all__ = ["LANGUAGES", "Language", "catalog", "fill", "format_text", "interval", "lookup", "percent", "real"]

_WITH_ENDS = (
    "",
    *(f"{name}_" for name in ("change", "rise", "strength", "clock", "share", "ratio", "recall", "replay")),
)
"""Values that a sentence may name with their ends."""


@cache
def catalog(language: Language) -> dict[str, Any]:
    """The nested catalog of one language."""
    return {**terms(language), **read_catalog("mvla_core.evaluation", f"wording_{language}")}


def lookup(language: Language, key: str) -> str:
    """Return the template of a dotted key, for example "evidence.wins.most"."""
    return text_of(catalog(language), key)


def fill(language: Language, key: str, values: Mapping[str, Any]) -> str:
    """Return the statement `key` with its values, for example fill("en", "evidence.skill.better", {"value": 0.38, ...}).

    `{interval}` is made of the values `low` and `high`, as percentages; `{between}` is the same in brackets, and nothing
    where there are no ends, as in results of an older evaluation and with a single episode. `{change_between}` is made of
    `change_low` and `change_high`, and so on.
    """
    worded = {**values, "interval": interval(language, values.get("low"), values.get("high"))}
    for name in _WITH_ENDS:
        ends = f"{name}low", f"{name}high"
        low, high = (values.get(end) for end in ends)
        # Korean brackets follow their word without a space.
        space = "" if language == "ko" else " "
        worded[f"{name}between"] = "" if low is None and high is None else f"{space}({interval(language, low, high)})"
    return format_text(language, lookup(language, key), worded)
