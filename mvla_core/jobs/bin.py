"""The bin: where the folders of discarded jobs and runs lie until somebody restores or removes them. Nothing is deleted here.

A folder moves as a whole to `.bin` beside it (`runs/.bin/NAME`, `jobs/.bin/NAME`), which is one step of the file system: it is
there or here, never half.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from mvla_core.errors import JobError
from mvla_core.layout import JobFolder

BIN = ".bin"


def binned(folder: JobFolder) -> JobFolder:
    """Return where a folder lies, or would lie, in the bin."""
    return type(folder)(folder.path.parent / BIN / folder.path.name)


def move_to_bin(folder: JobFolder) -> None:
    """Move a folder to the bin; one that lies there already stays.

    Raises:
        JobError: There is no such folder, a process works in it, or it cannot be moved.
    """
    target = binned(folder).path
    if target.exists() and not folder.path.exists():
        return
    with _nobody_in(folder):
        _move(folder, binned(folder), "cannot be moved to the bin")


def move_back(folder: JobFolder) -> None:
    """Move a folder out of the bin to where it was.

    Raises:
        JobError: It is not in the bin, its old place is taken, or it cannot be moved.
    """
    if folder.path.exists():
        raise JobError(
            f"The folder {folder.path} is there already; move it away before you restore the one in the bin."
        )
    _move(binned(folder), folder, "cannot be restored from the bin")


@contextlib.contextmanager
def _nobody_in(folder: JobFolder) -> Iterator[None]:
    """Hold the lock that a worker holds on its configuration for as long as it works, whoever started that worker.

    The queue knows its own jobs alone: torchrun or a cluster may train in a folder that has no job, or whose job has ended.
    """
    try:
        descriptor = os.open(folder.config, os.O_RDONLY)
    except OSError:  # no worker can work without a configuration that it can read
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JobError(
                f"A process works in {folder.path}, which the queue does not know (torchrun or a cluster, for example); stop it "
                "first."
            ) from None
        yield
    finally:
        os.close(descriptor)


def _move(source: JobFolder, target: JobFolder, complaint: str) -> None:
    try:
        target.path.parent.mkdir(parents=True, exist_ok=True)
        os.rename(source.path, target.path)
    except OSError as error:
        raise JobError(f"The folder {source.path} {complaint} ({error.strerror}).") from error
