"""A healthy training, for real and at every run of the tests: simulated episodes, the compact policy, episodes it never saw.

It takes about a minute of one core; the diseases are in `test_planted_training`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from mvla_core.datasets.windows import chunk_targets, last_frames
from mvla_core.episodes.catalogue import load_sequences, scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.files import read_json
from mvla_core.layout import DataRoot
from mvla_core.metrics.predictors import FrameIndexClock, InstructionClock
from mvla_core.policies.adapter import load_policy
from mvla_core.progress import SILENT
from mvla_core.schema import ActionSequence, EpisodeInfo
from mvla_core.simulation.record import simulate_episodes
from mvla_core.training.launch import prepare_run
from mvla_core.training.recipe import PRESETS
from mvla_core.training.train import train_run

EPISODES, PIXELS, SEED = 60, 96, 2
SETTINGS = {"epochs": 12, "patience": 0, "learning_rate": 2e-3}
"""Shorter and steeper than the preset; everything else is the preset's."""


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def episodes_of(root: DataRoot, names: Sequence[str]) -> tuple[list[EpisodeInfo], list[ActionSequence]]:
    catalogue = scan(root, resolve_dataset(root, "rooms"))
    infos = [catalogue.by_id(name) for name in names]
    return infos, load_sequences(infos)


def test_the_compact_policy_beats_both_clocks_on_episodes_it_never_saw(root: DataRoot) -> None:
    simulate_episodes(root, "rooms", count=EPISODES, workers=1, image_size=PIXELS)
    run = prepare_run(root, "rooms", "compact", SETTINGS, SEED)
    train_run(root, run, SILENT)

    split = read_json(run.split)
    assert not set(split["test"]) & {*split["train"], *split["validation"]}
    assert len(split["test"]) >= 9
    _, taught = episodes_of(root, split["train"])
    clocks = {"time": FrameIndexClock.fit(taught), "time and instruction": InstructionClock.fit(taught)}
    policy = load_policy(run.adapter, "cpu")
    recipe = PRESETS["compact"].recipe.changed(SETTINGS)
    squares: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in ("policy", *clocks)}
    for info, sequence in zip(*episodes_of(root, split["test"]), strict=True):
        last = last_frames(info.num_frames, recipe.window)
        targets, mask = chunk_targets(sequence.actions, last, recipe.chunk_size)
        predicted = {"policy": policy.predict_episode(root, info, last)}
        predicted |= {name: clock.predict(sequence, last, recipe.chunk_size) for name, clock in clocks.items()}
        for name, chunks in predicted.items():
            squares[name].append((chunks - targets)[mask].astype(np.float64) ** 2)
    error = {name: float(np.concatenate(found).mean()) for name, found in squares.items()}
    skill = {name: 1 - error["policy"] / error[name] for name in clocks}
    # Measured: 0.64 and 0.35 (with seed 3: 0.56 and 0.19). A policy that recites a script is at 0 or below.
    assert skill["time"] > 0.3, skill
    assert skill["time and instruction"] > 0.1, skill
