"""How fast the actions of a data set are audited, and what that holds in memory.

    python -m benchmarks.audit [--count 1000]

Claims for 1,000 episodes of 18 frames with small pictures, of which none is decoded: at most 5 s where nothing is known yet (the
scan of the folder included), at most 0.3 s from what is kept, and memory that does not grow with the number of episodes.

Three times are printed. "cold": no cache at all. "new audit": the folder was scanned before, for example by the page of
episodes, but never audited. "warm", as the best of three: both were done. The naive way beside them is a page's own loop of
`h5py.File(path)["actions"]`, which finds nothing out and trusts every file; the disk's own speed is that of reading all bytes
of the files in order.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace

COLD_S, WARM_S = 5.0, 0.3
"""For 1,000 episodes; both grow with their number."""
GROWTH_MB = 64.0
"""By how much more memory 1,000 episodes may take than 100; a thousand episodes' actions are 0.14 MB."""
KEYS = [(0.0, 0.0), (1.15, 0.0), (0.0, 1.15), (0.0, -1.15), (1.15, 1.15), (1.15, -1.15)]
_AUDIT = """
import json, resource, sys, time
from pathlib import Path
from mvla_core.audit.audit import audit_dataset
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.inspection import INSPECTOR
from mvla_core.layout import DataRoot

root, scanned_before = DataRoot(Path(sys.argv[1])), len(sys.argv) > 2
began = time.perf_counter()
if scanned_before:
    scan(root, resolve_dataset(root, "many"))
    began = time.perf_counter()
processor = time.process_time()
result = audit_dataset(root, "many")
seconds, processor = time.perf_counter() - began, time.process_time() - processor
own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
INSPECTOR.end()
worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
began = time.perf_counter()
audit_dataset(root, "many")
again = time.perf_counter() - began
times = {"seconds": seconds, "processor": processor, "again": again}
print(json.dumps({**times, "frames": result.frames, "megabytes": (own + worker) / 1024}))
"""


def make_folder(folder: Path, count: int) -> None:
    """Write recordings of 18 frames, all different, with pictures of 24 x 16 pixels."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(count):
        frames = generator.integers(0, 256, (18, 16, 24, 3), dtype=np.uint8)
        # A key is held for a while, as fingers do.
        held = np.repeat(generator.integers(0, len(KEYS), 9), generator.integers(1, 4, 9))[:18]
        actions = np.array(KEYS, dtype=np.float32)[np.resize(held, 18)]
        write_episode(
            folder / f"episode_{number:05}.h5",
            frames,
            actions,
            action_space=ActionSpace.default(2),
            instruction=("Pass on the left.", "Pass on the right.")[number % 2],
            attributes={"frame_rate_hz": 5.0},
        )


def measured(root: DataRoot, *options: str) -> dict[str, float]:
    """Audit in a new process, so that its memory is its own."""
    done = subprocess.run([sys.executable, "-c", _AUDIT, str(root.path), *options], stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def naive_seconds(paths: list[Path]) -> float:
    """Read the actions of every file on trust."""
    began = time.perf_counter()
    for path in paths:
        with h5py.File(path) as file:
            _ = file["actions"][:]
    return time.perf_counter() - began


def disk_seconds(paths: list[Path]) -> float:
    """Read every byte of every file, in order. The system keeps what was just written, so this is the kindest disk."""
    began = time.perf_counter()
    for path in paths:
        path.read_bytes()
    return time.perf_counter() - began


def audited(count: int) -> tuple[dict[str, float], dict[str, float], dict[str, float], float, float, int]:
    """Return cold, new and warm audits of `count` episodes, the naive and the disk's seconds, and the bytes."""
    with tempfile.TemporaryDirectory() as temporary:
        root = DataRoot(Path(temporary))
        folder = root.dataset("many")
        make_folder(folder, count)
        paths = sorted(folder.iterdir())
        cold = measured(root)
        warm = min((measured(root) for _ in range(3)), key=lambda run: run["seconds"])
        shutil.rmtree(root.cache / "audit")
        new = measured(root, "scanned before")
        size = sum(path.stat().st_size for path in paths)
        return cold, new, warm, naive_seconds(paths), disk_seconds(paths), size


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    count = parser.parse_args().count
    few = audited(min(count, 100))
    cold, new, warm, naive, disk, size = audited(count)
    limit_cold, limit_warm = COLD_S * count / 1000, WARM_S * count / 1000
    print(f"{count:,} episodes, {cold['frames']:,} frames, {size / 1e6:.1f} MB")
    print(f"cold, scan included     {cold['seconds']:8.2f} s  (claim: {limit_cold:g})")
    print(f"new audit, scanned      {new['seconds']:8.2f} s")
    print(f"warm, a new process     {warm['seconds']:8.3f} s  (claim: {limit_warm:g})")
    print(f"warm, the same process  {warm['again']:8.3f} s")
    print(f"processor time of warm  {warm['processor']:8.3f} s, whatever else the machine does")
    for what, seconds in (("cold", cold["seconds"]), ("warm", warm["seconds"])):
        print(
            f"naive h5py loop         {naive:8.2f} s: {naive / seconds:.2f} times {what}; "
            f"{what} reaches {disk / seconds:.1%} of the disk's speed ({size / 1e6 / disk:,.0f} MB/s)"
        )
    growth = cold["megabytes"] - few[0]["megabytes"]
    for number, run in ((min(count, 100), few[0]), (count, cold)):
        print(f"memory of {number:,} episodes  {run['megabytes']:8.0f} MB, with the worker")
    print(f"memory growth           {growth:8.0f} MB  (claim: {GROWTH_MB:g})")
    held = cold["seconds"] <= limit_cold and warm["seconds"] <= limit_warm
    return 0 if held and (growth <= GROWTH_MB or count > 1000) else 1


if __name__ == "__main__":
    sys.exit(main())
