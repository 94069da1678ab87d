"""The audit of files on the disk, of a simulated set and of a real car's recording; and its speed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvla_core.audit.audit import audit_dataset
from mvla_core.audit.result import AuditResult
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.importers import import_recordings
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import Stopped, UserInputError
from mvla_core.layout import DataRoot
from mvla_core.progress import Progress
from mvla_core.schema import ActionSequence, ActionSpace
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.record import drives, instructed_side

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 18000000\n"


def codes(result: AuditResult, *levels: str) -> set[str]:
    return {finding.code for finding in result.findings if not levels or finding.level in levels}


def write_briefing(root: DataRoot, recordings: Any) -> None:
    generator = np.random.default_rng(0)
    for number, sequence in enumerate(recordings.briefing()):
        frames = generator.integers(0, 256, (sequence.num_frames, 8, 12, 3), dtype=np.uint8)
        name = f"episode_20251106_1452{number:02d}_1box_hori_left_core_medium.h5"
        path = root.dataset("briefing") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_episode(path, frames, sequence.actions, action_space=ActionSpace.default(2))


def test_files_give_the_published_figures_and_broken_ones_are_findings(root: DataRoot, recordings: Any) -> None:
    write_briefing(root, recordings)
    (root.dataset("briefing") / "episode_20251106_160000.h5").write_text(POINTER, encoding="utf-8")
    result = audit_dataset(root, "briefing")
    found = result.to_json()
    assert (found["episodes"], found["frames"], found["mean_length"], found["unique_actions"]) == (13, 218, 16.8, 5)
    assert found["windows"]["total"] == 60
    assert {"pointer_file", "clock_suffices", "unbalanced_side"} <= codes(result, "error", "warning")
    by_path = audit_dataset(root, str(root.dataset("briefing")), window=WindowSpec(8, 5), seed=3).to_json()
    assert by_path["windows"] | {"window_size": 8, "chunk_size": 5} == by_path["windows"]
    assert by_path["actions"] == found["actions"]


def test_an_unknown_data_set_is_refused_with_the_closest_name(root: DataRoot, recordings: Any) -> None:
    write_briefing(root, recordings)
    with pytest.raises(UserInputError, match="briefing"):
        audit_dataset(root, "breifing")


def test_the_user_can_stop_it(root: DataRoot, recordings: Any) -> None:
    class Stopping(Progress):
        @property
        def stop_requested(self) -> bool:
            return True

    write_briefing(root, recordings)
    with pytest.raises(Stopped):
        audit_dataset(root, "briefing", progress=Stopping())


@pytest.mark.parametrize("script", [False, True])
def test_only_a_simulated_script_can_be_told_from_the_clock(audit: Callable[..., AuditResult], script: bool) -> None:
    config = SimulationConfig(count=24, image_size=16, script=script)
    sequences = [
        ActionSequence(f"drive_{number:02d}", recorded.actions, f"go round on the {instructed_side(0, number)}")
        for number, recorded in enumerate(drives(config))
    ]
    found = codes(audit(sequences), "error", "warning")
    if script:
        assert found >= {"clock_suffices", "one_script"}
    else:
        assert found == set()


@pytest.mark.shared
def test_a_car_that_follows_its_track_needs_its_camera(root: DataRoot, shared_data: Path) -> None:
    import_recordings(shared_data / "donkeycar_tub.tar.gz", root, "tub")
    result = audit_dataset(root, "tub")
    found = result.to_json()
    assert (found["episodes"], found["frames"]) == (20, 1000)
    assert "clock_fails" in codes(result, "ok")
    assert codes(result, "error", "warning") == set()
    assert found["clock"]["explained"]["high"] < 0.1
    assert found["baselines"]["repeat_last"]["rmse"] < 0.5 * found["baselines"]["constant"]["rmse"]
    assert "left out between" in found["split"]["strategy"]


def test_a_thousand_episodes_take_well_under_five_seconds(
    audit: Callable[..., AuditResult], varied: Callable[..., list[ActionSequence]]
) -> None:
    sequences = varied(1000)
    begin = time.process_time()
    json.dumps(audit(sequences).to_json())
    assert time.process_time() - begin < 3.0
