"""Files that other processes read: written to a temporary name and moved, so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mvla_core.errors import MvlaError, UserInputError

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


def check_identifier(name: str, what: str) -> str:
    """Return `name` if it is safe as one path part, else raise.

    Args:
        name: A data set, episode or run name that came from a user, a URL or a file.
        what: How to call it in the error, for example "data set name".

    Raises:
        UserInputError: The name is empty, too long, or holds anything but letters, digits, '.', '_' and '-'.
    """
    if not isinstance(name, str) or not IDENTIFIER.fullmatch(name) or ".." in name:
        raise UserInputError(
            f"The {what} {str(name)[:60]!r} cannot be used: expected 1 to 120 letters, digits, '.', '_' or '-', "
            "beginning with a letter or digit and without '..'; choose another name."
        )
    return name


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it there when the block succeeds, remove it when it fails.

    The file is flushed to the disk before the move, so that a power cut leaves the old content or the new, never a mix.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically. NaN and infinities are refused: use None for what is not known."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        MvlaError: The file is missing or is not JSON; the message names it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MvlaError(f"The file {path} is missing.") from None
    except (OSError, ValueError) as error:
        raise MvlaError(f"The file {path} cannot be read as JSON ({error}); remove or restore it.") from error


class FileObject(dict[str, Any]):
    """What a JSON file holds, an object. A key that it lacks is told with the file's name, in place of a bare `KeyError`."""

    def __init__(self, value: Mapping[str, Any], path: Path) -> None:
        super().__init__(value)
        self._path = path

    def __missing__(self, key: str) -> Any:
        raise MvlaError(f"The file {self._path} does not say {key!r}; restore it, or remove it and make it again.")


def read_object(path: Path) -> FileObject:
    """Read a JSON file that holds an object; what is missing in it is told where it is asked for.

    Raises:
        MvlaError: The file is missing, is not JSON, or holds something else than an object; the message names it.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise MvlaError(f"The file {path} does not hold a JSON object; restore it, or remove it and make it again.")
    return FileObject(value, path)


def append_json_line(path: Path, value: dict[str, Any]) -> None:
    """Append one JSON object as a line, in a single write so that concurrent readers see whole lines."""
    line = (json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n").encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def read_json_lines(path: Path, offset: int = 0, limit_bytes: int = 8_000_000) -> tuple[list[dict[str, Any]], int]:
    """Read whole JSON lines from a growing file.

    Args:
        path: The file; a missing one reads as empty.
        offset: Byte offset to begin at. An offset past the end (the file was truncated) restarts at 0.
        limit_bytes: At most this much is read in one call.

    Returns:
        The objects, and the byte offset of the first byte not yet consumed. A line that is not JSON is passed over.
    """
    try:
        size = path.stat().st_size
        begin = 0 if offset > size or offset < 0 else offset
        with open(path, "rb") as file:
            file.seek(begin)
            chunk = file.read(limit_bytes)
    except FileNotFoundError:
        return [], 0
    end = chunk.rfind(b"\n") + 1
    rows = []
    for line in chunk[:end].splitlines():
        with contextlib.suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict):
                rows.append(row)
    return rows, begin + end


def sha256_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
