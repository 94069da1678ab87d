"""The shift ladder on planted policies: one that reads colours, one that reads shapes, one that never looks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mvla_core.datasets.split import Split, make_split
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.catalogue import load_sequences, scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.reader import open_known
from mvla_core.episodes.writer import write_episode
from mvla_core.evaluation.scale import ActionScale
from mvla_core.evaluation.shift import shift_ladder, where_it_falls
from mvla_core.evaluation.shift_groups import near, place_groups, stops, turns
from mvla_core.evaluation.shift_pictures import DISTURBANCES, chosen_rows, predict_disturbed
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.progress import SILENT
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo, Scenario

SPACE = ActionSpace.default(2)
WINDOW = WindowSpec(2, 3)
LENGTH, SIZE = 15, 24
Chunks = npt.NDArray[np.float32]


class Reader:
    """A policy that reads speed and side off the picture: off its colour, or off where its bright column stands."""

    def __init__(self, shape: bool) -> None:
        self._shape = shape

    def predict_episode(
        self, root: DataRoot, info: EpisodeInfo, last_frames: npt.NDArray[np.int64], instruction: str | None = None
    ) -> Chunks:
        with open_known(info) as reader:
            return self.predict_frames(reader.frames(), instruction or info.instruction, last_frames)

    def predict_frames(
        self, frames: npt.NDArray[np.uint8], instruction: str, last_frames: npt.NDArray[np.int64]
    ) -> Chunks:
        chunks = []
        for frame in frames[last_frames]:
            lateral = _place(frame) if self._shape else frame[0, 0, 0] / 100 - 1
            chunks.append(np.tile([0.5, lateral], (WINDOW.chunk_size, 1)))
        return np.stack(chunks).astype(np.float32)


def _place(frame: npt.NDArray[np.uint8]) -> float:
    return float(1 - 2 * (frame[..., 2].astype(float).sum(0).argmax() // 4) / 5)


def record(root: DataRoot, count: int = 20) -> RunFolder:
    """Three levels an episode: each shows in the red of the whole picture, and in where a blue column stands."""
    generator = np.random.default_rng(3)
    for number in range(count):
        levels = np.repeat(generator.integers(0, 6, 3), LENGTH // 3)
        frames = np.zeros((LENGTH, SIZE, SIZE, 3), dtype=np.uint8)
        lateral = 1 - 2 * levels / 5
        frames[..., 0] = np.rint((lateral + 1) * 100)[:, None, None]
        for frame, level in zip(frames, levels, strict=True):
            frame[:, 4 * level : 4 * level + 4, 2] = 255
        actions = np.stack([np.full(LENGTH, 0.5), lateral], axis=1)
        write_episode(root.dataset("columns") / f"episode_{number:02}.h5", frames, actions, action_space=SPACE)
    run = root.run("columns")
    ref = resolve_dataset(root, "columns")
    write_json(run.config, {"run_id": "columns", "dataset": "columns", "dataset_folder": str(ref.folder)})
    write_json(run.split, make_split(scan(root, ref).episodes).to_json())
    return run


def climb(root: DataRoot, run: RunFolder, policy: Any, **options: Any) -> dict[str, Any]:
    split = Split.from_json(read_json(run.split))
    episodes = scan(root, resolve_dataset(root, "columns"))
    train, test = ([episodes.by_id(name) for name in part] for part in (split.train, split.test))
    sequences = load_sequences(train)
    scale = ActionScale.fit(sequences, SPACE)
    return shift_ladder(
        root, run, policy, test, sequences, load_sequences(test), WINDOW, scale, progress=SILENT, **options
    )


def rung(ladder: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in ladder["rungs"] if each["name"] == name)
    return found


def test_a_colour_reader_falls_off_with_light_and_a_shape_reader_does_not(root: DataRoot) -> None:
    run = record(root, 60)
    colours, shapes = climb(root, run, Reader(shape=False)), climb(root, run, Reader(shape=True))
    assert colours["rungs"][0]["kind"] == shapes["rungs"][0]["kind"] == "clean"
    assert colours["rungs"][0]["skill"] == pytest.approx(shapes["rungs"][0]["skill"], abs=0.02)
    assert colours["rungs"][0]["skill_low"] > 0
    assert {"light -15", "light +15"} <= {each["name"] for each in colours["falls_off"]}
    assert "camera" not in {each["family"] for each in colours["falls_off"]}
    assert rung(colours, "light -45")["skill"] < 0
    for name in ("light -15", "light -30", "light -45"):
        assert rung(shapes, name)["skill"] == pytest.approx(shapes["rungs"][0]["skill"], abs=1e-6)
        assert rung(shapes, name)["change"]["value"] == pytest.approx(0, abs=1e-9)
    # What light does to the one, a moved camera does to the other.
    assert {each["family"] for each in shapes["falls_off"]} >= {"camera"}
    assert "light" not in {each["family"] for each in shapes["falls_off"]}
    assert abs(rung(colours, "camera +12")["change"]["value"]) < 0.05


class Blinking(Reader):
    """Predicts NaN wherever a picture is dark; what is cached of the episodes is not."""

    def predict_frames(
        self, frames: npt.NDArray[np.uint8], instruction: str, last_frames: npt.NDArray[np.int64]
    ) -> Chunks:
        chunks = super().predict_frames(frames, instruction, last_frames)
        chunks[frames[last_frames].max(axis=(1, 2, 3)) < 240] = np.nan
        return chunks


def test_a_rung_with_nan_is_not_measured_and_falls_nowhere(root: DataRoot) -> None:
    ladder = climb(root, record(root), Blinking(shape=True))
    dark = rung(ladder, "light -30")
    assert (dark["measured"], dark["skill"], "change" in dark) == (False, None, False)
    assert dark["reason"].startswith("It predicts NaN or infinity here, first on the episode")
    assert rung(ladder, "light +15")["measured"]
    assert not [each for each in ladder["falls_off"] if each["name"].startswith("light -")]
    assert ladder["extent"] == {"disturbed_episodes": 4, "of_episodes": 4, "disturbed_windows": 56}


def measured_rung(name: str, strength: float | None, low: float, high: float, change: float | None) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "family": name.split()[0], "text": name, "measured": True}
    found |= {"skill_low": low, "skill_high": high}
    if strength is not None:
        found["strength"] = strength
    return found if change is None else found | {"change": {"value": change - 0.1, "low": change - 0.2, "high": change}}


def test_each_family_and_direction_falls_where_its_paired_change_is_below_zero() -> None:
    clean = measured_rung("held out", None, 0.2, 0.6, None)
    rungs = [
        clean,
        # The whole interval lies within that of the clean rung, and yet every episode is worse.
        measured_rung("light -15", -15, 0.2, 0.5, -0.01),
        measured_rung("light -30", -30, -0.1, 0.1, -0.3),
        measured_rung("light +15", 15, 0.2, 0.6, 0.05),
        measured_rung("blur 1", 1, -0.4, 0.3, 0.02),
        measured_rung("blur 2", 2, -0.4, 0.1, -0.1),
        measured_rung("stop", None, -0.3, 0.1, None),
        measured_rung("turn", None, 0.1, 0.3, None),
    ]
    found = where_it_falls(rungs)
    assert [each["name"] for each in found["falls_off"]] == ["light -15", "blur 2", "stop"]
    assert [each["name"] for each in found["reaches_zero"]] == ["light -30", "blur 1", "stop"]
    assert where_it_falls([clean | {"skill_low": -0.1}, *rungs[1:]])["reaches_zero"] == []


def test_what_cannot_be_measured_is_listed_with_the_reason(root: DataRoot) -> None:
    run = record(root)
    ladder = climb(root, run, Reader(shape=True))
    for name in ("new scenario", "new session", "new time of day", "other data set"):
        assert rung(ladder, name)["measured"] is False
        assert rung(ladder, name)["reason"].endswith(".")
        assert rung(ladder, name)["skill"] is None
    assert rung(ladder, "turn")["events"] > 0
    assert rung(ladder, "stop")["reason"] == "The held-out episodes hold no stop."


def test_another_data_set_is_a_rung_or_is_refused(root: DataRoot) -> None:
    run = record(root)
    for name, space in (("same", SPACE), ("wheels", ActionSpace.from_names(["linear_x", "angular_z"]))):
        write_episode(
            root.dataset(name) / "one.h5",
            np.zeros((LENGTH, SIZE, SIZE, 3), np.uint8),
            np.zeros((LENGTH, 2)),
            action_space=space,
        )
    measured = rung(climb(root, run, Reader(shape=True), other_dataset="same"), "other data set")
    assert (measured["measured"], measured["episodes"], measured["skill_low"]) == (True, 1, None)
    assert "angular_z" in rung(climb(root, run, Reader(shape=True), other_dataset="wheels"), "other data set")["reason"]
    itself = rung(climb(root, run, Reader(shape=True), other_dataset="columns"), "other data set")
    assert "itself" in itself["reason"]


def info(number: int, **fields: Any) -> EpisodeInfo:
    made = EpisodeInfo(
        "data",
        f"e{number}",
        Path("e.h5"),
        20,
        8,
        8,
        SPACE,
        "",
        "none",
        Scenario(),
        None,
        None,
        "rgb",
        None,
        None,
        False,
        1,
        1,
    )
    return replace(made, **fields)


def test_new_places_are_those_that_neither_training_nor_validation_met() -> None:
    one, two = (
        Scenario(goal="basket", boxes=1, time_of_day="night"),
        Scenario(goal="basket", boxes=2, time_of_day="night"),
    )
    known = [info(0, scenario=one, recorded_at="2025-11-01T20:00:00")]
    test = [
        info(1, scenario=one, recorded_at="2025-11-01T20:10:00"),
        info(2, scenario=two, recorded_at="2025-11-02T20:10:00"),
    ]
    scenario, session, time = place_groups(test, known)
    assert (scenario.unseen, session.unseen, time.unseen) == ((1,), (1,), ())
    assert "time of day" in time.reason
    assert place_groups(test, [info(0)])[0].unseen == ()


def test_stops_and_turns_are_found_and_only_what_is_near_counts() -> None:
    actions = np.array([[1, 0], [1, 0], [0, 0], [0, 0], [1, 0], [1, 1], [1, 1], [1, 0.9]], dtype=np.float32)
    train = [ActionSequence("a", actions)]
    scale = ActionScale.fit(train, SPACE)
    assert stops(actions, scale).tolist() == [2]
    assert turns(train, scale)(actions).tolist() == [5]
    from mvla_core.datasets.windows import chunk_targets, last_frames
    from mvla_core.evaluation.results import EpisodePredictions

    last = last_frames(8, WindowSpec(1, 1))
    target, mask = chunk_targets(actions, last, 1)
    found = near(EpisodePredictions("a", last, target, target, mask), np.array([5]))
    assert found is not None
    assert np.flatnonzero(found.mask[:, 0]).tolist() == [3, 4, 5, 6, 7]


def test_blocks_of_windows_predict_what_all_at_once_would(root: DataRoot, worlds: ModuleType) -> None:
    worlds.record(root, "world", worlds.varied_keys, 3)
    episode = scan(root, resolve_dataset(root, "world")).episodes[0]
    policy = worlds.sighted(0.0)
    last = np.array([3, 4, 9, 10, 17])
    predicted = predict_disturbed(
        policy,
        episode,
        last,
        4,
        replace(DISTURBANCES[0], drawn=replace(DISTURBANCES[0].drawn, brightness_percent=0.0)),
        SILENT,
    )
    assert (predicted == policy.predict_episode(root, episode, last)).all()
    assert len(chosen_rows(500, 48)) == 48
    assert chosen_rows(10, 48).tolist() == list(range(10))
