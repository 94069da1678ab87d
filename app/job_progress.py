"""How far a background job is and what it prints, read from its growing files: each time only what is new."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mvla_core.errors import MvlaError
from mvla_core.files import read_json, read_json_lines
from mvla_core.jobs.diagnosis import shown_lines
from mvla_core.layout import JobFolder

FIRST_STAGE = "Starting"
"""What every worker says first: it marks the beginning of an attempt."""
RATES_KEPT = 30
TAIL_BYTES = 65_536
TAIL_LINES = 200


@dataclass(frozen=True)
class Pace:
    """How fast a stage goes.

    Attributes:
        share: How much of the stage was done when it was last heard of, 0 to 1.
        heard: When that was, in seconds since the epoch; None where a new attempt has begun since.
        rates: The latest speeds, each in seconds for the whole stage. Their median is what counts, so that a pause, a moved
            clock or a slow checkpoint is one outlier among them.
    """

    share: float = 0.0
    heard: float | None = None
    rates: tuple[float, ...] = ()

    def then(self, time: float, share: float) -> Pace:
        rates = self.rates
        if self.heard is not None and time > self.heard and share > self.share:
            rates = (*rates, (time - self.heard) / (share - self.share))[-RATES_KEPT:]
        return Pace(share, time, rates)

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest of the stage takes; None before anything is known of its speed."""
        return (1.0 - self.share) * statistics.median(self.rates) if self.rates else None


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
        epochs: How many epochs a training has; None for other jobs, and before it is known.
        paces: Stage -> its pace, also of stages that a former attempt left unfinished.
    """

    offset: int = 0
    stage: str = ""
    share: float | None = None
    counted: str = ""
    message: str = ""
    notes: tuple[tuple[str, str], ...] = ()
    epochs: int | None = None
    paces: dict[str, Pace] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return " · ".join(part for part in (self.stage, self.counted, self.message) if part)

    @property
    def left_s(self) -> float | None:
        """Seconds until the end, as far as they can be told: right after a resume from the speed of the former attempt.

        None before anything is known of the stage that goes on now and of those left unfinished.
        """
        unfinished = [pace for name, pace in self.paces.items() if pace.share < 1.0 or name == self.stage]
        known = [left for pace in unfinished if (left := pace.left_s) is not None]
        return sum(known) if known else None


def read_on(folder: JobFolder, reading: JobReading) -> JobReading:
    """Return the reading with what the file gained since. A file that was truncated is read from its beginning."""
    rows, offset = read_json_lines(folder.progress, reading.offset)
    if offset < reading.offset:
        reading = JobReading()
    for row in rows:
        if row.get("event") == "step" and reading.epochs is None:
            reading = replace(reading, epochs=_planned_epochs(folder))
        reading = _with_event(reading, row)
    return replace(reading, offset=offset)


def _planned_epochs(folder: JobFolder) -> int:
    """How many epochs the configuration names; 0 where it does not."""
    try:
        epochs = read_json(folder.config)["recipe"]["epochs"]
    except (MvlaError, KeyError, TypeError):
        return 0
    return epochs if isinstance(epochs, int) and epochs > 0 else 0


def _with_event(reading: JobReading, row: dict[str, Any]) -> JobReading:
    match row.get("event"):
        case "stage":
            return _with_stage(reading, str(row["name"]))
        case "progress":
            done, total = float(row["done"]), float(row["total"])
            share = min(1.0, max(0.0, done / total)) if total > 0 else None
            reading = replace(reading, counted=f"{done:g} of {total:g}", message=str(row["message"]))
            return _with_share(reading, row, share)
        case "step" if reading.epochs and isinstance(row.get("epoch"), int | float):
            return _with_share(reading, row, min(1.0, max(0.0, float(row["epoch"]) / reading.epochs)))
        case "epoch":
            epochs = int(row["epochs"])
            reading = replace(reading, counted="", message=f"epoch {row['epoch']} of {epochs}", epochs=epochs)
            return _with_share(reading, row, min(1.0, float(row["epoch"]) / epochs))
        case "note" if row["level"] != "info":
            return replace(reading, notes=(*reading.notes, (str(row["level"]), str(row["message"]))))
        case _:
            return reading


def _with_stage(reading: JobReading, name: str) -> JobReading:
    paces = reading.paces
    if name == FIRST_STAGE:
        paces = {stage: replace(pace, heard=None) for stage, pace in paces.items()}
    former = paces.get(name)
    share = former.share if former is not None and former.heard is None else None
    return replace(reading, stage=name, share=share, counted="", message="", paces=paces)


def _with_share(reading: JobReading, row: dict[str, Any], share: float | None) -> JobReading:
    time = row.get("time")
    if share is None or not isinstance(time, int | float):
        return replace(reading, share=share)
    pace = reading.paces.get(reading.stage, Pace()).then(float(time), share)
    return replace(reading, share=share, paces={**reading.paces, reading.stage: pace})


@dataclass(frozen=True)
class LogTail:
    """The end of a job's log.

    Attributes:
        offset: Byte offset of the first byte not read yet.
        open_line: What was read of a line that has not ended yet.
        lines: The last lines, as plain text for people: without control characters, to be shown as it is.
    """

    offset: int = 0
    open_line: bytes = b""
    lines: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "\n".join((*self.lines, *shown_lines(self.open_line)))


def read_log_on(log: Path, tail: LogTail) -> LogTail:
    """Return the tail with what the log gained since; only the end of a log that gained much. A truncated one begins anew."""
    try:
        size = log.stat().st_size
        if size < tail.offset:
            tail = LogTail()
        begin = max(tail.offset, size - TAIL_BYTES)
        with open(log, "rb") as file:
            file.seek(begin)
            new = file.read(TAIL_BYTES)
    except OSError:
        return LogTail()
    old = tail.open_line if begin == tail.offset else b""
    whole, _, rest = (old + new).rpartition(b"\n")
    lines = (*tail.lines, *shown_lines(whole))[-TAIL_LINES:]
    return LogTail(begin + len(new), rest[-TAIL_BYTES:], lines)
