"""What can be wrong with an HDF5 file, and the look at it that needs no HDF5 library."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mvla_core.errors import EpisodeError

LIBRARY_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, ArithmeticError, NotImplementedError)
"""What h5py raises on damaged files. Only library calls are wrapped, so that defects of ours stay visible."""

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_POINTER = b"version https://git-lfs"
_LAST_SIGNATURE_OFFSET = 1 << 20


def unsafe(path: Path, reason: str) -> EpisodeError:
    return EpisodeError("unsafe", f"{path.name} was refused: {reason}; ask for a plain recording.")


def damaged(path: Path, reason: str) -> EpisodeError:
    return EpisodeError("truncated", f"{path.name} is damaged, cut short or still being written: {reason}.")


@contextlib.contextmanager
def library(path: Path, doing: str) -> Iterator[None]:
    """Turn whatever the library raises on a damaged file into one sentence."""
    try:
        yield
    except LIBRARY_ERRORS as error:
        detail = (str(error).splitlines() or [type(error).__name__])[0].strip("'\"")
        raise damaged(path, f"{doing} failed ({detail[:160]})") from error


def check_signature(path: Path) -> os.stat_result:
    """Check, without the HDF5 library, that a path is a regular file which begins like HDF5.

    Returns:
        The file's status, for its size and time of change.

    Raises:
        EpisodeError: "unreadable", "pointer_file", "truncated" (empty) or "not_hdf5".
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise EpisodeError("unreadable", f"{path.name} is not a regular file; expected an HDF5 recording.")
        with open(path, "rb") as file:
            head = file.read(len(_POINTER))
            begins = _has_signature(file, status.st_size)
    except OSError as error:
        raise EpisodeError("unreadable", f"{path.name} cannot be opened: {error.strerror or error}.") from error
    if head == _POINTER:
        raise EpisodeError(
            "pointer_file", f"{path.name} is a Git LFS pointer of {status.st_size} bytes, not the recording itself."
        )
    if status.st_size == 0:
        raise damaged(path, "it is empty (0 bytes)")
    if not begins:
        raise EpisodeError("not_hdf5", f"{path.name} is not an HDF5 file: it begins with {head[:8]!r}.")
    return status


def _has_signature(file: BinaryIO, size: int) -> bool:
    """HDF5 allows a block of the user's own before the signature, of 512 bytes or a larger power of two."""
    offset = 0
    while offset < min(size, _LAST_SIGNATURE_OFFSET):
        file.seek(offset)
        if file.read(len(_SIGNATURE)) == _SIGNATURE:
            return True
        offset = offset * 2 or 512
    return False
