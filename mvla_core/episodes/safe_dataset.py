"""One data set of an HDF5 file that nobody vouches for: its claims are checked, and its chunks unpacked within limits.

The HDF5 library unpacks a chunk to whatever length it has, so a small file can fill the memory. Chunks are therefore read as
they are stored and unpacked here. That also lets several threads unpack at once: the library holds one global lock, zlib does not.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from h5py import h5d, h5t, h5z

from mvla_core.episodes.hdf5_faults import damaged, library, unsafe

MIB = 1 << 20
MAX_LOGICAL_BYTES = 64 << 30
"""What one data set may claim to hold when unpacked: 6 minutes of 1080p at 30 Hz, 80 minutes of 720p at 5 Hz."""
MAX_CHUNK_BYTES = 128 * MIB
"""What one chunk may unpack to; a 720p episode of 40 frames stored as a single chunk still fits."""
MAX_LZF_CHUNK_BYTES = 4 * MIB
"""LZF is unpacked by the library without a limit, at most 90 times its stored size: so the stored size is kept small."""
MAX_TEXT_BYTES = 16 * MIB
_TEXT_BLOCK = 64
MAX_FILTERS = 4

_GZIP, _SHUFFLE, _FLETCHER32, _LZF = h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32, h5z.FILTER_LZF
_FILTERS = {_GZIP: "gzip", _SHUFFLE: "shuffle", _FLETCHER32: "fletcher32", _LZF: "lzf"}
_NUMBERS: dict[np.dtype[Any], tuple[Any, ...]] = {
    np.dtype("u1"): (h5t.STD_U8LE, h5t.STD_U8BE),
    np.dtype("<f4"): (h5t.IEEE_F32LE,),
    np.dtype(">f4"): (h5t.IEEE_F32BE,),
    np.dtype("<f8"): (h5t.IEEE_F64LE,),
    np.dtype(">f8"): (h5t.IEEE_F64BE,),
}


class SafeDataset:
    """A data set whose claims were checked before anything is read. `dataset` is h5py's low-level identifier of it."""

    def __init__(self, path: Path, file_size: int, key: str, dataset: Any) -> None:
        self._path, self._file_size, self.key, self._id = path, file_size, key, dataset
        with library(self._path, f"looking at {key}"):
            # A null dataspace, which holds nothing, has no shape.
            self.shape: tuple[int, ...] = (0,) if dataset.shape is None else dataset.shape
            plist, kind = dataset.get_create_plist(), dataset.get_type()
            chunked = plist.get_layout() == h5d.CHUNKED
            self.chunks: tuple[int, ...] | None = plist.get_chunk() if chunked else None
            filters = [plist.get_filter(i)[0] for i in range(min(plist.get_nfilters(), MAX_FILTERS + 1))]
            self._item_bytes: int = kind.get_size()
            self.is_text = kind.get_class() == h5t.STRING
            self._variable = self.is_text and kind.is_variable_str()
            numbers = (dtype for dtype, stored in _NUMBERS.items() if any(kind == one for one in stored))
            self.dtype: np.dtype[Any] | None = next(numbers, None)
            self._plain_number = kind.get_class() in (h5t.INTEGER, h5t.FLOAT)
        self._filters = filters
        self._check_claims()

    def _check_claims(self) -> None:
        if not (self.is_text or self._plain_number):
            raise unsafe(self._path, f"{self.key!r} holds neither numbers nor text")
        unknown = [code for code in self._filters if code not in _FILTERS]
        if unknown or len(self._filters) > MAX_FILTERS:
            allowed = ", ".join(_FILTERS.values())
            raise unsafe(
                self._path, f"{self.key!r} is packed with filters {self._filters}, of which only {allowed} are known"
            )
        claimed = math.prod(self.shape) * self._item_bytes
        if claimed > MAX_LOGICAL_BYTES:
            raise unsafe(
                self._path, f"{self.key!r} claims {claimed / 1e9:,.0f} GB; at most {MAX_LOGICAL_BYTES / 1e9:,.0f} GB"
            )
        chunk = math.prod(self.chunks or ()) * self._item_bytes
        limit = MAX_LZF_CHUNK_BYTES if _LZF in self._filters else MAX_CHUNK_BYTES
        if self.chunks is not None and chunk > limit:
            raise unsafe(
                self._path, f"{self.key!r} is stored in chunks of {chunk / 1e6:,.0f} MB; at most {limit / 1e6:,.0f} MB"
            )
        if _LZF in self._filters and _GZIP in self._filters:
            raise unsafe(self._path, f"{self.key!r} is packed twice")

    def check_written(self) -> None:
        """Check that as much is stored as is claimed, without reading it.

        Raises:
            EpisodeError: "truncated"; a recorder was killed, or the claim is made up.
        """
        claimed = math.prod(self.shape) * self._item_bytes
        with library(self._path, f"looking for the contents of {self.key}"):
            if self.chunks is not None:
                found = self._id.get_num_chunks()
                expected = math.prod(-(-size // chunk) for size, chunk in zip(self.shape, self.chunks, strict=True))
                if found < expected:
                    raise damaged(self._path, f"{self.key} claims {expected:,} chunks and holds {found:,}")
            elif claimed and self._id.get_storage_size() < claimed:
                raise damaged(
                    self._path, f"{self.key} claims {claimed:,} bytes and holds {self._id.get_storage_size():,}"
                )

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Return rows `start` to `stop` (exclusive) of the first axis as a new array of the stored type.

        Raises:
            EpisodeError: "truncated" where a chunk is missing or damaged, "unsafe" where it unpacks to more than it may.
        """
        assert self.dtype is not None, "read() is for numbers"
        if self.chunks is None or _LZF in self._filters:
            if self.chunks is not None:
                for offset in self._chunk_offsets(start, stop):
                    self._stored_chunk(offset)
            with library(self._path, f"reading {self.key}"):
                rows: npt.NDArray[Any] = h5py.Dataset(self._id)[start:stop]
                return rows
        out = np.empty((stop - start, *self.shape[1:]), self.dtype)
        for offset in self._chunk_offsets(start, stop):
            chunk = np.frombuffer(self._unpacked_chunk(offset), self.dtype).reshape(self.chunks)
            low = [max(o, s) for o, s in zip(offset, (start, *[0] * (len(offset) - 1)), strict=True)]
            high = [min(o + c, s) for o, c, s in zip(offset, self.chunks, (stop, *self.shape[1:]), strict=True)]
            target = (slice(low[0] - start, high[0] - start), *map(slice, low[1:], high[1:]))
            source = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, offset, strict=True))
            out[target] = chunk[source]
        return out

    def read_texts(self) -> list[str]:
        """Return all elements as text, without the padding of fixed strings.

        Raises:
            EpisodeError: "unsafe" where the text is longer than any label or sentence, "truncated" where it is damaged.
        """
        count = math.prod(self.shape)
        if not self._variable and count * self._item_bytes > MAX_TEXT_BYTES:
            raise unsafe(self._path, f"{self.key!r} holds more text than a recording has")
        if self.chunks is not None:
            for offset in self._chunk_offsets(0, self.shape[0]):
                self._unpacked_chunk(offset)  # Shows that the library will not unpack more than it should.
        texts, length = [], 0
        for value in self._text_values():
            with library(self._path, f"reading {self.key}"):
                text = value.decode() if isinstance(value, bytes) else str(value)
            length += len(text)
            if length > MAX_TEXT_BYTES:
                raise unsafe(self._path, f"{self.key!r} holds more text than a recording has")
            texts.append(text.rstrip("\0 "))
        return texts

    def _text_values(self) -> Iterator[Any]:
        """The elements in order, in blocks: many references to one long text would multiply it if all were read at once."""
        stored = h5py.Dataset(self._id)
        blocks = range(0, self.shape[0], _TEXT_BLOCK) if self.shape else [None]
        for start in blocks:
            with library(self._path, f"reading {self.key}"):
                values = stored[()] if start is None else stored[start : start + _TEXT_BLOCK]
            yield from np.ravel(np.asarray(values, object)).tolist()

    def _chunk_offsets(self, start: int, stop: int) -> Iterator[tuple[int, ...]]:
        """The first element of each chunk that overlaps the rows."""
        assert self.chunks is not None
        first = start - start % self.chunks[0]
        rest = (range(0, size, chunk) for size, chunk in zip(self.shape[1:], self.chunks[1:], strict=True))
        return itertools.product(range(first, stop, self.chunks[0]), *rest)

    def _stored_chunk(self, offset: tuple[int, ...]) -> tuple[int, bytes]:
        """Return a chunk's mask of filters passed over, and its bytes as stored."""
        assert self.chunks is not None
        full = math.prod(self.chunks) * self._item_bytes
        with library(self._path, f"finding a chunk of {self.key}"):
            place = self._id.get_chunk_info_by_coord(offset)
        if not place.size:
            raise damaged(self._path, f"the chunk at {offset} of {self.key} was never written")
        if place.size > full + full // 64 + 1024 or place.byte_offset + place.size > self._file_size:
            raise unsafe(self._path, f"the chunk at {offset} of {self.key!r} claims {place.size:,} bytes for {full:,}")
        with library(self._path, f"reading a chunk of {self.key}"):
            mask, stored = self._id.read_direct_chunk(offset)
            return mask, stored

    def _unpacked_chunk(self, offset: tuple[int, ...]) -> bytes:
        """Undo the filters, last one first, giving the chunk's bytes."""
        assert self.chunks is not None
        full = math.prod(self.chunks) * self._item_bytes
        mask, data = self._stored_chunk(offset)
        where = f"the chunk at {offset} of {self.key}"
        for position, code in reversed(list(enumerate(self._filters))):
            if mask >> position & 1:
                continue
            if code == _FLETCHER32:
                if len(data) < 4 or not _checksum_fits(data[:-4], int.from_bytes(data[-4:], "little")):
                    raise damaged(self._path, f"the checksum of {where} does not fit")
                data = data[:-4]
            elif code == _GZIP:
                data = self._inflated(data, full + full // 64 + 1024, where)
            elif code == _SHUFFLE and len(data) == full:
                data = np.frombuffer(data, np.uint8).reshape(self._item_bytes, -1).T.tobytes()
        if len(data) != full and _LZF not in self._filters:
            raise damaged(self._path, f"{where} holds {len(data):,} bytes; expected {full:,}")
        return data

    def _inflated(self, data: bytes, limit: int, where: str) -> bytes:
        unpacker = zlib.decompressobj()
        try:
            unpacked = unpacker.decompress(data, limit)
        except zlib.error as error:
            raise damaged(self._path, f"{where} cannot be unpacked ({error})") from error
        if unpacker.unconsumed_tail:
            raise unsafe(self._path, f"{where} unpacks to more than {limit:,} bytes")
        if not unpacker.eof:
            raise damaged(self._path, f"{where} ends too early")
        return unpacked


def _checksum_fits(data: bytes, expected: int) -> bool:
    """Fletcher's 32-bit checksum as HDF5 counts it: over big-endian 16-bit words, both sums modulo 65535.

    The library writes 65535 where the remainder is 0, so both sides are compared as remainders.
    """
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(np.uint64)
    weights = np.arange(len(words), 0, -1, dtype=np.uint64)
    first = int(words.sum()) % 65535
    second = int((words * (weights % np.uint64(65535)) % np.uint64(65535)).sum()) % 65535
    return (first, second) == ((expected & 0xFFFF) % 65535, (expected >> 16) % 65535)
