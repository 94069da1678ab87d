"""How fast the pictures of a data set are looked at, and what is made of them afterwards.

    python -m benchmarks.features [--episodes 40] [--compare 1000]

Printed: frames a second of the job "features" on rendered-size pictures, beside decoding them alone (the decoder's speed, which
bounds it) and beside the naive way, which encodes frame by frame and keeps nothing; what a second run and one more episode cost;
how long a training of `compact` then waits for its features; and how long comparing all frames takes for many episodes, with the
memory it holds. Nothing is asserted: figures belong to the machine they were measured on.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mvla_core.audit.pictures import audit_pictures
from mvla_core.datasets.split import make_split
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.frame_features import frame_features
from mvla_core.episodes.looks import Looks
from mvla_core.episodes.reader import open_episode
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.policies.compact import EfficientNetEncoder
from mvla_core.policies.picture_looks import look_at_pictures
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo, Scenario

FRAMES = 18
HEIGHT, WIDTH = 240, 320


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=40, help="recordings to look at (default: %(default)s)")
    parser.add_argument("--compare", type=int, default=1000, help="episodes to compare (default: %(default)s)")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    comparing(options.compare)
    with tempfile.TemporaryDirectory() as folder:
        looking(DataRoot(Path(folder)), options.episodes)


def looking(root: DataRoot, episodes: int) -> None:
    """Measure the job on pictures of 240 x 320."""
    for number in range(episodes):
        record(root, number)
    infos = scan(root, named_dataset(root, "lab")).episodes
    frames = episodes * FRAMES
    eyes = EfficientNetEncoder()

    began = time.perf_counter()
    for info in infos:
        with open_episode(info.path, "lab") as episode:
            for index in range(info.num_frames):
                episode.frame(index)
    decoding = time.perf_counter() - began

    with open_episode(infos[0].path, "lab") as episode:
        pictures = episode.frames(range(FRAMES))
    began = time.perf_counter()
    for picture in pictures:
        eyes.encode(picture[None])
    naive = (time.perf_counter() - began) / FRAMES * frames

    first = seconds_of(lambda: look_at_pictures(root, "lab", encoder=eyes))
    again = seconds_of(lambda: look_at_pictures(root, "lab", encoder=eyes))
    record(root, episodes)
    one_more = seconds_of(lambda: look_at_pictures(root, "lab", encoder=eyes))
    waiting = seconds_of(lambda: [np.array(frame_features(root, eyes, info)) for info in infos])
    print(f"decoding alone       {frames / decoding:8.0f} frames/s")
    print(f"naive, kept nowhere  {frames / naive:8.0f} frames/s   (from {FRAMES} frames)")
    print(
        f'job "features"       {frames / first:8.0f} frames/s   {naive / first:.1f} times the naive way, '
        f"{100 * decoding / first:.0f} % of its time is decoding's"
    )
    print(f"second run           {again:8.2f} s for {episodes} known episodes")
    print(f"one more episode     {one_more:8.2f} s")
    print(f"a training waits     {waiting:8.2f} s for the features of {frames} frames, instead of {naive:.1f} s")


def record(root: DataRoot, number: int) -> None:
    """Write one recording of blurred noise."""
    generator = np.random.default_rng(number)
    coarse = generator.integers(0, 256, (FRAMES, 12, 16, 3), dtype=np.uint8)
    frames = np.stack([cv2.resize(one, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for one in coarse])
    folder = root.dataset("lab")
    folder.mkdir(parents=True, exist_ok=True)
    actions = generator.choice([-1.15, 0.0, 1.15], (FRAMES, 2))
    write_episode(folder / f"e{number:05d}.h5", frames, actions, action_space=ActionSpace.default(2))


def comparing(episodes: int) -> None:
    """Measure headroom, conflicts and leaks of episodes whose looks are random: the worst case for every search."""
    generator, space = np.random.default_rng(0), ActionSpace.default(2)
    infos, sequences, looks = [], [], {}
    for number in range(episodes):
        name, words = f"e{number:05d}", ("left", "right")[number % 2]
        infos.append(described(name, words, space))
        sequences.append(
            ActionSequence(name, generator.choice([-1.15, 0, 1.15], (FRAMES, 2)).astype(np.float32), words)
        )
        vectors = generator.normal(size=(FRAMES, 256)).astype(np.float16)
        looks[name] = Looks(vectors, generator.integers(0, 2**64, FRAMES, dtype=np.uint64))
    split = make_split(infos)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = seconds_of(lambda: audit_pictures(infos, sequences, looks, split, WindowSpec(), space))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"comparing {episodes:,} episodes takes {seconds:.1f} s and {grown:.0f} MiB more memory; it is kept until one changes"
    )


def described(name: str, words: str, space: ActionSpace) -> EpisodeInfo:
    """An episode that exists in memory only."""
    return EpisodeInfo(
        "lab", name, Path(f"{name}.h5"), FRAMES, HEIGHT, WIDTH, space, words, "file", Scenario(), None, None, "rgb", None, None,
        False, 1, 1,
    )  # fmt: skip


def seconds_of(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
