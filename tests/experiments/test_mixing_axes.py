"""Real data with three axes is mixed with data simulated for it; what no simulation can be mixed with is told so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mvla_core.datasets.split import make_split
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import DatasetError
from mvla_core.experiments.mixing import make_mix
from mvla_core.experiments.subject import Subject, load_subject
from mvla_core.files import write_json
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace
from mvla_core.simulation.match import match_dataset
from mvla_core.simulation.record import simulate_episodes
from mvla_core.training.recipe import Recipe

KEYS = ((0.8, 0.0), (0.8, 0.8), (0.8, -0.8), (0.0, 0.8), (0.0, -0.8), (0.0, 0.0))


def record_real(folder: Path, space: ActionSpace) -> None:
    """Ten episodes of keys; a third axis stands still."""
    generator = np.random.default_rng(0)
    for number in range(10):
        actions = np.zeros((18, len(space)), np.float32)
        actions[:, :2] = [KEYS[step % len(KEYS)] for step in range(18)]
        frames = generator.integers(0, 255, (18, 24, 24, 3), dtype=np.uint8)
        path = folder / f"episode_20251112_1300{number:02d}.h5"
        write_episode(path, frames, actions, action_space=space, instruction="Go.", attributes={"frame_rate_hz": 5.0})


def trained_on(root: DataRoot, dataset: str) -> Subject:
    """A run whose policy was left out: what is mixed does not depend on it."""
    run, ref = root.run(f"20260101-000000-{dataset}-tiny-0001"), named_dataset(root, dataset)
    config = {"run_id": run.run_id, "dataset": dataset, "dataset_folder": str(ref.folder), "preset": "tiny"}
    write_json(run.config, {**config, "recipe": Recipe(window_size=2, chunk_size=3).to_json(), "seed": 0})
    write_json(run.split, make_split(scan(root, ref).episodes, seed=0).to_json())
    run.adapter.mkdir()
    return load_subject(root, run.run_id)


def test_three_axes_are_mixed_with_a_simulation_matched_to_them(root: DataRoot) -> None:
    record_real(root.dataset("real"), ActionSpace.default(3))
    subject = trained_on(root, "real")
    simulate_episodes(root, "two", count=2, workers=1, image_size=24)
    with pytest.raises(DatasetError, match="simulate with the settings matched to real"):
        make_mix(root, subject, "two")
    simulate_episodes(root, "like", count=2, workers=1, **match_dataset(root, "real").settings)
    mix = make_mix(root, subject, "like")
    assert len(mix.simulated) == 2
    spaces = {info.action_space for info in scan(root, mix.ref).episodes}
    assert spaces == {ActionSpace.default(3)}


def test_axes_that_nothing_simulated_has_are_not_sent_to_simulate(root: DataRoot) -> None:
    record_real(root.dataset("car"), ActionSpace.from_names(("linear_x", "angular_z")))
    subject = trained_on(root, "car")
    simulate_episodes(root, "two", count=1, workers=1, image_size=24)
    with pytest.raises(DatasetError, match="no simulation can be mixed with it"):
        make_mix(root, subject, "two")
