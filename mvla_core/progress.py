"""How long work tells that it goes on, and how it learns that it shall stop.

Every long function of the core takes a `Progress`. Three kinds exist: `SILENT` (tests, library use), `ConsoleProgress`
(command line, on stderr so that stdout stays clean for `--json`), and `JobProgress` (background jobs: a growing file that
pages poll by byte offset). Lines of that file are JSON objects with `event` and `time` (seconds since the epoch):

| event | further keys | written by |
|---|---|---|
| `stage` | `name`: what is being done now, in words | every job |
| `progress` | `done`, `total` (numbers), `message` | every job |
| `validation_set` | `episodes`: ids; `numbers`: how many numbers each one's loss averages | training, before the first `epoch` |
| `step` | `step`, `epoch` (float), `train_loss`, `learning_rate`, `grad_norm`, and: | training, each logged step |
| | `windows_per_second`, `memory_bytes` (of the process), `gpu_memory_bytes` (highest so far, with a GPU) | |
| `epoch` | `epoch` (int, 1-based), `epochs`, `step`, `train_loss`, `val_loss`, `val_rmse`, `best_epoch`, and: | training |
| | `eta_seconds`, `val_rmse_per_axis`, `val_loss_by_episode` (in the order of `validation_set`) | |
| `note` | `level` ("info", "warning", "error"), `message` | every job |

Numbers that are not finite are written as null, however deep they lie. Where the validation of an epoch is not finite, `best_epoch`
is that of the epochs before, null where there is none.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from mvla_core.errors import Stopped
from mvla_core.files import append_json_line


class Progress:
    """Base: tells nobody, never stops. Subclasses override `emit` and, where stopping is possible, `stop_requested`."""

    def emit(self, event: str, **values: Any) -> None:
        """Record one event of the table above."""

    @property
    def stop_requested(self) -> bool:
        return False

    def stage(self, name: str) -> None:
        self.emit("stage", name=name)

    def update(self, done: float, total: float, message: str = "") -> None:
        """Tell how much of the stage is done, then raise `Stopped` if the user asked to stop."""
        self.emit("progress", done=done, total=total, message=message)
        self.check()

    def note(self, message: str, level: str = "info") -> None:
        self.emit("note", level=level, message=message)

    def check(self) -> None:
        """Raise `Stopped` if the user asked to stop. Call it between units of work."""
        if self.stop_requested:
            raise Stopped("Stopped as asked; what was finished until then is kept.")


SILENT = Progress()


class StoppableProgress(Progress):
    """Tells nobody, and stops when `request_stop` was called."""

    def __init__(self) -> None:
        self._stop = False

    def request_stop(self) -> None:
        self._stop = True

    @property
    def stop_requested(self) -> bool:
        return self._stop


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class JobProgress(Progress):
    """Writes events to a job's `progress.jsonl`; `request_stop` is what the SIGTERM handler of a worker calls."""

    def __init__(self, path: Path, min_interval_s: float = 0.2) -> None:
        self.path = path
        self._min_interval_s = min_interval_s
        self._last_progress = -math.inf
        self._stop = False

    def emit(self, event: str, **values: Any) -> None:
        now = time.time()
        if event == "progress":
            finished = values.get("done", 0) >= values.get("total", 0)
            if not finished and 0 <= now - self._last_progress < self._min_interval_s:
                return
            self._last_progress = now
        line = {"event": event, "time": round(now, 3), **{key: _finite(value) for key, value in values.items()}}
        append_json_line(self.path, line)

    def request_stop(self) -> None:
        self._stop = True

    @property
    def stop_requested(self) -> bool:
        return self._stop


class ConsoleProgress(Progress):
    """Prints stages, epochs and notes as lines; progress as one line that rewrites itself on a terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._open_line = False
        self._stop = False
        self._terminal = self._stream.isatty()

    def _line(self, text: str) -> None:
        if self._open_line:
            self._stream.write("\n")
            self._open_line = False
        self._stream.write(text + "\n")
        self._stream.flush()

    def emit(self, event: str, **values: Any) -> None:
        if event == "stage":
            self._line(values["name"])
        elif event == "note":
            self._line(f"  {values['level']}: {values['message']}")
        elif event == "epoch":
            self._line(
                "  epoch {epoch}/{epochs}  train loss {train}  validation loss {val}  best epoch {best}".format(
                    epoch=values["epoch"],
                    epochs=values["epochs"],
                    train=_short(values.get("train_loss")),
                    val=_short(values.get("val_loss")),
                    best=values.get("best_epoch"),
                )
            )
        elif event == "progress" and self._terminal:
            text = f"  {values['done']:g}/{values['total']:g} {values.get('message', '')}"
            self._stream.write(f"\r{text:<78.78}")
            self._open_line = True
            self._stream.flush()

    def request_stop(self) -> None:
        self._stop = True

    @property
    def stop_requested(self) -> bool:
        return self._stop


def _short(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.4f}"
