"""JPEGs for the pages: right colours, right size, from many threads, and never of a file that changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mvla_core.episodes import pictures
from mvla_core.episodes.pictures import encode_jpeg, frame_jpeg
from mvla_core.episodes.reader import open_episode
from mvla_core.errors import EpisodeError, UserInputError
from mvla_core.layout import DataRoot
from mvla_core.schema import EpisodeInfo


@pytest.fixture(autouse=True)
def _own_store() -> Iterator[None]:
    pictures._store.cache_clear()
    yield
    pictures._store.cache_clear()


def decoded(jpeg: bytes) -> Any:
    """RGB, as integers that can be subtracted."""
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(int)


def info_of(path: Path) -> EpisodeInfo:
    with open_episode(path, "d") as reader:
        return reader.info


def coloured(num_frames: int, height: int = 32, width: int = 64) -> Any:
    """Frames of one colour each: a red that grows, a little green, a blue that shrinks."""
    frames = np.zeros((num_frames, height, width, 3), np.uint8)
    for index in range(num_frames):
        frames[index] = (10 + index * 10, 40, 250 - index * 10)
    return frames


def test_colours_and_size() -> None:
    frame = coloured(1)[0]
    same = decoded(encode_jpeg(frame))
    assert same.shape == (32, 64, 3)
    assert np.abs(same - frame).max() <= 3
    assert decoded(encode_jpeg(frame, width=16)).shape == (8, 16, 3)
    assert decoded(encode_jpeg(frame, width=640)).shape == (32, 64, 3)
    assert decoded(encode_jpeg(coloured(1, 1, 64)[0], width=2)).shape == (1, 2, 3)


@pytest.mark.parametrize(("width", "quality"), [(0, 85), (-5, 85), (100_000, 85), (10, 0), (10, 101)])
def test_absurd_wishes(width: int, quality: int) -> None:
    with pytest.raises(UserInputError, match="cannot be made"):
        encode_jpeg(coloured(1)[0], width, quality)


def test_bgr_recordings_are_shown_in_true_colours(root: DataRoot, tmp_path: Path, make_episode: Any) -> None:
    path = make_episode(tmp_path / "a.h5", images=coloured(3)[..., ::-1], attributes={"color_order": "bgr"})
    assert np.abs(decoded(frame_jpeg(root, info_of(path), 1)) - coloured(3)[1]).max() <= 3


def test_many_threads_over_more_files_than_are_kept_open(root: DataRoot, tmp_path: Path, make_episode: Any) -> None:
    infos = [info_of(make_episode(tmp_path / f"{n}.h5", 6, images=coloured(6))) for n in range(12)]
    wishes = [(info, index, width) for index in range(6) for info in infos for width in (None, 16)]

    def wrong(wish: tuple[EpisodeInfo, int, int | None]) -> bool:
        info, index, width = wish
        picture = decoded(frame_jpeg(root, info, index, width))
        return bool(np.abs(picture - coloured(6)[index, 0, 0]).max() > 3) or picture.shape[1] != (width or 64)

    with ThreadPoolExecutor(8) as threads:
        assert not any(threads.map(wrong, wishes * 2))


def test_a_file_that_changed_is_read_anew(root: DataRoot, tmp_path: Path, make_episode: Any) -> None:
    path = make_episode(tmp_path / "a.h5", images=coloured(3))
    info = info_of(path)
    before = frame_jpeg(root, info, 0)
    assert frame_jpeg(root, info, 0) is before

    # In place, as a recorder does that writes the same file again: the old reader must not be asked.
    path.write_bytes(make_episode(tmp_path / "b.h5", images=coloured(3)[::-1].copy()).read_bytes())
    assert np.abs(decoded(frame_jpeg(root, info, 0)) - coloured(3)[2]).max() <= 3
    make_episode(tmp_path / "b.h5", 1, images=coloured(1)).replace(path)
    with pytest.raises(UserInputError, match="Frame 2 of a does not exist"):
        frame_jpeg(root, info, 2)
    path.write_bytes(b"broken")
    with pytest.raises(EpisodeError, match="not an HDF5 file"):
        frame_jpeg(root, info, 0)
    path.unlink()
    with pytest.raises(EpisodeError, match="cannot be opened"):
        frame_jpeg(root, info, 0)


def test_kept_pictures_are_limited(
    root: DataRoot, tmp_path: Path, make_episode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = info_of(make_episode(tmp_path / "a.h5", 6, images=coloured(6)))
    monkeypatch.setattr(pictures, "_KEPT_BYTES", 3 * len(frame_jpeg(root, info, 0)))
    for index in range(6):
        frame_jpeg(root, info, index)
    store = pictures._store(root)
    assert [key[2] for key in store._jpegs] in ([3, 4, 5], [4, 5])
    assert store._bytes == sum(map(len, store._jpegs.values()))
