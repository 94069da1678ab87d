"""Small files in a folder of limited size, the longest unused given up first: pictures that are slow to make."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

_KEPT_SHARE = 0.9
"""After clearing out; so that it is not done again with the next file."""


class BoundedStore:
    """Content by key, on the disk. Threads and processes may share a folder; it may be deleted at any time.

    The limit holds for each process's own count, which is taken from the disk at its first write and each time the limit is
    passed: two processes together may pass it for a while by what both have written since.

    Args:
        folder: Where the files lie; nothing else may be in it.
        limit_bytes: What they may take together.
        ending: The last bytes of sound content; a file that lacks them was cut short by a power cut and is not given out.
    """

    def __init__(self, folder: Path, limit_bytes: int, ending: bytes = b"") -> None:
        self._folder, self._limit, self._ending = folder, limit_bytes, ending
        self._lock = threading.Lock()
        self._bytes: int | None = None

    def get(self, *key: object) -> bytes | None:
        """The content that was put under this key, or None. What is asked for counts as used now."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:  # Not there, or not to be read for another reason: either way it has to be made.
            return None
        if not content.endswith(self._ending):
            return None
        with contextlib.suppress(PermissionError, FileNotFoundError):
            os.utime(path)
        return content

    def put(self, content: bytes, *key: object) -> None:
        """Keep content, and give up what was longest unused where that is too much.

        Raises:
            OSError: It cannot be written.
        """
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not flushed to the disk, in contrast to `files.replacing`: a cut file is told by its ending.
        part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
        try:
            part.write_bytes(content)
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        with self._lock:
            if self._bytes is None:
                self._bytes = sum(size for _, size, _ in self._files())
            else:
                self._bytes += len(content)
            if self._bytes > self._limit:
                self._bytes = self._clear_out()

    def _path(self, key: tuple[object, ...]) -> Path:
        name = hashlib.sha256(repr(key).encode(errors="surrogateescape")).hexdigest()[:40]
        return self._folder / name[:2] / name[2:]

    def _clear_out(self) -> int:
        """Remove the longest unused files, and return the bytes that are left."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= _KEPT_SHARE * self._limit:
                break
            path.unlink(missing_ok=True)
            total -= size
        return total

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """Time of last use in nanoseconds, size in bytes, and path of each file."""
        for path in self._folder.glob("??/*"):
            with contextlib.suppress(FileNotFoundError):  # Another process may clear out too.
                status = path.stat()
                yield status.st_mtime_ns, status.st_size, path
