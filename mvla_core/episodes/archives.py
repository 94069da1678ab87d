"""Taking recordings out of archives that nobody vouches for: nothing lands outside the folder, and nothing without a limit."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from mvla_core.errors import UserInputError
from mvla_core.progress import Progress

ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
WANTED_SUFFIXES = (".h5", ".hdf5", ".jpg", ".jpeg", ".png", ".catalog", ".json")
MAX_MEMBERS = 1_000_000
MAX_RATIO = 100
"""Recordings are packed already, so an archive of them grows little; what grows more than this is a bomb."""
_SMALL_BYTES = 1 << 30
"""Up to this the ratio is not looked at: a few black pictures shrink well."""
_SPARE_BYTES = 1 << 30
"""Left free on the disk."""


@dataclass(frozen=True)
class SkippedFile:
    """A file that was not imported, with the reason in words."""

    file: str
    reason: str

    def to_json(self) -> dict[str, str]:
        return {"file": self.file, "reason": self.reason}


@dataclass(frozen=True)
class _Member:
    name: str
    is_file: bool
    is_folder: bool


def is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def is_junk(name: str) -> bool:
    """Whether a path in an archive or folder is hidden, or is what macOS adds to archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def extract(archive: Path, folder: Path, progress: Progress) -> list[SkippedFile]:
    """Extract what may belong to recordings.

    Args:
        archive: A .tar.gz, .tgz, .tar or .zip file.
        folder: An empty folder; whatever the archive says, nothing is written outside it.
        progress: Told the bytes; the user may stop.

    Returns:
        Members that were refused: links, devices, and names that lead out of the folder.

    Raises:
        UserInputError: The archive is damaged or encrypted, or holds more than it may.
    """
    try:
        with open(archive, "rb") as file:
            budget = _Budget(archive, file, folder, progress)
            if archive.name.lower().endswith(".zip"):
                with zipfile.ZipFile(file) as pack:
                    return _extract_all(_zip_members(pack), folder, budget)
            # As a stream, so that a large archive is read once.
            with tarfile.open(fileobj=file, mode="r|" if archive.name.lower().endswith(".tar") else "r|gz") as pack:
                return _extract_all(_tar_members(pack), folder, budget)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UserInputError(f"The archive {archive.name} is damaged ({error}); copy or download it again.") from error
    except RuntimeError as error:  # What zipfile raises for an encrypted member.
        raise UserInputError(f"The archive {archive.name} cannot be read ({error}); unpack it yourself.") from error


class _Budget:
    """Counts what is written, and refuses more than the archive can honestly hold or the disk has room for."""

    def __init__(self, archive: Path, file: BinaryIO, folder: Path, progress: Progress) -> None:
        self._name, self._file, self._progress = archive.name, file, progress
        self._size = archive.stat().st_size
        free = shutil.disk_usage(folder).free - _SPARE_BYTES
        self._limit = min(free, max(_SMALL_BYTES, MAX_RATIO * self._size))
        self._written, self._members = 0, 0

    def member(self, name: str) -> None:
        """Count a file of the archive, and tell how many of the archive's megabytes are read."""
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise UserInputError(f"The archive {self._name} holds more than {MAX_MEMBERS:,} files; split it.")
        read, total = round(self._file.tell() / 1e6, 1), round(self._size / 1e6, 1)
        self._progress.update(read, total, f"MB read, unpacking {name}")

    def spend(self, count: int) -> None:
        """Count bytes that are about to be written."""
        self._progress.check()
        self._written += count
        if self._written > self._limit:
            raise UserInputError(
                f"The archive {self._name} unpacks to more than {self._limit / 1e6:,.0f} MB, which is more than recordings do "
                "or than the disk has room for; unpack it yourself if you trust it, and import the folder."
            )


def _tar_members(pack: tarfile.TarFile) -> Iterator[tuple[_Member, IO[bytes] | None]]:
    for info in pack:
        yield _Member(info.name, info.isreg(), info.isdir()), pack.extractfile(info) if info.isreg() else None


def _zip_members(pack: zipfile.ZipFile) -> Iterator[tuple[_Member, IO[bytes] | None]]:
    for info in pack.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        is_file = not info.is_dir() and kind in (0, stat.S_IFREG)
        if is_file:
            with pack.open(info) as content:
                yield _Member(info.filename, True, False), content
        else:
            yield _Member(info.filename, False, info.is_dir()), None


def _extract_all(
    members: Iterator[tuple[_Member, IO[bytes] | None]], folder: Path, budget: _Budget
) -> list[SkippedFile]:
    skipped = []
    for member, content in members:
        budget.member(member.name)
        path = PurePosixPath(member.name.replace("\\", "/"))
        if member.is_folder:
            continue
        if path.is_absolute() or ".." in path.parts or "\0" in member.name:
            skipped.append(SkippedFile(member.name, "its name leads out of the archive; not extracted"))
        elif not member.is_file:
            skipped.append(SkippedFile(member.name, "a link or a device, not a file; not extracted"))
        elif not is_junk(str(path)) and path.suffix.lower() in WANTED_SUFFIXES and content is not None:
            target = folder.joinpath(*path.parts)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(content, target, budget)
            except FileExistsError:
                skipped.append(
                    SkippedFile(member.name, "the archive holds a file of this name twice; the first was taken")
                )
            except OSError as error:
                skipped.append(SkippedFile(member.name, f"cannot be written: {error.strerror or error}"))
    return skipped


def _copy(content: IO[bytes], target: Path, budget: _Budget) -> None:
    with open(target, "xb") as out:
        while block := content.read(1 << 20):
            budget.spend(len(block))
            out.write(block)
