"""Frozen picture features: computed once a frame, kept on disk, safe to delete at any time.

A cached file is named by what it depends on: the encoder with its weights and preprocessing (the folder), and the
episode file's name, size, modification time, picture key and channel order (a hash). So a changed recording never meets
old features, nor does one whose colour order was put right. It holds every stored frame whatever the episode's trim is, so
that trimming costs nothing and cannot mix up frames; only where a stored frame cannot be read does it hold the kept ones alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mvla_core.episodes.reader import open_known
from mvla_core.errors import EpisodeError
from mvla_core.files import replacing
from mvla_core.layout import DataRoot
from mvla_core.schema import EpisodeInfo

CACHE_LIMIT_BYTES = 20 * 10**9
"""The feature cache is trimmed to this, oldest use first."""

_READ_FRAMES = 64
"""Frames decoded at a time: 64 frames of 720x1280 are 177 MB."""

Features = npt.NDArray[Any]
"""(num_frames, ...), what a `FrameEncoder` gives for each frame."""


class FrameEncoder(Protocol):
    """Turns frames into the features a policy takes.

    Attributes:
        key: Names the encoder, its weights and its preprocessing; letters, digits and '-' only.
        shape: Shape of one frame's features.
        dtype: Their number format.
    """

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def encode(self, frames: npt.NDArray[np.uint8]) -> Features:
        """Return (T, *shape) of RGB frames, uint8 (T, H, W, 3)."""
        ...

    def to(self, device: Any) -> None:
        """Move the encoder to a torch device."""
        ...


def cache_folder(root: DataRoot) -> Path:
    """Return the folder below which all cached features lie."""
    return root.cache / "features"


def frame_features(root: DataRoot, encoder: FrameEncoder, info: EpisodeInfo) -> Features:
    """Return the features of all frames that an episode's trim keeps, from the cache or computed and cached.

    Returns:
        Read-only (num_frames, *encoder.shape), mapped from the disk: only what is used is read.

    Raises:
        EpisodeError: The episode cannot be read.
    """
    for whole in (True, False):
        path = _cache_file(root, encoder, info, whole)
        cached = _read(path, encoder, info, whole)
        if cached is not None:
            path.touch()
            return cached
    try:
        whole, computed = True, _encode(encoder, replace(info, trim=None), info)
    except EpisodeError:
        if info.trim is None:
            raise
        # A frame that cannot be read may be one that was cut off for this very reason: the others are still of use.
        whole, computed = False, _encode(encoder, info, info)
    path = _cache_file(root, encoder, info, whole)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, computed, allow_pickle=False)
    written: Features = np.load(path, mmap_mode="r", allow_pickle=False)
    return written[info.kept] if whole else written


def _encode(encoder: FrameEncoder, seen: EpisodeInfo, info: EpisodeInfo) -> Features:
    """Encode all frames of an episode as it is seen, with its trim or without."""
    with open_known(seen) as episode:
        frames = episode.info.num_frames
        kept = range(frames) if seen.trim is not None else range(frames)[info.kept]
        if len(kept) != info.num_frames:
            raise EpisodeError(
                "shape_mismatch",
                f"{info.path.name} has {frames} frames, other than when it was catalogued; look at it again.",
            )
        computed = np.empty((frames, *encoder.shape), dtype=encoder.dtype)
        for begin in range(0, frames, _READ_FRAMES):
            indices = range(begin, min(begin + _READ_FRAMES, frames))
            computed[begin : indices.stop] = encoder.encode(episode.frames(indices))
    return computed


def trim_cache(root: DataRoot, limit_bytes: int = CACHE_LIMIT_BYTES) -> int:
    """Delete the features that were not used for longest until the cache fits; return the number of deleted files."""
    files = []
    for path in cache_folder(root).glob("*/*/*.npy"):
        status = path.stat()
        files.append((status.st_mtime_ns, status.st_size, path))
    total = sum(size for _, size, _ in files)
    deleted = 0
    for _, size, path in sorted(files):
        if total <= limit_bytes:
            break
        path.unlink(missing_ok=True)
        total -= size
        deleted += 1
    return deleted


def _cache_file(root: DataRoot, encoder: FrameEncoder, info: EpisodeInfo, whole: bool) -> Path:
    """Where the features of all stored frames lie, or of those alone that the trim keeps."""
    depends_on: tuple[Any, ...] = (info.path.name, info.file_size, info.file_mtime_ns, info.image_key, info.color_order)
    if not whole:
        depends_on += (info.trim,)
    digest = hashlib.sha256(repr(depends_on).encode()).hexdigest()[:16]
    return cache_folder(root) / encoder.key / info.dataset / f"{info.episode_id}-{digest}.npy"


def _read(path: Path, encoder: FrameEncoder, info: EpisodeInfo, whole: bool) -> Features | None:
    """Return the kept frames' cached features, or None where they are missing, damaged or of another form (then remade)."""
    try:
        cached: Features = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    kept = cached[info.kept] if whole else cached
    of_encoder = cached.shape[1:] == encoder.shape and cached.dtype == encoder.dtype
    return kept if of_encoder and len(kept) == info.num_frames else None
