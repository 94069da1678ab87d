"""Why a job failed, in words that say what to do: read off the exception, else off the last lines of the log."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from mvla_core.errors import DatasetError, EpisodeError

ADVICE = {
    "out_of_memory": "Memory ran out: choose a smaller batch or window, or close other programs, then start it again.",
    "disk_full": "The disk is full: free space below the data root, then start it again.",
    "missing_weights": "The base model's weights are not on this machine: `python -m mvla_core doctor` says how to get them.",
    "bad_data": "The data cannot be used as it is: the audit of the data set names the episodes concerned.",
}
"""Diagnosis -> what the user does about it."""

EXIT_DISK_FULL = 28
"""Exit code of a worker that could not even write its result (the number of ENOSPC)."""

_PATTERNS = {
    "out_of_memory": re.compile(
        r"out of memory|OutOfMemoryError|MemoryError|(can't|cannot) allocate memory", re.IGNORECASE
    ),
    "disk_full": re.compile(
        r"No space left on device|Disk quota exceeded|os error 28\b|database or disk is full|disk that holds \S+ is full",
        re.IGNORECASE,
    ),
    "missing_weights": re.compile(
        r"weights (are|is|were) (missing|not)|missing weights|not a valid model identifier|LocalEntryNotFoundError"
        r"|OfflineModeIsEnabled|couldn't connect to .*hugg|no file named (pytorch_model|model)",
        re.IGNORECASE,
    ),
    "bad_data": re.compile(r"\b(EpisodeError|DatasetError)\b|Unable to (synchronously )?open file|truncated file"),
}

_UNNAMED_WRITE = re.compile(r"inline_container|PytorchStreamWriter|iostream error")
_READ = "PytorchStreamReader"
_PROBE_BYTES = 4_000_000


def diagnose_exception(error: BaseException) -> str:
    """Return a key of `ADVICE` for an exception or what caused it, or "" where none fits."""
    for cause in _causes(error):
        if isinstance(cause, MemoryError):
            return "out_of_memory"
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return "disk_full"
        if isinstance(cause, EpisodeError | DatasetError):
            return "bad_data"
        if found := diagnose_text(f"{type(cause).__name__}: {cause}"):
            return found
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def diagnose_text(text: str, folder: Path | None = None) -> str:
    """Return a key of `ADVICE` for the end of a log, or "" where none fits.

    Args:
        text: What an exception or a log says.
        folder: Where the job wrote: torch does not say why it could not write, so that the disk itself is asked. None asks none.
    """
    named = next((name for name, pattern in _PATTERNS.items() if pattern.search(text)), "")
    if not named and folder is not None and is_unnamed_write(text) and is_full(folder):
        return "disk_full"
    return named


def is_unnamed_write(text: str) -> bool:
    """Say whether torch tells with these words that it could not write a file, which it does without the system's reason."""
    return _UNNAMED_WRITE.search(text) is not None and _READ not in text


def is_full(folder: Path) -> bool:
    """Say whether a folder's disk, or the user's share of it, takes nothing more: a few megabytes are written, and removed."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False


def last_lines(log: Path, count: int = 20, limit_bytes: int = 16_384) -> Sequence[str]:
    """Return the last lines of a log for people: a line that rewrote itself counts once, and control characters are gone.

    Args:
        log: The file; a missing one has no lines.
        count: At most this many lines that are not empty.
        limit_bytes: Only this much of the file's end is read.
    """
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - limit_bytes))
            content = file.read(limit_bytes)
    except FileNotFoundError:
        return []
    return shown_lines(content)[-count:]


def shown_lines(content: bytes) -> Sequence[str]:
    """Return the lines of a piece of a log that are not empty, as people see them; see `last_lines`."""
    lines = (line.rstrip().rpartition("\r")[2] for line in content.decode("utf-8", errors="replace").split("\n"))
    shown = ("".join(character for character in line if character.isprintable() or character == "\t") for line in lines)
    return [line for line in shown if line.strip()]
