"""A world small enough to train on in a test, and a run that was trained on it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mvla_core.episodes.writer import write_episode
from mvla_core.files import write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.schema import ActionSpace

os.environ["HF_HUB_OFFLINE"] = "1"

SPEED = 0.5


def record_sides(
    folder: Path, count: int, seed: int, space: ActionSpace | None = None, *, simulated: bool = False
) -> None:
    """Episodes of eight frames that turn off at a time of their own, to the side that the instruction names."""
    generator = np.random.default_rng(seed)
    for number in range(count):
        side = (1, -1)[number % 2]
        turn = int(generator.integers(2, 6))
        actions = np.zeros((8, 2))
        actions[:turn, 0], actions[turn:, 1] = SPEED, SPEED * side
        frames = np.zeros((8, 24, 24, 3), dtype=np.uint8)
        frames[turn:, :, :, 0 if side > 0 else 2] = 200
        write_episode(
            folder / f"episode_{seed}_{number:02}.h5",
            frames,
            actions,
            action_space=space or ActionSpace.default(2),
            instruction="Go left." if side > 0 else "Go right.",
            attributes={"simulated": simulated},
        )


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataRoot, RunFolder]:
    """A data root with a data set `sides`, a simulated one `others`, and a run of the preset `tiny` on the first."""
    from mvla_core.progress import SILENT
    from mvla_core.training.launch import prepare_run
    from mvla_core.training.train import train_run

    root = DataRoot(tmp_path_factory.mktemp("experiments") / "data")
    record_sides(root.dataset("sides"), 20, 0)
    record_sides(root.dataset("others"), 14, 1, simulated=True)
    record_sides(root.dataset("wheels"), 4, 2, ActionSpace.from_names(["linear_x", "angular_z"]), simulated=True)
    run = prepare_run(root, "sides", "tiny", {"window_size": 2, "chunk_size": 3, "epochs": 6, "learning_rate": 0.003})
    write_json(run.result, {**train_run(root, run, SILENT), "status": "succeeded"})
    return root, run
