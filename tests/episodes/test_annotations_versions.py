"""Versions of a data set: the hash changes when, and only when, what training would see does."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.episodes.annotations import change, undo
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import DatasetRef, named_dataset, resolve_dataset
from mvla_core.episodes.notes import Change
from mvla_core.episodes.snapshots import content_digests, list_snapshots, snapshot_of_now, state_of_now, take_snapshot
from mvla_core.errors import MvlaError, Stopped
from mvla_core.files import read_json, sha256_file
from mvla_core.layout import DataRoot
from mvla_core.progress import Progress

FRAMES = 6


def record(root: DataRoot, make_episode: Any) -> DatasetRef:
    for number in range(3):
        path = root.dataset("lab") / f"e{number}.h5"
        make_episode(path, FRAMES, instruction=f"Go {number}.", seed=number)
    return named_dataset(root, "lab")


@pytest.fixture
def lab(root: DataRoot, make_episode: Any) -> DatasetRef:
    return record(root, make_episode)


def test_a_version_is_kept_and_found_again(root: DataRoot, lab: DatasetRef) -> None:
    assert snapshot_of_now(root, lab) is None
    change(root, lab, {"e0": Change(excluded_reason="dark"), "e1": Change(trim=(1, 3), note="why")}, "curate")
    first = take_snapshot(root, lab, "  before the\ntrade fair ")
    assert (first.number, first.title) == (1, "before the trade fair")
    assert (first.episodes, first.frames, first.excluded) == (2, FRAMES + 3, 1)
    assert snapshot_of_now(root, lab) == first
    undo(root, lab)
    assert snapshot_of_now(root, lab) is None
    second = take_snapshot(root, lab, "all")
    assert list_snapshots(root, lab) == [first, second]
    assert second.sha256 != first.sha256

    content = read_json(root.annotations("lab").with_suffix(".snapshots") / "1.content.json")
    assert content["annotations"]["episodes"]["e1"] == {"note": "why", "trim": [1, 3]}
    assert [(row["episode_id"], row["trim"]) for row in content["episodes"]] == [("e1", [1, 3]), ("e2", None)]
    assert content["episodes"][1]["sha256"] == sha256_file(root.dataset("lab") / "e2.h5")


def test_the_hash_is_that_of_the_content_wherever_it_lies(root: DataRoot, lab: DatasetRef, tmp_path: Path) -> None:
    before = state_of_now(root, lab).sha256
    os.utime(root.dataset("lab") / "e0.h5", ns=(0, 10**18))
    assert state_of_now(root, lab).sha256 == before
    shutil.copytree(root.dataset("lab"), tmp_path / "copy")
    assert state_of_now(root, resolve_dataset(root, str(tmp_path / "copy"))).sha256 == before
    shutil.copy(root.dataset("lab") / "e1.h5", root.dataset("lab") / "e0.h5")
    assert state_of_now(root, lab).sha256 != before
    (root.dataset("lab") / "e0.h5").unlink()
    assert state_of_now(root, lab).sha256 != before


def test_files_are_hashed_once(root: DataRoot, lab: DatasetRef, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counting(path: Path) -> str:
        read.append(path)
        return sha256_file(path)

    monkeypatch.setattr("mvla_core.episodes.snapshots.sha256_file", counting)
    first = state_of_now(root, lab)
    change(root, lab, {"e0": Change(excluded_reason="dark")}, "exclude")
    state_of_now(root, lab)
    undo(root, lab)
    assert state_of_now(root, lab).sha256 == first.sha256
    assert len(read) == 3
    (root.cache / "digests" / "lab.json").write_text('{"e0": 5, "e1": ["x", "y"]}')
    assert state_of_now(root, lab).sha256 == first.sha256
    assert len(read) == 6


def test_hashing_stops_when_asked_and_keeps_what_is_done(root: DataRoot, lab: DatasetRef) -> None:
    class StopAtOnce(Progress):
        stopped = False

        @property
        def stop_requested(self) -> bool:
            return self.stopped

    episodes = scan_curated(root, lab).episodes
    progress = StopAtOnce()
    progress.stopped = True
    with pytest.raises(Stopped):
        content_digests(root, lab, episodes, progress)
    assert len(read_json(root.cache / "digests" / "lab.json")) == 1
    assert len(content_digests(root, lab, episodes)) == 3


def test_a_damaged_version_is_told(root: DataRoot, lab: DatasetRef) -> None:
    take_snapshot(root, lab, "one")
    path = root.annotations("lab").with_suffix(".snapshots") / "1.json"
    path.write_text('{"number": 1}')
    with pytest.raises(MvlaError, match=str(path)):
        list_snapshots(root, lab)


NOTES = st.builds(
    Change,
    add_tags=st.sampled_from([(), ("night",)]),
    note=st.sampled_from(["", "careful"]),
    rating=st.none() | st.integers(1, 5),
    excluded_reason=st.sampled_from([None, None, "dark", "hand in the picture"]),
    trim=st.sampled_from([None, (0, FRAMES - 1), (1, 4), (0, 99)]),
    instruction=st.sampled_from([None, "", "Go 0.", "Go 1."]),
)
STATES = st.tuples(st.dictionaries(st.sampled_from(["e0", "e1", "e2"]), NOTES), st.sampled_from([None, "rgb", "bgr"]))


@given(one=STATES, other=STATES)
@settings(max_examples=40, deadline=None)
def test_the_hash_changes_if_and_only_if_training_would_see_a_difference(recorded: Path, one: Any, other: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = DataRoot(Path(folder))
        (root.path / "episodes").symlink_to(recorded / "episodes")
        (root.path / "cache").symlink_to(recorded / "cache")
        ref = named_dataset(root, "lab")
        seen = []
        for notes, order in (one, other):
            reset = Change(excluded_reason=None, trim=None, instruction=None)
            change(root, ref, dict.fromkeys(("e0", "e1", "e2"), reset), "reset")
            change(root, ref, notes, "curate", color_order=order)
            state = state_of_now(root, ref)
            effect = {
                info.episode_id: (info.trim, info.num_frames, info.instruction, info.color_order)
                for info in state.curated.episodes
            }
            seen.append((state.sha256, effect))
        assert (seen[0][0] == seen[1][0]) == (seen[0][1] == seen[1][1])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, make_episode: Any) -> Path:
    path = tmp_path_factory.mktemp("recorded")
    record(DataRoot(path), make_episode)
    (path / "cache").mkdir()
    return path
