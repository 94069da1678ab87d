"""The split: by episode, disjoint, covering, balanced, with gaps inside a recording."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.datasets.split import GAP_FRAMES, PARTS, Split, make_split
from mvla_core.errors import DatasetError, UserInputError
from mvla_core.schema import EpisodeInfo, Scenario

Maker = Callable[..., EpisodeInfo]


def recording(make_info: Maker, name: str, episodes: int, length: int = 50) -> list[EpisodeInfo]:
    return [
        make_info(f"{name}_{number:04d}", num_frames=length, recording_id=name, recording_start=number * length)
        for number in range(episodes)
    ]


@st.composite
def data_sets(draw: st.DrawFn) -> list[tuple[int, str, str | None]]:
    """(length, instruction, recording) of each episode."""
    return draw(
        st.lists(
            st.tuples(
                st.sampled_from([1, 2, 3, 4, 18, 50]),
                st.sampled_from(["left", "right", ""]),
                st.sampled_from([None, None, "a", "b"]),
            ),
            max_size=40,
        )
    )


@settings(max_examples=150, deadline=None)
@given(rows=data_sets(), seed=st.integers(0, 99), gap=st.sampled_from([0, 20, 50]))
def test_parts_are_disjoint_cover_all_and_do_not_depend_on_the_order(
    make_info: Maker, rows: list[tuple[int, str, str | None]], seed: int, gap: int
) -> None:
    episodes = [
        make_info(f"e{number:03d}", num_frames=length, instruction=text, recording_id=name, recording_start=number * 50)
        for number, (length, text, name) in enumerate(rows)
    ]
    try:
        split = make_split(episodes, seed=seed, gap_frames=gap)
    except DatasetError:
        usable = [info for info in episodes if info.num_frames >= 4]
        separate = {info.recording_id or info.episode_id for info in usable}
        assert len(usable) < 3 or len(separate) < 3
        return
    lists = [*(getattr(split, part) for part in PARTS), split.gap, split.excluded]
    joined = [episode_id for ids in lists for episode_id in ids]
    assert len(set(joined)) == len(joined)
    assert set(joined) == {info.episode_id for info in episodes}
    assert all(getattr(split, part) for part in PARTS)
    assert set(split.excluded) == {info.episode_id for info in episodes if info.num_frames < 4}
    shuffled = episodes.copy()
    random.Random(seed).shuffle(shuffled)
    assert make_split(shuffled, seed=seed, gap_frames=gap) == split
    assert all(split.part_of(episode_id) == "gap" for episode_id in split.gap)
    assert split.part_of("unknown") is None
    assert Split.from_json(json.loads(json.dumps(split.to_json()))) == split


def test_the_briefings_thirteen_episodes(make_info: Maker) -> None:
    episodes = [make_info(f"e{number:02d}", num_frames=2 if number == 9 else 18) for number in range(13)]
    split = make_split(episodes)
    assert [len(getattr(split, part)) for part in PARTS] == [7, 2, 3]
    assert split.excluded == ("e09",)
    assert split.gap == ()
    assert len({make_split(episodes, seed=seed).test for seed in range(10)}) > 1


def test_every_part_has_both_instructions(make_info: Maker) -> None:
    episodes = [make_info(f"e{number:02d}", instruction=("left", "right")[number % 2]) for number in range(24)]
    texts = {info.episode_id: info.instruction for info in episodes}
    for seed in range(10):
        split = make_split(episodes, seed=seed)
        assert [len(getattr(split, part)) for part in PARTS] == [14, 5, 5]
        assert split.stratified_by == "instruction"
        for part in PARTS:
            counts = Counter(texts[episode_id] for episode_id in getattr(split, part))
            assert set(counts) == {"left", "right"}
            assert abs(counts["left"] - counts["right"]) <= 1


def test_where_the_instruction_is_the_same_the_scenario_is_balanced(make_info: Maker) -> None:
    episodes = [
        make_info(f"e{number:02d}", instruction="go", scenario=Scenario(boxes=1 + number % 2)) for number in range(20)
    ]
    split = make_split(episodes)
    assert split.stratified_by == "scenario"
    boxes = {info.episode_id: info.scenario.boxes for info in episodes}
    assert all({boxes[episode_id] for episode_id in getattr(split, part)} == {1, 2} for part in PARTS)


def test_an_instruction_too_rare_for_every_part_is_taught(make_info: Maker) -> None:
    episodes = [make_info(f"e{number:02d}", instruction="rare" if number < 2 else "usual") for number in range(12)]
    split = make_split(episodes)
    assert {"e00", "e01"} <= set(split.train)


def test_an_instruction_of_its_own_for_every_episode_does_not_starve_a_part(make_info: Maker) -> None:
    split = make_split([make_info(f"e{number:02d}", instruction=f"text {number}") for number in range(10)])
    assert [len(getattr(split, part)) for part in PARTS] == [6, 2, 2]
    assert split.stratified_by is None


@pytest.mark.parametrize("length", [18, 50, 100])
def test_one_recording_is_cut_in_time_order_with_gaps(make_info: Maker, length: int) -> None:
    episodes = recording(make_info, "tub", 1000 // length, length)
    split = make_split(episodes, seed=4)
    start = {info.episode_id: info.recording_start for info in episodes}
    blocks = [sorted(start[episode_id] for episode_id in getattr(split, part)) for part in PARTS]  # type: ignore[type-var]
    for block in blocks:
        assert block == list(range(block[0], block[-1] + length, length))  # type: ignore[arg-type, operator]
    for earlier, later in itertools.pairwise(blocks):
        assert later[0] - (earlier[-1] + length) >= GAP_FRAMES  # type: ignore[operator]
    assert "cut in time order" in split.strategy
    assert len(split.train) >= 2 * len(split.test)


def test_the_tub_keeps_most_of_its_episodes(make_info: Maker) -> None:
    split = make_split(recording(make_info, "tub", 20))
    assert [len(getattr(split, part)) for part in PARTS] == [11, 3, 4]
    assert len(split.gap) == 2


def test_two_recordings_are_both_cut(make_info: Maker) -> None:
    split = make_split([*recording(make_info, "a", 12), *recording(make_info, "b", 12)])
    for part in PARTS:
        assert {episode_id[0] for episode_id in getattr(split, part)} == {"a", "b"}
    assert len(split.gap) == 4


def test_several_recordings_are_dealt_out_as_a_whole(make_info: Maker) -> None:
    episodes = [info for name in "abcdef" for info in recording(make_info, name, 10)]
    split = make_split(episodes)
    recordings = [{episode_id[0] for episode_id in getattr(split, part)} for part in PARTS]
    assert sum(len(names) for names in recordings) == 6
    assert set.union(*recordings) == set("abcdef")
    assert split.gap == ()
    assert "as a whole" in split.strategy


def test_one_long_recording_among_single_episodes_leaves_no_part_empty(make_info: Maker) -> None:
    episodes = [*recording(make_info, "long", 50), *(make_info(f"single_{number}") for number in range(4))]
    split = make_split(episodes)
    assert all(getattr(split, part) for part in PARTS)
    assert len({split.part_of(info.episode_id) for info in episodes[:50]}) == 1


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(3, 60),
    shares=st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20)),
    seed=st.integers(0, 9),
)
def test_any_fractions_are_kept_within_one_episode_or_filled(
    make_info: Maker, count: int, shares: tuple[int, int, int], seed: int
) -> None:
    fractions = tuple(share / sum(shares) for share in shares)
    split = make_split([make_info(f"e{number:03d}") for number in range(count)], seed=seed, fractions=fractions)  # type: ignore[arg-type]
    sizes = [len(getattr(split, part)) for part in PARTS]
    assert sum(sizes) == count
    assert min(sizes) >= 1
    if min(count * fraction for fraction in fractions) >= 1:
        assert all(abs(size - count * fraction) < 1 + 1e-6 for size, fraction in zip(sizes, fractions, strict=True))


def test_what_cannot_be_split_says_why(make_info: Maker) -> None:
    with pytest.raises(DatasetError, match="2 of 3 episodes have at least 4 frames"):
        make_split([make_info("a"), make_info("b"), make_info("c", num_frames=2)])
    with pytest.raises(DatasetError, match=r"1 continuous recording\(s\), too short"):
        make_split(recording(make_info, "tub", 4))
    with pytest.raises(DatasetError, match="0 of 0"):
        make_split([])


def test_wrong_settings_are_refused(make_info: Maker) -> None:
    episodes = [make_info(f"e{number}") for number in range(5)]
    with pytest.raises(UserInputError, match="fractions"):
        make_split(episodes, fractions=(0.8, 0.2, 0.0))
    with pytest.raises(UserInputError, match="gap"):
        make_split(episodes, gap_frames=-1)
    with pytest.raises(UserInputError, match="given twice"):
        make_split([*episodes, episodes[0]])
