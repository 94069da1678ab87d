"""What every frame looks like, in 520 bytes: a vector for "which pictures are alike", and a perceptual hash for "the same one".

The job "features" makes them from the frozen features that training uses too, and they are kept beside the catalogue; what
the audit says of pictures is made from them alone, without decoding one.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mvla_core.episodes.cache_table import CachedEntry, CacheTable
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import EpisodeInfo, Frame

VECTOR_SIZE = 256
GRID = (3, 5)
"""Rows and columns that a feature map is averaged in: where a thing stands decides how to steer, so it is kept coarsely."""

_VERSION = 1
_PROJECTION_SEED = 20251112
_HASH_EDGE = 8

Vectors = npt.NDArray[np.float16]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Looks:
    """What the frames of one episode look like.

    Attributes:
        vectors: float16 (num_frames, 256); NaN for a stored frame that could not be read. Their cosine, after the mean of a data
            set is taken away, says how alike two frames are.
        hashes: uint64 (num_frames,). Frames whose hashes differ in a few bits show the same picture.
    """

    vectors: Vectors
    hashes: Hashes

    def __len__(self) -> int:
        return len(self.hashes)

    def to_bytes(self) -> bytes:
        """Little-endian: all vectors, then all hashes."""
        return self.vectors.astype("<f2").tobytes() + self.hashes.astype("<u8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Looks:
        """The inverse of `to_bytes`; ValueError where the length does not fit."""
        frames, rest = divmod(len(data), 2 * VECTOR_SIZE + 8)
        if rest:
            raise ValueError(f"Expected a multiple of {2 * VECTOR_SIZE + 8} bytes; found {len(data)}.")
        split = frames * 2 * VECTOR_SIZE
        vectors = np.frombuffer(data[:split], "<f2").astype(np.float16).reshape(frames, VECTOR_SIZE)
        return cls(vectors, np.frombuffer(data[split:], "<u8").astype(np.uint64))


def look_vectors(features: npt.NDArray[np.floating]) -> Vectors:
    """Shrink feature maps to vectors: averages over a 3 x 5 grid, then a fixed random projection to 256 numbers.

    A random projection keeps angles to within a few per cent whatever the data (W. Johnson, J. Lindenstrauss, 1984), so that
    nothing needs to be fitted and looks of different data sets can be compared.

    Args:
        features: float (num_frames, channels, height, width), at least 3 x 5 places.
    """
    rows = np.linspace(0, features.shape[2], GRID[0] + 1).round().astype(int)
    columns = np.linspace(0, features.shape[3], GRID[1] + 1).round().astype(int)
    places = [
        features[:, :, top:bottom, left:right].astype(np.float32).mean(axis=(2, 3))
        for top, bottom in itertools.pairwise(rows)
        for left, right in itertools.pairwise(columns)
    ]
    flat = np.stack(places, axis=2).reshape(len(features), -1)
    vectors: Vectors = (flat @ _projection(flat.shape[1])).astype(np.float16)
    return vectors


@functools.lru_cache(maxsize=2)
def _projection(size: int) -> npt.NDArray[np.float32]:
    generator = np.random.default_rng(_PROJECTION_SEED)
    drawn = generator.standard_normal((size, VECTOR_SIZE)) / np.sqrt(VECTOR_SIZE)
    return np.asarray(drawn, dtype=np.float32)


def perceptual_hash(frame: Frame) -> int:
    """Return 64 bits that stay nearly the same when a picture is scaled, compressed again or a little brighter.

    The signs of the 8 x 8 lowest cosine components of the picture's grey values against their median (the constant one left
    out); channel order does not matter much.

    Source: C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010).
    """
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = np.asarray(cv2.dct(small))[:_HASH_EDGE, :_HASH_EDGE].ravel()
    bits = low > np.median(low[1:])
    bits[0] = False  # The mean brightness says nothing of what is shown.
    return int(np.packbits(bits).view(">u8")[0])


def look_table(root: DataRoot, dataset: str, folder: os.PathLike[str], progress: Progress = SILENT) -> CacheTable:
    """The table of looks of a data set, by file name."""
    name = f"{dataset}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}.sqlite"
    return CacheTable(root.cache / "looks" / name, _VERSION, f"looks of {dataset}", progress)


def looks_entry(info: EpisodeInfo, looks: Looks) -> CachedEntry:
    """The row that holds the looks of all stored frames of an episode."""
    return CachedEntry(
        info.file_size, info.file_mtime_ns, json.dumps({"color_order": info.color_order}), looks.to_bytes()
    )


def without_looks(root: DataRoot, episodes: Sequence[EpisodeInfo]) -> list[EpisodeInfo]:
    """Those episodes that nobody has looked at as they are now: new, changed, or shown in another colour order."""
    if not episodes:
        return []
    entries = look_table(root, episodes[0].dataset, episodes[0].path.parent).entries()
    return [info for info in episodes if not _fits(info, entries.get(info.path.name))]


def load_looks(root: DataRoot, episodes: Sequence[EpisodeInfo]) -> Mapping[str, Looks]:
    """The looks of the frames that each episode's trim keeps, by episode id; an episode without looks is left out.

    All episodes are of one data set. 520 bytes a frame are held.
    """
    if not episodes:
        return {}
    entries = look_table(root, episodes[0].dataset, episodes[0].path.parent).data(info.path.name for info in episodes)
    found = {}
    for info in episodes:
        entry = entries.get(info.path.name)
        if entry is None or not _fits(info, entry):
            continue
        stored = Looks.from_bytes(entry.data)
        looks = Looks(stored.vectors[info.kept], stored.hashes[info.kept])
        if len(looks) == info.num_frames and not np.isnan(looks.vectors).any():
            found[info.episode_id] = looks
    return found


def _fits(info: EpisodeInfo, entry: CachedEntry | None) -> bool:
    return (
        entry is not None
        and (entry.size, entry.mtime_ns) == (info.file_size, info.file_mtime_ns)
        and json.loads(entry.value)["color_order"] == info.color_order
    )
