"""What a finding says: how figures and names are put into its English sentences, and the finding in another language.

A finding is raised in English, with its figures beside it in `details`. Its Korean is made here, from `findings_ko.toml` and those
figures, for the page, the command and the report alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mvla_core.schema import Finding
from mvla_core.wording import Language, format_text, interval, placeholders, read_catalog

NAMED_AT_MOST = 5


@dataclass(frozen=True)
class WordedFinding:
    """A finding as a reader of one language sees it.

    Attributes:
        message: What was found.
        next: What to do about it; "" where nothing needs to be done.
        foreign: True where the language has no text for it, so that both are the English original.
    """

    message: str
    next: str
    foreign: bool = False


def worded(finding: Finding | Mapping[str, Any], language: Language) -> WordedFinding:
    """Return a finding, or its stored form (`Finding.to_json`), in a language.

    English is the finding's own text. Of the Korean texts of its code the first one is taken whose values the finding holds.
    """
    stored = finding.to_json() if isinstance(finding, Finding) else finding
    if language == "en":
        return WordedFinding(stored["message"], stored["next"])
    values = _values(stored, language)
    for texts in read_catalog("mvla_core.audit", f"findings_{language}").get(stored["code"], ()):
        needed = placeholders(texts["message"]) | placeholders(texts["next"])
        if all(values.get(name) is not None for name in needed):
            said = [format_text(language, texts[part], values) for part in ("message", "next")]
            return WordedFinding(said[0], said[1])
    return WordedFinding(stored["message"], stored["next"], foreign=True)


def _values(stored: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """What a text may ask for: the details, where it was found, and the interval of an explained share in words."""
    values = {"where": stored["where"], **stored.get("details", {})}
    explained = values.get("explained")
    if isinstance(explained, Mapping):
        values |= {"explained": explained["value"], "low": explained["low"], "high": explained["high"]}
    values["interval"] = interval(language, values.get("low"), values.get("high"))
    return values


def percent(share: float) -> str:
    """Return "83 %" for 0.83; one decimal below 1 %, so that a small share does not read as none."""
    decimals = 1 if 0 < abs(share) < 0.01 else 0
    return f"{100 * share:.{decimals}f} %"


def names_of(episode_ids: Sequence[str]) -> str:
    """Return a few names: "a, b", or "a, b, c, d, e and 7 more"."""
    shown = ", ".join(episode_ids[:NAMED_AT_MOST])
    return shown if len(episode_ids) <= NAMED_AT_MOST else f"{shown} and {len(episode_ids) - NAMED_AT_MOST} more"
