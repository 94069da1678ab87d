"""From the click to the running job: the queue against a `subprocess.Popen` in the thread of the page, in the same run.

    python benchmarks/jobs.py [--clicks 30] [--burst 40]

Both start the same small worker. Every figure of a click is taken in the clicking process: how long the call blocks it, until
the row says that the job runs (the queue alone has one), and until the worker's own first sign is on the disk. The burst submits
from as many threads as there are jobs; the queue then runs one after another on the one slot, the naive way all of them at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.launch import runner_process
from mvla_core.jobs.model import Job
from mvla_core.jobs.queue import JobQueue
from mvla_core.jobs.settings import RunnerSettings
from mvla_core.layout import DataRoot, JobFolder

LIMIT_S = 0.5
LOOK_S = 0.002
WORKER = """
import json, sys, time
from pathlib import Path
folder = Path(sys.argv[sys.argv.index("--folder") + 1])
(folder / "progress.jsonl").write_text(json.dumps({"event": "stage", "name": "Starting", "time": time.time()}) + "\\n")
(folder / "result.json").write_text(json.dumps({"status": "succeeded", "message": "", "finished": time.time()}))
"""


def until(condition: Callable[[], bool], limit_s: float = 60.0) -> float:
    """Return the monotonic time at which a condition was seen to hold."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the job did not begin")
        time.sleep(LOOK_S)
    return time.monotonic()


def click_queue(queue: JobQueue) -> tuple[float, float, float]:
    """Submit one job; return seconds until the call returned, the row said so, and the worker did."""
    folder = new_job_folder(queue.root, "report")
    began = time.monotonic()
    job = queue.submit("report", folder, {"name": folder.path.name}, title="click")
    returned = time.monotonic()
    running = until(lambda: queue.get(job.id).started is not None)
    seen = until(folder.progress.exists)
    queue.wait(job.id, 60.0, 0.01)
    return returned - began, running - began, seen - began


def command(folder: JobFolder, root: DataRoot) -> list[str]:
    words = [sys.executable, "-m", "bench_worker", "work", "report"]
    return [*words, "--folder", str(folder.path), "--data-root", str(root.path)]


def click_naive(root: DataRoot) -> tuple[float, float]:
    """Start a process in this thread; return seconds until the call returned and the worker gave a sign."""
    folder = new_job_folder(root, "report")
    began = time.monotonic()
    process = subprocess.Popen(command(folder, root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    returned = time.monotonic()
    seen = until(folder.progress.exists)
    process.wait()
    return returned - began, seen - began


def told(name: str, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    print(f"  {name:<46} p50 {statistics.median(ordered):6.3f} s   p95 {p95:6.3f} s   n = {len(ordered)}")


def burst_queue(queue: JobQueue, count: int) -> None:
    def submit(_: int) -> Job:
        folder = new_job_folder(queue.root, "report")
        return queue.submit("report", folder, {"name": folder.path.name}, title="burst")

    began = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        jobs = list(pool.map(submit, range(count)))
    submitted = time.monotonic() - began
    for job in jobs:
        queue.wait(job.id, 120.0, 0.02)
    endings = [queue.get(job.id) for job in jobs]
    spans = sorted((job.started or 0.0, job.finished or 0.0) for job in endings)
    together = max(sum(begin <= start < end for begin, end in spans) for start, _ in spans)
    print(
        f"  {count} at once, queue: all on record after {submitted:.2f} s, all ended after {time.monotonic() - began:.2f} s; "
        f"{sum(job.status == 'succeeded' for job in endings)} succeeded, at most {together} at a time"
    )


def burst_naive(root: DataRoot, count: int) -> None:
    def start(_: int) -> subprocess.Popen[bytes]:
        folder = new_job_folder(root, "report")
        return subprocess.Popen(command(folder, root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    began = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        processes = list(pool.map(start, range(count)))
    started = time.monotonic() - began
    alive = sum(process.poll() is None for process in processes)
    codes = [process.wait() for process in processes]
    print(
        f"  {count} at once, Popen: all started after {started:.2f} s, all ended after {time.monotonic() - began:.2f} s; "
        f"{codes.count(0)} with exit code 0, {alive} alive at a time"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clicks", type=int, default=30)
    parser.add_argument("--burst", type=int, default=40)
    options = parser.parse_args()
    print("load average before: {:.2f} {:.2f} {:.2f}; cores: {}".format(*os.getloadavg(), os.cpu_count()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench_worker.py").write_text(WORKER)
        os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
        root = DataRoot(folder / "data")
        queue = JobQueue(root, RunnerSettings(program="bench_worker"))
        try:
            cold = click_queue(queue)
            print(
                f"  first click, which starts the runner too: running after {cold[1]:.3f} s, worker after {cold[2]:.3f} s"
            )
            warm = [click_queue(queue) for _ in range(options.clicks)]
            naive = [click_naive(root) for _ in range(options.clicks)]
            told("queue: the page is blocked", [each[0] for each in warm])
            told("queue: click to running", [each[1] for each in warm])
            told("queue: click to the worker's first sign", [each[2] for each in warm])
            told("Popen: the page is blocked", [each[0] for each in naive])
            told("Popen: click to the worker's first sign", [each[1] for each in naive])
            burst_queue(queue, options.burst)
            burst_naive(root, options.burst)
        finally:
            if runner := runner_process(root):
                os.kill(runner.pid, signal.SIGTERM)
                until(lambda: runner_process(root) is None)
    print("load average after: {:.2f} {:.2f} {:.2f}".format(*os.getloadavg()))
    worst = sorted(each[1] for each in warm)[round(0.95 * (len(warm) - 1))]
    print(f"click to running: p95 {worst:.3f} s, at most {LIMIT_S} s wanted: {'met' if worst <= LIMIT_S else 'MISSED'}")
    return 0 if worst <= LIMIT_S else 1


if __name__ == "__main__":
    sys.exit(main())
