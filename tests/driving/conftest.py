"""A tiny run that can be driven in seconds: six simulated episodes of small pictures, and a policy that has learned nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.datasets.split import make_split
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import named_dataset
from mvla_core.files import write_json
from mvla_core.layout import DataRoot
from mvla_core.policies.spec import PolicySpec
from mvla_core.schema import ActionSpace
from mvla_core.simulation.record import simulate_episodes

os.environ["HF_HUB_OFFLINE"] = "1"

RUN = "20260101-120000-worlds-tiny-0001"
DATASET = "worlds"


def spec(backbone: str) -> PolicySpec:
    return PolicySpec(
        backbone,  # type: ignore[arg-type]
        ActionSpace.default(2),
        ActionNormaliser("mean_std", (0.8, 0.0), (0.4, 0.6)),
        window_size=3,
        chunk_size=4,
        lora_rank=4,
        lora_alpha=8,
        lora_dropout=0.0,
        head_hidden=16,
        visual_channels=8,
    )


@pytest.fixture(scope="session")
def driven_root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Only read by tests, but for the evaluation folder of its run."""
    from mvla_core.policies.adapter import save_policy
    from mvla_core.policies.build import build_policy

    root = DataRoot(tmp_path_factory.mktemp("driven") / "data")
    simulate_episodes(root, DATASET, count=6, image_size=16, workers=1)
    ref = named_dataset(root, DATASET)
    run = root.run(RUN)
    run.path.mkdir(parents=True)
    config = {"run_id": RUN, "dataset": DATASET, "dataset_folder": str(ref.folder), "preset": "tiny", "seed": 0}
    write_json(run.config, {**config, "recipe": {}, "created": "2026-01-01T12:00:00+00:00"})
    write_json(run.split, make_split(scan(root, ref).episodes, seed=0).to_json())
    write_json(run.result, {"status": "succeeded", "message": ""})
    save_policy(build_policy(spec("tiny"), seed=1), run.adapter, {"run_id": RUN})
    return root


@pytest.fixture
def adapters(tmp_path: Path) -> Path:
    return tmp_path / "adapter"
