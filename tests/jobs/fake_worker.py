"""The program that test runners start in place of `mvla_core`: real workers (`run_worker`) whose jobs misbehave as told.

`python -m fake_worker work KIND --folder FOLDER --data-root ROOT`; the configuration's `do` chooses the behaviour.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from mvla_core.errors import DatasetError, PolicyError, Stopped
from mvla_core.jobs.model import KINDS
from mvla_core.jobs.worker import run_worker
from mvla_core.layout import DataRoot, JobFolder
from mvla_core.progress import Progress

SLEEP_FOREVER = "import time; time.sleep(600)"


def job(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    print(f"doing {config['do']}")
    return BEHAVIOURS[config["do"]](folder, config, progress)


def succeed(folder: JobFolder, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    return {"answer": 42, "val_loss": float("nan"), "message": "All is well."}


def fail(folder: JobFolder, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    errors: dict[str, Exception] = {
        "bad_data": DatasetError("The data set 'x' holds no episodes."),
        "missing_weights": PolicyError("The weights are missing: run `hf download x`."),
        "out_of_memory": MemoryError(),
        "disk_full": OSError(errno.ENOSPC, "No space left on device"),
        "": RuntimeError("shapes do not fit"),
    }
    raise errors[config.get("why", "")]


def exit_at_once(folder: JobFolder, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    print("last words", config.get("last_words", ""), flush=True)
    os._exit(config["code"])


def kill_itself(folder: JobFolder, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    os.kill(os.getpid(), signal.Signals[config["signal"]])
    time.sleep(600)
    return {}


def wait(folder: JobFolder, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Work in small steps until told to stop, or until the file `go` appears; keep a checkpoint at a stop."""
    try:
        step = 0
        while not (folder.path / "go").exists():
            step += 1
            progress.update(step, step + 1)
            time.sleep(0.02)
    except Stopped:
        (folder.path / "checkpoint").write_text("kept")
        raise
    return {"steps": step}


def ignore_stop(folder: JobFolder, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Ignore SIGTERM, with three children that do as well: one plain, one in its own session, one with a cleared environment."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP_FOREVER}"
    command = [sys.executable, "-c", code]
    children = [
        subprocess.Popen(command),
        subprocess.Popen(command, start_new_session=True),
        subprocess.Popen(command, env={}),
    ]
    (folder.path / "children").write_text(" ".join(str(child.pid) for child in children))
    progress.stage("deaf")
    time.sleep(600)
    return {}


def sleep(folder: JobFolder, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Never look whether to stop."""
    progress.stage("asleep")
    time.sleep(600)
    time.sleep(600)
    return {}


def leave_child(folder: JobFolder, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    child = subprocess.Popen([sys.executable, "-c", SLEEP_FOREVER], start_new_session=True)
    (folder.path / "children").write_text(str(child.pid))
    child.returncode = 0  # not ours to wait for: silences the warning of an unfinished child
    return {}


def hang_after_result(folder: JobFolder, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    threading.Thread(target=time.sleep, args=(600,)).start()
    return {"answer": 1}


def fill(folder: JobFolder, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write until the file system is full to the last byte, say so with a file that was there before, and fail of it."""
    marker = folder.path / "almost"
    marker.touch()
    with open(folder.path / "junk", "wb", buffering=0) as junk:
        size = 65_536
        while size:
            try:
                junk.write(b"x" * size)
            except OSError as error:
                full, size = error, size // 2
        marker.rename(folder.path / "full")
        raise full


BEHAVIOURS = {
    "fill": fill,
    "succeed": succeed,
    "fail": fail,
    "exit": exit_at_once,
    "kill_itself": kill_itself,
    "wait": wait,
    "ignore_stop": ignore_stop,
    "sleep": sleep,
    "leave_child": leave_child,
    "hang_after_result": hang_after_result,
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["work"])
    parser.add_argument("kind")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--data-root", type=Path)
    options = parser.parse_args()
    functions = dict.fromkeys(KINDS, job)
    return run_worker(options.kind, JobFolder(options.folder), DataRoot(options.data_root), functions)


if __name__ == "__main__":
    sys.exit(main())
