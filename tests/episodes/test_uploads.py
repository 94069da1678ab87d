"""What arrives through the browser: where it lies, what it may be, and that nothing is left of what broke off."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.episodes.importers import import_recordings
from mvla_core.episodes.uploads import (
    SPARE_BYTES,
    IncomingFile,
    NoRoom,
    UploadTooLarge,
    discard,
    kept_name,
    open_batch,
    sources,
    uploads_folder,
)
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import UserInputError
from mvla_core.files import IDENTIFIER
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace


def upload(root: DataRoot, batch: str, name: str, content: bytes) -> Path:
    with IncomingFile(root, batch, name, 1 << 20, len(content)) as incoming:
        for begin in range(0, len(content), 1000):
            incoming.write(content[begin : begin + 1000])
        return incoming.finish()


def files_of(root: DataRoot) -> list[str]:
    folder = uploads_folder(root)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def recording(folder: Path, level: int) -> bytes:
    path = folder / f"{level}.h5"
    frames = np.full((3, 8, 8, 3), level, np.uint8)
    write_episode(path, frames, np.zeros((3, 2), np.float32), action_space=ActionSpace.default(2))
    return path.read_bytes()


def test_what_arrives_lies_as_it_was_sent(root: DataRoot) -> None:
    batch = open_batch(root, 5000)
    content = os.urandom(4321)
    assert upload(root, batch, "drive.ZIP", content).read_bytes() == content
    assert files_of(root) == [f"{batch}/archives/drive.zip"]


def test_files_of_one_name_do_not_replace_each_other(root: DataRoot) -> None:
    batch = open_batch(root, 10)
    for number in range(3):
        upload(root, batch, "a b.tar.gz", bytes([number]))
    assert files_of(root) == [f"{batch}/archives/{name}.tar.gz" for name in ("a_b-2", "a_b-3", "a_b")]


def test_more_than_the_limit_is_refused_before_and_while_it_arrives(root: DataRoot) -> None:
    batch = open_batch(root, 0)
    with pytest.raises(UploadTooLarge, match="larger than"):
        IncomingFile(root, batch, "a.h5", 1000, 1001)
    with pytest.raises(UploadTooLarge), IncomingFile(root, batch, "a.h5", 1000) as incoming:
        for _ in range(11):
            incoming.write(b"x" * 100)
    assert files_of(root) == []


def test_what_breaks_off_leaves_nothing(root: DataRoot) -> None:
    batch = open_batch(root, 0)
    with pytest.raises(KeyboardInterrupt), IncomingFile(root, batch, "a.h5", 1000, 900) as incoming:
        incoming.write(b"x" * 500)
        assert len(files_of(root)) == 1
        raise KeyboardInterrupt
    with (
        pytest.raises(UserInputError, match="Upload it again"),
        IncomingFile(root, batch, "a.h5", 1000, 900) as incoming,
    ):
        incoming.write(b"x" * 500)
        incoming.finish()
    assert files_of(root) == []


def test_a_full_disk_is_told_before_and_while(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = open_batch(root, 0)
    free = SPARE_BYTES + 5_000
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, free))
    with pytest.raises(NoRoom, match="no room"):
        open_batch(root, 6_000)
    with pytest.raises(NoRoom):
        IncomingFile(root, batch, "a.h5", 1 << 30, 6_000)
    free = SPARE_BYTES - 1
    with pytest.raises(NoRoom), IncomingFile(root, batch, "a.h5", 1 << 30) as incoming:
        incoming.write(bytes(64 << 20))
    assert files_of(root) == []


@pytest.mark.parametrize("name", ["a.exe", "h5", "", "a.h5.txt", "../../etc/passwd"])
def test_other_files_are_refused(name: str) -> None:
    with pytest.raises(UserInputError, match="cannot be imported"):
        kept_name(name)


@given(st.text(max_size=200), st.sampled_from([".h5", ".HDF5", ".tar.gz", ".zip"]))
def test_every_name_becomes_one_path_part(stem: str, ending: str) -> None:
    name = kept_name(stem + ending)
    assert IDENTIFIER.fullmatch(name)
    assert ".." not in name
    assert name.endswith(ending.lower())


@pytest.mark.parametrize("batch", ["..", "../x", "", "nobody", ".hidden"])
def test_a_batch_is_named_by_an_identifier(root: DataRoot, batch: str) -> None:
    open_batch(root, 0)
    with pytest.raises(UserInputError):
        IncomingFile(root, batch, "a.h5", 1000)
    with pytest.raises(UserInputError):
        sources(root, batch)


def test_an_import_takes_the_recordings_and_leaves_nothing_behind(root: DataRoot, tmp_path: Path) -> None:
    batch = open_batch(root, 0)
    upload(root, batch, "one.h5", recording(tmp_path, 1))
    upload(root, batch, "이름 둘.h5", recording(tmp_path, 2))
    upload(root, batch, "broken.h5", b"no recording")
    archive = shutil.make_archive(str(tmp_path / "pack"), "zip", tmp_path, "1.h5")
    upload(root, batch, "pack.zip", Path(archive).read_bytes())
    found = sources(root, batch)
    assert [path.name for path in found] == ["pack.zip", "recordings"]
    assert import_recordings(found[1], root, "lab").episodes == 2
    summary = import_recordings(found[0], root, "lab")
    assert summary.episodes == 0
    assert "duplicate" in summary.skipped[0].reason
    assert list(uploads_folder(root).iterdir()) == []
    assert len(list(root.dataset("lab").glob("*.h5"))) == 2


def test_what_nobody_came_back_for_is_forgotten(root: DataRoot) -> None:
    old, cancelled = open_batch(root, 0), open_batch(root, 0)
    kept = upload(root, old, "a.h5", b"x")
    discard(root, cancelled)
    long_ago = time.time() - 25 * 3600
    for path in (kept, kept.parent, kept.parent.parent):
        os.utime(path, (long_ago, long_ago))
    fresh = open_batch(root, 0)
    assert [path.name for path in uploads_folder(root).iterdir()] == [fresh]
