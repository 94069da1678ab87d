"""What a quick evaluation keeps of a full one, and whether the words matter, alone or together with the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.catalogue import load_sequences, scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.looks import Looks, look_table, looks_entry
from mvla_core.episodes.writer import write_episode
from mvla_core.evaluation.carried import carried_shift, earlier_results, left_behind, measured_on
from mvla_core.evaluation.instruction_gain import instruction_gains
from mvla_core.evaluation.scale import ActionScale
from mvla_core.files import write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.progress import SILENT
from mvla_core.schema import ActionSpace, EpisodeInfo

SPACE = ActionSpace.default(2)
WINDOW = WindowSpec(2, 3)


def recorded(root: DataRoot, *, asked: str, count: int = 24) -> list[EpisodeInfo]:
    """Episodes on two sides of the street: the words decide the way ("words"), words and side together ("both"), or neither."""
    for number in range(count):
        side, told = number % 2, number // 2 % 2
        left = {"words": told, "both": side ^ told, "side": side}[asked]
        actions = np.tile([[0.5, 1.0 if left else -1.0]], (8, 1)) + 0.01 * np.random.default_rng(number).normal(
            size=(8, 2)
        )
        frames = np.full((8, 32, 48, 3), 40 + 120 * side, np.uint8)
        write_episode(
            root.dataset("world") / f"e{number:02d}.h5",
            frames,
            actions.astype(np.float32),
            action_space=SPACE,
            instruction=("Go left.", "Go right.")[told],
        )
    return list(scan(root, resolve_dataset(root, "world")).episodes)


def look_at(root: DataRoot, episodes: list[EpisodeInfo]) -> None:
    rows = {}
    for number, info in enumerate(episodes):
        generator = np.random.default_rng(number)
        vectors = generator.normal(scale=0.1, size=(8, 256)) + np.where(np.arange(256) < 128, 1, -1) * (number % 2)
        rows[info.path.name] = looks_entry(info, Looks(vectors.astype(np.float16), np.zeros(8, np.uint64)))
    look_table(root, "world", episodes[0].path.parent).change(rows)


def gains(root: DataRoot, episodes: list[EpisodeInfo]) -> dict[str, Any]:
    sequences = load_sequences(episodes)
    return instruction_gains(root, episodes, sequences, WINDOW, ActionScale.fit(sequences, SPACE))


def test_words_that_decide_improve_a_clock(root: DataRoot) -> None:
    found = gains(root, recorded(root, asked="words"))
    assert found["clock"]["low"] > 0.9
    assert "pictures" not in found, "nobody has looked at them"


@pytest.mark.parametrize(("asked", "matters"), [("both", True), ("side", False)])
def test_words_that_matter_with_the_picture_alone_improve_the_nearest_pictures(
    root: DataRoot, asked: str, matters: bool
) -> None:
    episodes = recorded(root, asked=asked)
    look_at(root, episodes)
    found = gains(root, episodes)
    assert found["clock"]["low"] <= 0
    assert (found["pictures"]["low"] > 0.5) is matters


def test_one_instruction_has_no_gain(root: DataRoot) -> None:
    assert gains(root, recorded(root, asked="words")[:2]) == {}


@pytest.fixture
def run(root: DataRoot) -> RunFolder:
    folder = root.run("measured")
    folder.adapter.mkdir(parents=True)
    (folder.adapter / "weights.bin").write_bytes(b"one")
    write_json(folder.split, {"train": []})
    return folder


def test_the_ladder_is_carried_over_while_policy_and_data_stay(root: DataRoot, run: RunFolder) -> None:
    episodes = recorded(root, asked="words", count=3)
    digest = measured_on(run, episodes, WINDOW)
    earlier = {
        "format": 1,
        "evaluated": "then",
        "measured_on": digest,
        "shift": {"rungs": []},
        "baselines": {"picture_blind": 0},
    }
    write_json(run.evaluation_results, earlier)
    assert earlier_results(run) == earlier
    kept = carried_shift(earlier, measured_on(run, episodes, WINDOW), SILENT)
    assert kept == {"shift": {"carried_from": "then", "rungs": []}}
    again = carried_shift({**earlier, **kept, "evaluated": "later"}, digest, SILENT)
    assert again["shift"]["carried_from"] == "then", "it says when it was measured, however often it was carried"
    (run.adapter / "weights.bin").write_bytes(b"two")
    assert carried_shift(earlier, measured_on(run, episodes, WINDOW), SILENT) == {}
    (run.adapter / "weights.bin").write_bytes(b"one")
    for changed in (measured_on(run, episodes[:2], WINDOW), measured_on(run, episodes, WindowSpec(2, 4)), None):
        assert carried_shift(earlier, changed, SILENT) == {}
    assert left_behind(earlier, []).keys() == {"picture_blind"}
    assert left_behind(earlier, ["picture_blind"]) == {}


def test_results_that_cannot_be_read_are_not_carried(root: DataRoot, run: RunFolder) -> None:
    assert earlier_results(run) == {}
    run.evaluation.mkdir()
    run.evaluation_results.write_text("{", encoding="utf-8")
    assert earlier_results(run) == {}
    assert carried_shift({}, "any", SILENT) == {}
    (run.adapter / "weights.bin").unlink()
    run.adapter.rmdir()
    assert measured_on(run, [], WINDOW) is None
