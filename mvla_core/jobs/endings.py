"""How a job ended, from the evidence: its `result.json`, its exit code, what was asked of it, and whether the machine restarted.

`result.json` always decides where it exists: only the worker knows whether its work was complete. Without one, an ending is never
guessed: a job that nobody watched and that left nothing is `lost`, and says so.
"""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from typing import Any

from mvla_core.errors import MvlaError
from mvla_core.files import write_json
from mvla_core.jobs.diagnosis import ADVICE, EXIT_DISK_FULL, diagnose_text, last_lines
from mvla_core.jobs.model import Job, Status
from mvla_core.jobs.records import Outcome, read_outcome
from mvla_core.layout import JobFolder

LOG_LINES_IN_RESULT = 20


def conclude(job: Job, exit_code: int | None, *, restarted: bool = False, memory_ran_out: bool = False) -> Outcome:
    """Decide how a job ended and make sure that its folder says so too.

    Args:
        job: As the queue knows it, with the stop stage that was reached.
        exit_code: Of the worker, negative for a signal; None where it was not a child of this runner.
        restarted: Whether the machine has booted since the worker was started.
        memory_ran_out: Whether the kernel killed a process for memory while the job ran.
    """
    try:
        outcome = read_outcome(job.folder)
        unreadable = ""
    except MvlaError as error:
        outcome, unreadable = None, f" {error}"
    if outcome is not None:
        own = outcome.exit_code if exit_code is None else exit_code
        return Outcome(outcome.status, outcome.message, outcome.diagnosis, own, outcome.finished)
    status, message, diagnosis = _without_result(job, exit_code, restarted, memory_ran_out)
    return write_ending(job.folder, Outcome(status, message + unreadable, diagnosis, exit_code, time.time()))


def write_ending(folder: JobFolder, outcome: Outcome) -> Outcome:
    """Write `result.json` on behalf of a worker that could not, with the end of its log.

    Returns:
        The outcome; its message says so where the folder was deleted or cannot be written, so that the queue knows the ending
        in any case.
    """
    value: dict[str, Any] = {**outcome.to_json(), "written_by": "runner"}
    try:
        folder.path.stat()  # a deleted folder is not made again
        write_json(folder.result, value | {"last_lines": list(last_lines(folder.log, LOG_LINES_IN_RESULT))})
    except OSError as error:
        return replace(outcome, message=f"{outcome.message} Its folder does not say so ({error.strerror}).")
    return outcome


def _without_result(job: Job, exit_code: int | None, restarted: bool, memory_ran_out: bool) -> tuple[Status, str, str]:
    if job.stop_stage == "killed":
        return (
            "stopped",
            "Killed, because it did not end in the time it was given; what it had kept until then is there.",
            "",
        )
    if job.stop_stage in ("waiting", "terminated"):
        return "stopped", "Stopped as asked, before it could write a result.", ""
    if restarted:
        return "interrupted", "The machine was restarted while it ran; start it again with the same configuration.", ""
    if exit_code is None:
        return "lost", "It ended while no runner watched it and left no result: how it ended is not known.", ""
    lines = last_lines(job.folder.log, LOG_LINES_IN_RESULT)
    diagnosis = _diagnosis(job.folder, exit_code, "\n".join(lines), memory_ran_out)
    message = f"It ended with {describe_exit(exit_code)} and wrote no result."
    if diagnosis:
        message += f" {ADVICE[diagnosis]}"
    elif exit_code == -signal.SIGKILL:
        message += " Something outside killed it; most often that is memory running out."
    if lines:
        message += f" The last line of its log: {lines[-1][:200]}"
    return "failed", message, diagnosis


def _diagnosis(folder: JobFolder, exit_code: int, text: str, memory_ran_out: bool) -> str:
    if exit_code == EXIT_DISK_FULL:
        return "disk_full"
    if exit_code == -signal.SIGKILL and memory_ran_out:
        return "out_of_memory"
    return diagnose_text(text, folder.path)


def describe_exit(exit_code: int) -> str:
    """Return "exit code 3", or "signal SIGKILL (exit code -9)" for a negative one."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"signal {signal.Signals(-exit_code).name} (exit code {exit_code})"
    except ValueError:
        return f"signal {-exit_code} (exit code {exit_code})"
