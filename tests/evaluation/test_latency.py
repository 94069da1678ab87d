"""How a prediction is timed: after warm-ups, and of one new picture where the policy drives so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from mvla_core.evaluation.latency import CALLS, WARM_UPS, measure_latency

FRAME = np.zeros((4, 4, 3), dtype=np.uint8)


def subject() -> Any:
    return SimpleNamespace(first_frame=FRAME, info=SimpleNamespace(instruction="go", height=4, width=4))


class Driver:
    """Knows what it was asked to encode; as a loaded policy it keeps what it made of earlier frames."""

    def __init__(self) -> None:
        self.spec = SimpleNamespace(window_size=3)
        self.encoded: list[int] = []
        self.windows: list[tuple[int, ...]] = []

    def encode_frames(self, frames: Any) -> Any:
        self.encoded.append(len(frames))
        return frames.astype(np.float32).reshape(len(frames), -1)

    def frame_vectors(self, features: Any, instruction: str) -> Any:
        return torch.from_numpy(features)

    def predict_window(self, vectors: Any) -> Any:
        self.windows.append(tuple(vectors.shape))
        return vectors

    def predict_frames(self, frames: Any, instruction: str, last: Any) -> Any:
        raise AssertionError("a policy that drives is not asked for whole windows")


class Whole:
    def __init__(self) -> None:
        self.frames: list[Any] = []

    def predict_frames(self, frames: Any, instruction: str, last: Any) -> Any:
        self.frames.append(frames)
        return frames


def test_a_driving_policy_encodes_the_new_picture_alone() -> None:
    policy: Any = Driver()
    found = measure_latency(policy, subject(), 3)
    assert set(policy.encoded) == {1}
    assert len(policy.encoded) == 1 + WARM_UPS + CALLS
    assert set(policy.windows) == {(3, 48)}
    assert (found["pictures"], found["predictions"], found["warm_ups"]) == (1, CALLS, WARM_UPS)
    assert 0 < found["p50_ms"] <= found["p99_ms"]


def test_another_policy_gets_the_whole_window_and_never_the_same_one_twice() -> None:
    policy: Any = Whole()
    found = measure_latency(policy, subject(), 3)
    assert found["pictures"] == 3
    assert {frames.shape for frames in policy.frames} == {(3, 4, 4, 3)}
    assert len({frames.tobytes() for frames in policy.frames}) == len(policy.frames)


def test_the_first_calls_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a policy whose first call takes ten seconds, and that takes a second a call later on."""
    now = [0.0]
    policy: Any = Whole()

    def slow(frames: Any, instruction: str, last: Any) -> Any:
        now[0] += 10.0 if not policy.frames else 1.0
        policy.frames.append(frames)

    policy.predict_frames = slow
    monkeypatch.setattr("mvla_core.evaluation.latency.time.perf_counter", lambda: now[0])
    found = measure_latency(policy, subject(), 3)
    assert found["p99_ms"] == 1000.0
    assert found["predictions"] == 10
