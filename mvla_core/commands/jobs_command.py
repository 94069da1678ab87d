"""`jobs`: what runs in the background, what waits, what ended and how; and every change that the page offers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from mvla_core.commands.options import add_common, data_root, print_result

if TYPE_CHECKING:
    from mvla_core.jobs.model import Job
    from mvla_core.jobs.queue import JobQueue

_CHANGES: dict[str, tuple[str, Callable[[JobQueue, int], object]]] = {
    "stop": ("ask a job to stop; it keeps its last checkpoint", lambda queue, job: queue.request_stop(job)),
    "discard": (
        "stop a job if it runs, and move its folder to the bin, from which --restore brings it back",
        lambda queue, job: queue.request_stop(job, discard=True),
    ),
    "restore": ("bring a discarded job's folder back", lambda queue, job: queue.restore(job)),
    "pause": ("halt a running job; it keeps its device and memory", lambda queue, job: queue.pause(job)),
    "continue": ("let a paused job go on", lambda queue, job: queue.unpause(job)),
    "first": ("move a waiting job to the front", lambda queue, job: queue.move(job, "first")),
    "up": ("move a waiting job one place up", lambda queue, job: queue.move(job, "up")),
    "down": ("move a waiting job one place down", lambda queue, job: queue.move(job, "down")),
    "last": ("move a waiting job to the end", lambda queue, job: queue.move(job, "last")),
    "resume": (
        "let an ended job go on in its folder, a training from its checkpoint",
        lambda queue, job: queue.resume(job),
    ),
    "retry": ("start an ended job anew with the same configuration", lambda queue, job: queue.retry(job).id),
}
_SWITCH = ("on", "off")


def configure(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    for name, (words, _) in _CHANGES.items():
        group.add_argument(f"--{name}", type=int, metavar="ID", dest=f"job_{name}", help=words)
    group.add_argument("--priority", type=int, nargs=2, metavar=("ID", "N"), help="-100 to 100; higher runs earlier")
    group.add_argument(
        "--resume-interrupted",
        choices=_SWITCH,
        help="queue jobs again by themselves that a restart of the machine interrupted",
    )
    group.add_argument(
        "--webhook", metavar="URL", help="http or https address that is told of every ending; '' for none"
    )
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="newest jobs shown (default: %(default)s)")
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.jobs.queue import JobQueue

    queue = JobQueue(data_root(options))
    jobs = _changed(queue, options) or queue.list(options.limit)
    lines = [
        f"{job.id:>5}  {job.status:<11}  {job.kind:<9}  {job.device:<6}  {datetime.fromtimestamp(job.created):%Y-%m-%d %H:%M}"
        f"  {job.title}" + "".join(f"\n       {text}" for text in (job.message, job.note) if text)
        for job in jobs
    ]
    print_result(options, {"jobs": [job.to_json() for job in jobs]}, "\n".join(lines) or "No job has been queued yet.")
    return 0


def _changed(queue: JobQueue, options: argparse.Namespace) -> list[Job]:
    """Do what was asked; return the jobs to show for it, or none where the whole list is of interest."""
    from mvla_core.jobs.preferences import read_preferences, write_preferences

    for name, (_, change) in _CHANGES.items():
        job_id = getattr(options, f"job_{name}")
        if job_id is not None:
            changed = change(queue, job_id)
            if name in ("first", "up", "down", "last"):
                return queue.active()
            return [queue.get(changed if isinstance(changed, int) else job_id)]  # a retry is a job of its own
    if options.priority is not None:
        queue.set_priority(*options.priority)
        return queue.active()
    if options.resume_interrupted is not None:
        preferences = replace(read_preferences(queue.root), resume_interrupted=options.resume_interrupted == "on")
        write_preferences(queue.root, preferences)
    if options.webhook is not None:
        write_preferences(queue.root, replace(read_preferences(queue.root), webhook=options.webhook))
    return []
