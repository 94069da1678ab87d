"""The job that measures pictures: once for each state of a file, and going on where it was stopped."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import numpy.typing as npt
import pytest

from mvla_core.episodes import measured_pictures
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import DatasetRef
from mvla_core.episodes.measured_pictures import facts_state, load_all_facts, load_facts, measure_pictures
from mvla_core.episodes.pixel_facts import pixel_facts
from mvla_core.episodes.reader import open_known
from mvla_core.episodes.thumbnails import STRIP_FRAMES, make_strip, strip_indices, thumbnail_strip
from mvla_core.errors import Stopped
from mvla_core.layout import DataRoot
from mvla_core.progress import Progress
from mvla_core.schema import EpisodeInfo


class StopAfter(Progress):
    """Asks to stop when so many episodes were measured."""

    def __init__(self, count: int) -> None:
        self._left, self._stage = count, 0

    def emit(self, event: str, **values: Any) -> None:
        self._stage += event == "stage"
        self._left -= event == "progress" and self._stage == 2

    @property
    def stop_requested(self) -> bool:
        return self._left <= 0


@pytest.fixture
def ref(root: DataRoot) -> DatasetRef:
    folder = root.dataset("walk")
    folder.mkdir(parents=True)
    return DatasetRef("walk", folder)


def picture(jpeg: bytes | None) -> npt.NDArray[np.uint8]:
    assert jpeg is not None
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def plain_frames(count: int, colour: tuple[int, int, int] = (200, 100, 30)) -> npt.NDArray[np.uint8]:
    """Frames of one colour that gets darker."""
    shades = np.linspace(1.0, 0.3, count)[:, None, None, None] * np.array(colour)
    return np.broadcast_to(shades, (count, 48, 64, 3)).round().astype(np.uint8)


def episodes_of(root: DataRoot, ref: DatasetRef) -> tuple[EpisodeInfo, ...]:
    return scan(root, ref).episodes


def test_each_state_of_a_file_is_measured_once(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    for name in ("a", "b"):
        make_episode(ref.folder / f"{name}.h5", 4)
    assert load_facts(root, episodes_of(root, ref)[0]) is None
    assert facts_state(root, ref) == 0
    first = measure_pictures(root, "walk")
    assert facts_state(root, ref) > 0
    assert (first["episodes"], first["measured"], first["frames"], first["failed"]) == (2, 2, 8, [])
    assert measure_pictures(root, "walk")["measured"] == 0

    make_episode(ref.folder / "b.h5", 5, seed=1)
    b = episodes_of(root, ref)[1]
    assert (load_facts(root, b), thumbnail_strip(root, b)) == (None, None)
    assert measure_pictures(root, "walk")["frames"] == 5
    with open_known(b) as reader:
        expected = pixel_facts(reader.frames())
    facts = load_facts(root, b)
    assert facts is not None
    np.testing.assert_array_equal(facts.sharpness, expected.sharpness)
    (ref.folder / "a.h5").unlink()
    measure_pictures(root, "walk")
    assert load_all_facts(root, episodes_of(root, ref)).keys() == {"b"}


def test_facts_and_strip_follow_trim_and_colour_order(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    make_episode(ref.folder / "a.h5", 9, images=plain_frames(9))
    measure_pictures(root, "walk")
    (info,) = episodes_of(root, ref)
    trimmed = info.trimmed(2, 5)
    whole, part = load_facts(root, info), load_facts(root, trimmed)
    assert whole is not None
    assert part is not None
    np.testing.assert_array_equal(part.brightness, whole.brightness[2:6])
    strip = picture(thumbnail_strip(root, info))
    assert strip.shape == (45, 360, 3)
    np.testing.assert_array_equal(picture(thumbnail_strip(root, trimmed)), strip)  # Until one is made for the trim.
    made = picture(make_strip(root, trimmed))
    np.testing.assert_array_equal(picture(thumbnail_strip(root, trimmed)), made)
    assert made[:, :60].mean() < strip[:, :60].mean()

    bgr = replace(info, color_order="bgr")
    exchanged = load_facts(root, bgr)
    assert exchanged is not None
    np.testing.assert_array_equal(exchanged.cold, whole.warm)
    assert whole.warm.min() == 1
    turned = picture(thumbnail_strip(root, bgr)).astype(int)
    assert np.abs(turned - strip[..., ::-1]).mean() < 3
    assert np.abs(picture(make_strip(root, bgr)).astype(int) - turned).mean() < 3


def test_a_damaged_frame_is_a_grey_tile_and_no_fact(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    path = make_episode(
        ref.folder / "a.h5", STRIP_FRAMES, images=plain_frames(STRIP_FRAMES), chunks=(1, 48, 64, 3), compression="gzip"
    )
    with h5py.File(path) as file:
        place = file["images"].id.get_chunk_info_by_coord((2, 0, 0, 0))
    with open(path, "r+b") as raw:
        raw.seek(place.byte_offset)
        raw.write(b"\xff" * place.size)
    (info,) = episodes_of(root, ref)
    assert measure_pictures(root, "walk")["frames"] == STRIP_FRAMES
    facts = load_facts(root, info)
    assert facts is not None
    assert np.flatnonzero(facts.unreadable).tolist() == [2]
    assert np.isnan(facts.difference).tolist() == [True, False, True, True, False, False]
    tiles = picture(thumbnail_strip(root, info)).reshape(45, 6, 60, 3).astype(int)
    assert np.abs(tiles[:, 2, 5:-5] - 128).max() < 6
    assert tiles[:, 1, 5:-5, 0].mean() > 1.5 * tiles[:, 1, 5:-5, 1].mean()


def test_a_stopped_measurement_goes_on(
    root: DataRoot, ref: DatasetRef, make_episode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        make_episode(ref.folder / f"{number}.h5", seed=number)
    monkeypatch.setattr(measured_pictures, "WORKERS", 1)
    with pytest.raises(Stopped):
        measure_pictures(root, "walk", StopAfter(2))
    known = load_all_facts(root, episodes_of(root, ref))
    assert 2 <= len(known) < 6
    assert measure_pictures(root, "walk")["measured"] == 6 - len(known)
    assert len(load_all_facts(root, episodes_of(root, ref))) == 6


def test_a_file_that_broke_meanwhile_is_named(
    root: DataRoot, ref: DatasetRef, make_episode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_episode(ref.folder / "a.h5")
    make_episode(ref.folder / "b.h5")
    catalogue = scan(root, ref)
    (ref.folder / "a.h5").write_bytes(b"gone bad")
    monkeypatch.setattr(measured_pictures, "scan", lambda *_: catalogue)
    summary = measure_pictures(root, "walk")
    assert (summary["failed"], summary["measured"]) == (["a"], 1)


def test_strips_of_short_episodes_repeat_frames(root: DataRoot, ref: DatasetRef, make_episode: Any) -> None:
    assert strip_indices(1) == [0] * STRIP_FRAMES
    assert strip_indices(18) == [0, 3, 7, 10, 14, 17]
    make_episode(ref.folder / "a.h5", 2)
    (info,) = episodes_of(root, ref)
    assert thumbnail_strip(root, info) is None
    assert picture(make_strip(root, info)).shape == (45, 360, 3)
    os.utime(ref.folder / "a.h5", ns=(0, 1))
    assert thumbnail_strip(root, episodes_of(root, ref)[0]) is None


def test_a_folder_elsewhere_is_measured_too(root: DataRoot, tmp_path: Path, make_episode: Any) -> None:
    make_episode(tmp_path / "else where" / "a.h5")
    assert measure_pictures(root, str(tmp_path / "else where"))["dataset"] == "else_where"
    (info,) = episodes_of(root, DatasetRef("else_where", tmp_path / "else where"))
    assert load_facts(root, info) is not None
