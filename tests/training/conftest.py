"""Recorded worlds small enough to train on in a test."""

from __future__ import annotations

import os

import numpy as np
import pytest

from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace

os.environ["HF_HUB_OFFLINE"] = "1"

COLOURS = "colours"


@pytest.fixture
def colours(root: DataRoot) -> str:
    """Ten episodes of seven frames whose colour is the action: red drives ahead, green drives left."""
    generator = np.random.default_rng(0)
    folder = root.dataset(COLOURS)
    folder.mkdir(parents=True)
    for number in range(10):
        frames = generator.integers(0, 256, (7, 1, 1, 3)).repeat(32, 1).repeat(32, 2).astype(np.uint8)
        actions = frames[:, 0, 0, :2] / 127.5 - 1
        instruction = ("Go to the left.", "Go to the right.")[number % 2]
        write_episode(
            folder / f"episode_{number:02}.h5",
            frames,
            actions,
            action_space=ActionSpace.default(2),
            instruction=instruction,
        )
    return COLOURS
