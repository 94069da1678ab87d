"""Texts and figures in two languages: what every part that speaks to a reader shares.

A statement is stored as a key and its raw values, so that a page, a command or a report can say it in either language without
measuring anything again. Texts are `str.format` templates in TOML catalogs, one file a language; their format specifications
name kinds of figures: `percent`, `count`, `real`, `amount`, `length`, `list`, `baseline`, `direction`.

The terms that every part needs (percentages, intervals, the names of baselines and directions) are in `wording_en.toml` and
`wording_ko.toml` beside this module.
"""

from __future__ import annotations

import re
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
_PLACE = re.compile(r"\{(\w+)\}")


@cache
def read_catalog(package: str, name: str) -> dict[str, Any]:
    """Read the TOML catalog `name` of a package, for example ("mvla_core.audit", "findings_ko"); it must not be changed."""
    return tomllib.loads(resources.files(package).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def terms(language: Language) -> dict[str, Any]:
    """The shared terms of one language: percent, interval, baselines, directions."""
    return read_catalog("mvla_core", f"wording_{language}")


def text_of(catalog: Mapping[str, Any], key: str) -> str:
    """Return the text of a dotted key, for example "evidence.wins.most".

    Raises:
        KeyError: The catalog lacks it: a text was forgotten, which must not go unseen.
    """
    node: Any = catalog
    for part in key.split("."):
        node = node[part]
    assert isinstance(node, str), f"{key} is a table, not a text"
    return node


def term(language: Language, key: str) -> str:
    """Return a shared term by its dotted key, for example "directions.forward-left"."""
    return text_of(terms(language), key)


def placeholders(template: str) -> set[str]:
    """Return the names of the values that a template asks for."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def format_text(language: Language, template: str, values: Mapping[str, Any]) -> str:
    """Fill a template whose format specifications are kinds of figures.

    Args:
        language: Decides how percentages, directions and baselines are written.
        template: For example "{explained:percent} of {episodes:count} episodes".
        values: Raw values by name; more than the template asks for do no harm.
    """
    return _Words(language).vformat(template, (), values)


def translated(text: str, translations: Mapping[str, str], *, whole: bool = False) -> str:
    """Translate sentences that are written out in English somewhere else, one after the other.

    Args:
        text: One or more sentences or phrases of `translations`, with a space between.
        translations: English -> the other language. Values of the English stand in braces, as `{windows}`, and go into the
            translation as they are, or translated where they are a phrase themselves.
        whole: Translate the text only if it is one phrase from its first to its last letter.

    Returns:
        The translation; from the first sentence on that is unknown the text stays as it is.
    """
    if text in translations:
        return translations[text]
    for english, other in translations.items():
        if found := re.match(rf"{_pattern(english)}{'$' if whole else '(?: |$)'}", text):
            values = {name: translations.get(value, value) for name, value in found.groupdict().items()}
            said = _PLACE.sub(lambda place, values=values: values[place[1]], other)  # type: ignore[misc]
            rest = text[found.end() :]
            return f"{said} {translated(rest, translations)}" if rest else said
    return text


@cache
def _pattern(english: str) -> str:
    parts = _PLACE.split(english)
    seen: set[str] = set()
    pattern = ""
    for number, part in enumerate(parts):
        if number % 2 == 0:
            pattern += re.escape(part)
        else:
            pattern += f"(?P={part})" if part in seen else f"(?P<{part}>.+?)"
            seen.add(part)
    return pattern


def interval(language: Language, low: float | None, high: float | None) -> str:
    """Return a 95 % interval of a share in words, or that there is none."""
    if low is None or high is None:
        return term(language, "interval.unknown")
    begin = percent(language, low)
    if language == "en":
        begin = begin.removesuffix(" %")  # "21 to 52 %"
    return term(language, "interval.known").format(low=begin, high=percent(language, high))


def percent(language: Language, share: float) -> str:
    """Format a share: 0.384 is "38 %" in English and "38%" in Korean; one decimal below 10 %; "over 10,000 %" for the absurd."""
    if abs(share) > LARGEST_SHARE:
        return term(language, "percent.above" if share > 0 else "percent.below")
    digits = 1 if 0 < abs(round(100 * share, 1)) < 10 else 0
    return term(language, "percent.known").format(value=signed(100 * share, digits))


def real(value: float) -> str:
    """Format a measured value with about three significant digits: 0.0004, 0.198, 1.15, 12.3, 1,234."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 4 if 0 < size < 0.01 else 3
    return signed(value, digits)


def amount(value: float) -> str:
    """Format a count where the value is whole, else a measured value."""
    return f"{int(value):,d}" if float(value).is_integer() else real(value)


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
        match format_spec:
            case "":
                return str(value)
            case "percent":
                return percent(self._language, value)
            case "count":
                return f"{value:,d}"
            case "real":
                return real(value)
            case "amount":
                return amount(value)
            case "length":
                return f"{len(value):,d}"
            case "list":
                return ", ".join(self._name(part) for joined in value for part in joined.split(" or "))
            case "direction" | "baseline":
                return term(self._language, f"{format_spec}s.{value}")
        raise AssertionError(f"unknown format {format_spec!r}")

    def _name(self, name: str) -> str:
        """The name of a direction; any other name stays as it is."""
        known: dict[str, str] = terms(self._language)["directions"]
        return known.get(name, name)
