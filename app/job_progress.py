"""How far a background job is, read from its growing progress file: each time only what is new."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mvla_core.files import read_json_lines
from mvla_core.layout import JobFolder


@dataclass(frozen=True)
class JobReading:
    """What a job's progress file said so far.

    Attributes:
        offset: Byte offset of the first byte not read yet.
        stage: What is being done, in words; "" before the job said so.
        share: How much of it is done, 0 to 1; None where the job did not say.
        counted: The same as "3 of 12"; "" where the job did not say.
        message: The last word on it.
        notes: Warnings and errors the job told, in order, as (level, message).
    """

    offset: int = 0
    stage: str = ""
    share: float | None = None
    counted: str = ""
    message: str = ""
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        return " · ".join(part for part in (self.stage, self.counted, self.message) if part)


def read_on(folder: JobFolder, reading: JobReading) -> JobReading:
    """Return the reading with what the file gained since. A file that was truncated is read from its beginning."""
    rows, offset = read_json_lines(folder.progress, reading.offset)
    if offset < reading.offset:
        reading = JobReading()
    for row in rows:
        reading = _with_event(reading, row)
    return replace(reading, offset=offset)


def _with_event(reading: JobReading, row: dict[str, Any]) -> JobReading:
    match row.get("event"):
        case "stage":
            return replace(reading, stage=str(row["name"]), share=None, counted="", message="")
        case "progress":
            done, total = float(row["done"]), float(row["total"])
            share = min(1.0, max(0.0, done / total)) if total > 0 else None
            return replace(reading, share=share, counted=f"{done:g} of {total:g}", message=str(row["message"]))
        case "epoch":
            share = min(1.0, float(row["epoch"]) / float(row["epochs"]))
            return replace(reading, share=share, counted="", message=f"epoch {row['epoch']} of {row['epochs']}")
        case "note" if row["level"] != "info":
            return replace(reading, notes=(*reading.notes, (str(row["level"]), str(row["message"]))))
        case _:
            return reading
