"""Training runs as their folders tell of them. Only small JSON files and the end of the progress file are read.

A folder that was half written, or damaged, becomes a summary with the status `unreadable` and the reason: a list of runs never
fails because of one of them.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mvla_core.errors import MvlaError, RunError, did_you_mean
from mvla_core.files import IDENTIFIER, check_identifier, read_json
from mvla_core.layout import DataRoot, RunFolder

UNFINISHED = "unfinished"
"""No ending is recorded and the queue was not asked: it waits, runs, or was killed together with its runner."""
UNREADABLE = "unreadable"
ENDINGS = ("succeeded", "failed", "stopped", "interrupted", "lost")

MAX_DATASET_CHARACTERS = 40
TAIL_BYTES = 262_144
MAX_TAIL_BYTES = 8_388_608
"""How far back from its end a progress file is searched for epochs: some 50,000 lines of training steps."""
_EPOCH_EVENT = re.compile(rb'"event":\s*"epoch"')


@dataclass(frozen=True)
class RunSummary:
    """One run in a list. Losses are as the training reported them; None where they are not known."""

    run_id: str
    dataset: str
    preset: str
    status: str
    """One of `ENDINGS`, the queue's "queued", "running" or "stopping", `UNFINISHED`, or `UNREADABLE`."""
    message: str
    """One sentence on the ending, or why the folder cannot be read."""
    created: float | None
    """Seconds since the epoch."""
    finished: float | None
    epochs_done: int
    epochs: int | None
    """How many were planned."""
    best_epoch: int | None
    """1-based."""
    train_loss: float | None
    """Of the last epoch."""
    val_loss: float | None
    """Of the last epoch."""
    best_val_loss: float | None
    eta_s: float | None
    """As of the last epoch; None before the first and after the end."""
    has_adapter: bool
    has_evaluation: bool
    has_report: bool

    @property
    def ended(self) -> bool:
        return self.status in ENDINGS

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def new_run_id(dataset: str, preset: str) -> str:
    """Make a name for a run that sorts by time and is safe as a path, for example `20260102-030405-demo-compact-9f2c41`.

    Raises:
        UserInputError: The data set or the preset is no identifier.
    """
    check_identifier(dataset, "data set name")
    check_identifier(preset, "preset name")
    short = re.sub(r"\.{2,}", ".", dataset[:MAX_DATASET_CHARACTERS])
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{short}-{preset}-{secrets.token_hex(3)}"
    return check_identifier(name, "run name")


def list_runs(root: DataRoot, queue_states: Mapping[str, str] | None = None) -> list[RunSummary]:
    """Return every run below a root, newest first.

    Args:
        root: The data root.
        queue_states: Run id -> state in the queue, which says of a run without an ending whether it waits or runs; a recorded
            ending counts more. `JobQueue.runs` gives them: pages that show what runs call that.
    """
    try:
        paths = [
            path
            for path in root.runs.iterdir()
            if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
        ]
    except FileNotFoundError:
        return []
    states = queue_states or {}
    summaries = [_summary(RunFolder(path), states.get(path.name)) for path in paths]
    return sorted(summaries, key=lambda summary: (summary.created or 0.0, summary.run_id), reverse=True)


def read_run(root: DataRoot, run_id: str, queue_states: Mapping[str, str] | None = None) -> RunSummary:
    """Return one run's summary; see `list_runs`.

    Raises:
        UserInputError: The name is no identifier.
        RunError: There is no such run.
    """
    run = root.run(run_id)
    if not run.path.is_dir():
        known = [path.name for path in root.runs.glob("*")]
        raise RunError(f"There is no run '{run_id}' in {root.runs}.{did_you_mean(run_id, known)}")
    return _summary(run, (queue_states or {}).get(run_id))


def _summary(run: RunFolder, queue_state: str | None) -> RunSummary:
    try:
        return _read_summary(run, queue_state)
    except (MvlaError, OSError, RecursionError) as error:
        return RunSummary(
            run_id=run.run_id,
            dataset="",
            preset="",
            status=UNREADABLE,
            message=str(error),
            created=_modified(run.path),
            finished=None,
            epochs_done=0,
            epochs=None,
            best_epoch=None,
            train_loss=None,
            val_loss=None,
            best_val_loss=None,
            eta_s=None,
            has_adapter=False,
            has_evaluation=False,
            has_report=False,
        )


def _read_summary(run: RunFolder, queue_state: str | None) -> RunSummary:
    if not IDENTIFIER.fullmatch(run.run_id) or ".." in run.run_id:
        raise RunError(f"The folder {run.path} has a name that no run can have; rename or remove it.")
    config = _object(run.config)
    result = _object(run.result) if run.result.exists() else {}
    if result and result.get("status") not in ENDINGS:
        raise RunError(f"The file {run.result} has no status that is known; expected one of {', '.join(ENDINGS)}.")
    epochs = epoch_events(run.progress)
    last = epochs[-1] if epochs else {}
    best_epoch = _integer((last or result).get("best_epoch"))
    best: dict[str, Any] = next((event for event in reversed(epochs) if event.get("epoch") == best_epoch), {})
    created = _instant(config.get("created"))
    status = str(result["status"]) if result else queue_state or UNFINISHED
    return RunSummary(
        run_id=run.run_id,
        dataset=_text(run, config, "dataset"),
        preset=_text(run, config, "preset"),
        status=status,
        message=str(result.get("message") or ""),
        created=_modified(run.config) if created is None else created,
        finished=_instant(result.get("finished")),
        epochs_done=_integer(last.get("epoch")) or 0,
        epochs=_integer(last.get("epochs")),
        best_epoch=best_epoch,
        train_loss=_number((last or result).get("train_loss")),
        val_loss=_number((last or result).get("val_loss")),
        best_val_loss=_number(best.get("val_loss") if last else result.get("val_loss")),
        eta_s=None if status in ENDINGS else _number(last.get("eta_seconds")),
        has_adapter=run.adapter.is_dir(),
        has_evaluation=run.evaluation_results.exists(),
        has_report=run.report.is_dir(),
    )


def epoch_events(progress: Path) -> list[dict[str, Any]]:
    """Return the `epoch` events of a progress file, oldest first, reading no more of its end than is needed.

    The last epoch names the best one: the search goes back until that is found too, at most `MAX_TAIL_BYTES`.
    """
    size = progress.stat().st_size if progress.exists() else 0
    length = TAIL_BYTES
    while True:
        begin = max(0, size - length)
        events = _epochs_between(progress, begin, size)
        best_found = bool(events) and any(event.get("epoch") == events[-1].get("best_epoch") for event in events)
        if best_found or begin == 0 or length >= MAX_TAIL_BYTES:
            return events
        length *= 4


def _epochs_between(path: Path, begin: int, end: int) -> list[dict[str, Any]]:
    if end == begin:
        return []
    with open(path, "rb") as file:
        file.seek(begin)
        lines = file.read(end - begin).split(b"\n")
    events = []
    for line in lines:
        if _EPOCH_EVENT.search(line):
            with contextlib.suppress(ValueError):  # cut at the beginning of the range, or not yet written to its end
                events.append(json.loads(line))
    return [event for event in events if isinstance(event, dict)]


def _object(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise RunError(f"The file {path} must hold a JSON object; found {type(value).__name__}.")
    return value


def _text(run: RunFolder, config: dict[str, Any], key: str) -> str:
    value = config.get(key, "")
    if not isinstance(value, str):
        raise RunError(f"The file {run.config} gives {key!r} as {type(value).__name__}; expected a text.")
    return value


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    """Return a finite number; None for anything else, also for the NaN that some writers put into JSON."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or abs(value) > sys.float_info.max
        or value != value
    ):
        return None
    return float(value)


def _instant(value: object) -> float | None:
    """Read seconds since the epoch, or an ISO 8601 text; None where it is neither."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            return None
    return _number(value)


def _modified(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
