"""How long a single prediction takes on this machine, from raw pictures, as a robot would ask for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from mvla_core.evaluation.ablations import Policy, Subject
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import EpisodeInfo

_CALLS = 20
_FEWEST_CALLS = 5
_SECONDS = 10.0


def measure_latency(policy: Policy, subject: Subject, window_size: int, progress: Progress = SILENT) -> dict[str, Any]:
    """Time single predictions.

    Returns:
        `p50_ms`, `p99_ms`, `predictions` (how many were timed; at least 5, at most 20), `pictures` encoded in each, and
        their `height` and `width`.
    """
    # Each call gets pictures that differ in one pixel, so that no cache of features can answer instead of the encoder.
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < _CALLS:
        if len(times) >= _FEWEST_CALLS and time.perf_counter() - began > _SECONDS:
            break
        progress.check()
        frames = np.repeat(subject.first_frame[None], window_size, axis=0)
        frames[:, 0, 0] = len(times)
        start = time.perf_counter()
        policy.predict_frames(frames, subject.info.instruction, np.array([window_size - 1]))
        times.append(1000 * (time.perf_counter() - start))
    return {
        "p50_ms": float(np.percentile(times, 50)),
        "p99_ms": float(np.percentile(times, 99)),
        "predictions": len(times),
        "pictures": window_size,
        "height": subject.info.height,
        "width": subject.info.width,
    }


def typical_frame_rate(episodes: Sequence[EpisodeInfo]) -> float | None:
    """The median frame rate of the episodes that tell one, Hz; None where none does."""
    rates = [info.frame_rate_hz for info in episodes if info.frame_rate_hz is not None]
    return float(np.median(rates)) if rates else None
