"""What a recording's file name tells: when, which scenario, and the instruction that its driver followed.

Three generations of names are in use:

- `episode_YYYYMMDD_HHMMSS`
- `episode_YYYYMMDD_HHMMSS[_basket]_{1|2}box_{vert|hori}_{left|right}_{core|variant}_{close|medium|far}[_evening]`
- `episode_YYMMDD_HHMMSS_target_{l|c|r}_{left|straight|right}_path__{pattern}__{distance}_{end position}`
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mvla_core.schema import Scenario

TIMES_OF_DAY = ("dawn", "morning", "evening", "night")
"""Six hours each, from midnight."""

_STAMP = re.compile(r"episode_(\d{8}|\d{6})_(\d{6})(?=[_-]|$)")
_BOXES = re.compile(
    r"_+(?:(?P<goal>basket)_+)?(?P<boxes>[1-9])box_+(?P<layout>vert|hori)_+(?P<side>left|right|straight)"
    r"(?:_+(?P<pattern>core|variant))?(?:_+(?P<distance>close|medium|far))?"
    rf"(?:_+(?P<time_of_day>{'|'.join(TIMES_OF_DAY)}))?(?:[_-].*)?"
)
_TARGET = re.compile(
    r"_(?P<goal>target)_(?P<place>[lcr])_(?P<side>left|straight|right)_path"
    r"(?:__(?P<pattern>[a-z0-9]+(?:_[a-z0-9]+)*))?(?:__(?P<distance>[a-z0-9]+))?(?:[_-].*)?"
)
_PLACES = {"l": "on the left", "c": "in the centre", "r": "on the right"}


@dataclass(frozen=True)
class ParsedName:
    """What a file name says; empty parts where it says nothing."""

    recorded_at: datetime | None = None
    scenario: Scenario = field(default_factory=Scenario)
    instruction: str = ""
    """An English sentence, or "" where the name does not tell what was to be done."""


def parse_name(stem: str) -> ParsedName:
    """Read a file name without its ending. A name of another form gives an empty `ParsedName`."""
    stamp = _STAMP.match(stem)
    if stamp is None:
        return ParsedName()
    recorded_at = _moment(*stamp.groups())
    rest = stem[stamp.end() :]
    if match := _TARGET.fullmatch(rest):
        parts = match.groupdict()
        scenario = Scenario(parts["goal"], side=parts["side"], pattern=parts["pattern"], distance=parts["distance"])
        instruction = f"Drive to the target {_PLACES[parts['place']]} by the {parts['side']} path."
        return ParsedName(recorded_at, scenario, instruction)
    if match := _BOXES.fullmatch(rest):
        parts = match.groupdict()
        scenario = Scenario(
            goal=parts["goal"],
            boxes=int(parts["boxes"]),
            layout=parts["layout"],
            side=parts["side"],
            pattern=parts["pattern"],
            distance=parts["distance"],
            time_of_day=parts["time_of_day"],
        )
        return ParsedName(recorded_at, scenario, _past_boxes(scenario))
    return ParsedName(recorded_at)


def scenario_from_text(text: str) -> Scenario:
    """Read the recorder's `scenario` or `obstacle_layout_type` attribute, for example "1box_vert_left"."""
    words = set(re.split(r"[_\s]+", text.lower()))

    def one(*choices: str) -> str | None:
        return next((choice for choice in choices if choice in words), None)

    boxes = next((int(word[0]) for word in sorted(words) if re.fullmatch(r"[1-9]box", word)), None)
    return Scenario(
        one("basket", "target"),
        boxes,
        one("vert", "hori"),
        one("left", "right", "straight"),
        one("core", "variant"),
        one("close", "medium", "far"),
        one(*TIMES_OF_DAY),
    )


def merged(first: Scenario, *others: Scenario) -> Scenario:
    """Fill what `first` does not say from the others, in their order."""
    fields = vars(first).copy()
    for other in others:
        for name, value in vars(other).items():
            fields[name] = value if fields[name] is None else fields[name]
    return Scenario(**fields)


def time_of_day(recorded_at: datetime) -> str | None:
    """The six-hour part of the day. None for a stamp in UTC, which does not tell the hour at the robot's place."""
    in_utc = recorded_at.tzinfo is not None and recorded_at.utcoffset() == timedelta(0)
    return None if in_utc else TIMES_OF_DAY[recorded_at.hour // 6]


def parse_moment(text: str) -> datetime | None:
    """Read an ISO 8601 date and time; None where it is not one."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def moment_in_utc(seconds: float) -> datetime:
    """The moment `seconds` after the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def _moment(date: str, clock: str) -> datetime | None:
    """Digits that are no date, for example of a counter, are not one."""
    try:
        return datetime.strptime(date + clock, "%Y%m%d%H%M%S" if len(date) == 8 else "%y%m%d%H%M%S")
    except ValueError:
        return None


def _past_boxes(scenario: Scenario) -> str:
    boxes = {1: "the box", 2: "the two boxes"}.get(scenario.boxes or 1, f"the {scenario.boxes} boxes")
    way = "straight past" if scenario.side == "straight" else f"past {boxes} on the {scenario.side}"
    way = f"{way} {boxes}" if scenario.side == "straight" else way
    return f"Drive {way} to the basket." if scenario.goal == "basket" else f"Drive {way}."
