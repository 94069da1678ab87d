"""What a job's own folder says of it: enough to build the queue again without the queue.

`job.json` is the submission (who, what, which number) and, once started, the worker's identity. `result.json` is the ending,
written last: by the worker, or by the runner for a worker that was killed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mvla_core.errors import MvlaError
from mvla_core.files import read_json, write_json
from mvla_core.jobs.bin import BIN
from mvla_core.jobs.model import DEFAULT_DEVICE, KINDS, Job, Status, as_ended, relative_name
from mvla_core.layout import DataRoot, JobFolder, RunFolder


@dataclass(frozen=True)
class Outcome:
    """What `result.json` says in every job, whatever else the job adds."""

    status: Status
    message: str
    diagnosis: str
    exit_code: int | None
    finished: float
    """Seconds since the epoch."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def write_record(job: Job) -> None:
    """Write `job.json`: at the submission, when the job is moved or resumed, and when the worker's identity is known."""
    value: dict[str, Any] = {
        "job_id": job.id,
        "kind": job.kind,
        "title": job.title,
        "device": job.device,
        "priority": job.priority,
        "created": job.created,
        "config_sha256": job.config_sha256,
        "retry_of": job.retry_of,
        "position": job.position,
        "attempt": job.attempt,
        "started": job.started,
        "process": asdict(job.process) if job.process else None,
    }
    write_json(job.folder.record, value)


def read_outcome(folder: JobFolder) -> Outcome | None:
    """Read how a job ended; None where nothing is written yet.

    Raises:
        MvlaError: `result.json` is there but is not the record of an ending.
    """
    if not folder.result.exists():
        return None
    value = read_json(folder.result)
    status = as_ended(value.get("status")) if isinstance(value, dict) else None
    if status is None:
        raise MvlaError(
            f"The file {folder.result} is not the record of an ending: expected an object with a known status."
        )
    finished = _number(value.get("finished"))
    return Outcome(
        status,
        str(value.get("message") or ""),
        str(value.get("diagnosis") or ""),
        _integer(value.get("exit_code")),
        folder.result.stat().st_mtime if finished is None else finished,
    )


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def restorable_jobs(root: DataRoot) -> tuple[list[dict[str, Any]], list[str]]:
    """Read every job folder below a root.

    Returns:
        Rows of the table `job`, by number and age, and one text for each folder whose record cannot be used. An ended job keeps its
        ending; a started one without an ending is `running`, so that the runner adopts it or finds out what became of it; the
        others are queued again.
    """
    rows, refused = [], []
    for folder in _folders_with_record(root):
        try:
            rows.append(_row(folder))
        except (MvlaError, KeyError, TypeError, ValueError) as error:
            refused.append(f"{relative_name(folder)} ({error})")
    return sorted(rows, key=lambda row: (row["job_id"], row["created"])), refused


def _folders_with_record(root: DataRoot) -> Iterator[JobFolder]:
    for parent, kind_of_folder in ((root.runs, RunFolder), (root.jobs, JobFolder)):
        for folder in map(kind_of_folder, sorted([*parent.glob("*/"), *(parent / BIN).glob("*/")])):
            if folder.record.is_file() and not folder.path.is_symlink():
                yield folder


def _row(folder: JobFolder) -> dict[str, Any]:
    record = read_json(folder.record)
    discarded = folder.path.parent.name == BIN
    if record["kind"] not in KINDS:
        raise ValueError(f"unknown kind {record['kind']!r}")
    row = {
        "job_id": int(record["job_id"]),
        "kind": record["kind"],
        "folder": f"{folder.path.parent.parent.name}/{folder.path.name}" if discarded else relative_name(folder),
        "discard": int(discarded),
        "title": str(record.get("title") or ""),
        "device": str(record.get("device") or DEFAULT_DEVICE),
        "priority": int(record.get("priority") or 0),
        "config_sha256": str(record["config_sha256"]),
        "retry_of": _integer(record.get("retry_of")),
        "created": float(record["created"]),
        "started": _number(record.get("started")),
        "position": _number(record.get("position")) or float(int(record["job_id"])),
        "attempt": _integer(record.get("attempt")) or 1,
    }
    process = record.get("process")
    if process:
        row |= {"nonce": str(process["nonce"]), "boot_id": str(process["boot_id"])}
        row |= {"pid": int(process["pid"]), "start_ticks": int(process["start_ticks"])}
    outcome = read_outcome(folder)
    if outcome:
        return row | outcome.to_json()
    if discarded:
        return row | {"status": "lost", "message": "It lies in the bin without the record of an ending."}
    return row | {"status": "running" if process else "queued"}
