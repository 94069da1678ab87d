"""Speed and memory of the simulation: episodes of 224 x 224 pixels, drawn by rays and written with gzip.

Run: python -m benchmarks.simulation [--count 24] [--workers 2] [--hard] [--success 200]

Claims: at most 1.5 CPU-seconds for an episode of 18 frames, and at most 250 MB in a worker. With `--success N` it also drives N
unrendered episodes in every scenario, each to its end however long it takes; the expert then succeeds in at least 97 % of each.
The naive way beside it draws the same frame, with its light, shadows and textures, with one `mj_ray` call for every ray in place
of one `mj_multiRay` call for all rays from one point. The two frames must be the same, byte for byte.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import mujoco
import numpy as np
import numpy.typing as npt

from mvla_core.layout import DataRoot
from mvla_core.schema import Frame
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.gl_renderer import gl_problem
from mvla_core.simulation.levels import level_settings
from mvla_core.simulation.record import first_end, simulate_episodes
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scenarios import ALL_SCENARIOS
from mvla_core.simulation.world import World

LIMIT_CPU_S, LIMIT_MB, LIMIT_SUCCESS = 1.5, 250.0, 0.97
Vector = npt.NDArray[np.float64]


def measure(count: int, workers: int, level: str) -> bool:
    """Record a data set, print its figures, and return whether the claims hold."""
    with tempfile.TemporaryDirectory() as folder:
        summary = simulate_episodes(
            DataRoot(Path(folder)), "benchmark", count=count, workers=workers, **level_settings(level)
        )
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.h5"))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in used)
    per_episode = 18 * cpu / summary.frames
    megabytes = used[0 if workers > 1 else 1].ru_maxrss / 1024
    print(f"{summary.episodes} episodes, {summary.frames} frames, {workers} workers: {summary.seconds:.1f} s")
    print(f"CPU for 18 frames, with starting the workers: {per_episode:.2f} s (claim: {LIMIT_CPU_S})")
    print(f"memory of a worker: {megabytes:.0f} MB (claim: {LIMIT_MB:.0f})")
    print(f"file size: {size / summary.frames / 1e3:.0f} kB a frame; redrawn: {summary.redrawn or 'none'}")
    return per_episode <= LIMIT_CPU_S and megabytes <= LIMIT_MB


def compare_rays(size: int = 224) -> bool:
    """Print CPU time of a frame in both ways, and return whether they draw the same."""
    ours, frame = _drawn(size, 5)
    with patch("mujoco.mj_multiRay", _one_by_one):
        naive, same = _drawn(size, 1)
    equal = np.array_equal(frame, same)
    print(
        f"one frame with light, shadows and textures: {1e3 * ours:.0f} ms; with each ray asked for alone: {1e3 * naive:.0f} ms"
    )
    print(f"ratio {naive / ours:.1f}; the same frame: {'yes' if equal else 'NO'}")
    return equal


def _drawn(size: int, times: int) -> tuple[float, Frame]:
    """CPU seconds of one frame of a world that has drawn one already, and the second frame."""
    world = World(size)
    world.reset(sample_scene(0, "left"))
    world.frame()
    began = time.process_time()
    frames = [world.frame() for _ in range(times)]
    return (time.process_time() - began) / times, frames[0]


def _one_by_one(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    eye: Vector,
    rays: Vector,
    groups: npt.NDArray[np.uint8] | None,
    still: bool,
    body: int,
    geoms: npt.NDArray[np.int32],
    distances: Vector,
    normals: Vector | None,
    count: int,
    cutoff: float,
) -> None:
    """What `mj_multiRay` does, ray by ray. What lies beyond the cutoff is not hit."""
    hit, normal = np.zeros(1, np.int32), np.zeros(3)
    for number, ray in enumerate(rays.reshape(count, 3)):
        distance = mujoco.mj_ray(model, data, eye, ray, groups, still, body, hit, normal)
        reached = 0.0 <= distance <= cutoff
        geoms[number], distances[number] = (hit[0], distance) if reached else (-1, -1.0)
        if normals is not None:
            normals[3 * number : 3 * number + 3] = normal if reached else 0.0


def compare_gl(size: int = 224) -> None:
    """Print CPU and wall time of a frame by OpenGL, where there is one."""
    if problem := gl_problem():
        print(f"one frame by OpenGL: not measured ({problem})")
        return
    world = World(size, renderer="gl")
    world.reset(sample_scene(0, "left"))
    world.frame()
    cpu, wall = time.process_time(), time.monotonic()
    for _ in range(10):
        world.frame()
    cpu, wall = (time.process_time() - cpu) / 10, (time.monotonic() - wall) / 10
    world.close()
    print(f"one frame by OpenGL: {1e3 * cpu:.0f} ms of CPU, {1e3 * wall:.0f} ms")


def success(episodes: int, level: str) -> bool:
    """Drive first draws of every scenario, print how they ended, and return whether the claim holds."""
    held, world = True, World(16)
    for name in (*ALL_SCENARIOS, "target_1box", "target_2box"):
        config = SimulationConfig.from_settings(seed=11, scenarios=[[name, 1]], **level_settings(level))
        ends = Counter(first_end(config, index, world) for index in range(episodes))
        held &= ends[""] >= LIMIT_SUCCESS * episodes
        other = {reason: number for reason, number in ends.items() if reason}
        print(f"{name:<20} {ends['']} of {episodes} succeed; not: {other or 'none'}", flush=True)
    return held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--hard", action="store_true", help="the hard level in place of the medium one")
    parser.add_argument("--success", type=int, default=0, metavar="N", help="drive N episodes of every scenario")
    options = parser.parse_args()
    level = "hard" if options.hard else "medium"
    held = measure(options.count, options.workers, level)
    held &= compare_rays()
    compare_gl()
    if options.success:
        held &= success(options.success, level)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
