"""All metrics of runs as a table: one row for each logged step and for each epoch, as the progress files hold them.

The error of each axis has a column of its own, "val_rmse NAME [UNIT]", behind the fixed ones; runs of other axes leave it empty.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mvla_core.files import read_json_lines
from mvla_core.layout import RunFolder

COLUMNS = (
    "run",
    "event",
    "time",
    "step",
    "epoch",
    "train_loss",
    "val_loss",
    "val_rmse",
    "val_huber",
    "best_epoch",
    "learning_rate",
    "grad_norm",
    "windows_per_second",
    "memory_bytes",
    "gpu_memory_bytes",
)
_AXES_KEY = "val_rmse_axes"
_MAX_AXES = 64
"""Of all runs of a table: a damaged file may name any number."""
_CHUNK_BYTES = 1_000_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def metric_lines(runs: Sequence[RunFolder]) -> Iterator[str]:
    """Yield the table as comma-separated values, several rows at a time; the first one names the columns.

    A number that was not finite is "nan", one that was not recorded is empty. Lines that are damaged are passed over.
    """
    axes = list(dict.fromkeys(name for run in runs for name in _axes_of(run)))[:_MAX_AXES]
    yield _lines([[*COLUMNS, *(_text(f"val_rmse {name}") for name in axes)]])
    for run in runs:
        for rows in _chunks(run):
            yield _lines(
                [run.run_id, *(_cell(row, name) for name in COLUMNS[1:]), *(_cell(_errors(row), name) for name in axes)]
                for row in rows
                if row.get("event") in ("step", "epoch")
            )


def _axes_of(run: RunFolder) -> list[str]:
    """Return the axes whose errors a run has told, from the first epoch that tells any."""
    for rows in _chunks(run):
        for row in rows:
            if errors := _errors(row):
                return list(errors)
    return []


def _errors(row: dict[str, Any]) -> dict[str, Any]:
    errors = row.get(_AXES_KEY)
    return errors if row.get("event") == "epoch" and isinstance(errors, dict) else {}


def _chunks(run: RunFolder) -> Iterator[list[dict[str, Any]]]:
    offset = 0
    while True:
        rows, following = read_json_lines(run.progress, offset, _CHUNK_BYTES)
        yield rows
        if following <= offset:
            return
        offset = following


def _lines(rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def _cell(row: dict[str, Any], name: str) -> object:
    if name not in row:
        return ""
    value = row[name]
    if value is None:
        return "nan"
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    # A damaged file may hold anything: a text must not become a formula in a spreadsheet.
    return f"'{text}" if text.startswith(_FORMULA) else text
