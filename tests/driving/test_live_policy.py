"""A policy that drives predicts what it predicts of a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mvla_core.policies.adapter import load_policy, save_policy
from mvla_core.policies.build import build_policy
from mvla_core.policies.live import LivePolicy
from tests.driving.conftest import spec


@pytest.mark.parametrize("backbone", ["tiny", "compact"])
def test_frame_by_frame_predicts_what_whole_windows_do(backbone: str, adapters: Path) -> None:
    save_policy(build_policy(spec(backbone), seed=1), adapters, {})
    policy = load_policy(adapters, "cpu")
    frames = np.random.default_rng(3).integers(0, 255, (6, 60, 80, 3), dtype=np.uint8)
    live = LivePolicy(policy)
    live.reset()
    stepped = [live.step(frame, "Go left.") for frame in frames]
    assert stepped[0].shape == (4, 2)
    for last in range(2, len(frames)):
        window = frames[last - 2 : last + 1]
        assert np.allclose(stepped[last], policy.predict_frames(window, "Go left.", np.array([2]))[0], atol=1e-6)
    whole = policy.predict_frames(frames, "Go left.", np.arange(2, 6))
    assert np.allclose(np.stack(stepped[2:]), whole, atol=1e-5)
    # At the start the first frame stands for those that were never seen.
    padded = np.stack([frames[0], frames[0], frames[1]])
    assert np.allclose(stepped[1], policy.predict_frames(padded, "Go left.", np.array([2]))[0], atol=1e-6)
    # A new drive knows nothing of the former one, and another instruction is heard at once.
    live.reset()
    assert np.array_equal(live.step(frames[0], "Go left."), stepped[0])
    right = live.predict("Go right.")
    assert not np.array_equal(right, stepped[0])
    still = np.repeat(frames[:1], 3, axis=0)
    assert np.allclose(right, policy.predict_frames(still, "Go right.", np.array([2]))[0], atol=1e-6)


def test_each_frame_is_encoded_once(adapters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_policy(build_policy(spec("tiny"), seed=1), adapters, {})
    policy = load_policy(adapters, "cpu")
    encoded = []
    encode = policy.encode_frames
    monkeypatch.setattr(policy, "encode_frames", lambda frames: encoded.append(len(frames)) or encode(frames))
    live = LivePolicy(policy)
    for frame in np.zeros((5, 20, 20, 3), np.uint8):
        live.step(frame, "Go.")
    assert encoded == [1] * 5
