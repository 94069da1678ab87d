"""What the demo costs: wall time and peak memory of the command and every process that it starts.

    python -m benchmarks.demo

Goal: at most 3 minutes and 2 GB on 2 cores. Memory is the proportional set size summed over the process tree, sampled
twice a second (a page shared by two processes counts once).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

import psutil

SAMPLE_INTERVAL_S = 0.5


def tree_memory(data_root: str) -> int:
    """Bytes held by every process that works on this data root: the command, the job runner and its workers."""
    total = 0
    for process in psutil.process_iter():
        try:
            if process.environ().get("MVLA_DATA_ROOT") == data_root:
                total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return total


def main() -> None:
    # The runner of the jobs may write a last time while its folder is removed.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data_root:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "mvla_core", "demo", "--json"],
            env={**os.environ, "MVLA_DATA_ROOT": data_root},
            stdout=subprocess.PIPE,
            text=True,
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, tree_memory(data_root))
            time.sleep(SAMPLE_INTERVAL_S)
        seconds = time.monotonic() - began
        output = process.stdout.read() if process.stdout else ""
    if process.returncode != 0:
        raise SystemExit(f"the demo failed with exit code {process.returncode}")
    print(f"{json.loads(output)['verdict']['sentence']}")
    print(f"wall time {seconds:.0f} s (goal 180), peak memory {peak / 2**30:.2f} GiB (goal 2)")


if __name__ == "__main__":
    main()
