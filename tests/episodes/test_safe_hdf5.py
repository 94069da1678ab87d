"""Files made to read other files, to load code, or to fill the memory are refused before any of their data is read."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mvla_core.episodes.inspection import MAX_WORKERS, Inspector
from mvla_core.episodes.reader import open_episode
from mvla_core.errors import EpisodeError

SECRET = b"the content of another file"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Another file, as raw bytes; beside it `secret.h5` holds the same as data."""
    path = tmp_path / "elsewhere" / "secret.txt"
    path.parent.mkdir()
    path.write_bytes(SECRET * 100)
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file["images"] = np.frombuffer((SECRET * 100)[:192], np.uint8).reshape(4, 4, 4, 3)
        file["actions"] = np.zeros((4, 2), np.float32)
    return path


def plain(file: h5py.File, *left_out: str) -> None:
    """The parts of a sound episode of 4 frames."""
    if "images" not in left_out:
        file["images"] = np.zeros((4, 4, 4, 3), np.uint8)
    if "actions" not in left_out:
        file["actions"] = np.zeros((4, 2), np.float32)


def external_storage(file: h5py.File, secret: Path) -> None:
    plain(file, "images")
    file.create_dataset("images", (4, 4, 4, 3), np.uint8, external=[(str(secret), 0, 192)])


def external_link(file: h5py.File, secret: Path) -> None:
    plain(file, "images")
    file["images"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "images")


def external_link_in_a_group(file: h5py.File, secret: Path) -> None:
    plain(file, "images")
    file["observations/images"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "images")


def external_link_unused(file: h5py.File, secret: Path) -> None:
    plain(file)
    file["more/notes"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "images")


def soft_link(file: h5py.File, secret: Path) -> None:
    plain(file, "images")
    file["real"] = np.zeros((4, 4, 4, 3), np.uint8)
    file["images"] = h5py.SoftLink("/real")


def virtual_data_set(file: h5py.File, secret: Path) -> None:
    plain(file, "images")
    layout = h5py.VirtualLayout((4, 4, 4, 3), np.uint8)
    layout[:] = h5py.VirtualSource(secret.with_suffix(".h5"), "images", (4, 4, 4, 3))
    file.create_virtual_dataset("images", layout)


def virtual_data_set_unused(file: h5py.File, secret: Path) -> None:
    plain(file)
    layout = h5py.VirtualLayout((4, 4, 4, 3), np.uint8)
    layout[:] = h5py.VirtualSource(secret.with_suffix(".h5"), "images", (4, 4, 4, 3))
    file.create_virtual_dataset("extra", layout)


def references(file: h5py.File, secret: Path) -> None:
    plain(file)
    file.create_dataset("action_event_types", (4,), h5py.ref_dtype)


def lists_of_numbers(file: h5py.File, secret: Path) -> None:
    plain(file, "actions")
    file.create_dataset("actions", (4, 2), h5py.vlen_dtype(np.float32))


def compound(file: h5py.File, secret: Path) -> None:
    plain(file, "actions")
    file["actions"] = np.zeros((4, 2), [("a", "f4"), ("b", "f4")])


def reference_attribute(file: h5py.File, secret: Path) -> None:
    plain(file)
    file.attrs["scenario"] = file.ref


def long_attribute(file: h5py.File, secret: Path) -> None:
    plain(file)
    file.attrs["scenario"] = "left " * 20_000


def long_instruction(file: h5py.File, secret: Path) -> None:
    plain(file)
    file["language_instruction"] = "left " * 20_000


def unknown_filter(file: h5py.File, secret: Path) -> None:
    plain(file, "images")
    pipeline = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    pipeline.set_chunk((1, 4, 4, 3))
    pipeline.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((4, 4, 4, 3))
    h5py.h5d.create(file.id, b"images", h5py.h5t.STD_U8LE, space, pipeline)


def known_but_unwanted_filter(file: h5py.File, secret: Path) -> None:
    plain(file, "actions")
    file.create_dataset("actions", (4, 2), np.float32, chunks=(4, 2), scaleoffset=2)


def terabytes(file: h5py.File, secret: Path) -> None:
    plain(file, "images", "actions")
    frame = (720, 1280, 3)
    file.create_dataset("images", (1_000_000, *frame), np.uint8, chunks=(1, *frame), compression="gzip")
    file.create_dataset("actions", (1_000_000, 2), np.float32, chunks=(1000, 2), compression="gzip")


def huge_frame(file: h5py.File, secret: Path) -> None:
    plain(file, "images")
    file.create_dataset("images", (4, 50_000, 50_000, 3), np.uint8, chunks=(1, 64, 64, 3), compression="gzip")


def huge_chunk(file: h5py.File, secret: Path) -> None:
    plain(file, "images")
    file.create_dataset("images", (4, 4000, 4000, 3), np.uint8, chunks=(4, 4000, 4000, 3), compression="gzip")


def chunk_larger_than_it_claims(file: h5py.File, secret: Path) -> None:
    plain(file, "actions")
    stored = file.create_dataset("actions", (4, 2), np.float32, chunks=(4, 2), compression="gzip")
    stored.id.write_direct_chunk((0, 0), bytes(5_000_000))


def chunk_that_inflates(file: h5py.File, secret: Path) -> None:
    plain(file, "actions")
    stored = file.create_dataset("actions", (4, 2), np.float32, chunks=(4, 2), compression="gzip")
    stored.id.write_direct_chunk((0, 0), zlib.compress(bytes(1_000_000), 9))


def many_objects(file: h5py.File, secret: Path) -> None:
    plain(file)
    for index in range(1100):
        file.create_group(f"more/{index}")


MALICIOUS: dict[str, Callable[[h5py.File, Path], None]] = {
    make.__name__: make
    for make in (
        external_storage,
        external_link,
        external_link_in_a_group,
        external_link_unused,
        soft_link,
        virtual_data_set,
        virtual_data_set_unused,
        references,
        lists_of_numbers,
        compound,
        reference_attribute,
        long_attribute,
        long_instruction,
        unknown_filter,
        known_but_unwanted_filter,
        terabytes,
        huge_frame,
        huge_chunk,
        chunk_larger_than_it_claims,
        chunk_that_inflates,
        many_objects,
    )
}


@pytest.mark.parametrize("kind", MALICIOUS)
def test_refused(tmp_path: Path, secret: Path, kind: str) -> None:
    path = tmp_path / "evil.h5"
    with h5py.File(path, "w") as file:
        MALICIOUS[kind](file, secret)
    began = time.monotonic()
    with (
        pytest.raises(EpisodeError, match=r"^evil\.h5 was refused: .*\.$") as raised,
        open_episode(path, "d") as reader,
    ):
        reader.event_types()
    assert raised.value.code == "unsafe"
    assert SECRET.decode() not in str(raised.value)
    assert time.monotonic() - began < 2


def test_a_frame_that_inflates_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        images = file.create_dataset("images", (3, 64, 64, 3), np.uint8, chunks=(1, 64, 64, 3), compression="gzip")
        images[:] = 7
        images.id.write_direct_chunk((1, 0, 0, 0), zlib.compress(bytes(8_000_000), 9))
        file["actions"] = np.zeros((3, 2), np.float32)
    with open_episode(path, "d") as reader:
        with pytest.raises(EpisodeError, match="unpacks to more than") as raised:
            reader.frame(1)
        assert raised.value.code == "unsafe"
        assert (reader.frame(2) == 7).all()


def test_a_cycle_of_hard_links_ends(tmp_path: Path) -> None:
    path = tmp_path / "cycle.h5"
    with h5py.File(path, "w") as file:
        plain(file)
        file["again"] = file["/"]
        file["again/and_again"] = file["/"]
    with open_episode(path, "d") as reader:
        assert reader.info.num_frames == 4


def test_filter_plugins_are_not_searched_for() -> None:
    assert h5py.h5pl.size() == 0


def test_a_pipe_named_like_a_recording_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(EpisodeError, match="not a regular file") as raised, open_episode(tmp_path / "pipe.h5", "d"):
        pass
    assert raised.value.code == "unreadable"


def make_endless(path: Path) -> None:
    """An object of length 0 in the heap of texts sends HDF5 2.0 round in a circle; other versions may find it damaged."""
    with h5py.File(path, "w") as file:
        plain(file)
        file.create_dataset("language_instruction", data=["go left"], dtype=h5py.string_dtype())
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 24 : heap + 32] = bytes(8)
    path.write_bytes(content)


def test_a_file_that_the_library_hangs_on_is_given_up_and_the_next_is_read(tmp_path: Path, make_episode: Any) -> None:
    inspector = Inspector()
    make_endless(tmp_path / "endless.h5")
    make_episode(tmp_path / "sound.h5")
    with pytest.raises(EpisodeError, match=r"endless\.h5") as raised:
        inspector.inspect(tmp_path / "endless.h5", "d")
    assert raised.value.code in ("unsafe", "truncated")
    assert inspector.inspect(tmp_path / "sound.h5", "d").info.num_frames == 3
    inspector.end()


def test_a_file_is_looked_at_again_only_after_it_changed(tmp_path: Path, make_episode: Any) -> None:
    inspector = Inspector()
    path = make_episode(tmp_path / "a.h5")
    inspector.vouch(path, "d")
    inspector.end()
    inspector.vouch(path, "d")
    assert inspector._idle == [], "no worker was started"
    path.write_bytes(b"something else")
    with pytest.raises(EpisodeError, match="not an HDF5 file"):
        inspector.vouch(path, "d")
    inspector.end()


def test_threads_share_a_few_workers(tmp_path: Path, make_episode: Any) -> None:
    inspector = Inspector()
    paths = [make_episode(tmp_path / f"{number}.h5", 2 + number) for number in range(8)]
    bad = tmp_path / "bad.h5"
    bad.write_bytes(b"no recording")

    def frames(path: Path) -> int:
        try:
            found = inspector.inspect(path, "d")
        except EpisodeError:
            return -1
        assert len(found.actions) == found.info.num_frames
        return found.info.num_frames

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(frames, [*paths, bad])) == [*range(2, 10), -1]
    assert 1 <= len(inspector._idle) <= MAX_WORKERS
    inspector.end()
