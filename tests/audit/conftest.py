"""Episodes that exist in memory only."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvla_core.audit.analysis import audit_episodes
from mvla_core.audit.result import AuditResult
from mvla_core.schema import Actions, ActionSequence, ActionSpace, EpisodeInfo, Scenario


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


@dataclass(frozen=True)
class Recordings:
    """Recorded key sequences as actions, float32 (frames, 2), m/s."""

    table: dict[str, Any]

    def actions(self, keys: str) -> Actions:
        return np.array([self.table["key_to_velocity_m_s"][key] for key in keys], dtype=np.float32)

    def briefing(self) -> list[ActionSequence]:
        """The briefing's 13 episodes, one of them a stub of two frames."""
        return [
            ActionSequence(f"b{n:02d}", self.actions(keys)) for n, keys in enumerate(self.table["briefing"]["keys"])
        ]

    def repeated(self, name: str, instruction: str = "", most: int = 1000) -> list[ActionSequence]:
        """A set of which only the counts of each sequence are known."""
        keys = [keys for keys, count in self.table[name].items() for _ in range(count)]
        return [ActionSequence(f"{name}_{n:03d}", self.actions(k), instruction) for n, k in enumerate(keys[:most])]


@pytest.fixture(scope="session")
def recordings() -> Recordings:
    return Recordings(json.loads(Path(__file__).with_name("recorded_keys.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def audit(make_info: Callable[..., EpisodeInfo]) -> Callable[..., AuditResult]:
    """Return a function that audits sequences; `info` gives fields of every episode, other keywords go to the audit."""

    def run(sequences: Sequence[ActionSequence], info: dict[str, Any] | None = None, **keywords: Any) -> AuditResult:
        episodes = [
            make_info(
                sequence.episode_id,
                num_frames=sequence.num_frames,
                instruction=sequence.instruction,
                instruction_source="file" if sequence.instruction else "none",
                **(info or {}),
            )
            for sequence in sequences
        ]
        return audit_episodes("test", episodes, sequences, **keywords)

    return run


def drive(seed: int, quantised: bool = True) -> ActionSequence:
    """Drive around one box at a random place with a random speed: what a varied, honest episode looks like.

    The robot starts `distance` before the box, goes round it on the side that the instruction names, and drives on to
    a goal.
    """
    generator = np.random.default_rng(seed)
    side = 1.0 if seed % 2 else -1.0
    speed, distance, width = generator.uniform(0.5, 1.15), generator.uniform(0.6, 2.6), generator.uniform(0.5, 1.2)
    x, y, rows = 0.0, generator.uniform(-0.3, 0.3), [[0.0, 0.0]]
    for _ in range(17):
        aside = side * width if distance - 0.8 < x < distance + 0.4 else 0.0
        heading = np.array([0.45, np.clip(aside - y, -0.45, 0.45)])
        action = heading / np.abs(heading).max() * speed
        if quantised:
            action = np.where(np.abs(heading) > 0.2, np.sign(heading), 0.0) * 1.15
        rows.append(list(action))
        x, y = x + 0.2 * action[0], y + 0.2 * action[1]
    return ActionSequence(f"drive_{seed:04d}", np.array(rows, dtype=np.float32), "left" if side > 0 else "right")


@pytest.fixture(scope="session")
def varied() -> Callable[..., list[ActionSequence]]:
    """Return a maker of varied episodes: `varied(count, quantised=True, first=0)`."""

    def make(count: int, quantised: bool = True, first: int = 0) -> list[ActionSequence]:
        return [drive(first + number, quantised) for number in range(count)]

    return make
