"""The scene clock: one look, then a replay. It recognises scenes, reads no action that is held out, and knows what it met."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mvla_core.episodes.catalogue import load_sequences, scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.writer import write_episode
from mvla_core.evaluation.coarse_picture import mean_colours
from mvla_core.evaluation.first_picture import FirstPictureClock, explained_by_replay
from mvla_core.evaluation.scale import ActionScale
from mvla_core.evaluation.scene_clock import SceneClock, scene_clock
from mvla_core.layout import DataRoot
from mvla_core.metrics.predictors import InstructionClock
from mvla_core.schema import ActionSequence, ActionSpace

SPACE = ActionSpace.default(2)
ONE = np.ones(2)
CHUNK = 3


def way(seed: int, length: int = 8, told: str = "go", name: str = "") -> ActionSequence:
    actions = np.random.default_rng(seed).choice([-1.0, 0.0, 1.0], (length, 2)).astype(np.float32)
    return ActionSequence(name, actions, told)


def scene(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng([number, 1]).normal(size=12).astype(np.float32)


def test_the_script_of_the_scene_that_begins_alike_is_replayed() -> None:
    train = [way(number % 3) for number in range(9)]
    pictures = np.stack([scene(number % 3) for number in range(9)])
    clock = FirstPictureClock.fit(train, {"picture": pictures}, ONE)
    last = np.arange(4)
    for number in range(3):
        asked = ActionSequence("", np.full((8, 2), np.nan, np.float32), "go")
        replayed = clock.predict(asked, {"picture": scene(number) + 0.01}, last, CHUNK)
        assert (replayed == np.stack([way(number).actions[at : at + CHUNK] for at in last])).all()


def test_only_the_same_instruction_is_replayed_where_there_is_any() -> None:
    train = [way(0, told="left"), way(1, told="left"), way(2, told="right"), way(3, told="right")]
    pictures = np.stack([scene(0), scene(1), scene(0), scene(1)])
    clock = FirstPictureClock.fit(train, {"picture": pictures}, ONE)
    at = np.array([0])
    told = [clock.predict(way(9, told=words), {"picture": scene(0)}, at, 8)[0] for words in ("left", "right", "up")]
    averaged = clock.neighbours > 1
    assert averaged or (told[0] == way(0).actions).all()
    assert averaged or (told[1] == way(2).actions).all()
    assert np.isfinite(told[2]).all(), "words that nobody taught are compared with all"


def test_past_the_end_of_what_is_replayed_the_clock_answers() -> None:
    train = [way(0, 4), way(0, 4), way(1, 8), way(1, 8)]
    pictures = np.stack([scene(0), scene(0), scene(1), scene(1)])
    clock = FirstPictureClock.fit(train, {"picture": pictures}, ONE)
    assert clock.neighbours == 1
    replayed = clock.predict(way(9), {"picture": scene(0)}, np.array([0]), 10)[0]
    assert (replayed[:4] == way(0, 4).actions).all()
    assert replayed[4:] == pytest.approx(InstructionClock.fit(train).predict(way(9), np.arange(4, 10), 1)[:, 0])


def test_the_description_that_tells_scenes_apart_is_chosen_on_the_training_episodes() -> None:
    train = [way(number % 4) for number in range(24)]
    told = np.stack([scene(number % 4) for number in range(24)])
    noise = np.random.default_rng(0).normal(size=(24, 12)).astype(np.float32)
    assert FirstPictureClock.fit(train, {"noise": noise, "told": told}, ONE).described_by == "told"


def test_what_replaying_explains_is_all_of_scripts_and_nothing_of_chance() -> None:
    pictures = np.stack([scene(number % 4) for number in range(24)])
    others = [[place for place in range(24) if place != own] for own in range(24)]
    scripts = explained_by_replay([way(number % 4) for number in range(24)], pictures, others, 1, ONE)
    assert (scripts.value, scripts.low) == (1.0, 1.0)
    chance = explained_by_replay([way(number) for number in range(24)], pictures, others, 1, ONE)
    assert chance.high < 0
    assert explained_by_replay([way(0)], pictures[:1], [()], 1, ONE).value == 0


def recorded(root: DataRoot, rooms: int, count: int = 24) -> SceneClock:
    """The scene clock on recorded episodes: each room has a script and looks of its own; the last eight are held out."""
    for number in range(count):
        generator = np.random.default_rng([number % rooms, 3])
        room = generator.integers(0, 200, (4, 4, 3)).repeat(8, axis=0).repeat(12, axis=1)
        grown = np.stack([np.roll(room, 3 * frame, axis=1) for frame in range(8)])
        frames = grown + np.random.default_rng(number).integers(0, 20, grown.shape)
        keys = way(number % rooms).actions
        write_episode(root.dataset("world") / f"e{number:02d}.h5", frames.astype(np.uint8), keys, action_space=SPACE)
    episodes = list(scan(root, resolve_dataset(root, "world")).episodes)
    sequences = load_sequences(episodes)
    train, test = sequences[:-8], sequences[-8:]
    lasts = [np.arange(3)] * 8
    return scene_clock(root, train, test, episodes, sequences, lasts, CHUNK, ActionScale.fit(train, SPACE))


def test_known_scenes_are_recognised_and_their_script_is_known(root: DataRoot) -> None:
    found = recorded(root, rooms=4)
    assert (found.evidence["known"], found.evidence["held_out"]) == (8, 8)
    assert found.evidence["described_by"] == "colours", "nobody has looked at the pictures"
    assert found.evidence["low"] == pytest.approx(1.0)
    assert (found.chunks[0][0] == way(0).actions[:CHUNK]).all()


def test_new_scenes_are_not_known_and_their_script_is_not(root: DataRoot) -> None:
    found = recorded(root, rooms=24)
    assert found.evidence["known"] == 0
    assert found.evidence["value"] < 0.3


def test_mean_colours_of_any_size(tmp_path: Path) -> None:
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[:240] = (200, 100, 50)
    seen = mean_colours(frame)
    assert seen.shape == (16, 16, 3)
    assert (seen[:8] == (200, 100, 50)).all()
    assert (seen[8:] == 0).all()
    assert mean_colours(frame[:4, :10]).shape == (16, 16, 3)
