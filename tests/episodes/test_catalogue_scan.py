"""The catalogue: broken files are findings, and what did not change is not looked at again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvla_core.episodes.catalogue import NEXT_STEPS, load_sequences, scan
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
    assert looked_at == ["b.h5", "bad.h5", "c.h5"]
    assert [(info.episode_id, info.num_frames) for info in second.episodes] == [("b", 5), ("bad", 1), ("c", 3)]
    assert second.findings == ()
    assert "a.h5" not in json.loads(cache_file(root).read_text())["files"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"version": 1}',
        '{"version": 1, "files": {"a.h5": {"episode": {}}}}',
        '{"version": 1, "files": []}',
    ],
)
def test_a_corrupt_cache_is_told_and_made_anew(
    root: DataRoot, ref: DatasetRef, make_episode: Any, content: str
) -> None:
    make_episode(ref.folder / "a.h5")
    first = scan(root, ref)
    cache_file(root).write_text(content)
    progress = Recording()
    assert scan(root, ref, progress) == first
    assert [values["level"] for event, values in progress.events if event == "note"] == ["warning"]
    assert json.loads(cache_file(root).read_text())["files"]["a.h5"]["episode"]["num_frames"] == 3


def test_the_cache_of_another_version_is_made_anew(
    root: DataRoot, ref: DatasetRef, make_episode: Any, looked_at: list[str]
) -> None:
    make_episode(ref.folder / "a.h5")
    scan(root, ref)
    cache_file(root).write_text(cache_file(root).read_text().replace('"version": 1', '"version": 0'))
    scan(root, ref)
    assert looked_at == ["a.h5", "a.h5"]


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
    for name in ("a", "b", "c"):
        make_episode(ref.folder / f"{name}.h5")
    with pytest.raises(Stopped):
        scan(root, ref, Recording(stop_after=2))
    assert looked_at == ["a.h5", "b.h5"]
    assert len(scan(root, ref).episodes) == 3
    assert looked_at == ["a.h5", "b.h5", "c.h5"]


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
