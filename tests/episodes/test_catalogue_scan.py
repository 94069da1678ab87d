"""The catalogue: broken files are findings, and what did not change is not looked at again."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvla_core.episodes.catalogue import NEXT_STEPS, FolderChange, load_sequences, scan, watch
from mvla_core.episodes.dataset import DatasetRef
from mvla_core.episodes.inspection import Inspector
from mvla_core.errors import EpisodeError, Stopped, UserInputError
from mvla_core.layout import DataRoot
from mvla_core.progress import Progress
from mvla_core.schema import FILE_FAULTS


class Recording(Progress):
    """Keeps what it is told, and asks to stop after `stop_after` files."""

    def __init__(self, stop_after: int = 1_000_000) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._stop_after = stop_after

    def emit(self, event: str, **values: Any) -> None:
        self.events.append((event, values))

    @property
    def stop_requested(self) -> bool:
        return sum(event == "progress" for event, _ in self.events) >= self._stop_after


@pytest.fixture
def ref(root: DataRoot) -> DatasetRef:
    folder = root.dataset("walk")
    folder.mkdir(parents=True)
    return DatasetRef("walk", folder)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are opened, as they are."""
    names: list[str] = []
    inspect = Inspector.inspect

    def noting(self: Inspector, path: Path, dataset: str) -> Any:
        names.append(path.name)
        return inspect(self, path, dataset)

    monkeypatch.setattr(Inspector, "inspect", noting)
    return names


def cache_file(root: DataRoot) -> Path:
    (path,) = (root.cache / "catalogue").iterdir()
    return path


def cached_values(root: DataRoot) -> dict[str, Any]:
    with contextlib.closing(sqlite3.connect(cache_file(root))) as connection:
        rows = connection.execute("SELECT name, value FROM entry").fetchall()
    return {name.decode(): json.loads(value) for name, value in rows}


def change_cache(root: DataRoot, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(cache_file(root))) as connection, connection:
        connection.execute(statement)


def test_every_fault_has_a_next_step() -> None:
    assert NEXT_STEPS.keys() == FILE_FAULTS.keys()


def test_episodes_and_findings(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    make_episode(ref.folder / "b.h5", 4)
    make_episode(ref.folder / "a.HDF5", 2)
    make_episode(ref.folder / "broken.h5", actions=np.full((3, 2), np.nan))
    (ref.folder / "pointer.h5").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (ref.folder / "._b.h5").write_bytes(b"junk that macOS leaves")
    (ref.folder / "notes.txt").write_text("not a recording")
    (ref.folder / "folder.h5").mkdir()

    catalogue = scan(root, ref)

    assert [(info.episode_id, info.num_frames, info.dataset) for info in catalogue.episodes] == [
        ("a", 2, "walk"),
        ("b", 4, "walk"),
    ]
    found = {finding.where: (finding.level, finding.code) for finding in catalogue.findings}
    assert found == {
        "broken.h5": ("error", "not_finite"),
        "folder.h5": ("error", "unreadable"),
        "pointer.h5": ("error", "pointer_file"),
    }
    assert all(finding.message and finding.next for finding in catalogue.findings)


def test_no_folder_is_an_empty_catalogue(root: DataRoot) -> None:
    catalogue = scan(root, DatasetRef("gone", root.dataset("gone")))
    assert (catalogue.episodes, catalogue.findings) == ((), ())


def test_only_what_changed_is_looked_at_again(
    root: DataRoot, ref: DatasetRef, make_episode: Any, looked_at: list[str]
) -> None:
    for name in ("a", "b", "c"):
        make_episode(ref.folder / f"{name}.h5")
    (ref.folder / "bad.h5").write_bytes(b"not a recording")
    first = scan(root, ref)
    assert looked_at == ["a.h5", "b.h5", "bad.h5", "c.h5"]
    looked_at.clear()
    assert scan(root, ref) == first
    assert looked_at == []

    make_episode(ref.folder / "b.h5", 5)
    os.utime(ref.folder / "c.h5", ns=(0, 1))
    (ref.folder / "a.h5").unlink()
    make_episode(ref.folder / "bad.h5", 1)
    second = scan(root, ref)
    assert sorted(looked_at) == ["b.h5", "bad.h5", "c.h5"], "in any order: two are looked at at once"
    assert [(info.episode_id, info.num_frames) for info in second.episodes] == [("b", 5), ("bad", 1), ("c", 3)]
    assert second.findings == ()
    assert cached_values(root).keys() == {"b.h5", "bad.h5", "c.h5"}


@pytest.mark.parametrize("content", [b"{" * 600, b"SQLite format 3\0", b"SQLite format 3\0" + bytes(range(256)) * 40])
def test_a_corrupt_cache_is_told_and_made_anew(
    root: DataRoot, ref: DatasetRef, make_episode: Any, content: bytes
) -> None:
    make_episode(ref.folder / "a.h5")
    first = scan(root, ref)
    cache_file(root).write_bytes(content)
    progress = Recording()
    assert scan(root, ref, progress) == first
    assert [values["level"] for event, values in progress.events if event == "note"] == ["warning"]
    assert cached_values(root)["a.h5"]["episode"]["num_frames"] == 3


@pytest.mark.parametrize(
    "value", ["", "{", "[]", "null", '{"episode": {}}', '{"episode": null, "fault": "tired", "message": ""}']
)
def test_a_corrupt_entry_is_told_and_made_anew(
    root: DataRoot, ref: DatasetRef, make_episode: Any, looked_at: list[str], value: str
) -> None:
    make_episode(ref.folder / "a.h5")
    make_episode(ref.folder / "b.h5")
    first = scan(root, ref)
    looked_at.clear()
    change_cache(root, f"UPDATE entry SET value = '{value}' WHERE name = CAST('a.h5' AS BLOB)")
    progress = Recording()
    assert scan(root, ref, progress) == first
    assert [values["level"] for event, values in progress.events if event == "note"] == ["warning"]
    assert looked_at == ["a.h5"]
    assert cached_values(root)["a.h5"]["episode"]["num_frames"] == 3


def test_the_cache_of_another_version_is_made_anew(
    root: DataRoot, ref: DatasetRef, make_episode: Any, looked_at: list[str]
) -> None:
    make_episode(ref.folder / "a.h5")
    scan(root, ref)
    change_cache(root, "PRAGMA user_version=1")
    scan(root, ref)
    assert looked_at == ["a.h5", "a.h5"]


def test_one_changed_file_is_written_alone(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    for name in ("a", "b", "c"):
        make_episode(ref.folder / f"{name}.h5")
    scan(root, ref)
    change_cache(root, "CREATE TABLE written (name BLOB)")
    change_cache(root, "CREATE TRIGGER note AFTER INSERT ON entry BEGIN INSERT INTO written VALUES (new.name); END")
    make_episode(ref.folder / "b.h5", 5)
    (ref.folder / "c.h5").unlink()
    scan(root, ref)
    scan(root, ref)
    assert cached_values(root).keys() == {"a.h5", "b.h5"}
    with contextlib.closing(sqlite3.connect(cache_file(root))) as connection:
        assert connection.execute("SELECT name FROM written").fetchall() == [(b"b.h5",)]


def test_what_cannot_be_opened_now_is_tried_again(
    root: DataRoot, ref: DatasetRef, make_episode: Any, tmp_path: Path
) -> None:
    (ref.folder / "a.h5").symlink_to(tmp_path / "later.h5")
    assert [finding.code for finding in scan(root, ref).findings] == ["unreadable"]
    make_episode(tmp_path / "later.h5")
    assert len(scan(root, ref).episodes) == 1


def test_a_stopped_scan_keeps_what_it_found(
    root: DataRoot, ref: DatasetRef, make_episode: Any, looked_at: list[str]
) -> None:
    names = [f"{number:02d}.h5" for number in range(12)]
    for name in names:
        make_episode(ref.folder / name)
    with pytest.raises(Stopped):
        scan(root, ref, Recording(stop_after=5))
    assert len(looked_at) < len(names), "the rest is not looked at before it stops"
    looked_at.clear()
    assert len(scan(root, ref).episodes) == len(names)
    assert sorted(looked_at) == names[5:]


def test_two_files_of_one_name(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    make_episode(ref.folder / "a.h5")
    make_episode(ref.folder / "a.hdf5", 5)
    catalogue = scan(root, ref)
    assert [info.num_frames for info in catalogue.episodes] == [3]
    assert catalogue.findings[0].message == "a.hdf5 has the same episode name as a.h5; rename one of them."


def test_a_name_that_is_not_text(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    make_episode(Path(os.fsdecode(os.fsencode(ref.folder) + b"/\xff\xfe.h5")))
    make_episode(ref.folder / "왼쪽 1.h5")
    catalogue = scan(root, ref)
    assert [info.episode_id for info in catalogue.episodes] == ["왼쪽 1"]
    assert [finding.where for finding in catalogue.findings] == ["??.h5"]


def test_a_watch_sees_what_is_new_changed_or_gone(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    assert not watch(root, ref)
    for name in ("a", "b", "c"):
        make_episode(ref.folder / f"{name}.h5")
    (ref.folder / "broken.h5").write_bytes(b"not a recording")
    (ref.folder / "dangling.h5").symlink_to("nowhere")
    before = watch(root, ref)
    assert before.new == ("a.h5", "b.h5", "broken.h5", "c.h5", "dangling.h5")
    assert (before.changed, before.gone, before.to_look_at) == ((), (), 5)
    scan(root, ref)
    assert not watch(root, ref)

    make_episode(ref.folder / "b.h5", 5)
    (ref.folder / "a.h5").unlink()
    make_episode(ref.folder / "new.h5")
    assert watch(root, ref) == FolderChange(new=("new.h5",), changed=("b.h5",), gone=("a.h5",))
    scan(root, ref)
    assert not watch(root, ref)


def test_a_watch_is_not_troubled_by_a_name_that_is_not_text(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    make_episode(Path(os.fsdecode(os.fsencode(ref.folder) + b"/\xff\xfe.h5")))
    assert watch(root, ref).to_look_at == 1
    scan(root, ref)
    assert not watch(root, ref)


def test_a_cache_that_cannot_be_kept_is_told(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    make_episode(ref.folder / "a.h5")
    root.cache.mkdir(parents=True)
    (root.cache / "catalogue").write_text("a file where a folder belongs")
    progress = Recording()
    assert len(scan(root, ref, progress).episodes) == 1
    notes = [values["message"] for event, values in progress.events if event == "note"]
    assert len(notes) == 1
    assert notes[0].startswith("The catalogue of walk cannot be kept in")


def test_by_id(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    make_episode(ref.folder / "morning.h5")
    (ref.folder / "stub.h5").touch()
    catalogue = scan(root, ref)
    assert catalogue.by_id("morning").num_frames == 3
    with pytest.raises(UserInputError, match="which has 1 episodes. Did you mean 'morning'?"):
        catalogue.by_id("mornin")
    with pytest.raises(UserInputError, match="was set aside: stub.h5 is damaged"):
        catalogue.by_id("stub")


def test_sequences_are_in_the_order_asked_for(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    make_episode(ref.folder / "a.h5", actions=np.full((3, 2), 0.25), instruction="Turn left.")
    make_episode(ref.folder / "b.h5", 4)
    episodes = scan(root, ref).episodes
    sequences = load_sequences(episodes[::-1])
    assert [sequence.episode_id for sequence in sequences] == ["b", "a"]
    assert sequences[1].instruction == "Turn left."
    np.testing.assert_array_equal(sequences[1].actions, np.full((3, 2), 0.25, np.float32))
    (ref.folder / "a.h5").unlink()
    with pytest.raises(EpisodeError, match="a.h5 cannot be opened"):
        load_sequences(episodes)


def test_kept_sequences_open_no_file(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    """What the cache keeps is what the file holds, trimmed as the episode is; a changed file is read anew."""
    actions = np.arange(36, dtype=np.float64).reshape(12, 3) / 7
    make_episode(ref.folder / "a.h5", 12, actions=actions)
    make_episode(ref.folder / "b.h5", 4)
    a, b = scan(root, ref).episodes
    for episodes in ([a, b], [b, a.trimmed(3, 7)]):
        read, kept = load_sequences(episodes), load_sequences(episodes, root)
        assert [sequence.episode_id for sequence in kept] == [info.episode_id for info in episodes]
        for one, other in zip(read, kept, strict=True):
            assert other.actions.dtype == np.float32
            np.testing.assert_array_equal(one.actions, other.actions)

    change_cache(root, "UPDATE entry SET data = CAST(X'0000803f' AS BLOB) WHERE name = CAST('b.h5' AS BLOB)")
    np.testing.assert_array_equal(load_sequences([b], root)[0].actions, np.full((4, 2), 0.5))
    stored = np.full((12, 3), 2.0)
    make_episode(ref.folder / "a.h5", 12, actions=stored)
    np.testing.assert_array_equal(load_sequences([a], root)[0].actions, stored)
    (ref.folder / "a.h5").unlink()
    with pytest.raises(EpisodeError, match="a.h5 cannot be opened"):
        load_sequences([a], root)


def test_every_episode_has_a_summary(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    actions = [[0, 0], [1.15, 0], [1.15, 0], [1.15, -1.15], [0.01, -0.02]]
    make_episode(ref.folder / "a.h5", 5, actions=np.array(actions))
    for catalogue in (scan(root, ref), scan(root, ref)):
        summary = catalogue.summaries["a"]
        assert summary.dominant == (1, 0)
        assert summary.dominant_share == pytest.approx(2 / 3)
        assert summary.idle_share == pytest.approx(0.4)
        assert summary.unique_actions == 4
        assert summary.mean == pytest.approx((0.692, -0.234))
        assert summary.largest == pytest.approx((1.15, 1.15))
