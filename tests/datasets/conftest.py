"""Episodes that exist in memory only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mvla_core.schema import ActionSpace, EpisodeInfo, Scenario


@pytest.fixture(scope="session")
def make_info() -> Callable[..., EpisodeInfo]:
    """Return a maker of episodes of 18 frames; keywords replace single fields."""

    def make(episode_id: str, **fields: object) -> EpisodeInfo:
        values: dict[str, object] = {
            "dataset": "test",
            "episode_id": episode_id,
            "path": Path(f"{episode_id}.h5"),
            "num_frames": 18,
            "height": 8,
            "width": 8,
            "action_space": ActionSpace.default(2),
            "instruction": "",
            "instruction_source": "none",
            "scenario": Scenario(),
            "recorded_at": None,
            "frame_rate_hz": None,
            "color_order": "rgb",
            "recording_id": None,
            "recording_start": None,
            "simulated": False,
            "file_size": 1,
            "file_mtime_ns": 0,
        }
        return EpisodeInfo(**{**values, **fields})  # type: ignore[arg-type]

    return make
