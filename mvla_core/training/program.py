"""The state of the program that makes a run: its commit, what differs from it, and what the checkout does not know of.

The patch holds whole files alone, so that `git apply` takes it; what it leaves out is named beside it with its hash.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder that holds this program."""
MOST_CHANGES = 1_000_000
"""Bytes of a patch that are kept."""
_PATCH_OPTIONS = (
    *("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--binary"),
    *("--src-prefix=a/", "--dst-prefix=b/"),
)
_MOST_FILES = 200
_MOST_HASHED = 100_000_000
_TIMEOUT_S = 20


@dataclass(frozen=True)
class OtherFile:
    """A file that the patch does not hold.

    Attributes:
        path: In the checkout.
        size_bytes: None where the file is gone.
        sha256: Of its content; None where it is gone, cannot be read, or has more than 100 MB.
    """

    path: str
    size_bytes: int | None
    sha256: str | None

    @classmethod
    def of(cls, checkout: Path, path: str) -> OtherFile:
        try:
            size = (checkout / path).stat().st_size
            if size > _MOST_HASHED:
                return cls(path, size, None)
            with open(checkout / path, "rb") as file:
                return cls(path, size, hashlib.file_digest(file, "sha256").hexdigest())
        except OSError:
            return cls(path, None, None)


@dataclass(frozen=True)
class ProgramState:
    """What a checkout differs from its commit.

    Attributes:
        commit: Its full name.
        patch: The changes of whole files, at most `MOST_CHANGES` bytes; "" where there are none.
        changed: How many files of the commit differ.
        left_out: Of those, the ones that the patch had no space for, or that are not UTF-8.
        untracked: Files that git neither tracks nor ignores, at most 200.
        untracked_count: How many there are.
    """

    commit: str
    patch: str
    changed: int
    left_out: tuple[OtherFile, ...]
    untracked: tuple[OtherFile, ...]
    untracked_count: int

    def to_json(self) -> dict[str, Any]:
        """As provenance.json holds it. "complete" says whether commit and patch alone give back the program."""
        return {
            "complete": not self.left_out and self.untracked_count == 0,
            "changed_files": self.changed,
            "patch_sha256": hashlib.sha256(self.patch.encode()).hexdigest() if self.patch else None,
            "left_out": [vars(file) for file in self.left_out],
            "untracked": [vars(file) for file in self.untracked],
            "untracked_count": self.untracked_count,
        }


def program_state(checkout: Path = CHECKOUT) -> ProgramState | None:
    """Return the state of the checkout this program runs from; None where it is none, or git cannot say it.

    Args:
        checkout: Another one, for a test.
    """
    commit = git_output(checkout, "rev-parse", "HEAD")
    names = git_output(checkout, "diff", "HEAD", "--name-only", "--no-renames", "-z")
    others = git_output(checkout, "ls-files", "--others", "--exclude-standard", "-z")
    if commit is None or names is None or others is None:
        return None
    kept: list[str] = []
    size = 0
    left_out = []
    changed = _names(names)
    for name, piece in zip(changed, _pieces(checkout, len(changed)), strict=True):
        if piece is None or size + len(piece) > MOST_CHANGES:
            left_out.append(OtherFile.of(checkout, name))
        else:
            kept.append(piece.decode())
            size += len(piece)
    untracked = _names(others)
    return ProgramState(
        commit=commit.decode().strip(),
        patch="".join(kept),
        changed=len(changed),
        left_out=tuple(left_out),
        untracked=tuple(OtherFile.of(checkout, name) for name in untracked[:_MOST_FILES]),
        untracked_count=len(untracked),
    )


def _pieces(checkout: Path, count: int) -> list[bytes | None]:
    """Return the patch of each changed file, in git's order; None for one that is not UTF-8, or where git tells of other files."""
    told = git_output(checkout, "diff", "HEAD", *_PATCH_OPTIONS) or b""
    # Within a file's changes every line begins with a sign of its own.
    pieces = re.split(rb"(?m)^(?=diff --git )", told)[1:]
    if len(pieces) != count:
        return [None] * count
    return [piece if _is_text(piece) else None for piece in pieces]


def _is_text(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def _names(told: bytes) -> list[str]:
    return [name.decode(errors="replace") for name in told.split(b"\0") if name]


def git_output(checkout: Path, *arguments: str) -> bytes | None:
    """Return what git says of a checkout, or None where it is no checkout or git cannot say it."""
    program = shutil.which("git")
    if program is None or not (checkout / ".git").exists():
        return None
    try:
        found = subprocess.run(
            [program, "-C", str(checkout), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout if found.returncode == 0 else None
