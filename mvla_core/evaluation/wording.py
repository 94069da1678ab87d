"""The verdict in words: English and Korean, from the catalogs `wording_en.toml` and `wording_ko.toml`.

A statement is stored as a key and its raw values, so that a page or report can say it in either language without measuring
anything again. Templates are `str.format` strings whose format specifications name kinds of figures.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
MINUS = "\N{MINUS SIGN}"
LARGEST_SHARE = 100.0
"""Beyond this a share is only said to be very large."""


@cache
def catalog(language: Language) -> dict[str, Any]:
    """The nested catalog of one language."""
    text = resources.files("mvla_core.evaluation").joinpath(f"wording_{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def lookup(language: Language, key: str) -> str:
    """Return the template of a dotted key, for example "evidence.wins.most"."""
    node: Any = catalog(language)
    for part in key.split("."):
        node = node[part]
    assert isinstance(node, str), f"{key} is a table, not a text"
    return node


def fill(language: Language, key: str, values: Mapping[str, Any]) -> str:
    """Return the statement `key` with its values, for example fill("en", "evidence.skill.better", {"value": 0.38, ...}).

    `{interval}` is made of the values `low` and `high`, as percentages.
    """
    worded = {**values, "interval": interval(language, values.get("low"), values.get("high"))}
    return format_text(language, lookup(language, key), worded)


def format_text(language: Language, template: str, values: Mapping[str, Any]) -> str:
    """Fill any template whose format specifications are kinds of figures: percent, count, real, baseline, direction."""
    return _Words(language).vformat(template, (), values)


def interval(language: Language, low: float | None, high: float | None) -> str:
    """Return a 95 % interval of a share in words, or that there is none."""
    if low is None or high is None:
        return lookup(language, "interval.unknown")
    begin = percent(language, low)
    if language == "en":
        begin = begin.removesuffix(" %")  # "21 to 52 %"
    return lookup(language, "interval.known").format(low=begin, high=percent(language, high))


def percent(language: Language, share: float) -> str:
    """Format a share: 0.384 is "38 %" in English and "38%" in Korean; one decimal below 10 %; "over 10,000 %" for the absurd."""
    if abs(share) > LARGEST_SHARE:
        return lookup(language, "percent.above" if share > 0 else "percent.below")
    digits = 1 if 0 < abs(round(100 * share, 1)) < 10 else 0
    return lookup(language, "percent.known").format(value=signed(100 * share, digits))


def real(value: float) -> str:
    """Format a measured value with about three significant digits: 0.0004, 0.198, 1.15, 12.3, 1,234."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 4 if 0 < size < 0.01 else 3
    return signed(value, digits)


def signed(value: float, digits: int) -> str:
    """Format with a real minus sign, thousands separators, and no minus before a zero."""
    text = f"{value:,.{digits}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace("-", MINUS)


class _Words(string.Formatter):
    """`str.format` whose format specifications name the kind of a figure."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "percent":
            return percent(self._language, value)
        if format_spec == "count":
            return f"{value:,d}"
        if format_spec == "real":
            return real(value)
        if format_spec in ("direction", "baseline"):
            return lookup(self._language, f"{format_spec}s.{value}")
        assert format_spec == "", f"unknown format {format_spec!r}"
        return str(value)
