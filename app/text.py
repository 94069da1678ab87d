"""Small pieces of text for pages: texts that come from files are shown as they are, never as Markdown."""

from __future__ import annotations

import re
import time

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|$:~<>&^=])")


def plain(text: str) -> str:
    """Escape what Markdown or Streamlit would read as formatting; line breaks become spaces."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def duration(seconds: float) -> str:
    """A duration in the largest unit that says enough: "40 s", "3 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def moment(seconds: float | None) -> str:
    """A time of day with its date, in this machine's time zone; "-" for None."""
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: "1 episode", "1,200 episodes"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def between(low: float | None, high: float | None, form: str) -> str:
    """The ends of a 95 % interval, each in a format of Python's; says so where there is none."""
    return "no interval: too few episodes" if low is None or high is None else f"95 %: {low:{form}} to {high:{form}}"
