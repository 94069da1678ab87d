"""An axis that is never moved is no direction, and thins no mean out; what only one episode carries has no interval."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from mvla_core.evaluation.ablations import first_windows, measure_ablation
from mvla_core.evaluation.measure import measure
from mvla_core.evaluation.measure_directions import measure_directions
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS
from mvla_core.schema import ActionSequence, ActionSpace

PLANE, WITH_TURN = ActionSpace.default(2), ActionSpace.default(3)
WINDOWS, CHUNK = 12, 3


def drive(number: int, axes: int, jitter: float = 0.0) -> ActionSequence:
    """Forward and stop by turns; nothing else is ever commanded, but for a jitter of the last axis."""
    generator = np.random.default_rng(number)
    actions = np.zeros((WINDOWS + CHUNK - 1, axes), dtype=np.float32)
    actions[:, 0] = generator.integers(0, 2, len(actions))
    actions[:, -1] = generator.normal(scale=jitter, size=len(actions)) if jitter else 0.0
    return ActionSequence(f"e{number}", actions)


def predicted(sequence: ActionSequence, noise: float) -> EpisodePredictions:
    last = np.arange(WINDOWS)
    target = np.stack([sequence.actions[at : at + CHUNK] for at in last])
    trembling = np.random.default_rng(7).normal(scale=noise, size=target.shape)
    baselines = {name: kind.fit([sequence]).predict(sequence, last, CHUNK) for name, kind in TRIVIAL_PREDICTORS.items()}
    mask = np.ones(target.shape[:2], dtype=bool)
    return EpisodePredictions(
        sequence.episode_id, last, (target + trembling).astype(np.float32), target, mask, baselines
    )


@pytest.mark.parametrize("jitter", [0.0, 0.0005])
def test_trembling_on_a_still_axis_is_no_direction(jitter: float) -> None:
    sequences = [drive(number, 2, jitter) for number in range(6)]
    scale = ActionScale.fit(sequences, PLANE)
    assert (scale.varies.tolist(), scale.band.tolist()) == ([True, False], [0.5, math.inf])
    found = measure([predicted(sequence, 0.002) for sequence in sequences], scale)
    assert found["metrics"]["rmse"] == pytest.approx(0.002, rel=0.3)
    assert found["metrics"]["direction_accuracy"] == 1.0
    assert found["directions"]["dead_band"] == {"linear_x": 0.5, "linear_y": None}
    json.dumps(found, allow_nan=False)


def test_an_axis_of_its_own_unit_that_turns_is_kept() -> None:
    actions = np.zeros((10, 3), dtype=np.float32)
    actions[:, 0], actions[5:, 2] = 1.0, 0.004
    scale = ActionScale.fit([ActionSequence("a", actions)], WITH_TURN)
    # Forward never varies, and yet is driven; the turn is small, and yet the largest in rad/s.
    assert scale.varies.tolist() == [False, False, True]
    assert scale.band[0] == 0.5
    assert scale.band[1] == math.inf
    assert scale.band[2] == pytest.approx(0.002)


def test_where_nothing_varies_every_axis_counts() -> None:
    scale = ActionScale.fit([ActionSequence("a", np.zeros((5, 2), dtype=np.float32))], PLANE)
    assert scale.varies.tolist() == [True, True]
    assert scale.spread.tolist() == [1.0, 1.0]


def test_a_still_axis_beside_the_others_changes_no_normalised_figure() -> None:
    """The same drives with and without a third axis that nobody moves."""
    found = {}
    for axes, space in ((2, PLANE), (3, WITH_TURN)):
        sequences = [drive(number, axes) for number in range(6)]
        for number, sequence in enumerate(sequences):
            sequence.actions[:, 1] = np.random.default_rng(number).normal(size=len(sequence.actions))
        scale = ActionScale.fit(sequences, space)
        assert scale.varies.tolist() == [True, True, False][:axes]
        intact, changed = [], []
        for sequence in sequences:
            episode = predicted(sequence, 0.0)
            episode.predicted[..., :2] *= 0.9
            intact.append(episode)
            disturbed = episode.predicted * np.float32(0.8)
            disturbed[..., 2:] = 0.3  # Where nobody moves, a policy may tremble.
            changed.append(first_windows(disturbed))
        found[axes] = measure(intact, scale), measure_ablation(intact, changed, scale)
    (alone, moved_alone), (beside, moved_beside) = found[2], found[3]
    assert moved_beside["change"] == pytest.approx(moved_alone["change"])
    for measured in (lambda each: each["normalised_rmse"], lambda each: each["errors"]["normalised"]["rmse"]["value"]):
        assert measured(beside["metrics"]) == pytest.approx(measured(alone["metrics"]))
    assert beside["metrics"]["consistency"]["normalised"] == pytest.approx(
        alone["metrics"]["consistency"]["normalised"]
    )
    assert beside["directions"]["variation"] == pytest.approx(alone["directions"]["variation"])
    # In its own unit the still axis is there, and without error.
    assert beside["metrics"]["rmse"] == pytest.approx(alone["metrics"]["rmse"] * math.sqrt(2 / 3))


def test_a_class_of_one_episode_has_a_recall_and_no_interval() -> None:
    sequences = [drive(number, 2) for number in range(10)]
    sequences[3].actions[4:9, 1] = 1.0
    scale = ActionScale.fit(sequences, PLANE)
    episodes = [predicted(sequence, 0.0) for sequence in sequences]
    found = measure_directions(episodes, scale)
    assert found["recall"]["left"]["recall"] == 1.0
    assert (found["recall"]["left"]["low"], found["recall"]["left"]["high"]) == (None, None)
    assert found["recall"]["forward"]["low"] == 1.0
    assert found["balanced_accuracy_interval"] == {"low": None, "high": None}


def test_every_score_has_an_interval() -> None:
    sequences = [drive(number, 2) for number in range(8)]
    scale = ActionScale.fit(sequences, PLANE)
    found = measure([predicted(sequence, 0.4) for sequence in sequences], scale)
    directions = found["directions"]
    ends = directions["balanced_accuracy_interval"]
    recalls = [each["recall"] for each in directions["recall"].values()]
    assert directions["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert ends["low"] < directions["balanced_accuracy"] < ends["high"]
    (told,) = found["per_instruction"].values()
    assert told["intervals"]["rmse"]["low"] < told["rmse"] < told["intervals"]["rmse"]["high"]
    constant = found["baselines"]["constant"]
    for name in ("rmse", "mae", "huber", "direction_accuracy"):
        interval = constant["intervals"][name]
        assert interval["low"] <= constant[name] <= interval["high"]
