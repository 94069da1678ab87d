"""Settings measured from a real data set, and what is said of what cannot be matched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mvla_core.episodes.reader import open_episode
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import UserInputError
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace
from mvla_core.simulation.match import match_dataset
from mvla_core.simulation.record import simulate_episodes

SENTENCES = {"left": "상자를 왼쪽으로 피해 바구니까지 가 줘", "right": "상자를 오른쪽으로 피해 바구니까지 가 줘"}
MEAN, DEVIATION = np.array([90.0, 115.0, 70.0]), np.array([35.0, 30.0, 25.0])


def record_like(root: DataRoot, name: str, velocities: list[tuple[float, ...]], **changed: object) -> None:
    """Six episodes of noise pictures, a velocity of the list in each frame."""
    rng = np.random.default_rng(0)
    for number in range(6):
        side = ("left", "right")[number % 2]
        actions = np.array([velocities[i % len(velocities)] for i in range(18)], np.float32)
        frames = np.clip(rng.normal(MEAN, DEVIATION, (18, 40, 60, 3)), 0, 255).astype(np.uint8)
        write_episode(
            root.dataset(name) / f"episode_20251112_1300{number:02d}_2box_vert_{side}_core_close.h5",
            frames,
            actions,
            action_space=changed.get("space") or ActionSpace.default(len(velocities[0])),  # type: ignore[arg-type]
            instruction=str(changed.get("instruction", SENTENCES[side])),
            attributes={"frame_rate_hz": changed.get("rate", 5.0)},
        )


def test_everything_that_can_be_is_matched(root: DataRoot) -> None:
    keys = [(0.8, 0.0), (0.8, 0.8), (0.8, -0.8), (0.0, 0.8), (0.0, -0.8), (0.0, 0.0)]
    record_like(root, "real", keys)
    match = match_dataset(root, "real")
    assert match.unmatched == ()
    simulate_episodes(root, "like", count=4, workers=1, **match.settings)
    said, rows, pixels = set(), [], []
    for path in sorted(root.dataset("like").glob("*.h5")):
        with open_episode(path, "like") as episode:
            info = episode.info
            rows.append(episode.actions())
            pixels += [episode.frame(i) for i in range(0, info.num_frames, 4)]
            said.add(info.instruction)
            assert info.frame_rate_hz == pytest.approx(5.0)
            assert (info.scenario.boxes, info.scenario.layout, info.scenario.distance) == (2, "vert", "close")
    assert said == set(SENTENCES.values())
    assert pixels[0].shape == (40, 60, 3)
    found = {tuple(np.round(row, 3).tolist()) for row in np.concatenate(rows).astype(float)}
    assert found <= {tuple(key) for key in keys}
    values = np.concatenate([frame.reshape(-1, 3) for frame in pixels]).astype(float)
    assert np.abs(values.mean(0) - MEAN).max() < 15
    assert np.abs(values.std(0) - DEVIATION).max() < 12


def test_what_cannot_be_matched_is_said(root: DataRoot) -> None:
    space = ActionSpace.from_names(("linear_x", "angular_z"), ("normalised", "normalised"))
    record_like(root, "tub", [(0.5, 0.1)], space=space, rate=None, instruction="Drive.")
    match = match_dataset(root, "tub")
    told = " ".join(match.unmatched)
    assert "The actions linear_x, angular_z in normalised, normalised" in told
    assert "The frame rate: no recording tells it" in told
    assert "The recordings say the same" in told or "the recordings say the same" in told
    simulate_episodes(root, "like", count=1, workers=1, **match.settings)


def test_keys_that_find_no_way_are_not_taken(root: DataRoot) -> None:
    record_like(root, "ahead", [(0.8, 0.0), (0.8, 0.8)], rate=0.5)
    match = match_dataset(root, "ahead")
    assert "combos" not in match.settings
    assert any("has no way past a box" in line for line in match.unmatched)
    assert any("The frame rate of 0.5 Hz" in line for line in match.unmatched)


def test_many_velocities_are_continuous(root: DataRoot) -> None:
    rng = np.random.default_rng(1)
    record_like(
        root, "joystick", [(float(x), float(y), 0.3) for x, y in rng.uniform((0, -0.7), (0.7, 0.7), (18, 2))] * 1
    )
    match = match_dataset(root, "joystick")
    if "combos" in match.settings:  # 18 velocities may pass for keys; then they are those of the data
        assert len(match.settings["combos"]) <= 24
    assert any("The turns" in line for line in match.unmatched)


@pytest.mark.shared
def test_a_real_tub_is_matched(shared_data: Path, root: DataRoot) -> None:
    from mvla_core.episodes.importers import import_recordings

    import_recordings(shared_data / "donkeycar_tub.tar.gz", root, "tub", episode_length=50)
    match = match_dataset(root, "tub")
    assert (match.settings["image_size"], match.settings["image_width"]) == (120, 160)
    assert any("The actions" in line for line in match.unmatched)
    assert any(line.startswith("Colours") for line in match.matched)


def test_nothing_to_match(root: DataRoot) -> None:
    root.dataset("empty").mkdir(parents=True)
    with pytest.raises(UserInputError, match="has no episode that could be matched"):
        match_dataset(root, "empty")
    with pytest.raises(UserInputError, match="does not exist"):
        match_dataset(root, "nowhere")
