"""Frames that are slow to unpack are kept on the disk as JPEG; fast ones are not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mvla_core.episodes import pictures
from mvla_core.episodes.pictures import frame_jpeg
from mvla_core.episodes.reader import open_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import EpisodeInfo


@pytest.fixture
def info(root: DataRoot, make_episode: Any) -> EpisodeInfo:
    path = make_episode(root.dataset("walk") / "a.h5")
    with open_episode(path, "walk") as reader:
        return reader.info


@pytest.fixture
def everything_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_SLOW_S", 0.0)


def restart() -> None:
    """Forget what the process has in memory."""
    pictures._store.cache_clear()


def kept(root: DataRoot) -> list[Path]:
    return [path for path in (root.cache / "frames").rglob("*") if path.is_file()]


def test_a_fast_frame_is_not_kept(root: DataRoot, info: EpisodeInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_SLOW_S", 60.0)
    frame_jpeg(root, info, 0)
    assert kept(root) == []


@pytest.mark.usefixtures("everything_is_slow")
def test_a_slow_frame_comes_from_the_disk_after_a_restart(
    root: DataRoot, info: EpisodeInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = frame_jpeg(root, info, 1)
    assert len(kept(root)) == 1
    restart()
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "open_reader", None)  # To open the file would raise.
        assert frame_jpeg(root, info, 1) == first
    assert frame_jpeg(root, info, 0) != first
    assert frame_jpeg(root, info.trimmed(1, 2), 0) == first


@pytest.mark.usefixtures("everything_is_slow")
def test_a_changed_file_or_a_cut_picture_is_not_shown(root: DataRoot, info: EpisodeInfo, make_episode: Any) -> None:
    first = frame_jpeg(root, info, 0)
    kept(root)[0].write_bytes(first[:-40])
    restart()
    assert frame_jpeg(root, info, 0) == first
    os.replace(make_episode(info.path.with_name("b.h5"), seed=5), info.path)
    restart()
    assert frame_jpeg(root, info, 0) != first


@pytest.mark.usefixtures("everything_is_slow")
def test_pictures_are_shown_where_none_can_be_kept(
    root: DataRoot, info: EpisodeInfo, caplog: pytest.LogCaptureFixture
) -> None:
    root.cache.mkdir(parents=True, exist_ok=True)
    (root.cache / "frames").write_text("a file where a folder belongs")
    assert frame_jpeg(root, info, 0)[:2] == b"\xff\xd8"
    assert frame_jpeg(root, info, 1)[:2] == b"\xff\xd8"
    assert [record.message[:42] for record in caplog.records] == ["Pictures cannot be kept on the disk, which"]
