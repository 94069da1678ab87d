"""What notes do: excluded episodes take no part, a trim is a slice of everything, and nobody downstream knows of either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.audit.audit import audit_dataset
from mvla_core.datasets.split import PARTS, make_split
from mvla_core.episodes.annotations import change, undo
from mvla_core.episodes.catalogue import Catalogue, load_sequences, scan
from mvla_core.episodes.curation import curated, propose_trim, propose_trims, scan_curated
from mvla_core.episodes.dataset import DatasetRef, named_dataset
from mvla_core.episodes.notes import Annotations, Change, DatasetSettings, EpisodeNote
from mvla_core.episodes.pictures import frame_jpeg
from mvla_core.episodes.reader import open_episode, open_known
from mvla_core.errors import EpisodeError, UserInputError
from mvla_core.layout import DataRoot
from mvla_core.schema import EpisodeInfo

FRAMES = 11
EVENTS = [f"event_{index}" for index in range(FRAMES)]


@pytest.fixture
def lab(root: DataRoot, make_episode: Any) -> DatasetRef:
    """Five episodes whose actions tell the frame; the last three are cut from one recording."""
    for number in range(5):
        path = root.dataset("lab") / f"e{number}.h5"
        actions = np.stack([np.arange(FRAMES), np.full(FRAMES, number)], 1).astype(np.float32)
        cut = {"recording_id": "tub", "recording_start": number * FRAMES} if number > 1 else {}
        make_episode(path, FRAMES, actions=actions, attributes=cut, instruction=f"Go {number}.", seed=number)
    return named_dataset(root, "lab")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, make_episode: Any, frames_of: Callable[..., Any]) -> list[Path]:
    """The same episode in layouts that are read in different ways; with events."""
    paths = []
    layouts: list[dict[str, Any]] = [{}, {"chunks": (4, 8, 10, 3), "compression": "gzip"}, {"chunks": (1, 8, 10, 3)}]
    for number, layout in enumerate(layouts):
        path = tmp_path_factory.mktemp("stored") / f"layout_{number}.h5"
        actions = np.random.default_rng(1).normal(size=(FRAMES, 3)).astype(np.float32)
        make_episode(path, images=frames_of(FRAMES, seed=7), actions=actions, **layout)
        with h5py.File(path, "a") as file:
            file["action_event_types"] = EVENTS
        paths.append(path)
    return paths


ENDS = st.tuples(st.integers(0, FRAMES - 1), st.integers(0, FRAMES - 1)).map(sorted).map(tuple)


@given(trim=ENDS, layout=st.integers(0, 2), order=st.sampled_from(["rgb", "bgr"]), data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_trim_is_a_slice(stored: list[Path], trim: Any, layout: int, order: Any, data: st.DataObject) -> None:
    with open_episode(stored[layout], "d") as whole:
        info = replace(whole.info.trimmed(*trim), color_order=order)
        kept = slice(trim[0], trim[1] + 1)
        frames = whole.frames()[kept, ..., :: -1 if order == "bgr" else 1]
        actions = whole.actions()[kept]
    assert info.num_frames == len(actions)
    with open_known(info) as part:
        assert part.info == info
        assert np.array_equal(part.actions(), actions)
        assert np.array_equal(part.frames(), frames)
        assert part.event_types() == EVENTS[kept]
        index = data.draw(st.integers(0, info.num_frames - 1))
        assert np.array_equal(part.frame(index), frames[index])
        for outside in (-1, info.num_frames):
            with pytest.raises(UserInputError, match="does not exist"):
                part.frame(outside)
    assert np.array_equal(load_sequences([info])[0].actions, actions)


def test_a_trim_survives_json_and_counts_in_the_recording(root: DataRoot, lab: DatasetRef) -> None:
    info = scan(root, lab).by_id("e3")
    cut = info.trimmed(2, 6)
    assert (cut.num_frames, cut.trim, cut.recording_start, cut.kept) == (5, (2, 6), 35, slice(2, 7))
    assert EpisodeInfo.from_json(cut.to_json()) == cut
    assert info.trimmed(0, FRAMES - 1) == info
    for first, last in ((-1, 3), (4, 3), (0, FRAMES)):
        with pytest.raises(UserInputError, match="within 0 to 10"):
            info.trimmed(first, last)


def test_a_cached_catalogue_and_kept_actions_know_nothing_of_trims(root: DataRoot, lab: DatasetRef) -> None:
    before = scan(root, lab)
    change(root, lab, {"e0": Change(trim=(3, 5))}, "trim")
    data = scan_curated(root, lab)
    assert data.by_id("e0").num_frames == 3
    assert [list(s.actions[:, 0]) for s in load_sequences(data.episodes[:1], root)] == [[3, 4, 5]]
    assert scan(root, lab).episodes == before.episodes
    undo(root, lab)
    assert [len(s.actions) for s in load_sequences(scan_curated(root, lab).episodes, root)] == [FRAMES] * 5


def test_episodes_come_as_they_were_curated(root: DataRoot, lab: DatasetRef) -> None:
    changes = {
        "e0": Change(excluded_reason="hand in the picture"),
        "e1": Change(instruction="Stop.", add_tags=("night",), rating=2),
        "e2": Change(instruction=""),
        "e3": Change(instruction="Go 3."),
        "gone": Change(rating=1),
    }
    change(root, lab, changes, "curate", color_order="bgr")
    data = scan_curated(root, lab)
    seen = [(info.instruction, info.instruction_source, info.color_order, info.tags) for info in data.episodes]
    assert seen == [
        ("Stop.", "curation", "bgr", ("night",)),
        ("", "none", "bgr", ()),
        ("Go 3.", "file", "bgr", ()),
        ("Go 4.", "file", "bgr", ()),
    ]
    assert [(each.info.episode_id, each.reason) for each in data.excluded] == [("e0", "hand in the picture")]
    with pytest.raises(UserInputError, match="'e0' is excluded \\(hand in the picture\\)"):
        data.by_id("e0")
    with pytest.raises(UserInputError, match="'gone' is not in the data set"):
        data.by_id("gone")
    assert [(found.level, found.code) for found in data.findings] == [("info", "excluded_episodes")]
    assert scan_curated(root, lab, annotations=Annotations()).episodes == scan(root, lab).episodes


def test_the_audit_leaves_excluded_episodes_out_and_says_so(root: DataRoot, lab: DatasetRef) -> None:
    change(root, lab, {"e0": Change(excluded_reason="dark"), "e1": Change(trim=(0, 4))}, "curate")
    result = audit_dataset(root, "lab")
    found = result.to_json()
    assert (found["episodes"], found["frames"]) == (4, 3 * FRAMES + 5)
    assert "excluded_episodes" in {finding.code for finding in result.findings}
    assert audit_dataset(root, "lab", annotations=Annotations()).to_json()["frames"] == 5 * FRAMES


def test_a_recording_that_lost_frames_since_it_was_trimmed_is_left_out(
    root: DataRoot, lab: DatasetRef, make_episode: Any
) -> None:
    change(root, lab, {"e0": Change(trim=(2, 9))}, "trim")
    seen = scan_curated(root, lab).by_id("e0")
    make_episode(seen.path, 4)
    data = scan_curated(root, lab)
    assert [each.info.episode_id for each in data.excluded] == ["e0"]
    assert data.findings[0].code == "trim_misfit"
    assert "within 0 to 3" in data.findings[0].message
    with pytest.raises(EpisodeError, match="shorter than when it was trimmed"), open_known(seen):
        pass


def test_pictures_follow_the_trim_and_the_colour_order(root: DataRoot, lab: DatasetRef) -> None:
    info = scan(root, lab).by_id("e0")
    whole, last = frame_jpeg(root, info, 4), frame_jpeg(root, info, FRAMES - 1)
    cut = info.trimmed(4, 6)
    assert frame_jpeg(root, cut, 0) == whole
    with pytest.raises(UserInputError, match="Frame 3 of e0 does not exist"):
        frame_jpeg(root, cut, 3)
    assert frame_jpeg(root, replace(cut, color_order="bgr"), 0) != whole
    assert frame_jpeg(root, info, FRAMES - 1) == last


@given(
    notes=st.dictionaries(
        st.integers(0, 29).map("e{:02}".format),
        st.builds(EpisodeNote, excluded_reason=st.none() | st.just("dark"), trim=st.none() | ENDS),
    ),
    recordings=st.integers(1, 12),
    seed=st.integers(0, 99),
)
@settings(max_examples=80, deadline=None)
def test_an_excluded_episode_is_in_no_part_of_a_split(notes: Any, recordings: int, seed: int, any_info: Any) -> None:
    catalogue = Catalogue(
        "lab",
        Path("lab"),
        tuple(
            any_info(f"e{n:02}", recording_id=f"r{n % recordings}", recording_start=n * FRAMES)
            if n % 3
            else any_info(f"e{n:02}")
            for n in range(30)
        ),
        (),
    )
    data = curated(catalogue, Annotations(notes))
    excluded = {each.info.episode_id for each in data.excluded}
    assert excluded == {name for name, note in notes.items() if note.excluded_reason}
    assert {info.episode_id for info in data.episodes} == {info.episode_id for info in catalogue.episodes} - excluded
    if sum(info.num_frames >= 4 for info in data.episodes) < 12:
        return
    split = make_split(data.episodes, seed=seed, min_frames=4)
    dealt = [name for part in (*PARTS, "gap", "excluded") for name in getattr(split, part)]
    assert not excluded & set(dealt)
    assert sorted(dealt) == [info.episode_id for info in data.episodes]
    assert set(split.excluded) == {info.episode_id for info in data.episodes if info.num_frames < 4}


@pytest.fixture(scope="module")
def any_info() -> Callable[..., EpisodeInfo]:
    from mvla_core.schema import ActionSpace, Scenario

    def make(episode_id: str, **fields: Any) -> EpisodeInfo:
        values: dict[str, Any] = {"recording_id": None, "recording_start": None, **fields}
        return EpisodeInfo(
            dataset="lab",
            episode_id=episode_id,
            path=Path(f"{episode_id}.h5"),
            num_frames=FRAMES,
            height=8,
            width=8,
            action_space=ActionSpace.default(2),
            instruction="",
            instruction_source="none",
            scenario=Scenario(),
            recorded_at=None,
            frame_rate_hz=None,
            color_order="rgb",
            simulated=False,
            file_size=1,
            file_mtime_ns=0,
            **values,
        )

    return make


def test_idle_ends_are_proposed_with_a_frame_to_spare() -> None:
    moves = np.array([0, 0, 0, 1, 0, -1, 0.2, 0, 0, 0], np.float32)
    noise = np.resize(np.array([0.01, -0.01], np.float32), len(moves))
    assert propose_trim(np.stack([moves, noise], 1)) == (2, 7)
    assert propose_trim(np.stack([noise, moves], 1)[2:8]) is None
    assert propose_trim(np.zeros((5, 2), np.float32)) is None
    assert propose_trim(np.zeros((0, 2), np.float32)) is None
    assert propose_trim(np.array([[0, 0]] * 3 + [[1, 0]], np.float32)) == (2, 3)


@given(st.lists(st.sampled_from([0.0, 0.5, -1.15]), min_size=1, max_size=20))
def test_a_proposal_never_cuts_a_movement_and_does_not_come_twice(speeds: list[float]) -> None:
    actions = np.array([[speed, 0.0] for speed in speeds], np.float32)
    trim = propose_trim(actions)
    if trim is not None:
        first, last = trim
        assert not actions[:first].any()
        assert not actions[last + 1 :].any()
        assert propose_trim(actions[first : last + 1]) is None


def test_proposals_for_a_whole_data_set(root: DataRoot, make_episode: Any) -> None:
    idle = np.zeros((8, 2), np.float32)
    idle[3:5] = 1
    for name in "abc":
        make_episode(
            root.dataset("lab") / f"{name}.h5", 8, actions=idle if name != "b" else np.ones((8, 2), np.float32)
        )
    ref = named_dataset(root, "lab")
    said = Annotations({"c": EpisodeNote(trim=(1, 6))}, DatasetSettings())
    assert propose_trims(root, curated(scan(root, ref), said).episodes) == {"a": (2, 5)}
