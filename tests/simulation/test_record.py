"""Simulated data sets: the same whoever records them, resumable, and never mixed with something else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvla_core.episodes.names import parse_name
from mvla_core.episodes.reader import open_episode
from mvla_core.errors import SimulationError, Stopped, UserInputError
from mvla_core.layout import DataRoot
from mvla_core.progress import Progress
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.journal import FILE_NAME
from mvla_core.simulation.record import accepted_scene, simulate_episodes

SMALL: dict[str, Any] = {"image_size": 24, "seed": 5}


class Recorder(Progress):
    """Keeps the events, and asks to stop after some episodes."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.done: list[float] = []
        self._stop_after = stop_after

    def emit(self, event: str, **values: Any) -> None:
        if event == "progress":
            self.done.append(values["done"])

    @property
    def stop_requested(self) -> bool:
        return self._stop_after is not None and bool(self.done) and self.done[-1] >= self._stop_after


def content(root: DataRoot, dataset: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.dataset(dataset).glob("*.h5")}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """A data root with six episodes, recorded by this process."""
    root = DataRoot(tmp_path_factory.mktemp("recorded"))
    simulate_episodes(root, "six", count=6, workers=1, **SMALL)
    return root


def test_the_summary_and_the_files(recorded: DataRoot) -> None:
    files = sorted(recorded.dataset("six").glob("*.h5"))
    assert len(files) == 6
    sides = []
    for index, path in enumerate(files):
        scene = accepted_scene(SimulationConfig(count=6, **SMALL), index).scene
        with open_episode(path, "six") as episode:
            info, actions, frame = episode.info, episode.actions(), episode.frame(0)
        assert info.simulated
        assert info.instruction == scene.instruction
        assert info.instruction_source == "file"
        assert info.action_space.names == ("linear_x", "linear_y")
        assert info.frame_rate_hz == pytest.approx(1 / scene.frame_interval_s)
        assert info.scenario.label() == scene.scenario_label == parse_name(path.stem).scenario.label()
        assert parse_name(path.stem).instruction == info.instruction, "worded as recordings of the same name"
        assert info.recorded_at == f"2026-01-06T12:00:{10 * index:02d}"
        assert frame.shape == (24, 24, 3)
        assert len(actions) == info.num_frames
        assert not actions[-1].any()
        sides.append(info.scenario.side)
    assert sides.count("left") == sides.count("right") == 3


def test_two_processes_record_the_same_bytes(recorded: DataRoot, root: DataRoot) -> None:
    progress = Recorder()
    summary = simulate_episodes(root, "six", count=6, workers=2, progress=progress, **SMALL)
    assert content(root, "six") == content(recorded, "six")
    assert progress.done == [0, 1, 2, 3, 4, 5, 6]
    assert summary.successes == summary.episodes == 6
    assert summary.kept == 0
    assert summary.to_json()["frames"] == summary.frames > 6 * 14
    again = simulate_episodes(root, "six", count=6, workers=2, **SMALL)
    assert (again.kept, again.frames) == (6, summary.frames)


def test_another_seed_gives_other_episodes(recorded: DataRoot, root: DataRoot) -> None:
    simulate_episodes(root, "other", count=1, workers=1, image_size=24, seed=6)
    (one,) = root.dataset("other").glob("*.h5")
    first = min(recorded.dataset("six").glob("*.h5"))
    with open_episode(one, "other") as mine, open_episode(first, "six") as theirs:
        assert not np.array_equal(mine.frame(0), theirs.frame(0))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_keeps_what_is_finished_and_a_new_start_goes_on(
    recorded: DataRoot, root: DataRoot, workers: int
) -> None:
    with pytest.raises(Stopped):
        simulate_episodes(root, "nine", count=9, workers=workers, progress=Recorder(stop_after=2), **SMALL)
    kept = content(root, "nine")
    assert 2 <= len(kept) < 9
    summary = simulate_episodes(root, "nine", count=9, workers=1, **SMALL)
    assert summary.kept == len(kept)
    assert kept.items() <= content(root, "nine").items()
    assert content(recorded, "six").items() <= content(root, "nine").items()


def test_a_file_that_the_journal_lacks_is_kept(recorded: DataRoot, root: DataRoot) -> None:
    simulate_episodes(root, "six", count=2, workers=1, **SMALL)
    journal = root.dataset("six") / FILE_NAME
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:2]) + '{"torn')
    summary = simulate_episodes(root, "six", count=3, workers=1, **SMALL)
    assert (summary.kept, summary.episodes, summary.successes) == (1, 3, 3)
    assert content(root, "six").items() <= content(recorded, "six").items()


def test_a_deleted_episode_is_recorded_again(recorded: DataRoot, root: DataRoot) -> None:
    simulate_episodes(root, "six", count=2, workers=1, **SMALL)
    min(root.dataset("six").glob("*.h5")).unlink()
    assert simulate_episodes(root, "six", count=2, workers=1, **SMALL).kept == 1
    assert len(content(root, "six")) == 2


def test_other_settings_are_not_mixed(recorded: DataRoot) -> None:
    before = content(recorded, "six")
    with pytest.raises(UserInputError, match="simulated with other settings \\(seed 5 instead of 7; image_size"):
        simulate_episodes(recorded, "six", count=2, seed=7, image_size=32)
    assert content(recorded, "six") == before


def test_real_recordings_are_not_mixed_with_simulated_ones(root: DataRoot) -> None:
    folder = root.dataset("real")
    folder.mkdir(parents=True)
    (folder / "episode_20251106_145248.h5").write_bytes(b"a recording")
    with pytest.raises(UserInputError, match="already holds recordings that were not simulated"):
        simulate_episodes(root, "real", count=1)
    assert [path.name for path in folder.iterdir()] == ["episode_20251106_145248.h5"]


def test_a_script_is_recorded_as_it_went(root: DataRoot) -> None:
    summary = simulate_episodes(root, "script", count=4, workers=1, script=True, **SMALL)
    actions = []
    for path in sorted(root.dataset("script").glob("*.h5")):
        with open_episode(path, "script") as episode:
            actions.append(episode.actions().tobytes())
            assert episode.info.scenario.side == "left"
    assert len(actions) == 4
    assert len(set(actions)) == 1
    assert summary.redrawn == {}


@pytest.mark.parametrize("settings", [{"count": 0}, {"workers": 0}, {"workers": 1.5}, {"image_size": 4}, {"sede": 1}])
def test_bad_input_writes_nothing(root: DataRoot, settings: dict[str, Any]) -> None:
    with pytest.raises(UserInputError):
        simulate_episodes(root, "new", **settings)
    assert not content(root, "new")


def test_an_impossible_length_is_explained(root: DataRoot) -> None:
    with pytest.raises(SimulationError, match="found no world in 100 draws .* too_long"):
        simulate_episodes(root, "short", count=1, workers=1, frames=(2, 3))


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    """No file may grow beyond 30 kB, as on a full disk. In a process of its own: the limit would meet the test's log too."""
    code = f"""
import resource, signal
from mvla_core.errors import SimulationError
from mvla_core.layout import DataRoot
from mvla_core.simulation.record import simulate_episodes
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
try:
    simulate_episodes(DataRoot(Path({str(tmp_path)!r})), "full", count=2, workers=2, image_size=96)
except SimulationError as error:
    print(error)
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert re.search("cannot be written to .* finished episodes are kept", finished.stdout), finished.stderr
    assert [path.name for path in DataRoot(tmp_path).dataset("full").iterdir()] == [FILE_NAME]
