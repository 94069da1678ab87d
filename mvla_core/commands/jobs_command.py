"""`jobs`: what runs in the background, what waits, what ended and how."""

from __future__ import annotations

import argparse
from datetime import datetime

from mvla_core.commands.options import add_common, data_root, print_result


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stop", type=int, metavar="ID", help="ask a job to stop; it keeps its last checkpoint")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="newest jobs shown (default: %(default)s)")
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.jobs.queue import JobQueue

    queue = JobQueue(data_root(options))
    if options.stop is not None:
        queue.request_stop(options.stop)
    jobs = [queue.get(options.stop)] if options.stop is not None else queue.list(options.limit)
    lines = [
        f"{job.id:>5}  {job.status:<11}  {job.kind:<9}  {datetime.fromtimestamp(job.created):%Y-%m-%d %H:%M}  {job.title}"
        + (f"\n       {job.message}" if job.message else "")
        for job in jobs
    ]
    print_result(options, {"jobs": [job.to_json() for job in jobs]}, "\n".join(lines) or "No job has been queued yet.")
    return 0
