"""The queue's file: SQLite with a write-ahead log, a numbered schema, and a way on when the file is damaged.

Each operation opens its own connection, so that threads, processes and reloaded pages never share one. Writers take the write
lock at the beginning and wait for each other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from mvla_core.errors import JobError
from mvla_core.jobs.records import restorable_jobs
from mvla_core.layout import DataRoot

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for the others. Forty submissions at once take about a second."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE job (
            job_id INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL, folder TEXT NOT NULL UNIQUE, title TEXT NOT NULL, device TEXT NOT NULL,
            priority INTEGER NOT NULL, config_sha256 TEXT NOT NULL, retry_of INTEGER,
            status TEXT NOT NULL, message TEXT NOT NULL DEFAULT '', diagnosis TEXT NOT NULL DEFAULT '', exit_code INTEGER,
            created REAL NOT NULL, started REAL, finished REAL,
            stop_stage TEXT, stop_asked REAL, stop_grace_s REAL NOT NULL DEFAULT 60.0, stop_until REAL,
            nonce TEXT, boot_id TEXT, pid INTEGER, start_ticks INTEGER
        )
        """,
        "CREATE INDEX job_by_status ON job (status, job_id)",
        "CREATE TABLE notice (time REAL NOT NULL, message TEXT NOT NULL)",
    ),
    (
        "ALTER TABLE job ADD COLUMN position REAL NOT NULL DEFAULT 0",
        "UPDATE job SET position = job_id",
        "ALTER TABLE job ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE job ADD COLUMN pause_wish TEXT",
        "ALTER TABLE job ADD COLUMN discard INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE job ADD COLUMN note TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE job ADD COLUMN memory_before_mib REAL",
    ),
)
"""Element N leads from schema N to schema N + 1. `PRAGMA user_version` holds the file's number. Never change one, add one."""

T = TypeVar("T")


class JobDatabase:
    """Runs operations on the queue's file and knows nothing of what they do.

    Args:
        root: The data root that holds the file.
        makes_folder: Whether a data root that is not there is made; the runner must not bring back one that was just deleted.
    """

    def __init__(self, root: DataRoot, *, makes_folder: bool = True) -> None:
        self._root = root
        self._makes_folder = makes_folder
        self._path = root.jobs_database

    def read(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run an operation that changes nothing; it sees one state of the queue and never waits for a writer."""
        return self._run("BEGIN", operation)

    def write(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run an operation as the only writer; all of it happens, or nothing where it raises.

        Raises:
            JobError: The file cannot be opened or written (disk full, no permission, a newer program's file).
        """
        return self._run("BEGIN IMMEDIATE", operation)

    def hold_open(self) -> sqlite3.Connection:
        """Return a connection that keeps the write-ahead log and its index in being while nobody else has the file open.

        Without them a reader has to make them anew, which a full disk refuses: pages could not even tell that it is full.
        """
        connection = self._connect()
        connection.execute("SELECT 1 FROM job LIMIT 1").fetchall()  # SQLite opens its files at the first look
        return connection

    def _run(self, begin: str, operation: Callable[[sqlite3.Connection], T]) -> T:
        try:
            try:
                return self._attempt(begin, operation)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._set_aside(error)
                return self._attempt(begin, operation)
        except sqlite3.Error as error:
            raise JobError(
                f"The job queue {self._path} cannot be used ({error}); free disk space or check the permissions of its folder."
            ) from error

    def _attempt(self, begin: str, operation: Callable[[sqlite3.Connection], T]) -> T:
        with contextlib.closing(self._connect()) as connection:
            connection.execute(begin)
            value = operation(connection)
            connection.execute("COMMIT")
            return value  # an exception leaves the transaction open, and closing the connection undoes it

    def _connect(self) -> sqlite3.Connection:
        try:
            if self._makes_folder:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._open()
            try:
                if _version(connection) != len(MIGRATIONS):
                    with self._alone():
                        self._migrate(connection)
            except BaseException:
                connection.close()
                raise
        except OSError as error:
            raise JobError(f"The folder {self._path.parent} cannot hold a job queue ({error.strerror}).") from error
        return connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous=FULL")  # a submission that was confirmed survives a power cut
        return connection

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock under which the file itself is made, migrated or replaced.

        It is a file of its own: opening and closing the database's file here would drop SQLite's own locks on it.
        """
        descriptor = os.open(self._root.jobs_lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _migrate(self, connection: sqlite3.Connection, damage: str = "") -> None:
        version = _version(connection)
        if version > len(MIGRATIONS):
            raise JobError(
                f"The job queue {self._path} was written by a newer version of this program (schema {version}, known up to "
                f"{len(MIGRATIONS)}); update the program, or choose another data root."
            )
        if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
            raise JobError(
                f"The file system of {self._path} cannot hold the job queue (no write-ahead log); "
                "put the data root on a local disk."
            )
        connection.execute("BEGIN IMMEDIATE")
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        if version == 0:
            restored, refused = self._restore(connection)
            what_was = damage or ("The queue file was missing or empty." if restored or refused else "")
            if what_was:
                counts = f"{restored} jobs were restored from their folders"
                refusals = f"; not restored: {', '.join(refused)}" if refused else ""
                message = f"{what_was} {counts}{refusals}."
                connection.execute("INSERT INTO notice VALUES (?, ?)", (time.time(), message))
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
        connection.execute("COMMIT")

    def _restore(self, connection: sqlite3.Connection) -> tuple[int, list[str]]:
        rows, refused = restorable_jobs(self._root)
        taken: set[int] = set()
        folders: set[str] = set()
        for row in rows:
            if row["job_id"] in taken or row["folder"] in folders:
                refused.append(f"{row['folder']} (its number {row['job_id']} or its name is taken)")
                continue
            taken.add(row["job_id"])
            folders.add(row["folder"])
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO job ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
        return len(taken), refused

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """Move a damaged file away and build a new one from the job folders, unless another process has done so already."""
        with self._alone():
            if self._is_sound():
                return
            aside = self._path.with_name(f"{self._path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
            for suffix in (
                "-wal",
                "-shm",
                "",
            ):  # the log first: a log that outlived its file would be replayed into the new one
                part = self._path.with_name(self._path.name + suffix)
                if part.exists():
                    os.replace(part, aside.with_name(aside.name + suffix))
            with contextlib.closing(self._open()) as connection:
                self._migrate(connection, f"The queue file was damaged ({error}) and is kept as {aside.name}.")

    def _is_sound(self) -> bool:
        try:
            with contextlib.closing(self._open()) as connection:
                return bool(connection.execute("PRAGMA quick_check").fetchone()[0] == "ok" and _version(connection))
        except sqlite3.DatabaseError:
            return False


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # absent on errors that Python itself raises
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damaged_files(root: DataRoot) -> list[Path]:
    """Return the queue files that were set aside, oldest first; they may be deleted."""
    return sorted(root.path.glob(f"{root.jobs_database.name}.damaged-*[0-9]"))
