"""Two axes as ever, or three for data beside a robot that records its turns too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mvla_core.episodes.reader import open_episode
from mvla_core.errors import UserInputError
from mvla_core.layout import DataRoot
from mvla_core.schema import Actions, ActionSpace
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.match import Match, match_dataset
from mvla_core.simulation.record import simulate_episodes

from .test_matched import record_like

KEYS = [(0.8, 0.0, 0.0), (0.8, 0.8, 0.0), (0.8, -0.8, 0.0), (0.0, 0.8, 0.0), (0.0, -0.8, 0.0), (0.0, 0.0, 0.0)]


def read(path: Path) -> tuple[ActionSpace, Actions]:
    with open_episode(path, "any") as episode:
        return episode.info.action_space, episode.actions()


def test_a_third_axis_is_written_as_zero(root: DataRoot) -> None:
    for name, settings in (("two", {}), ("three", {"action_dims": 3})):
        simulate_episodes(root, name, count=1, workers=1, image_size=16, **settings)
    two, three = (read(next(root.dataset(name).glob("*.h5"))) for name in ("two", "three"))
    assert (two[0], three[0]) == (ActionSpace.default(2), ActionSpace.default(3))
    assert np.array_equal(three[1][:, :2], two[1])
    assert three[1].dtype == np.float32
    assert not three[1][:, 2].any()
    with pytest.raises(UserInputError, match="action_dims is 4; expected a whole number from 2 to 3"):
        SimulationConfig(action_dims=4)


def test_a_journal_without_the_setting_goes_on_with_two(root: DataRoot) -> None:
    simulate_episodes(root, "old", count=1, workers=1, image_size=16)
    journal = root.dataset("old") / "simulation.jsonl"
    journal.write_text(journal.read_text().replace('"action_dims": 2, ', ""))
    assert "action_dims" not in journal.read_text()
    assert simulate_episodes(root, "old", count=1, workers=1, image_size=16).kept == 1
    with pytest.raises(UserInputError, match="action_dims 2 instead of 3"):
        simulate_episodes(root, "old", count=1, workers=1, image_size=16, action_dims=3)


def test_a_robot_with_three_axes_is_matched(root: DataRoot) -> None:
    record_like(root, "real", KEYS)
    match = match_dataset(root, "real")
    assert match.unmatched == ()
    assert any(line.startswith("Three axes") for line in match.matched)
    simulate_episodes(root, "like", count=1, workers=1, **match.settings)
    real, like = (read(next(root.dataset(name).glob("*.h5")))[0] for name in ("real", "like"))
    assert real == like


def test_axes_in_another_order_are_told(root: DataRoot) -> None:
    space = ActionSpace.from_names(("linear_x", "angular_z", "linear_y"))
    record_like(root, "odd", [(x, turn, y) for x, y, turn in KEYS], space=space)
    match: Match = match_dataset(root, "odd")
    assert "action_dims" not in match.settings
    assert any("The axes linear_x, angular_z, linear_y in m/s, rad/s, m/s" in line for line in match.unmatched)
