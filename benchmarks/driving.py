"""What closed-loop trials cost: `python -m benchmarks.driving RUN [--data-root FOLDER] [--trials 50] [--workers N]`.

Drives the suite `similar` with a run of its own seed and prints wall and CPU time. Nothing is kept: the results that the run has
are left as they are.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

from mvla_core.driving.drive import drive_run, processes_for
from mvla_core.driving.settings import DriveSettings
from mvla_core.files import read_json
from mvla_core.layout import DataRoot


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_id")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    root = DataRoot.resolve(options.data_root)
    with tempfile.TemporaryDirectory() as folder:
        # The run is copied: its journal would answer for trials that it has driven before.
        own = DataRoot(Path(folder))
        source = root.run(options.run_id).path
        shutil.copytree(
            source, own.run(options.run_id).path, ignore=shutil.ignore_patterns("evaluation", "checkpoints")
        )
        backbone = read_json(own.run(options.run_id).adapter / "policy.json")["spec"]["backbone"]
        # A single trial, or a single worker, is driven in this process.
        processes = min(processes_for(backbone, options.workers), options.trials)
        began = time.monotonic()
        settings = DriveSettings(trials=options.trials, seed=4321)
        results = drive_run(own, options.run_id, settings, workers=options.workers)
        wall = time.monotonic() - began
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(one.ru_utime + one.ru_stime for one in used)
    suite = results["suites"]["similar"]
    frames = sum(trial["frames"] for trial in suite["trials"])
    print(f"{options.trials} trials, {frames} frames, {processes} {'process' if processes == 1 else 'processes'}")
    print(f"wall {wall:.0f} s at a load average of {os.getloadavg()[0]:.1f}; CPU {seconds:.0f} s")
    largest = used[0] if processes == 1 else used[1]
    whose = "this process, which drove" if processes == 1 else "largest process"
    print(f"{whose}: {largest.ru_maxrss / 1024:.0f} MB; success {suite['success']['value']:.0%}")


if __name__ == "__main__":
    main()
