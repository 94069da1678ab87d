"""Files whose structure was made by chance: links, types, shapes, storage and filters that no recorder writes.

Each is an episode or a finding; none crashes, hangs, or shows a byte of another file.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import DatasetRef
from mvla_core.episodes.reader import open_episode
from mvla_core.errors import EpisodeError
from mvla_core.layout import DataRoot

MARK = 201
"""Grey level that only the secret file holds."""
NAMES = ("images", "observations/images", "actions", "action_event_types", "language_instruction", "extra/deep")
DTYPES: list[Any] = [
    "u1", "i1", "u2", "f4", "f8", "f2", "c8", ">f4", "S6", "?", h5py.string_dtype(), h5py.ref_dtype, h5py.vlen_dtype("u1"),
    [("a", "f4"), ("b", "u1")], h5py.enum_dtype({"a": 0, "b": 1}, "u1"), h5py.opaque_dtype(np.dtype("M8[s]")),
]  # fmt: skip
SHAPES: list[tuple[int, ...]] = [
    (), (0,), (3,), (3, 2), (3, 3), (2, 3), (3, 0, 4, 3), (3, 4, 4, 3), (3, 4, 4, 1), (3, 4, 4), (4, 4, 3), (1, 4, 4, 3),
    (3, 4, 4, 3, 1), (2**31, 4, 4, 3), (2**40, 2), (3, 2**16, 2**16, 3),
]  # fmt: skip
Damage = Callable[[h5py.File, random.Random, Path], None]


def sound(file: h5py.File) -> None:
    file["images"] = np.zeros((3, 4, 4, 3), np.uint8)
    file["actions"] = np.zeros((3, 2), np.float32)
    file["language_instruction"] = np.array([b"Go left."])


def some(chance: random.Random) -> str:
    return chance.choice(NAMES)


def removed(file: h5py.File, chance: random.Random, secret: Path) -> None:
    if (name := some(chance)) in file:
        del file[name]


def another_kind(file: h5py.File, chance: random.Random, secret: Path) -> None:
    name, shape = some(chance), chance.choice(SHAPES)
    removed(file, chance, secret)
    if name in file:
        del file[name]
    storage: dict[str, Any] = {}
    if shape:
        small = tuple(max(1, min(side, chance.choice([1, 2, 4]))) for side in shape)
        storage = chance.choice([{"chunks": small}, {"chunks": small, "compression": "gzip", "shuffle": True}])
        storage |= chance.choice(
            [{}, {"maxshape": tuple(None for _ in shape)}, {"fletcher32": True}, {"fillvalue": None}]
        )
    file.create_dataset(name, shape, chance.choice(DTYPES), **storage)


def link(file: h5py.File, chance: random.Random, secret: Path) -> None:
    name = some(chance)
    if name in file:
        del file[name]
    kinds: list[Any] = [
        h5py.SoftLink("/" + some(chance)),
        h5py.SoftLink("/nowhere"),
        h5py.SoftLink("/" + name),
        h5py.ExternalLink(str(secret), "images"),
        h5py.ExternalLink("/no/such/file.h5", "images"),
        h5py.ExternalLink("/dev/zero", "images"),
        file["/"],
    ]
    file[name] = chance.choice(kinds)


def from_elsewhere(file: h5py.File, chance: random.Random, secret: Path) -> None:
    name = chance.choice(NAMES[:3])
    if name in file:
        del file[name]
    if chance.random() < 0.5:
        file.create_dataset(name, (3, 4, 4, 3), "u1", external=[(str(secret), chance.randrange(500), 144)])
    else:
        layout = h5py.VirtualLayout((3, 4, 4, 3), "u1")
        layout[:] = h5py.VirtualSource(str(secret), "images", (3, 4, 4, 3))
        file.create_virtual_dataset(name, layout)


def attribute(file: h5py.File, chance: random.Random, secret: Path) -> None:
    names = ("num_frames", "total_duration", "frame_rate_hz", "color_order", "action_names", "action_units", "scenario",
             "collection_datetime", "recording_start", "obstacle_layout_type")  # fmt: skip
    values: list[Any] = [
        0, -1, 2**63 - 1, np.nan, np.inf, "", "x" * 5000, b"\xff\xfe", ["linear_x"], ["a", "b"], [], file.ref, np.zeros((9, 9)),
        "rgb", np.void(b"1234"), True,
    ]  # fmt: skip
    file.attrs[chance.choice(names)] = chance.choice(values)


def raw_chunk(file: h5py.File, chance: random.Random, secret: Path) -> None:
    name = chance.choice(["images", "actions"])
    if name in file:
        del file[name]
    shape = (3, 4, 4, 3) if name == "images" else (3, 2)
    stored = file.create_dataset(name, shape, "u1" if name == "images" else "f4", chunks=shape, compression="gzip")
    stored.id.write_direct_chunk((0,) * len(shape), chance.randbytes(chance.choice([0, 1, 40, 5000])))


DAMAGES: tuple[Damage, ...] = (
    removed,
    another_kind,
    another_kind,
    link,
    from_elsewhere,
    attribute,
    attribute,
    raw_chunk,
)


def write(path: Path, chance: random.Random, secret: Path) -> None:
    with h5py.File(path, "w", libver=chance.choice(["earliest", "latest"])) as file:
        sound(file)
        for _ in range(chance.choice([1, 1, 2, 4])):
            try:
                chance.choice(DAMAGES)(file, chance, secret)
            except (ValueError, TypeError, OSError, KeyError, RuntimeError):
                continue  # The library itself refuses to write some of it.


@pytest.mark.parametrize("count", [200, pytest.param(4_000, marks=pytest.mark.slow)])
def test_files_of_any_structure(tmp_path: Path, count: int) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["images"] = np.full((3, 4, 4, 3), MARK, np.uint8)
    folder = tmp_path / "fuzz"
    folder.mkdir()
    chance = random.Random(11)
    for number in range(count):
        write(folder / f"f{number:05d}.h5", chance, secret)

    catalogue = scan(DataRoot(tmp_path / "data"), DatasetRef("fuzz", folder))

    assert len(catalogue.episodes) + len(catalogue.findings) == count
    assert len(catalogue.findings) > count // 4
    assert len(catalogue.episodes) > count // 10
    for finding in catalogue.findings:
        assert finding.message.count("\n") == 0
    for info in catalogue.episodes:
        assert info.num_frames <= 3
        with open_episode(info.path, "fuzz") as reader:
            assert np.isfinite(reader.actions()).all()
            for index in range(info.num_frames):
                try:
                    frame = reader.frame(index)
                except EpisodeError:
                    continue
                assert not (frame == MARK).any(), "nothing of another file is shown"
