"""Randomly damaged files: each is an episode or a finding; none crashes, hangs or escapes as another kind of error."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import DatasetRef
from mvla_core.episodes.inspection import INSPECTOR
from mvla_core.episodes.reader import open_episode
from mvla_core.errors import EpisodeError
from mvla_core.layout import DataRoot

STORAGE: list[dict[str, Any]] = [
    {},
    {"chunks": (1, 8, 10, 3), "compression": "gzip"},
    {"chunks": (2, 8, 10, 2), "compression": "lzf"},
    {"chunks": (3, 5, 7, 2), "compression": "gzip", "shuffle": True, "fletcher32": True},
    {"chunks": (2, 8, 10, 3), "maxshape": (None, 8, 10, 3)},
    {"chunks": (2, 8, 10, 3), "maxshape": (None, None, 10, 3)},
]


def sound_files(folder: Path) -> list[bytes]:
    """One file of each kind of storage, of text, and of metadata (old and new form)."""
    folder.mkdir()
    contents = []
    for number, (storage, version, text) in enumerate(
        (storage, version, text)
        for storage in STORAGE
        for version in ("earliest", "latest")
        for text in ("S14", h5py.string_dtype())
    ):
        path = folder / f"sound_{number}.h5"
        with h5py.File(path, "w", libver=version) as file:
            images = np.random.default_rng(number).integers(0, 256, (5, 8, 10, 3), dtype=np.uint8)
            file.create_dataset("observations/images" if number % 2 else "images", data=images, **storage)
            file.create_dataset("actions", data=np.ones((5, 2)), **({"compression": "gzip"} if number % 2 else {}))
            file.create_dataset("action_event_types", data=["start_action"] * 5, dtype=text)
            file.create_dataset("language_instruction", data=["turn left"], dtype=text)
            file.attrs.update({"action_names": ["linear_x", "linear_y"], "scenario": "1box_vert_left"})
            file.attrs.update({f"further_{i}": i for i in range(number % 3 * 6)})
        contents.append(path.read_bytes())
    return contents


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Cut, shorten, flip, overwrite or copy parts of a file."""
    out = bytearray(content)
    way = chance.random()
    if way < 0.05:
        return bytes(out[: chance.randrange(len(out))])
    if way < 0.1:
        begin = chance.randrange(len(out))
        del out[begin : begin + chance.randrange(1, 64)]
        return bytes(out)
    extremes = [b"\xff" * 8, bytes(8), (2**31 - 1).to_bytes(8, "little"), (2**63 - 1).to_bytes(8, "little")]
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        begin, kind = chance.randrange(len(out)), chance.random()
        if kind < 0.4:
            out[begin] = chance.randrange(256)
        elif kind < 0.6:
            out[begin] ^= 1 << chance.randrange(8)
        elif kind < 0.8:
            out[begin : begin + 8] = chance.choice(extremes)[: len(out) - begin]
        else:
            source, length = chance.randrange(len(out)), chance.randrange(1, 32)
            out[begin : begin + length] = out[source : source + length]
    return bytes(out)


@pytest.mark.parametrize("count", [300, pytest.param(6_000, marks=pytest.mark.slow)])
def test_damaged_files(tmp_path: Path, capfd: pytest.CaptureFixture[str], count: int) -> None:
    contents = sound_files(tmp_path / "sound")
    folder = tmp_path / "fuzz"
    folder.mkdir()
    chance = random.Random(7)
    for number in range(count):
        (folder / f"f{number:05d}.h5").write_bytes(damaged(contents[number % len(contents)], chance))
    root = DataRoot(tmp_path / "data")
    INSPECTOR.end()  # A new worker writes its errors where they are captured.

    assert len(scan(root, DatasetRef("sound", tmp_path / "sound")).episodes) == len(contents)
    catalogue = scan(root, DatasetRef("fuzz", folder))

    assert len(catalogue.episodes) + len(catalogue.findings) == count
    assert len(catalogue.findings) > count // 10
    for info in catalogue.episodes:
        with open_episode(info.path, "fuzz") as reader:
            for index in range(info.num_frames):
                try:
                    frame = reader.frame(index)
                except EpisodeError:
                    continue
                assert frame.shape == (info.height, info.width, 3)
    assert "Traceback" not in capfd.readouterr().err
