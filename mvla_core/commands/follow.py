"""Submit a background job from the command line and follow it until it ends."""

from __future__ import annotations

import time
from typing import Any

from mvla_core.errors import JobError, Stopped
from mvla_core.files import read_json, read_json_lines
from mvla_core.jobs.devices import slot_for
from mvla_core.jobs.model import Job
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot, JobFolder
from mvla_core.progress import ConsoleProgress, Progress
from mvla_core.training.machine import cuda_devices

POLL_INTERVAL_S = 0.25


def run_to_end(
    root: DataRoot,
    kind: str,
    folder: JobFolder,
    config: dict[str, Any],
    *,
    title: str,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Queue a job and wait; events appear on stderr as they are written.

    Ctrl-C asks the job to stop (it keeps its checkpoint) and waits for it; the job does not depend on this process, so
    that a closed terminal leaves it running.

    Args:
        root: The data root.
        kind: One of `mvla_core.jobs.model.KINDS`.
        folder: The job's folder.
        config: Its configuration.
        title: One line for people.
        progress: Told what the job tells; None prints it to stderr.

    Returns:
        The job's `result.json`.

    Raises:
        JobError: It failed; the text is the job's own sentence.
        Stopped: It was stopped.
    """
    queue = JobQueue(root)
    device = slot_for(kind, len(cuda_devices()), queue.active())
    return follow_job(root, queue.submit(kind, folder, config, title=title, device=device).id, folder, progress)


def follow_job(root: DataRoot, job_id: int, folder: JobFolder, progress: Progress | None = None) -> dict[str, Any]:
    """Wait for a job that is queued already; everything else is as in `run_to_end`."""
    queue = JobQueue(root)
    job = queue.get(job_id)
    console = progress or ConsoleProgress()
    offset, waiting_told, told = 0, False, ""
    while True:
        try:
            rows, offset = read_json_lines(folder.progress, offset)
            for row in rows:
                values = {key: value for key, value in row.items() if key not in ("event", "time")}
                console.emit(row["event"], **values)
            queue.attend()  # a runner that was killed is replaced, so that the job does not wait for ever
            job = queue.get(job.id)
            if job.finished is not None and not rows:
                return _ending(job, folder)
            if job.message and job.message != told and job.active:
                console.note(job.message)
                told = job.message
            if job.status == "queued" and not waiting_told and time.time() - job.created > 3:
                console.note(f"Job {job.id} waits in the queue: `python -m mvla_core jobs` shows what runs.")
                waiting_told = True
            time.sleep(POLL_INTERVAL_S)
        except KeyboardInterrupt:
            queue.request_stop(job.id)
            console.note(
                "Stopping: the job keeps its last checkpoint. It goes on by itself if this terminal is closed."
            )


def _ending(job: Job, folder: JobFolder) -> dict[str, Any]:
    if job.status == "succeeded":
        result: dict[str, Any] = read_json(folder.result)
        return result
    if job.status == "stopped":
        raise Stopped(f"Job {job.id} was stopped; what was finished until then is kept in {folder.path}.")
    raise JobError(
        f"Job {job.id} ({job.kind}) {job.status}: {job.message or 'no reason recorded'} The log is {folder.log}."
    )
