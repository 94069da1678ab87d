"""A cache of what was found in files: one SQLite file, in which one entry changes without the others being written again.

An entry belongs to one state of one file, told by its size and time of change. The cache may be deleted at any time; a damaged
one is told and made anew, and where the disk cannot be written the work is done again next time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mvla_core.progress import Progress

_BUSY_TIMEOUT_S = 30.0
_AT_ONCE = 500
"""Names in one question to the database."""
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

T = TypeVar("T")


@dataclass(frozen=True)
class CachedEntry:
    """What was found in one file when it was `size` bytes long and last changed at `mtime_ns`."""

    size: int
    mtime_ns: int
    value: str
    """JSON."""
    data: bytes = b""
    """An array as plain bytes. `CacheTable.entries` leaves it out: see `CacheTable.data`."""


class CacheTable:
    """Entries by file name. Threads and processes may share one file; each call is a transaction of its own.

    Args:
        path: The file; it need not exist.
        version: Entries of another version are given up.
        what: How to call it in a note, for example "catalogue of tub".
        progress: Told when the cache was damaged or cannot be written.
    """

    def __init__(self, path: Path, version: int, what: str, progress: Progress) -> None:
        self.path, self._version, self._what, self._progress = path, version, what, progress

    def entries(self) -> dict[str, CachedEntry]:
        """Every entry by file name, without its data."""

        def read(connection: sqlite3.Connection) -> dict[str, CachedEntry]:
            rows = connection.execute("SELECT name, size, mtime_ns, value FROM entry")
            return {os.fsdecode(name): CachedEntry(size, mtime_ns, value) for name, size, mtime_ns, value in rows}

        return self._read(read, {})

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Size and time of change of every entry's file by name: what a look for changes compares."""

        def read(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
            rows = connection.execute("SELECT name, size, mtime_ns FROM entry")
            return {os.fsdecode(name): (size, mtime_ns) for name, size, mtime_ns in rows}

        return self._read(read, {})

    def data(self, names: Iterable[str]) -> dict[str, CachedEntry]:
        """The entries of these files with their data; a name without an entry is left out."""
        keys = [os.fsencode(name) for name in names]

        def read(connection: sqlite3.Connection) -> dict[str, CachedEntry]:
            found = {}
            for begin in range(0, len(keys), _AT_ONCE):
                part = keys[begin : begin + _AT_ONCE]
                marks = ", ".join("?" * len(part))
                rows = connection.execute(
                    f"SELECT name, size, mtime_ns, value, data FROM entry WHERE name IN ({marks})", part
                )
                found.update({os.fsdecode(name): CachedEntry(*rest) for name, *rest in rows})
            return found

        return self._read(read, {}) if keys else {}

    def change(self, put: Mapping[str, CachedEntry], remove: Iterable[str] = ()) -> None:
        """Write some entries and remove others, all or none; the rest is not touched."""
        rows = [(os.fsencode(name), e.size, e.mtime_ns, e.value, e.data) for name, e in put.items()]
        gone = [(os.fsencode(name),) for name in remove]
        if not rows and not gone:
            return

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            if _version(connection) != self._version:
                connection.execute("DROP TABLE IF EXISTS entry")
                connection.execute(
                    "CREATE TABLE entry (name BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,"
                    " value TEXT NOT NULL, data BLOB NOT NULL) WITHOUT ROWID"
                )
                connection.execute(f"PRAGMA user_version={self._version}")
            connection.executemany("DELETE FROM entry WHERE name = ?", gone)
            connection.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?)", rows)
            connection.execute("COMMIT")

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._attempt(write)
        except (OSError, sqlite3.Error) as error:
            self._progress.note(
                f"The {self._what} cannot be kept in {self.path.parent} ({error}); check the free space and who may write there.",
                "warning",
            )

    def _read(self, operation: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        def checked(connection: sqlite3.Connection) -> T:
            return operation(connection) if _version(connection) == self._version else otherwise

        if not self.path.exists():
            return otherwise
        try:
            found = self._attempt(checked)
        except sqlite3.Error as error:
            self._progress.note(f"The {self._what} in the cache cannot be read ({error}).", "warning")
            return otherwise
        return otherwise if found is None else found

    def _attempt(self, operation: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run an operation; on a damaged file it is told, removed, and the operation run on an empty one."""
        try:
            return self._run(operation)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE:
                raise
            self._progress.note(f"The {self._what} in the cache was damaged and is made anew ({error}).", "warning")
            for suffix in ("-journal", ""):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            return self._run(operation)

    def _run(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        with contextlib.closing(
            sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        ) as connection:
            return operation(connection)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
