"""The background jobs that look at files and measure pictures, as the runner starts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvla_core.commands.work_command import FUNCTIONS
from mvla_core.episodes.writer import write_episode
from mvla_core.files import read_json, read_json_lines, write_json
from mvla_core.jobs.model import KINDS
from mvla_core.jobs.worker import run_worker
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace


def work(kind: str, root: DataRoot, config: dict[str, Any]) -> tuple[int, dict[str, Any], Path]:
    folder = root.job(f"{kind}-1")
    write_json(folder.config, config)
    code = run_worker(kind, folder, root, FUNCTIONS)
    return code, read_json(folder.result), folder.progress


def test_every_kind_has_its_function() -> None:
    assert set(KINDS) == FUNCTIONS.keys()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("scan", {"dataset": "walk", "episodes": 3, "set_aside": 1}),
        ("pictures", {"dataset": "walk", "episodes": 3, "measured": 3, "frames": 12, "failed": []}),
        ("features", {"dataset": "walk", "episodes": 3, "looked_at": 3, "frames": 12, "failed": []}),
    ],
)
def test_a_job_tells_its_progress_and_its_result(kind: str, expected: dict[str, Any], root: DataRoot) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    root.dataset("walk").mkdir(parents=True)
    for name in ("a", "b", "c"):
        path = root.dataset("walk") / f"{name}.h5"
        write_episode(path, frames, np.ones((4, 2)), action_space=ActionSpace.default(2))
    (root.dataset("walk") / "broken.h5").touch()
    code, result, progress = work(kind, root, {"dataset": "walk"})
    assert (code, result["status"]) == (0, "succeeded")
    assert {key: result[key] for key in expected} == expected
    last = [row for row in read_json_lines(progress)[0] if row["event"] == "progress"][-1]
    assert last["done"] == last["total"]


@pytest.mark.parametrize("kind", ["scan", "pictures", "features"])
def test_an_unknown_data_set_fails_with_a_sentence(kind: str, root: DataRoot) -> None:
    code, result, _ = work(kind, root, {"dataset": "nothing"})
    assert (code, result["status"]) == (2, "failed")
    assert "nothing" in result["message"]
