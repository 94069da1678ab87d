"""What a job is: its kinds, its states, and the row that pages and commands read."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields
from typing import Any, Literal

from mvla_core.jobs.processes import ProcessIdentity
from mvla_core.layout import DataRoot, JobFolder

KINDS = (
    "train",
    "preflight",
    "evaluate",
    "simulate",
    "import",
    "report",
    "scan",
    "pictures",
    "features",
    "ask",
    "experiment",
    "drive",
)
"""The allow-list: nothing else is ever started."""

GPU_KINDS = ("train", "preflight", "evaluate", "features", "experiment", "drive")
"""Kinds that compute on a GPU where there is one, and therefore wait for a slot of it."""
RESUMABLE = ("train", "evaluate", "report", "scan", "pictures", "features", "experiment", "drive", "simulate")
"""Kinds that may work again in the folder they had: a training goes on from its newest checkpoint, an experiment keeps the
trainings that it has finished, closed-loop driving its finished trials, a simulation the episodes of its journal; the others
begin again and write the same results. An import would find what it has imported already: it is started anew."""

Status = Literal["queued", "running", "paused", "stopping", "succeeded", "failed", "stopped", "interrupted", "lost"]
STARTED: tuple[Status, ...] = ("running", "paused", "stopping")
"""What holds a device: a paused job keeps its memory, and therefore its slot."""
ACTIVE: tuple[Status, ...] = ("queued", *STARTED)
ENDED: tuple[Status, ...] = ("succeeded", "failed", "stopped", "interrupted", "lost")

StopStage = Literal["asked", "waiting", "terminated", "killed"]
"""How far a stop has come: asked by the user; told to the worker, which finishes its checkpoint; its whole process tree told
to end; its whole process tree killed."""

PauseWish = Literal["pause", "continue"]
"""What the user asked of a running job and the runner has not done yet."""

DEFAULT_DEVICE = "cpu"
CHECKPOINT_GRACE_S = 60.0
"""Seconds that a job has for its checkpoint after it was told to stop."""

_HIDDEN = (
    *("folder", "stop_asked", "stop_grace_s", "config_sha256", "nonce", "boot_id", "pid", "start_ticks"),
    *("position", "pause_wish", "memory_before_mib"),
)


@dataclass(frozen=True)
class Job:
    """One row of the queue. Times are seconds since the epoch, None where it has not happened."""

    id: int
    kind: str
    folder: JobFolder
    """A `RunFolder` for a job that lies in `runs/`."""
    title: str
    device: str
    """The slot it needs: "cpu", "cuda:0", ... One job a slot."""
    priority: int
    """Higher runs earlier; equal ones in the order of submission."""
    status: Status
    message: str
    """One sentence on the present state or the ending; "" where there is nothing to say."""
    diagnosis: str
    """A key of `mvla_core.jobs.diagnosis.ADVICE`, or ""."""
    exit_code: int | None
    """Of the worker; negative is the signal that ended it; None before the end, or where nobody could see it."""
    created: float
    started: float | None
    finished: float | None
    stop_stage: StopStage | None
    stop_asked: float | None
    stop_grace_s: float
    stop_until: float | None
    """When the present stop stage ends and the next, harder one begins."""
    config_sha256: str
    retry_of: int | None
    nonce: str | None
    """The random word in the worker's environment; None before a runner took the job."""
    boot_id: str | None
    pid: int | None
    start_ticks: int | None
    position: float
    """Among waiting jobs of the same priority the lowest runs first; the number of the job unless it was moved."""
    attempt: int
    """1 at first; one more each time that the job is resumed in its folder."""
    pause_wish: PauseWish | None
    discard: int
    """1: its folder goes to the bin at its end, or lies there already."""
    note: str
    """What befell besides: a device that could not be measured, a webhook that did not answer; "" mostly."""
    memory_before_mib: float | None
    """Memory of its device that was in use when it was started, in MiB; None where it could not be measured."""

    @property
    def process(self) -> ProcessIdentity | None:
        """The worker's identity, or None where no worker was recorded."""
        if self.pid is None or self.start_ticks is None or self.boot_id is None or self.nonce is None:
            return None
        return ProcessIdentity(self.pid, self.start_ticks, self.boot_id, self.nonce)

    @property
    def active(self) -> bool:
        """Whether it waits or runs, in contrast to having ended."""
        return self.status in ACTIVE

    @property
    def in_bin(self) -> bool:
        """Whether it has ended and its folder was moved to the bin."""
        return bool(self.discard) and not self.active

    @property
    def resumable(self) -> bool:
        """Whether `JobQueue.resume` takes it: it ended before its work was done, and its kind can go on in the same folder."""
        return not self.active and self.status != "succeeded" and self.kind in RESUMABLE and not self.in_bin

    @classmethod
    def from_row(cls, root: DataRoot, row: sqlite3.Row) -> Job:
        values = {key: row[key] for key in row.keys()}  # noqa: SIM118 - a Row iterates over values
        values["id"] = values.pop("job_id")
        values["folder"] = folder_of(root, values["folder"])
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """What commands print: everything but the process's identity."""
        shown = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _HIDDEN}
        return shown | {"folder": str(self.folder.path)}


def sql_names(states: tuple[Status, ...]) -> str:
    """Return states as the inside of an SQL `IN (...)`; they are words of this program, never a client's."""
    return ", ".join(f"'{state}'" for state in states)


def folder_of(root: DataRoot, relative: str) -> JobFolder:
    """Return the folder that a row names as "runs/<run_id>" or "jobs/<job name>"."""
    parent, _, name = relative.partition("/")
    return root.run(name) if parent == root.runs.name else root.job(name)


def relative_name(folder: JobFolder) -> str:
    """The inverse of `folder_of`."""
    return f"{folder.path.parent.name}/{folder.path.name}"


def as_ended(status: object) -> Status | None:
    """Return the status if it is the name of an ending, else None: for values that come from files."""
    return next((name for name in ENDED if name == status), None)
