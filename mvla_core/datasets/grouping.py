"""What episodes have in common: the session they were recorded in, the scenario, the time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from mvla_core.errors import DatasetError
from mvla_core.schema import EpisodeInfo

SESSION_BREAK = timedelta(minutes=30)
"""A longer pause between the starts of two recordings begins a new session: the room, the light and the robot may have changed."""


def recorded_time(info: EpisodeInfo) -> datetime | None:
    """When an episode was recorded, without its time zone; None where nobody wrote it down."""
    return None if info.recorded_at is None else datetime.fromisoformat(info.recorded_at).replace(tzinfo=None)


def session_numbers(episodes: Sequence[EpisodeInfo]) -> list[int | None]:
    """Number the sessions in time order from 0, one number an episode; None for an episode without a time."""
    times = [recorded_time(info) for info in episodes]
    known = sorted({time for time in times if time is not None})
    number_of: dict[datetime, int] = {}
    for before, time in zip([None, *known], known, strict=False):
        if before is None:
            number_of[time] = 0
        else:
            number_of[time] = number_of[before] + (time - before > SESSION_BREAK)
    return [None if time is None else number_of[time] for time in times]


def in_time_order(episodes: Sequence[EpisodeInfo]) -> list[EpisodeInfo]:
    """Sort episodes by the time of their recording.

    Raises:
        DatasetError: The time of one is not known.
    """
    _require(episodes, [info.recorded_at for info in episodes], "the time of recording")
    return sorted(episodes, key=lambda info: (recorded_time(info) or datetime.min, info.episode_id))


def group_by_session(episodes: Sequence[EpisodeInfo]) -> list[tuple[EpisodeInfo, ...]]:
    """Put episodes of one session together, sessions in time order.

    Raises:
        DatasetError: The time of an episode is not known.
    """
    numbers = session_numbers(episodes)
    _require(episodes, numbers, "the time of recording")
    return [
        tuple(info for info, own in zip(episodes, numbers, strict=True) if own == number)
        for number in sorted({number for number in numbers if number is not None})
    ]


def group_by_scenario(episodes: Sequence[EpisodeInfo]) -> list[tuple[EpisodeInfo, ...]]:
    """Put episodes of one scenario together, whatever the time of day, in the order of the scenarios' names.

    Raises:
        DatasetError: The scenario of an episode is not known.
    """
    labels = [info.scenario.label() or None for info in episodes]
    _require(episodes, labels, "the scenario")
    return [
        tuple(info for info, own in zip(episodes, labels, strict=True) if own == label)
        for label in sorted({label for label in labels if label is not None})
    ]


def _require(episodes: Sequence[EpisodeInfo], known: Sequence[object], what: str) -> None:
    without = [info.episode_id for info, value in zip(episodes, known, strict=True) if value is None]
    if without:
        raise DatasetError(
            f"The data set cannot be split that way: {what} of {len(without)} of {len(episodes)} episodes is not known, for "
            f"example {without[0]}; write it into the files' attributes or names, or split by episode."
        )
