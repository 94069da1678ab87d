"""Frames as JPEG for the pages: fast to encode, and small enough to send thirty a second.

What took long to unpack (gzip at 1280x720: 14 ms a frame, and 60 ms where several frames share chunks) is also kept on the
disk as JPEG, from where it comes in a fraction of a millisecond, after a restart too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from mvla_core.episodes.bounded_store import BoundedStore
from mvla_core.episodes.inspection import Stamp, stamp_of
from mvla_core.episodes.reader import EpisodeReader, open_reader
from mvla_core.errors import EpisodeError, UserInputError
from mvla_core.layout import DataRoot
from mvla_core.schema import ColorOrder, EpisodeInfo, Frame

MAX_WIDTH_PX = 4096
_OPEN_READERS = 8
_KEPT_BYTES = 64 << 20
"""JPEGs kept in memory: about 400 of 1280x720, or 10,000 thumbnails."""
_QUALITY = 85
DISK_LIMIT_BYTES = 2 << 30
"""JPEGs kept on the disk below `cache/frames`: about 20,000 of 1280x720; the longest unused are given up first."""
_SLOW_S = 0.005
"""A picture that was made faster than this is made again rather than kept on the disk."""
_JPEG_END = b"\xff\xd9"


def encode_jpeg(frame: Frame, width: int | None = None, quality: int = _QUALITY) -> bytes:
    """Encode an RGB frame, uint8 (height, width, 3).

    Args:
        frame: The picture.
        width: Width in pixels to shrink to, keeping the proportions; None or a larger one leaves the size as it is.
        quality: 1 to 100.

    Raises:
        UserInputError: The width or the quality is out of range.
    """
    if (width is not None and not 1 <= width <= MAX_WIDTH_PX) or not 1 <= quality <= 100:
        raise UserInputError(
            f"A picture of width {width} and quality {quality} cannot be made: expected 1 to {MAX_WIDTH_PX} and 1 to 100."
        )
    if width is not None and width < frame.shape[1]:
        height = max(1, round(frame.shape[0] * width / frame.shape[1]))
        frame = np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "OpenCV encodes every uint8 picture as JPEG"
    return encoded.tobytes()


def frame_jpeg(root: DataRoot, info: EpisodeInfo, index: int, width: int | None = None) -> bytes:
    """Return a frame as JPEG of quality 85. Threads may call it at once; a file that changed is opened anew.

    Args:
        root: The data root, whose pictures share one store of open files and encoded JPEGs.
        info: The episode; its path is read as it is now, whatever it was when it was catalogued. Its trim and its colour
            order are kept to.
        index: Frame, from 0; of a trimmed episode, from the first one kept.
        width: As in `encode_jpeg`.

    Raises:
        UserInputError: There is no such frame, or the width is out of range.
        EpisodeError: The file or this frame is damaged.
    """
    return _store(root).jpeg(info, index, width)


@lru_cache(maxsize=4)
def _store(root: DataRoot) -> _PictureStore:
    return _PictureStore(root)


_View = tuple[Stamp, ColorOrder, tuple[int, int] | None]
"""What a frame's picture depends on besides its index: the file's bytes, the order of the channels, and the trim."""


_Key = tuple[Path, _View, int, int | None]
"""File, view, index and width."""


@dataclass
class _OpenFile:
    """An open reader. `lock` is held while reading and while closing, so that nobody reads a closed file."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    reader: EpisodeReader | None = None
    view: _View | None = None

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
        self.reader, self.view = None, None


class _PictureStore:
    """Open files and encoded pictures, least recently used ones given up first."""

    def __init__(self, root: DataRoot) -> None:
        self._lock = threading.Lock()
        self._disk = BoundedStore(root.cache / "frames", DISK_LIMIT_BYTES, _JPEG_END)
        self._disk_works = True
        self._files: OrderedDict[Path, _OpenFile] = OrderedDict()
        self._jpegs: OrderedDict[_Key, bytes] = OrderedDict()
        self._bytes = 0

    def jpeg(self, info: EpisodeInfo, index: int, width: int | None) -> bytes:
        try:
            view = (stamp_of(info.path.stat()), info.color_order, info.trim)
        except OSError as error:
            raise EpisodeError(
                "unreadable", f"{info.path.name} cannot be opened: {error.strerror or error}."
            ) from error
        key = (info.path, view, index, width)
        with self._lock:
            if key in self._jpegs:
                self._jpegs.move_to_end(key)
                return self._jpegs[key]
        encoded = self._disk.get(*key) or self._made(key, info)
        with self._lock:
            if key not in self._jpegs:
                self._bytes += len(encoded)
            self._jpegs[key] = encoded
            while self._bytes > _KEPT_BYTES:
                self._bytes -= len(self._jpegs.popitem(last=False)[1])
        return encoded

    def _made(self, key: _Key, info: EpisodeInfo) -> bytes:
        """Decode and encode, outside all locks but the file's own, so that one thread encodes while another decodes."""
        _, view, index, width = key
        began = time.perf_counter()
        encoded = encode_jpeg(self._frame(info, view, index), width)
        if time.perf_counter() - began > _SLOW_S and self._disk_works:
            try:
                self._disk.put(encoded, *key)
            except OSError as error:
                # Pictures can be shown without it: told once in the server's log.
                self._disk_works = False
                logging.getLogger(__name__).warning(
                    "Pictures cannot be kept on the disk, which makes them slower: %s", error
                )
        return encoded

    def _frame(self, info: EpisodeInfo, view: _View, index: int) -> Frame:
        with self._lock:
            entry = self._files.setdefault(info.path, _OpenFile())
            self._files.move_to_end(info.path)
            given_up = [self._files.popitem(last=False)[1] for _ in range(len(self._files) - _OPEN_READERS)]
        for old in given_up:
            with old.lock:
                old.close()
        with entry.lock:
            if entry.reader is None or entry.view != view:
                # Closed before it is opened anew: the library would share what it remembers of a file still open.
                entry.close()
                entry.reader = open_reader(info.path, info.dataset, color_order=info.color_order, trim=info.trim)
                entry.view = view
            return entry.reader.frame(index)
