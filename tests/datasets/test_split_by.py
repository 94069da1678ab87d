"""Splits by session, scenario and time: what belongs together stays together, and what is not known is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mvla_core.datasets.grouping import session_numbers
from mvla_core.datasets.split import PARTS, SPLITS, Split, make_split
from mvla_core.errors import DatasetError, UserInputError
from mvla_core.schema import EpisodeInfo, Scenario

Maker = Callable[..., EpisodeInfo]
MORNING = datetime(2025, 11, 12, 9)


@pytest.fixture
def recorded(make_info: Maker) -> list[EpisodeInfo]:
    """Five sessions of four episodes, four scenarios in each."""
    return [
        make_info(
            f"e{session}{number}",
            recorded_at=(MORNING + timedelta(hours=3 * session, minutes=5 * number)).isoformat(),
            scenario=Scenario(boxes=1, side=("left", "right")[number % 2], distance=("close", "far")[number // 2]),
        )
        for session in range(5)
        for number in range(4)
    ]


def parts_of(split: Split) -> dict[str, str]:
    return {name: part for part in PARTS for name in getattr(split, part)}


def test_sessions_are_told_apart_by_half_an_hour(recorded: list[EpisodeInfo], make_info: Maker) -> None:
    assert session_numbers(recorded) == [session for session in range(5) for _ in range(4)]
    close = [make_info(f"e{k}", recorded_at=(MORNING + timedelta(minutes=30 * k)).isoformat()) for k in range(3)]
    assert session_numbers(close) == [0, 0, 0]
    assert session_numbers([make_info("unknown"), close[0]]) == [None, 0]


@pytest.mark.parametrize(
    ("by", "own"), [("session", lambda info: info.episode_id[:2]), ("scenario", lambda info: info.scenario)]
)
def test_what_belongs_together_stays_together(
    recorded: list[EpisodeInfo], by: str, own: Callable[[EpisodeInfo], object]
) -> None:
    for seed in range(5):
        split = make_split(recorded, by=by, seed=seed)  # type: ignore[arg-type]
        part = parts_of(split)
        assert len(part) == len(recorded)
        seen: dict[object, set[str]] = {}
        for info in recorded:
            seen.setdefault(own(info), set()).add(part[info.episode_id])
        assert all(len(parts) == 1 for parts in seen.values())
        assert set(part.values()) == set(PARTS)
        assert split.by == by


def test_in_time_order_the_newest_are_the_test(recorded: list[EpisodeInfo]) -> None:
    part = parts_of(make_split(list(reversed(recorded)), by="time"))
    assert [part[info.episode_id] for info in recorded] == ["train"] * 12 + ["validation"] * 4 + ["test"] * 4


def test_what_is_not_known_is_said(recorded: list[EpisodeInfo], make_info: Maker) -> None:
    with pytest.raises(
        DatasetError, match="time of recording of 1 of 21 episodes is not known, for example nobody_knows"
    ):
        make_split([*recorded, make_info("nobody_knows")], by="session")
    with pytest.raises(DatasetError, match="scenario of 1 of 21"):
        make_split([*recorded, make_info("nobody_knows")], by="scenario")
    with pytest.raises(
        DatasetError, match="it holds 1, and train, validation and test need one each; record more sessions"
    ):
        make_split(recorded[:4], by="session")
    with pytest.raises(UserInputError, match="expected one of episode, session, scenario, time"):
        make_split(recorded, by="weather")  # type: ignore[arg-type]


def test_a_split_says_how_it_was_made(recorded: list[EpisodeInfo]) -> None:
    for by in SPLITS:
        split = make_split(recorded, by=by)
        assert Split.from_json(split.to_json()) == split
    older = make_split(recorded).to_json()
    del older["by"]
    assert Split.from_json(older).by == "episode"


def test_a_recording_that_goes_on_leaves_a_gap(recorded: list[EpisodeInfo]) -> None:
    joined = [replace(info, recording_id=info.episode_id[:2], num_frames=30) for info in recorded]
    whole = make_split([replace(info, recording_id="one") for info in joined], by="time", gap_frames=50)
    assert (len(whole.train), len(whole.validation), len(whole.test), len(whole.gap)) == (10, 2, 4, 4)
    assert make_split(joined, by="time").gap == (), "both ends fall between two recordings"
