"""The inside of a worker process: configuration in, progress while it goes, `result.json` last.

The worker knows neither the queue nor the runner. Its folder is all it reads and writes of the job, so that it finishes just the
same when both are gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from types import FrameType
from typing import Any

from mvla_core.errors import JobError, MvlaError, Stopped, did_you_mean
from mvla_core.files import read_json, write_json
from mvla_core.jobs.again import former_result
from mvla_core.jobs.diagnosis import ADVICE, EXIT_DISK_FULL, diagnose_exception
from mvla_core.jobs.model import Status
from mvla_core.jobs.records import read_outcome
from mvla_core.layout import DataRoot, JobFolder
from mvla_core.progress import JobProgress, Progress

JobFunction = Callable[[JobFolder, dict[str, Any], DataRoot, Progress], dict[str, Any]]
EXIT_DEFECT = 70
"""Exit code of a job that ended with an exception which is no `MvlaError`: a defect of the program (EX_SOFTWARE)."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
RESERVED = ("status", "diagnosis", "exit_code", "started", "finished", "written_by")


def run_worker(
    kind: str, folder: JobFolder, root: DataRoot, functions: Mapping[str, JobFunction], *, goes_on: bool = False
) -> int:
    """Do one job and write how it ended.

    SIGTERM or SIGINT asks the function to stop at its next `Progress.check`; a second one raises `Stopped` wherever it is.

    Args:
        kind: Which function.
        folder: Holds `config.json`; must not hold a result yet, or only one that may be gone on from.
        root: The data root.
        functions: Kind -> function of (folder, config, root, progress) that returns what goes into `result.json` besides the
            ending: JSON values, and `message` where it has a sentence to say. A float that is not finite becomes null.
        goes_on: Whether the function, called again, goes on from what it kept. A job outside the queue that did not succeed is then
            done again; its former ending is kept as `attempt-N/result.json`, as the queue does it. Those of the queue resume there.

    Returns:
        The exit code of the process: 0 succeeded, 130 stopped, that of the `MvlaError`, 70 a defect, 28 the disk is too full even
        for the result.

    Raises:
        JobError: The folder cannot be worked on at all (another process does, or its job has ended); nothing is written then.
    """
    with _alone_in(folder), _signals_restored():
        if folder.result.exists():
            _set_former_ending_aside(folder, goes_on)
        progress = JobProgress(folder.progress)
        started = time.time()
        try:
            ending, exit_code = _perform(kind, folder, root, functions, progress)
            ending |= {"exit_code": exit_code, "started": started, "finished": time.time(), "written_by": "worker"}
            write_json(folder.result, ending)
        except OSError as error:
            print(f"The result cannot be written: {error}", file=sys.stderr)
            return EXIT_DISK_FULL if diagnose_exception(error) == "disk_full" else EXIT_DEFECT
        return exit_code


def _set_former_ending_aside(folder: JobFolder, goes_on: bool) -> None:
    """Keep the ending of a job that may go on as `attempt-N/result.json`; raise `JobError` for every other one."""
    outcome = read_outcome(folder)
    if not goes_on or outcome is None or outcome.status == "succeeded":
        raise JobError(f"The job in {folder.path} has ended already: its result.json is there; queue a new job.")
    if folder.record.exists():
        raise JobError(
            f"The job in {folder.path} belongs to the queue and has ended there; resume it with python -m mvla_core jobs --resume "
            f"{read_json(folder.record).get('job_id')}."
        )
    former = next(each for number in count(1) if not (each := former_result(folder, number)).result.exists())
    try:
        former.path.mkdir(exist_ok=True)
        os.replace(folder.result, former.result)
    except OSError as error:
        raise JobError(
            f"The job in {folder.path} cannot go on: its folder cannot be written ({error.strerror}); check its permissions."
        ) from error


def _perform(
    kind: str, folder: JobFolder, root: DataRoot, functions: Mapping[str, JobFunction], progress: JobProgress
) -> tuple[dict[str, Any], int]:
    """Call the function; return what goes into `result.json`, and the exit code."""
    try:
        with _stop_signals(progress):
            progress.stage("Starting")
            values = _function(kind, functions)(folder, _config(folder), root, progress)
            clash = [name for name in RESERVED if name in values]
            if clash:
                raise JobError(f"The job {kind!r} returned {', '.join(clash)}, which result.json keeps for the ending.")
            result = {"message": "", "diagnosis": "", **_json_numbers(values), "status": "succeeded"}
            json.dumps(result)  # a value that is no JSON is the job's failure, to be told as such
            return result, 0
    except Stopped as stopped:
        return _ending("stopped", str(stopped), ""), stopped.exit_code
    except MvlaError as error:
        print(f"error: {error}", file=sys.stderr)
        return _ending("failed", str(error), diagnose_exception(error)), error.exit_code
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a job raises is its ending, told below and in the log
        traceback.print_exc()
        diagnosis = diagnose_exception(error)
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _ending("failed", f"{ADVICE[diagnosis]} ({text})" if diagnosis else text, diagnosis), EXIT_DEFECT


def _ending(status: Status, message: str, diagnosis: str) -> dict[str, Any]:
    return {"status": status, "message": message, "diagnosis": diagnosis}


def _function(kind: str, functions: Mapping[str, JobFunction]) -> JobFunction:
    if kind not in functions:
        raise JobError(
            f"No worker knows the job kind {kind!r}: expected one of {', '.join(functions)}."
            f"{did_you_mean(kind, functions)}"
        )
    return functions[kind]


def _config(folder: JobFolder) -> dict[str, Any]:
    config = read_json(folder.config)
    if not isinstance(config, dict):
        raise JobError(f"The configuration {folder.config} must be a JSON object; found {type(config).__name__}.")
    return config


def _json_numbers(value: Any) -> Any:
    """Replace floats that are not finite by None, however deep."""
    if isinstance(value, dict):
        return {key: _json_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_numbers(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.contextmanager
def _alone_in(folder: JobFolder) -> Iterator[None]:
    """Hold a lock on the job's configuration, so that no second worker ever writes into the same folder."""
    try:
        descriptor = os.open(folder.config, os.O_RDONLY)
    except OSError as error:
        raise JobError(
            f"The job in {folder.path} has no readable config.json ({error.strerror}); queue a new job."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JobError(f"Another process works on the job in {folder.path} already.") from None
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _stop_signals(progress: JobProgress) -> Iterator[None]:
    """Turn signals into a stop request; afterwards they are ignored, so that nothing comes between an ending and its record."""

    def handle(number: int, frame: FrameType | None) -> None:
        if progress.stop_requested:
            raise Stopped(
                "Ended at once, because it did not stop in the time it was given; what it had kept until then is there."
            )
        progress.request_stop()

    try:
        for number in STOP_SIGNALS:
            signal.signal(number, handle)
        yield
    finally:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def _signals_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
