"""Checkpoints that count only when they are whole, and what a training goes on from.

    checkpoints/checkpoint-N/            what Trainer writes after N steps, and complete.json: size and SHA-256 of every file
    checkpoints/.part/checkpoint-N/      one that is being written; it gets its name when every process has written its part, and
                                         all files are on the disk with complete.json among them
    checkpoints/damaged-checkpoint-N/    one whose files are not those that were written; goes with the next good checkpoint
The two newest are kept. A damaged one is passed over, and said to be; the training then goes on from the one before it.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from mvla_core.errors import MvlaError
from mvla_core.files import read_json, sha256_file, write_json
from mvla_core.layout import RunFolder
from mvla_core.policies.folder_exchange import place
from mvla_core.progress import Progress
from mvla_core.training.history import is_out_of_patience

MARK = "complete.json"
STATE = "trainer_state.json"
"""Trainer's: steps and epochs done, and the log."""
_PART = ".part"
_DAMAGED = "damaged-"
_KEPT = 2


def part_folder(checkpoints: Path) -> Path:
    """Return the folder in which a checkpoint is written before it counts."""
    return checkpoints / _PART


def write_mark(checkpoint: Path, processes: int) -> None:
    """Write down what every file of a checkpoint holds.

    Args:
        checkpoint: All files are there.
        processes: How many trained; each has a file with the state of its random numbers.
    """
    files = {
        path.relative_to(checkpoint).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != MARK
    }
    write_json(checkpoint / MARK, {"processes": processes, "files": files})


def finish_checkpoint(checkpoints: Path, step: int, processes: int) -> None:
    """Make a checkpoint count that was written below `part_folder`; delete those that are not needed any more.

    Args:
        checkpoints: The run's.
        step: Its number.
        processes: As in `write_mark`.
    """
    written = part_folder(checkpoints) / f"checkpoint-{step}"
    write_mark(written, processes)
    place(written, checkpoints / written.name)
    part_folder(checkpoints).rmdir()
    for old in [*list(_newest_first(checkpoints))[_KEPT:], *checkpoints.glob(f"{_DAMAGED}*")]:
        shutil.rmtree(old)


def newest_checkpoint(run: RunFolder) -> Path | None:
    """Return the whole checkpoint with the most steps, or None; nothing is changed."""
    return next((path for path in _newest_first(run.checkpoints) if not damage_of(path)), None)


def take_checkpoint(run: RunFolder, progress: Progress) -> Path | None:
    """Return what a training goes on from, or None where it begins; tidy up after a kill, and tell what is damaged."""
    shutil.rmtree(part_folder(run.checkpoints), ignore_errors=True)
    passed_over = False
    for path in _newest_first(run.checkpoints):
        damage = damage_of(path)
        if not damage:
            return path
        progress.note(f"{path.name} is damaged and not used: {damage}.", "warning")
        aside = path.with_name(f"{_DAMAGED}{path.name}")
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        passed_over = True
    if passed_over:
        progress.note("No checkpoint is whole: the training begins again with its first step.", "warning")
    return None


def damage_of(checkpoint: Path) -> str:
    """Say what is wrong with a checkpoint; "" where it is whole. One of an older program, without complete.json, is read."""
    try:
        if (checkpoint / MARK).is_file():
            return _difference(checkpoint, read_json(checkpoint / MARK)["files"])
        return _unreadable(checkpoint)
    except (MvlaError, OSError, KeyError, TypeError, AttributeError) as error:
        return str(error).rstrip(".") or type(error).__name__


def epochs_of_ended(checkpoint: Path, patience: int) -> int | None:
    """Return how many epochs a training had when patience ended it, after which this checkpoint was written; else None."""
    state = read_json(checkpoint / STATE)
    ended = is_out_of_patience(state["log_history"], state["epoch"], patience)
    return int(state["epoch"]) if ended else None


def _newest_first(checkpoints: Path) -> Iterator[Path]:
    numbered = {
        int(number): path for path in checkpoints.glob("checkpoint-*") if (number := path.name[11:]).isdecimal()
    }
    return (numbered[number] for number in sorted(numbered, reverse=True))


def _difference(checkpoint: Path, files: dict[str, Any]) -> str:
    for name, stated in files.items():
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != stated["bytes"] or sha256_file(path) != stated["sha256"]:
            return f"{name} does not hold what was written"
    return "" if STATE in files else f"{STATE} is missing"


def _unreadable(checkpoint: Path) -> str:
    """Read through a checkpoint without checksums: Trainer's own files are zip archives, which hold some."""
    if not (checkpoint / STATE).is_file():
        return f"it was not written to its end, {STATE} is missing"
    read_json(checkpoint / STATE)["log_history"]
    for path in checkpoint.rglob("*"):
        try:
            if path.suffix in (".pt", ".pth"):
                with zipfile.ZipFile(path) as archive:
                    whole = archive.testzip() is None
            elif path.suffix == ".safetensors":
                with safe_open(path, framework="np"):
                    whole = True
            else:
                continue
        except (zipfile.BadZipFile, SafetensorError):
            whole = False
        if not whole:
            return f"{path.name} cannot be read"
    return ""
