"""Speed and memory of the simulation: episodes of 224 x 224 pixels, drawn by rays and written with gzip.

Run: python -m benchmarks.simulation [--count 24] [--workers 2] [--hard] [--success 200]

Claims: at most 1.5 CPU-seconds for an episode of 18 frames, and at most 250 MB in a worker. With `--success N` it also drives N
unrendered episodes in every scenario; the expert then succeeds in at least 97 % of each.
The naive way beside it draws each frame with one `mj_ray` call a pixel instead of one `mj_multiRay` call a picture.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import mujoco
import numpy as np

from mvla_core.layout import DataRoot
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.gl_renderer import gl_problem
from mvla_core.simulation.levels import level_settings
from mvla_core.simulation.mjcf import build_model
from mvla_core.simulation.record import NOT_FAILURES, rehearse, simulate_episodes
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scenarios import ALL_SCENARIOS
from mvla_core.simulation.world import World

LIMIT_CPU_S, LIMIT_MB, LIMIT_SUCCESS = 1.5, 250.0, 0.97


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


def compare_rays(size: int = 224) -> None:
    """Print CPU time of a whole frame of ours beside the bare rays of one, asked for one by one."""
    scene = sample_scene(0, "left")
    world = World(size)
    world.reset(scene)
    world.frame()
    began = time.process_time()
    for _ in range(5):
        world.frame()
    ours = (time.process_time() - began) / 5
    model = build_model(scene).model
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    rays = np.random.default_rng(0).normal(size=(size * size, 3)) + np.array([5.0, 0.0, 0.0])
    hit, eye = np.zeros(1, np.int32), np.array([0.1, 0.0, 0.34])
    began = time.process_time()
    for ray in rays:
        mujoco.mj_ray(model, data, eye, ray, None, 1, -1, hit)
    naive = time.process_time() - began
    print(
        f"one frame with light, shadows and textures: {1e3 * ours:.0f} ms; its bare rays one by one: {1e3 * naive:.0f} ms"
    )


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
    print(f"one frame by OpenGL: {1e3 * cpu:.0f} ms of CPU, {1e3 * wall:.0f} ms")


def success(episodes: int, level: str) -> bool:
    """Drive first draws of every scenario, print how they ended, and return whether the claim holds."""
    held, world = True, World(16)
    for name in (*ALL_SCENARIOS, "target_1box", "target_2box"):
        config = SimulationConfig.from_settings(seed=11, scenarios=[[name, 1]], **level_settings(level))
        ends = Counter(rehearse(config, index, 0, world).refused for index in range(episodes))
        good = ends[""] + sum(ends[reason] for reason in NOT_FAILURES if reason != "no_way")
        held &= good >= LIMIT_SUCCESS * episodes
        other = {reason: number for reason, number in ends.items() if reason}
        print(f"{name:<20} {good} of {episodes} succeed; drawn anew: {other or 'none'}", flush=True)
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
    compare_rays()
    compare_gl()
    if options.success:
        held &= success(options.success, level)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
