"""Pages run as Streamlit runs them, on small real recordings in a data root of their own.

No job is ever started: the test holds the lock of the job runner, so that what a page queues stays in the queue.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from streamlit.testing.v1 import AppTest

from mvla_core.datasets.split import make_split
from mvla_core.datasets.windows import WindowSpec, chunk_targets
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.reader import open_episode
from mvla_core.episodes.writer import write_episode
from mvla_core.evaluation.assess import assess
from mvla_core.files import append_json_line, write_json
from mvla_core.jobs.launch import take_runner_lock
from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot, RunFolder
from mvla_core.schema import ActionSpace, EpisodeInfo
from mvla_core.training.recipe import Recipe

SHELL = Path(__file__).resolve().parents[2] / "app" / "shell.py"
TIMEOUT_S = 60
DATASET = "lab"
RUN = "20260101-120000-lab-compact-0001"
SPACE = ActionSpace.default(2)
LENGTH = 18
WINDOW = WindowSpec(4, 10)

OpenPage = Callable[..., AppTest]


def record(root: DataRoot, dataset: str, count: int) -> None:
    """Write episodes that turn left or right at times of their own."""
    generator = np.random.default_rng(3)
    for number in range(count):
        side = ("left", "right")[number % 2]
        actions = np.zeros((LENGTH, 2), dtype=np.float32)
        begin, turn = generator.integers(1, 5), generator.integers(6, 13)
        actions[begin:, 0] = 1.15
        actions[turn : turn + 4, 1] = 1.15 if side == "left" else -1.15
        write_episode(
            root.dataset(dataset) / f"episode_20260101_12{number:02d}00.h5",
            generator.integers(0, 255, (LENGTH, 24, 32, 3), dtype=np.uint8),
            actions,
            action_space=SPACE,
            instruction=f"Drive past the box on the {side}.",
            attributes={"frame_rate_hz": 5.0},
        )


@dataclass(frozen=True)
class NoisyDriver:
    """Knows what the driver did and adds noise: a stand-in for a trained policy, in physical units."""

    noise: float

    def predict_episode(
        self,
        root: DataRoot,
        info: EpisodeInfo,
        last_frames: npt.NDArray[np.int64],
        instruction: str | None = None,
    ) -> npt.NDArray[np.float32]:
        with open_episode(info.path, info.dataset) as episode:
            targets, _ = chunk_targets(episode.actions(), last_frames, WINDOW.chunk_size)
        noise = np.random.default_rng(len(last_frames)).normal(scale=self.noise, size=targets.shape)
        return (targets + noise).astype(np.float32)

    def predict_frames(
        self, frames: npt.NDArray[np.uint8], instruction: str, last_frames: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        shape = (len(last_frames), WINDOW.chunk_size, len(SPACE))
        return np.random.default_rng(int(frames.sum() % 1000)).normal(scale=0.5, size=shape).astype(np.float32)


def add_run(root: DataRoot, run_id: str, status: str, message: str = "") -> RunFolder:
    """Leave a run folder as a training does; `status` "" leaves it without an ending."""
    run = root.run(run_id)
    ref = named_dataset(root, DATASET)
    split = make_split(scan(root, ref).episodes, seed=0)
    config = {"run_id": run_id, "dataset": DATASET, "dataset_folder": str(ref.folder), "preset": "compact"}
    config |= {"recipe": Recipe().to_json(), "seed": 0, "created": "2026-01-01T12:00:00+00:00"}
    write_json(run.config, config)
    write_json(run.split, split.to_json())
    write_json(run.provenance, {"python": "3.11", "packages": {}, "episodes": []})
    for epoch in (1, 2, 3):
        losses = {"train_loss": 0.4 / epoch, "val_loss": 0.5 / epoch, "val_rmse": 0.6 / epoch}
        event = {"event": "epoch", "time": 1767268800.0 + epoch, "epoch": epoch, "epochs": 3, "step": 4 * epoch}
        append_json_line(run.progress, {**event, **losses, "best_epoch": epoch, "eta_seconds": 3 - epoch})
    run.log.write_text("first line\n<b>not bold</b>\n", encoding="utf-8")
    if status:
        write_json(run.result, {"status": status, "message": message, "best_epoch": 3})
    run.adapter.mkdir()
    return run


@pytest.fixture(scope="session")
def recorded_root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """A data set of 15 usable episodes and two broken files, an evaluated run and a failed one. Only read by tests."""
    root = DataRoot(tmp_path_factory.mktemp("recorded") / "data")
    record(root, DATASET, 15)
    (root.dataset(DATASET) / "pointer.h5").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (root.dataset(DATASET) / "note_*x*.h5").write_text("no recording\n")
    run = add_run(root, RUN, "succeeded")
    assess(root, run, NoisyDriver(0.2), SPACE, WINDOW)
    add_run(root, "20260101-110000-lab-compact-0002", "failed", "Memory ran out at step 7.")
    return root


@pytest.fixture
def recorded(recorded_root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """The recorded data root, served."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(recorded_root.path))
    return recorded_root


@pytest.fixture
def served(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataRoot]:
    """An empty data root, served, in which jobs can be queued but never start."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(root.path))
    lock = take_runner_lock(root)
    assert lock is not None
    yield root
    os.close(lock)


@pytest.fixture
def open_page() -> OpenPage:
    """Open a page by name, with parameters of its URL."""

    def open_page(name: str, **query: str) -> AppTest:
        page = AppTest.from_file(str(SHELL), default_timeout=TIMEOUT_S)
        if name != "overview":
            page.run()
            page.switch_page(f"../pages/{name}_page.py")
        for key, value in query.items():
            page.query_params[key] = value
        return page.run()

    return open_page
