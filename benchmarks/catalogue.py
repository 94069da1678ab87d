"""How fast a folder of recordings is listed, and what that holds in memory.

    python -m benchmarks.catalogue [--count 1000]

Claims for 1,000 episodes of 18 frames at 1280x720, without decoding a picture: first scan at most 10 s, from the cache at most
0.3 s, at most 300 MB. The files are hard links to a few different ones, so that the sizes are true and the disk stays empty.

The naive way beside it is a page's own `h5py.File(path)["images"][:]` for the length and the first picture; it is timed on a
few files and counted up. The bare way only opens each file and reads actions and shape, without a cache and on trust.
"""

from __future__ import annotations

import argparse
import json
import os
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

COLD_S, WARM_S, MEMORY_MB = 10.0, 0.3, 300.0
"""For 1,000 episodes; the times grow with their number, the memory does not."""
DIFFERENT_FILES = 6
_SCAN = """
import json, os, resource, sys, time
from pathlib import Path
from mvla_core.episodes.catalogue import load_sequences, scan, watch
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.layout import DataRoot

root = DataRoot(Path(sys.argv[1]))
ref = resolve_dataset(root, "many")
times = {}
began = time.perf_counter()
catalogue = scan(root, ref)
times["scan"] = time.perf_counter() - began
began = time.perf_counter()
assert not watch(root, ref)
times["watch"] = time.perf_counter() - began
began = time.perf_counter()
sequences = load_sequences(catalogue.episodes, root)
times["actions"] = time.perf_counter() - began
if len(sys.argv) > 2:
    began = time.perf_counter()
    load_sequences(catalogue.episodes)
    times["actions from the files"] = time.perf_counter() - began
first = ref.folder / "episode_00000.h5"
os.utime(first)
began = time.perf_counter()
scan(root, ref)
times["rescan"] = time.perf_counter() - began
own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from mvla_core.episodes.inspection import INSPECTOR
INSPECTOR.end()
worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({"times": times, "episodes": len(sequences), "megabytes": (own + worker) / 1024}))
"""


def make_folder(folder: Path, count: int) -> None:
    """Write a few different recordings and link them under `count` names."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 8, (720, 1280, 3), dtype=np.uint8)  # Makes files of about 20 MB, as the robot's are.
    paths = []
    for number in range(DIFFERENT_FILES):
        frames = (noise + np.uint8(10 * number + index) for index in range(18))
        actions = rng.choice([-1.15, 0.0, 1.15], (18, 2))
        paths.append(folder.parent.parent / "written" / f"{number}.h5")
        write_episode(paths[-1], frames, actions, action_space=ActionSpace.default(2))
    folder.mkdir(parents=True)
    shutil.copy(paths[0], folder / "episode_00000.h5")  # Alone, as it will be changed.
    for number in range(1, count):
        os.link(paths[number % len(paths)], folder / f"episode_{number:05}.h5")


def measured(root: DataRoot, *options: str) -> dict[str, object]:
    """Scan in a new process, so that nothing is warm and the memory is its own."""
    done = subprocess.run([sys.executable, "-c", _SCAN, str(root.path), *options], stdout=subprocess.PIPE, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def naive_seconds(paths: list[Path], *, pictures: bool) -> float:
    """Seconds a file."""
    began = time.perf_counter()
    for path in paths:
        with h5py.File(path) as file:
            _ = file["images"][:] if pictures else file["images"].shape
            _ = file["actions"][:]
    return (time.perf_counter() - began) / len(paths)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as temporary:
        root = DataRoot(Path(temporary))
        folder = root.dataset("many")
        make_folder(folder, count)
        size = (folder / "episode_00000.h5").stat().st_size
        cold, warm = measured(root), measured(root, "files")
        paths = sorted(folder.iterdir())
        naive = count * naive_seconds(paths[:DIFFERENT_FILES], pictures=True)
        bare = count * naive_seconds(paths[: min(count, 300)], pictures=False)
    first, again = cold["times"]["scan"], warm["times"]["scan"]
    memory = max(cold["megabytes"], warm["megabytes"])
    limit_cold, limit_warm = COLD_S * count / 1000, WARM_S * count / 1000
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{count:,} episodes of {size / 1e6:.0f} MB (load average {load})")
    print(f"first scan              {first:8.2f} s  (claim: {limit_cold:g})")
    print(f"scan from the cache     {again:8.2f} s  (claim: {limit_warm:g})")
    print(f"scan with one change    {warm['times']['rescan']:8.2f} s")
    print(f"look for changes        {warm['times']['watch']:8.3f} s")
    kept, read = warm["times"]["actions"], warm["times"]["actions from the files"]
    print(f"all actions             {kept:8.3f} s from the cache; {read:.2f} s from the files: {read / kept:.0f} times")
    print(f"memory, with the worker {memory:8.0f} MB (claim: {MEMORY_MB:.0f})")
    print(
        f"naive, all pictures     {naive:8.1f} s: {naive / first:.0f} times ours, {naive / again:,.0f} times with the cache"
    )
    print(
        f"bare h5py on trust      {bare:8.2f} s: {bare / first:.2f} times ours, {bare / again:.1f} times with the cache"
    )
    held = first <= limit_cold and again <= limit_warm and (memory <= MEMORY_MB or count > 1000)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
