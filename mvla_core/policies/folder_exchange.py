"""Folders that are replaced as one: a reader, a kill or a power cut meets the old one or the new one, whole.

A folder is written under a hidden name beside its place, `.NAME.*.part`, its files are flushed to the disk, and the two are
exchanged in one step of the file system (Linux, `renameat2`). Where there is no such step, the old folder moves
away to `.NAME.*.old` first; what a kill between the two moves leaves is mended by `sweep`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from pathlib import Path

PART, OLD = ".part", ".old"
_HERE = -100
"""AT_FDCWD: relative paths begin at the current folder."""
_EXCHANGE = 2
"""RENAME_EXCHANGE."""
_NOT_KNOWN = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def place(written: Path, folder: Path) -> None:
    """Put a folder that is written to its end in its place; what was there before is deleted.

    Args:
        written: Beside `folder`, named `.NAME.*.part`; is gone afterwards.
        folder: Its place, with or without an older folder.

    Raises:
        OSError: The disk is full, or the folder cannot be written.
    """
    flush(written)
    if not folder.exists():
        written.rename(folder)
    elif _exchange(written, folder):
        shutil.rmtree(written)
    else:
        retired = written.with_suffix(OLD)
        folder.rename(retired)
        written.rename(folder)
        shutil.rmtree(retired)
    _flush_entry(folder.parent)


def sweep(folder: Path) -> None:
    """Remove what killed writers left beside a folder, and bring the folder back where one was killed between two moves.

    Nobody else may be writing the folder.
    """
    retired = sorted(folder.parent.glob(f".{folder.name}.*{OLD}"), key=lambda path: path.stat().st_mtime_ns)
    if retired and not folder.exists():
        retired.pop().rename(folder)
    for leftover in [*retired, *folder.parent.glob(f".{folder.name}.*{PART}")]:
        shutil.rmtree(leftover)


def flush(folder: Path) -> None:
    """Flush every file below a folder to the disk, and then the names of the files."""
    for path in [*folder.rglob("*"), folder]:
        _flush_entry(path)


def _flush_entry(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places in one step; False where this system or file system cannot."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_KNOWN:
        return False
    raise OSError(number, os.strerror(number), str(other))
