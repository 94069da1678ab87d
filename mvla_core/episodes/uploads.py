"""Recordings that come in through the browser: written to the disk as they arrive, never held in memory, within limits.

    cache/uploads/<batch>/recordings/*.h5     single recordings, imported together
    cache/uploads/<batch>/archives/*          archives, each imported by itself

A batch is what a user chose at once. Its files are deleted when the import has read them, when the user cancels, and after a day
where nobody came back for them.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from mvla_core.episodes.archives import ARCHIVE_SUFFIXES
from mvla_core.episodes.catalogue import EPISODE_SUFFIXES
from mvla_core.episodes.dataset import identifier_from
from mvla_core.errors import UserInputError
from mvla_core.files import check_identifier
from mvla_core.layout import DataRoot

UPLOADED_SUFFIXES = (*EPISODE_SUFFIXES, *ARCHIVE_SUFFIXES)
MAX_FILES = 5_000
SPARE_BYTES = 1 << 30
"""Left free on the disk."""
_KEPT_S = 24 * 3600.0
_DISK_LOOK_BYTES = 64 << 20
"""The free space is looked at again each time so much has arrived: others write to the disk too."""


class UploadTooLarge(UserInputError):
    """More bytes than an upload may have."""


class NoRoom(UserInputError):
    """The disk has no room for an upload."""


def open_batch(root: DataRoot, total_bytes: int) -> str:
    """Make room for some files that are about to arrive, and return the name of their batch.

    Args:
        root: The data root.
        total_bytes: What the files have together, as the browser says.

    Raises:
        NoRoom: The disk would be full.
    """
    folder = uploads_folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    _forget_old(folder)
    check_room(folder, total_bytes)
    batch = secrets.token_hex(12)
    (folder / batch).mkdir()
    return batch


def uploads_folder(root: DataRoot) -> Path:
    """Where uploads lie until they are imported."""
    return root.cache / "uploads"


def batch_folder(root: DataRoot, batch: str) -> Path:
    """Return the folder of a batch.

    Raises:
        UserInputError: The name cannot be one, or there is no such batch.
    """
    folder = uploads_folder(root) / check_identifier(batch, "name of the upload")
    if not folder.is_dir():
        raise UserInputError(f"The upload {batch[:40]} is not there any more; choose the files again.")
    return folder


def kept_name(name: str) -> str:
    """Return the name under which an uploaded file is kept: as like the given one as can be, and safe as one path part.

    Raises:
        UserInputError: It does not end as recordings and archives do.
    """
    ending = _ending(name)
    if ending is None:
        raise UserInputError(
            f"The file {name[-80:]!r} cannot be imported: expected one that ends in {', '.join(UPLOADED_SUFFIXES)}."
        )
    return (identifier_from(name[: -len(ending)], "recording").rstrip(".") or "recording") + ending


def check_room(folder: Path, wanted_bytes: int) -> None:
    """Raises NoRoom where the disk would have less than `SPARE_BYTES` left."""
    free = shutil.disk_usage(folder).free - SPARE_BYTES
    if wanted_bytes > free:
        raise NoRoom(
            f"The disk has no room for this upload: {_megabytes(wanted_bytes)} are needed and {_megabytes(max(free, 0))} may be "
            "used; free some space, or import the recordings by their path."
        )


def check_size(name: str, size: int, limit_bytes: int) -> None:
    """Raises UploadTooLarge where a file has more than `limit_bytes`."""
    if size > limit_bytes:
        raise UploadTooLarge(
            f"The file {name[:80]} is larger than {_megabytes(limit_bytes)}, the limit for an upload; import it by its path, or "
            "raise server.maxUploadSize in .streamlit/config.toml."
        )


class IncomingFile:
    """A file that is arriving. Left without `finish`, for whatever reason, it leaves nothing behind.

    Args:
        root: The data root.
        batch: From `open_batch`.
        name: As the browser gives it.
        limit_bytes: What the file may have.
        announced_bytes: What it is said to have; None where nobody says.

    Raises:
        UploadTooLarge: The file is announced to be larger than the limit.
        NoRoom: The disk would be full.
        UserInputError: The name or the batch cannot be used.
    """

    def __init__(
        self, root: DataRoot, batch: str, name: str, limit_bytes: int, announced_bytes: int | None = None
    ) -> None:
        self._folder = batch_folder(root, batch)
        self.name = kept_name(name)
        self._limit, self._announced, self.received = limit_bytes, announced_bytes, 0
        check_size(self.name, announced_bytes or 0, limit_bytes)
        check_room(self._folder, announced_bytes or 0)
        self._part = self._folder / f"{secrets.token_hex(8)}.part"
        self._file: IO[bytes] = open(self._part, "xb")  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def write(self, block: bytes) -> None:
        """Append what arrived.

        Raises:
            UploadTooLarge: The file has become larger than the limit.
            NoRoom: The disk is nearly full.
        """
        before = self.received // _DISK_LOOK_BYTES
        self.received += len(block)
        check_size(self.name, self.received, self._limit)
        if self.received // _DISK_LOOK_BYTES != before:
            check_room(self._folder, 0)
        self._file.write(block)

    def finish(self) -> Path:
        """Keep the file, under a free name, and return where it lies.

        Raises:
            UserInputError: It is empty, or less arrived than was announced.
        """
        if not self.received or self.received != (self._announced or self.received):
            raise UserInputError(
                f"Of the file {self.name} {self.received:,} bytes arrived; expected {self._announced or 'some'}. Upload it again."
            )
        self._file.close()
        archive = self.name.lower().endswith(ARCHIVE_SUFFIXES)
        folder = self._folder / ("archives" if archive else "recordings")
        folder.mkdir(exist_ok=True)
        stem = self.name[: -len(_ending(self.name) or "")]
        number = 1
        while True:
            target = folder / (self.name if number == 1 else f"{stem}-{number}{self.name[len(stem) :]}")
            try:
                target.touch(exist_ok=False)
            except FileExistsError:
                number += 1
            else:
                os.replace(self._part, target)
                return target


def sources(root: DataRoot, batch: str) -> list[Path]:
    """Return what there is to import of a batch: its archives one by one, and its single recordings as one folder.

    Raises:
        UserInputError: There is no such batch, or it is empty.
    """
    folder = batch_folder(root, batch)
    recordings = folder / "recordings"
    archives = folder / "archives"
    found = sorted(archives.iterdir()) if archives.is_dir() else []
    if recordings.is_dir():
        found.append(recordings)
    if not found:
        raise UserInputError("Nothing was uploaded; choose the files again.")
    return found


def is_uploaded(root: DataRoot, source: Path) -> bool:
    """Whether a source of an import lies among the uploads, and is ours to move and to delete."""
    return source.resolve().is_relative_to(uploads_folder(root).resolve())


def discard(root: DataRoot, batch: str) -> None:
    """Delete a batch with all its files; one that is not there is none."""
    shutil.rmtree(uploads_folder(root) / check_identifier(batch, "name of the upload"), ignore_errors=True)


def discard_source(root: DataRoot, source: Path) -> None:
    """Delete an uploaded source that was imported, and its batch when that was the last of it."""
    if source.is_dir():
        shutil.rmtree(source, ignore_errors=True)
    else:
        source.unlink(missing_ok=True)
    for folder in (source.parent, source.parent.parent):
        if folder.resolve() == uploads_folder(root).resolve():
            return
        try:
            folder.rmdir()
        except OSError:  # Not empty: there is more to import, or more to arrive.
            return


def _ending(name: str) -> str | None:
    """How a name ends, ".tar.gz" as a whole, in small letters; None where recordings and archives do not end so."""
    return next((end for end in sorted(UPLOADED_SUFFIXES, key=len)[::-1] if name.lower().endswith(end)), None)


def _forget_old(folder: Path) -> None:
    for batch in folder.iterdir():
        try:
            newest = max(path.stat().st_mtime for path in (batch, *batch.rglob("*")))
        except FileNotFoundError:
            continue
        if batch.is_dir() and time.time() - newest > _KEPT_S:
            shutil.rmtree(batch, ignore_errors=True)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
