"""Ablations for which pictures are decoded and encoded anew: noise, hidden halves, hidden history.

A few windows of each episode are drawn evenly, and every frame that they see is decoded once for all of these ablations.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.windows import observed_frames
from mvla_core.episodes.reader import open_known
from mvla_core.errors import PolicyError
from mvla_core.evaluation.ablations import (
    DISTURBED,
    GREY,
    HISTORY,
    Answer,
    Frames,
    Policy,
    Subject,
    measure_ablation,
    still,
)
from mvla_core.evaluation.scale import ActionScale
from mvla_core.progress import Progress

_NOISE_EDGE = 112
"""Noise has at most this many cells along an edge: finer grains would average to grey when a picture is shrunk for the policy."""
_ONE_FRAME = "The policy sees one frame at a time: there is no history to hide."


def run_picture_ablations(
    policy: Policy,
    subjects: Sequence[Subject],
    window_size: int,
    most_windows: int,
    scale: ActionScale,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """Measure the effect of disturbed pictures and of a hidden history.

    Args:
        policy: The loaded policy.
        subjects: The held-out episodes.
        window_size: Frames a window.
        most_windows: How many windows of each episode are asked, evenly drawn; at least 1.
        scale: Of the training part.
        progress: Told after each episode.

    Returns:
        By name, as `run_ablations`.

    Raises:
        EpisodeError: A frame cannot be read.
    """
    names = (*DISTURBED, HISTORY) if window_size > 1 else DISTURBED
    answers: dict[str, list[Answer]] = {name: [] for name in names}
    refused: dict[str, str] = {}
    for done, subject in enumerate(subjects):
        progress.update(done, len(subjects), f"Disturbed pictures of {subject.info.episode_id}")
        windows = drawn_windows(subject.intact.num_windows, most_windows)
        last = subject.intact.last_frames[windows]
        seen = np.unique(observed_frames(last, window_size))
        with open_known(subject.info) as reader:
            frames = reader.frames([int(index) for index in seen])
        # All frames of a window are among those seen, so that they lie side by side there too.
        place = np.searchsorted(seen, last)
        for name in answers.keys() - refused.keys():
            try:
                answers[name].append(Answer(_ask(policy, name, subject, frames, seen, place, window_size), windows))
            except PolicyError as error:
                refused[name] = str(error)
    progress.update(len(subjects), len(subjects))
    results: dict[str, dict[str, Any]] = {}
    intact = [subject.intact for subject in subjects]
    for name in names:
        try:
            results[name] = (
                {"measured": False, "reason": refused[name]}
                if name in refused
                else measure_ablation(intact, answers[name], scale)
            )
        except PolicyError as error:
            results[name] = {"measured": False, "reason": str(error)}
    if HISTORY not in names:
        results[HISTORY] = {"measured": False, "reason": _ONE_FRAME}
    return results


def drawn_windows(count: int, most: int) -> npt.NDArray[np.int64]:
    """Which of `count` windows are asked: all, or `most` evenly from the first to the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def noise_pictures(frames: Frames, indices: npt.NDArray[np.int64], episode_id: str) -> Frames:
    """Return random pictures of the shape of `frames` uint8 (T, H, W, 3); the same for the same episode and frame index."""
    height, width = frames.shape[1:3]
    rows, columns = (np.arange(edge) * min(edge, _NOISE_EDGE) // edge for edge in (height, width))
    made = np.empty_like(frames)
    for place, index in enumerate(indices):
        generator = np.random.default_rng([zlib.crc32(episode_id.encode()), int(index)])
        cells = generator.integers(0, 256, (rows[-1] + 1, columns[-1] + 1, 3), dtype=np.uint8)
        made[place] = cells[rows[:, None], columns]
    return made


def hide_half(frames: Frames, side: str) -> Frames:
    """Return frames uint8 (T, H, W, 3) whose "left" or "right" half is grey."""
    hidden = frames.copy()
    middle = frames.shape[2] // 2
    hidden[:, :, slice(None, middle) if side == "left" else slice(middle, None)] = GREY
    return hidden


def _ask(
    policy: Policy,
    name: str,
    subject: Subject,
    frames: Frames,
    seen: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
    window_size: int,
) -> npt.NDArray[np.float32]:
    if name == HISTORY:
        return still(policy, frames[place], subject.info.instruction, window_size)
    ways: Mapping[str, Callable[[], Frames]] = {
        "pictures_noise": lambda: noise_pictures(frames, seen, subject.info.episode_id),
        "pictures_left_hidden": lambda: hide_half(frames, "left"),
        "pictures_right_hidden": lambda: hide_half(frames, "right"),
    }
    return policy.predict_frames(ways[name](), subject.info.instruction, place)
