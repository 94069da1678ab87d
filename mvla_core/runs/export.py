"""All metrics of runs as a table: one row for each logged step and for each epoch, as the progress files hold them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
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
    "best_epoch",
    "learning_rate",
    "grad_norm",
    "windows_per_second",
    "memory_bytes",
    "gpu_memory_bytes",
)
_CHUNK_BYTES = 1_000_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def metric_lines(runs: Sequence[RunFolder]) -> Iterator[str]:
    """Yield the table as comma-separated values, several rows at a time; the first one names the columns.

    A number that was not finite is "nan", one that was not recorded is empty. Lines that are damaged are passed over.
    """
    yield ",".join(COLUMNS) + "\r\n"
    for run in runs:
        offset = 0
        while True:
            rows, following = read_json_lines(run.progress, offset, _CHUNK_BYTES)
            buffer = io.StringIO()
            writer = csv.writer(buffer)
            for row in rows:
                if row.get("event") in ("step", "epoch"):
                    writer.writerow([run.run_id, *(_cell(row, name) for name in COLUMNS[1:])])
            yield buffer.getvalue()
            if following <= offset:
                break
            offset = following


def _cell(row: dict[str, Any], name: str) -> object:
    if name not in row:
        return ""
    value = row[name]
    if value is None:
        return "nan"
    # A damaged file may hold anything: a text must not become a formula in a spreadsheet.
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else value
