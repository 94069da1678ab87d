"""What it takes to show a 1280x720 frame of a recording, by how it is stored; and to measure one.

    python -m benchmarks.decode

Claim: a gzip frame that was shown once comes from the disk in at most 2 ms after a restart, whatever its chunks, at least five
times as fast as the naive way. The naive way is `h5py`'s own reading and Pillow's JPEG, as `st.image` does it at every step.
Frames are asked for in random order, as somebody does who drags a slider; the disk's cache is warm for both.
"""

from __future__ import annotations

import io
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import numpy.typing as npt
from PIL import Image

from mvla_core.episodes import pictures
from mvla_core.episodes.measured_pictures import measure_pictures
from mvla_core.episodes.pixel_facts import pixel_facts
from mvla_core.episodes.reader import open_episode
from mvla_core.layout import DataRoot

FRAMES, HEIGHT, WIDTH = 18, 720, 1280
CLAIM_MS, CLAIM_RATIO = 2.0, 5.0
LAYOUTS: dict[str, dict[str, Any]] = {
    "not packed": {},
    "gzip 1, a frame a chunk": {"chunks": (1, HEIGHT, WIDTH, 3), "compression": "gzip", "compression_opts": 1},
    "gzip 9, a frame a chunk": {"chunks": (1, HEIGHT, WIDTH, 3), "compression": "gzip", "compression_opts": 9},
    "gzip 4, h5py's chunks": {"compression": "gzip"},
    "lzf, h5py's chunks": {"compression": "lzf"},
}


def scene() -> npt.NDArray[np.uint8]:
    """Frames as a camera gives them: smooth shapes that move, with a little noise; uint8 (18, 720, 1280, 3)."""
    rng = np.random.default_rng(0)
    large = cv2.resize(rng.integers(0, 256, (24, 44, 3), dtype=np.uint8), (WIDTH + 20 * FRAMES, HEIGHT))
    noise = rng.normal(0, 2, (HEIGHT, WIDTH, 3)).round()
    views = (large[:, 20 * index : 20 * index + WIDTH] + np.roll(noise, 7 * index, axis=1) for index in range(FRAMES))
    return np.stack([np.clip(view, 0, 255).astype(np.uint8) for view in views])


def each_ms(action: Callable[[int], object], order: list[int]) -> float:
    """Median time of an action on one frame."""
    times = []
    for index in order:
        began = time.perf_counter()
        action(index)
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


def naive_jpeg(file: h5py.File, index: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(file["images"][index]).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def compare_layouts(root: DataRoot, frames: npt.NDArray[np.uint8], order: list[int]) -> bool:
    """Print a line for each layout and return whether the claims hold."""
    held = True
    print(f"{'':25}{'MB':>5}{'naive':>9}{'from the file':>15}{'from the disk':>15}{'naive / disk':>14}")
    for number, (name, storage) in enumerate(LAYOUTS.items()):
        path = root.dataset("frames") / f"{number}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("images", data=frames, **storage)
            file["actions"] = np.full((FRAMES, 2), 1.15, np.float32)
        with h5py.File(path) as file:
            naive = each_ms(lambda index, file=file: naive_jpeg(file, index), order)  # type: ignore[misc]
        with open_episode(path, "frames") as reader:
            info = reader.info
        read = each_ms(lambda index, info=info: pictures.frame_jpeg(root, info, index), order)  # type: ignore[misc]
        pictures._store.cache_clear()  # As after a restart: only the disk remembers.
        disk = each_ms(lambda index, info=info: pictures.frame_jpeg(root, info, index), order)  # type: ignore[misc]
        size = path.stat().st_size / 1e6
        print(f"{name:25}{size:5.0f}{naive:6.1f} ms{read:12.1f} ms{disk:12.2f} ms{naive / disk:14.0f}")
        if "gzip" in name:
            held &= disk <= CLAIM_MS and naive >= CLAIM_RATIO * disk
        path.unlink()
    return held


def naive_facts(frames: npt.NDArray[np.uint8]) -> list[float]:
    """Brightness, contrast and difference in plain NumPy; no sharpness and no colours."""
    rows = [frames[0].mean(), frames[0].std()]
    for before, frame in itertools.pairwise(frames):
        rows += [frame.mean(), frame.std(), np.abs(frame.astype(np.int16) - before).mean()]
    return rows


def compare_measuring(root: DataRoot, frames: npt.NDArray[np.uint8]) -> None:
    """Print what the facts of a frame cost beside NumPy, and how fast the job goes through a gzip data set."""
    began = time.perf_counter()
    pixel_facts(frames)
    ours = 1e3 * (time.perf_counter() - began) / FRAMES
    began = time.perf_counter()
    naive_facts(frames)
    naive = 1e3 * (time.perf_counter() - began) / FRAMES
    print(f"all facts of a frame {ours:.1f} ms; three of them in NumPy {naive:.1f} ms: {naive / ours:.1f} times")
    for number in range(4):
        with h5py.File(root.dataset("frames") / f"m{number}.h5", "w") as file:
            file.create_dataset("images", data=frames, **LAYOUTS["gzip 1, a frame a chunk"])
            file["actions"] = np.full((FRAMES, 2), 1.15, np.float32)
    began = time.perf_counter()
    measured = measure_pictures(root, "frames")["frames"]
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    measure_pictures(root, "frames")
    again = time.perf_counter() - began
    print(f"job: {measured} gzip frames in {seconds:.1f} s ({measured / seconds:.0f} a second); again in {again:.2f} s")


def main() -> int:
    frames = scene()
    order = np.random.default_rng(1).permutation(FRAMES).tolist()
    with tempfile.TemporaryDirectory() as temporary:
        root = DataRoot(Path(temporary))
        root.dataset("frames").mkdir(parents=True)
        held = compare_layouts(root, frames, order)
        compare_measuring(root, frames)
    print(f"claim (gzip): at most {CLAIM_MS:g} ms from the disk, {CLAIM_RATIO:g} times the naive way: {held}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
