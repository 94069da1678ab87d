"""How long a single prediction takes on this machine, as a robot asks for it: one new raw picture, then the chunk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import numpy as np

from mvla_core.evaluation.ablations import Policy, Subject
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import EpisodeInfo, Frame

if TYPE_CHECKING:
    from mvla_core.policies.adapter import LoadedPolicy

WARM_UPS = 3
"""Calls that are not counted: the first ones allocate memory and choose kernels, which no later one does."""
CALLS = 100
_FEWEST_CALLS = 10
_SECONDS = 10.0


@runtime_checkable
class Driving(Protocol):
    """A policy that keeps what it made of the frames before: it can drive as `policies.live` does."""

    def frame_vectors(self, features: Any, instruction: str) -> Any:
        """What it makes of each frame."""
        ...

    def predict_window(self, vectors: Any) -> Any:
        """The chunk that follows a window of these."""
        ...


def measure_latency(policy: Policy, subject: Subject, window_size: int, progress: Progress = SILENT) -> dict[str, Any]:
    """Time single predictions after some that warm up.

    A trained policy is asked as it drives: it encodes the new picture alone and predicts from the window that it keeps. Any other
    one gets the whole window.

    Returns:
        `p50_ms`, `p99_ms`, `predictions` (how many were timed: 100, or fewer where these take more than ten seconds; at least
        10), `warm_ups` (how many went before), `pictures` encoded in each, and their `height` and `width`.
    """
    drives = isinstance(policy, Driving)
    ask = _driving(policy, subject) if drives else _whole(policy, subject, window_size)
    times: list[float] = []
    began = time.perf_counter()
    for call in range(WARM_UPS + CALLS):
        if len(times) >= _FEWEST_CALLS and time.perf_counter() - began > _SECONDS:
            break
        progress.check()
        frame = subject.first_frame.copy()
        # Each call gets a picture that differs in one pixel, so that no cache of features can answer instead of the encoder.
        frame[0, 0] = call
        start = time.perf_counter()
        ask(frame)
        if call >= WARM_UPS:
            times.append(1000 * (time.perf_counter() - start))
    return {
        "p50_ms": float(np.percentile(times, 50)),
        "p99_ms": float(np.percentile(times, 99)),
        "predictions": len(times),
        "warm_ups": WARM_UPS,
        "pictures": 1 if drives else window_size,
        "height": subject.info.height,
        "width": subject.info.width,
    }


def _driving(policy: Policy, subject: Subject) -> Callable[[Frame], object]:
    """A drive that has begun: the window is full, the instruction read."""
    from mvla_core.policies.live import LivePolicy  # Loads torch, which such a policy has loaded before.

    live = LivePolicy(cast("LoadedPolicy", policy))
    instruction = subject.info.instruction
    live.step(subject.first_frame, instruction)
    return lambda frame: live.step(frame, instruction)


def _whole(policy: Policy, subject: Subject, window_size: int) -> Callable[[Frame], object]:
    last = np.array([window_size - 1])

    def ask(frame: Frame) -> object:
        frames = np.repeat(frame[None], window_size, axis=0)
        return policy.predict_frames(frames, subject.info.instruction, last)

    return ask


def typical_frame_rate(episodes: Sequence[EpisodeInfo]) -> float | None:
    """The median frame rate of the episodes that tell one, Hz; None where none does."""
    rates = [info.frame_rate_hz for info in episodes if info.frame_rate_hz is not None]
    return float(np.median(rates)) if rates else None
