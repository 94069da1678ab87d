"""The logged steps of a run as columns of numbers, kept beside the cache so that a million of them are drawn in milliseconds.

`progress.jsonl` is read once, line by line; each number goes to the end of a file of its own, `cache/curves/<run_id>/<column>.f8`
or `.f4`, which is mapped into memory and never copied as a whole. What was read up to which byte is in `state.json`, written last:
columns that are longer than it says were written by a reader that was killed, and are cut. All of it is safe to delete.

Reading is bounded in time: a call takes in what it can within its budget, and the answer says how much is still unread.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mvla_core.errors import MvlaError
from mvla_core.files import read_json, read_json_lines
from mvla_core.layout import DataRoot, RunFolder

Axis = Literal["step", "epoch", "time"]
AXES: tuple[Axis, ...] = ("step", "epoch", "time")
"""What a curve may be drawn over: optimiser steps, epochs done (with a fraction), seconds since the first logged step."""
METRICS = ("train_loss", "learning_rate", "grad_norm", "windows_per_second", "memory_bytes", "gpu_memory_bytes")
BUDGET_S = 0.05
_FORMAT = 1
_CHUNK_BYTES = 400_000
_DTYPES: dict[str, np.dtype[Any]] = {
    **dict.fromkeys(AXES, np.dtype("<f8")),
    **dict.fromkeys(METRICS, np.dtype("<f4")),
}
_HEAD_BYTES = 1_000

Column = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class StepColumns:
    """The logged steps of a run.

    Attributes:
        rows: How many were read.
        columns: By name of `AXES` and `METRICS`, (rows,); NaN where a value was not finite or not logged.
        began: When the first step was logged, seconds since the epoch; None before it.
        epochs: The `epoch` events so far, as they are in the progress file, one an epoch, ascending.
        validation_set: The last `validation_set` event, empty where there is none.
        notes: Warnings and errors, in order, at most `MAX_NOTES`.
        offset: Byte of the progress file after the last line read.
        size: Bytes of the progress file; above `offset` where more is to be read.
    """

    rows: int
    columns: dict[str, Column]
    began: float | None
    epochs: list[dict[str, Any]]
    validation_set: dict[str, Any]
    notes: list[dict[str, Any]]
    offset: int
    size: int


MAX_NOTES = 50


def read_columns(
    root: DataRoot, run: RunFolder, budget_s: float = BUDGET_S, names: Sequence[str] = (*AXES, *METRICS)
) -> StepColumns:
    """Take in what the progress file gained, for about `budget_s` seconds, and map the columns.

    Args:
        root: The data root, whose cache is used.
        run: Its progress file may be missing, growing, cut short or damaged: lines that are no events are passed over.
        budget_s: At least one part of the file is read, however little this is.
        names: The columns that are wanted.
    """
    folder = root.cache / "curves" / run.run_id
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        state, fresh = _state(folder, run.progress)
        if fresh:
            # New files and not the old ones emptied: a reader that still has those mapped would be killed by the system.
            for name in _DTYPES:
                (folder / _file(name)).unlink(missing_ok=True)
        before = state["offset"]
        deadline = time.perf_counter() + budget_s
        while True:
            rows, offset = read_json_lines(run.progress, state["offset"], _CHUNK_BYTES)
            if offset == state["offset"]:
                break
            _take_in(folder, state, rows)
            state["offset"] = offset
            if time.perf_counter() > deadline:
                break
        if fresh or state["offset"] != before:
            _keep(folder, state)
        columns = {name: _map(folder, name, state["rows"]) for name in names}
    return StepColumns(
        rows=state["rows"],
        columns=columns,
        began=state["began"],
        epochs=state["epochs"],
        validation_set=state["validation_set"],
        notes=state["notes"],
        offset=state["offset"],
        size=_size(run.progress),
    )


def _take_in(folder: Path, state: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    steps = []
    for row in rows:
        event = row.get("event")
        if event == "step":
            steps.append(row)
        elif event == "epoch" and isinstance(row.get("epoch"), int):
            # A training that went on from a checkpoint repeats what came after it: its later word counts.
            state["epochs"] = [known for known in state["epochs"] if known["epoch"] < row["epoch"]] + [row]
        elif event == "validation_set":
            state["validation_set"] = row
        elif event == "note" and row.get("level") in ("warning", "error"):
            state["notes"] = [*state["notes"], row][-MAX_NOTES:]
    if not steps:
        return
    if state["began"] is None:
        state["began"] = next((row["time"] for row in steps if _is_number(row.get("time"))), None)
    arrays = {name: np.array([_number(row.get(name)) for row in steps]) for name in _DTYPES}
    arrays["time"] -= state["began"] or 0.0
    for name, dtype in _DTYPES.items():
        with open(folder / _file(name), "ab") as file:
            file.truncate(state["rows"] * dtype.itemsize)
            with np.errstate(over="ignore"):
                file.write(arrays[name].astype(dtype).tobytes())
    state["rows"] += len(steps)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> float:
    # Written out, since this is called seven times for each of a million lines.
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return float("inf")
    return float("nan")


def _state(folder: Path, progress: Path) -> tuple[dict[str, Any], bool]:
    """What was read before, and whether that is nothing, since it was another file, or is damaged, or the file was cut."""
    boot, head = _boot(), _head(progress)
    fresh: dict[str, Any] = {
        "format": _FORMAT,
        "boot": boot,
        "head": head,
        "offset": 0,
        "rows": 0,
        "began": None,
        "epochs": [],
        "validation_set": {},
        "notes": [],
    }
    try:
        state = read_json(folder / "state.json")
        known = (
            isinstance(state, dict)
            and state.keys() == fresh.keys()
            and (state["format"], state["boot"], state["head"]) == (_FORMAT, boot, head)
        )
        if known and 0 <= state["offset"] <= _size(progress) and _complete(folder, state["rows"]):
            return dict(state), False
    except (MvlaError, TypeError):
        pass
    return fresh, True


def _keep(folder: Path, state: dict[str, Any]) -> None:
    """Write the state without waiting for the disk: what a power cut could leave half written counts for one boot only."""
    temporary = folder / "state.json.part"
    temporary.write_text(json.dumps(state), encoding="utf-8")
    os.replace(temporary, folder / "state.json")


def _boot() -> str:
    """What tells this boot of the machine from others; "" where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _complete(folder: Path, rows: int) -> bool:
    return all(_size(folder / _file(name)) >= rows * dtype.itemsize for name, dtype in _DTYPES.items())


def _head(path: Path) -> str:
    """What tells a progress file from another one of the same run: its inode and its first line, which has a time in it."""
    try:
        with open(path, "rb") as file:
            line = file.readline(_HEAD_BYTES)
            whole = line.decode("utf-8", "replace") if line.endswith(b"\n") else ""
            return f"{os.fstat(file.fileno()).st_ino} {whole}"
    except OSError:
        return ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _file(column: str) -> str:
    return f"{column}.f{_DTYPES[column].itemsize}"


def _map(folder: Path, column: str, rows: int) -> Column:
    dtype = _DTYPES[column]
    if rows == 0:
        return np.empty(0, dtype=dtype)
    return np.memmap(folder / _file(column), dtype=dtype, mode="r", shape=(rows,))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one reader at a time add to the columns, whether a thread of this server or another server."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
