"""The strip of small pictures that stands for an episode in tables: six frames side by side in one JPEG.

Strips are made by the job "pictures", or one by one where a page needs one, and kept on the disk. A strip of the whole recording
serves until one is made for its trim, and one whose colour order was put right is turned, not made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from mvla_core.episodes.bounded_store import BoundedStore
from mvla_core.episodes.pictures import encode_jpeg
from mvla_core.episodes.reader import open_known
from mvla_core.errors import EpisodeError
from mvla_core.layout import DataRoot
from mvla_core.schema import ColorOrder, EpisodeInfo, Frame

STRIP_FRAMES = 6
TILE_WIDTH_PX, TILE_HEIGHT_PX = 60, 45
STRIPS_LIMIT_BYTES = 256 << 20
"""About 40,000 strips; the longest unused are given up first."""
_MISSING = 128
"""Grey level of the tile of a frame that cannot be read."""
_JPEG_END = b"\xff\xd9"


def strip_indices(num_frames: int) -> list[int]:
    """The frames of a strip, evenly spaced from the first to the last; a short episode repeats some."""
    return [round(value) for value in np.linspace(0, num_frames - 1, STRIP_FRAMES)]


def tile(frame: Frame | None) -> Frame:
    """Shrink a frame to a tile, uint8 (45, 60, 3); what is wider or higher than 4:3 loses its edges."""
    if frame is None:
        return np.full((TILE_HEIGHT_PX, TILE_WIDTH_PX, 3), _MISSING, np.uint8)
    height, width = frame.shape[:2]
    kept_width = min(width, max(1, round(height * TILE_WIDTH_PX / TILE_HEIGHT_PX)))
    kept_height = min(height, max(1, round(width * TILE_HEIGHT_PX / TILE_WIDTH_PX)))
    left, top = (width - kept_width) // 2, (height - kept_height) // 2
    middle = frame[top : top + kept_height, left : left + kept_width]
    return np.asarray(cv2.resize(middle, (TILE_WIDTH_PX, TILE_HEIGHT_PX), interpolation=cv2.INTER_AREA), np.uint8)


def keep_strip(root: DataRoot, info: EpisodeInfo, tiles: Sequence[Frame]) -> bytes:
    """Encode the tiles of an episode as one JPEG, keep it, and return it.

    Raises:
        OSError: It cannot be written.
    """
    strip = encode_jpeg(np.concatenate(tiles, axis=1))
    _store(root).put(strip, *_key(info, info.trim, info.color_order))
    return strip


def make_strip(root: DataRoot, info: EpisodeInfo) -> bytes:
    """Return the strip of an episode as it is curated, made and kept if it is not there: at most six frames are decoded.

    Raises:
        EpisodeError: The file is damaged; a damaged frame is a grey tile.
        OSError: The strip cannot be written.
    """
    if (strip := _store(root).get(*_key(info, info.trim, info.color_order))) is not None:
        return strip
    tiles = []
    with open_known(info) as reader:
        for index in strip_indices(reader.info.num_frames):
            try:
                tiles.append(tile(reader.frame(index)))
            except EpisodeError:
                tiles.append(tile(None))
    return keep_strip(root, info, tiles)


def thumbnail_strip(root: DataRoot, info: EpisodeInfo) -> bytes | None:
    """Return the strip of an episode as JPEG of 360 x 45 pixels without opening its file, or None where none was made yet."""
    store = _store(root)
    other: ColorOrder = "rgb" if info.color_order == "bgr" else "bgr"
    for trim in dict.fromkeys((info.trim, None)):
        if (strip := store.get(*_key(info, trim, info.color_order))) is not None:
            return strip
        if (strip := store.get(*_key(info, trim, other))) is not None:
            picture = cv2.imdecode(np.frombuffer(strip, np.uint8), cv2.IMREAD_COLOR)
            # OpenCV decodes to BGR, which read as RGB is the exchange that is wanted.
            return None if picture is None else encode_jpeg(np.asarray(picture, np.uint8))
    return None


@lru_cache(maxsize=4)
def _store(root: DataRoot) -> BoundedStore:
    return BoundedStore(root.cache / "pictures" / "strips", STRIPS_LIMIT_BYTES, _JPEG_END)


def _key(info: EpisodeInfo, trim: tuple[int, int] | None, order: ColorOrder) -> tuple[object, ...]:
    return str(info.path), info.file_size, info.file_mtime_ns, trim, order
