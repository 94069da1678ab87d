"""Levels, kept failures, tags, a renderer that is not there, and a recording that is killed and goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mvla_core.audit.analysis import audit_episodes
from mvla_core.episodes.reader import open_episode
from mvla_core.errors import SimulationError, UserInputError
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSequence, Frame, Scenario
from mvla_core.simulation import record
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.gl_renderer import gl_problem
from mvla_core.simulation.journal import FILE_NAME
from mvla_core.simulation.levels import LEVELS, level_settings
from mvla_core.simulation.record import accepted_scene, drive_scene, rehearse, simulate_episodes
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.world import World
from tests.golden.regenerate import info_of


def test_the_medium_level_is_the_default() -> None:
    for seed in range(20):
        medium = sample_scene(seed, "left", SimulationConfig.from_settings(**level_settings("medium")))
        assert medium == sample_scene(seed, "left")


def test_levels_grow_harder() -> None:
    names = list(LEVELS)
    assert names == ["easy", "medium", "hard"]
    for name in ("light", "colours", "camera_shift", "clutter", "image_noise", "slip", "dart", "shoves"):
        values = [LEVELS[level].settings[name] for level in names]
        assert values == sorted(values), name
        assert values[0] < values[2], name
    with pytest.raises(UserInputError, match="level 'hards' is unknown.* Did you mean 'hard'"):
        level_settings("hards")


def test_a_set_camera_moves_by_as_much() -> None:
    usual, moved = (
        sample_scene(3, "left", config).camera
        for config in (
            SimulationConfig(),
            SimulationConfig(camera_height_m=0.54, camera_yaw_deg=10.0, field_of_view_deg=86.0, camera_forward_m=0.2),
        )
    )
    assert moved.height - usual.height == pytest.approx(0.2)
    assert moved.yaw - usual.yaw == pytest.approx(np.radians(10.0))
    assert moved.field_of_view_deg - usual.field_of_view_deg == pytest.approx(10.0)
    assert moved.forward == 0.2


def test_wide_frames_and_matched_colours() -> None:
    scene = sample_scene(3, "left", SimulationConfig(image_noise=0.0))
    world, square = World(40, 80), World(40)
    world.reset(scene)
    square.reset(scene)
    wide = world.frame()
    assert wide.shape == (40, 80, 3)
    middle = wide[:, 20:60].astype(int)
    assert np.abs(middle - square.frame()).mean() < 12, "the same view, with more on either side"
    tinted = replace(scene, exposure=replace(scene.exposure, color_gain=(0.5, 0.5, 0.5), color_offset=(20.0, 0.0, 0.0)))
    world.reset(tinted)
    assert np.abs(world.frame().astype(int) - (0.5 * wide + (20.0, 0.0, 0.0))).max() <= 1


def test_no_gl_library_is_one_sentence(root: DataRoot) -> None:
    if gl_problem():
        with pytest.raises(SimulationError, match="renderer 'gl' cannot be used .* or choose the renderer 'ray'"):
            simulate_episodes(root, "gl", count=1, renderer="gl")
        assert not root.dataset("gl").exists()
        return
    scene = sample_scene(3, "left", SimulationConfig(image_noise=0.0))
    pictures = []
    for renderer in ("ray", "gl"):
        world = World(64, renderer=renderer)
        world.reset(scene)
        pictures.append(world.frame().astype(int))
        again = world.frame()
        assert np.array_equal(pictures[-1], again) or renderer == "gl"
        world.close()
    assert np.abs(pictures[0] - pictures[1]).mean() < 25, "nearly the same picture"


@pytest.mark.parametrize("works", [True, False])
def test_a_preview_gives_its_world_back(monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    """What a graphics library holds for a world is freed, also where drawing fails."""
    done: list[str] = []

    class Told(World):
        def frame(self) -> Frame:
            done.append("frame")
            if not works:
                raise SimulationError("no picture")
            return super().frame()

        def close(self) -> None:
            done.append("close")
            super().close()

    monkeypatch.setattr(record, "World", Told)
    with nullcontext() if works else pytest.raises(SimulationError, match="no picture"):
        record.preview(3, config=SimulationConfig(image_size=16))
    assert done[-2:] == ["frame", "close"]


def test_the_renderer_changes_no_pose() -> None:
    config = SimulationConfig(seed=4, image_size=16)
    scene = rehearse(config, 0).scene
    drawn, blind = drive_scene(config, 0, scene), drive_scene(config, 0, scene, draw=False)
    assert drawn.poses == blind.poses


@pytest.mark.parametrize(("seed", "script"), [(0, False), pytest.param(3, False, marks=pytest.mark.slow), (0, True)])
def test_the_clock_suffices_for_the_script_alone(seed: int, script: bool) -> None:
    config = SimulationConfig(count=12 if script else 60, seed=seed, script=script)
    infos, sequences = [], []
    for index in range(config.count):
        accepted = accepted_scene(config, index)
        scene, driven = accepted.scene, accepted.driven or drive_scene(config, index, accepted.scene, draw=False)
        sequences.append(ActionSequence(f"episode_{index:02d}", driven.actions, scene.instruction))
        scenario = Scenario("basket", 1, scene.layout, scene.side, "core", scene.distance)
        rate = 1.0 / scene.frame_interval_s
        infos.append(info_of(sequences[-1], scenario=scenario, frame_rate_hz=rate, simulated=True))
    findings = audit_episodes("set", infos, sequences).findings
    assert ("clock_suffices" in {finding.code for finding in findings}) == script
    if not script:
        assert [finding.code for finding in findings if finding.level in ("error", "warning")] == []


def test_a_data_set_of_an_earlier_release_goes_on(root: DataRoot) -> None:
    """Its journal does not name the settings that there were not; they stand at their defaults."""
    simulate_episodes(root, "old", count=1, workers=1, image_size=16)
    journal = root.dataset("old") / FILE_NAME
    first, *rest = journal.read_text().splitlines()
    told = {
        key: value for key, value in json.loads(first).items() if key not in ("clutter", "scenarios", "dart", "combos")
    }
    episodes = [{k: v for k, v in json.loads(line).items() if k not in ("scenario", "shoved")} for line in rest]
    journal.write_text("".join(json.dumps(line) + "\n" for line in (told, *episodes)))
    assert simulate_episodes(root, "old", count=1, workers=1, image_size=16).kept == 1
    with pytest.raises(UserInputError, match="other settings \\(clutter 0 instead of 3\\)"):
        simulate_episodes(root, "old", count=1, workers=1, image_size=16, clutter=3)


def test_a_killed_recording_goes_on(tmp_path: Path) -> None:
    """As after a power cut: the process gets no chance to clean up, and the same settings end in the same bytes."""
    code = f"""
import os, signal
from pathlib import Path
from mvla_core.layout import DataRoot
from mvla_core.progress import Progress
from mvla_core.simulation.record import simulate_episodes

class Cut(Progress):
    # The third question whether to stop is asked with two episodes recorded; by then the power is gone.
    asked = 0
    @property
    def stop_requested(self):
        self.asked += 1
        if self.asked == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return False
    def emit(self, event, **values):
        pass

simulate_episodes(DataRoot(Path({str(tmp_path / "killed")!r})), "set", count=6, workers=1, image_size=32, seed=8, progress=Cut())
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == -signal.SIGKILL, finished.stderr
    root = DataRoot(tmp_path / "killed")
    folder = root.dataset("set")
    assert len(list(folder.glob("*.h5"))) == 2
    # A file that the journal does not know: the kill came between the two.
    journal = folder / FILE_NAME
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-1]))
    summary = simulate_episodes(root, "set", count=6, workers=1, image_size=32, seed=8)
    assert summary.kept == 1
    whole = DataRoot(tmp_path / "whole")
    simulate_episodes(whole, "set", count=6, workers=1, image_size=32, seed=8)
    one, other = ({path.name: path.read_bytes() for path in r.dataset("set").glob("*.h5")} for r in (root, whole))
    assert one == other
    with open_episode(sorted(folder.glob("*.h5"))[0], "set") as episode:
        assert episode.info.simulated
