"""The overfit reading on planted trainings: each advice for its own reason, and never from one epoch or from noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.metrics.overfitting import OverfitReading, read_overfitting

EPISODES = 8
VALIDATION_SET = {"episodes": [f"e{n}" for n in range(EPISODES)], "numbers": [100 + n for n in range(EPISODES)]}


def training(
    val: list[float], train: list[float] | None = None, noise: float = 0.001, seed: int = 0
) -> list[dict[str, Any]]:
    """Epoch events whose loss by episode scatters around `val`; the mean is weighted as the trainer weights it."""
    generator = np.random.default_rng(seed)
    weights = np.array(VALIDATION_SET["numbers"], dtype=float)
    events = []
    for epoch, loss in enumerate(val, 1):
        by_episode = loss + generator.normal(0, noise, EPISODES)
        mean = float(np.average(by_episode, weights=weights))
        trained = train[epoch - 1] if train else 0.5 / epoch
        event = {"epoch": epoch, "epochs": 20, "train_loss": trained, "val_loss": mean}
        events.append({**event, "val_loss_by_episode": by_episode.tolist()})
    return events


def read(val: list[float], patience: int = 0, **more: Any) -> OverfitReading:
    return read_overfitting(training(val, **more), VALIDATION_SET, patience)


def test_nothing_is_said_before_and_after_the_first_epoch() -> None:
    assert read_overfitting([], {}, 5).advice == "wait"
    assert read([0.5]).advice == "wait"


def test_a_falling_loss_goes_on() -> None:
    reading = read([0.5, 0.4, 0.3], patience=4)
    assert (reading.advice, reading.best_epoch, reading.patience_left, reading.change) == ("go on", 3, 4, None)
    assert "best so far" in reading.reason


def test_a_certain_rise_beside_a_falling_train_loss_is_memorising() -> None:
    reading = read([0.5, 0.3, 0.35, 0.4], patience=10)
    assert reading.advice == "stop"
    assert reading.reason.startswith("It memorises: since epoch 2")
    assert "epoch 2 is kept" in reading.reason
    assert reading.change is not None
    assert reading.change.low > 0
    assert reading.change.value == pytest.approx(0.1, abs=0.01)
    assert (reading.patience_left, reading.episodes) == (8, EPISODES)


def test_a_rise_of_both_losses_is_told_as_that() -> None:
    reading = read([0.5, 0.3, 0.35, 0.4], train=[0.5, 0.3, 0.5, 0.6])
    assert reading.advice == "stop"
    assert "gets worse" in reading.reason


def test_one_worse_epoch_is_not_enough() -> None:
    assert read([0.5, 0.3, 0.4]).advice == "go on"


def test_the_luck_of_the_best_epoch_is_not_memorising() -> None:
    """Flat but noisy: the lowest of 15 epochs is low by chance, and a plain comparison with it would cry wolf each time."""
    advice = [read([0.3] * 15, noise=0.1, seed=seed) for seed in range(40)]
    alarms = sum(reading.reason.startswith(("It memorises", "It gets worse")) for reading in advice)
    assert alarms <= 6


def test_patience_that_ends_is_announced_and_flatness_stops() -> None:
    flat = [0.5, 0.3, 0.3001, 0.3001, 0.3001]
    reading = read_overfitting(training(flat, noise=0.0), {}, 4)
    assert (reading.advice, reading.patience_left) == ("soon", 1)
    assert read_overfitting(training([0.3] + [0.3001] * 6, noise=0.0), {}, 0).advice == "stop"


def test_a_change_that_may_be_chance_is_told_as_such() -> None:
    events = training([0.5, 0.3, 0.3])
    for row, shift in zip(events[1:], ([0.0] * 8, [0.1, -0.09] * 4), strict=True):
        row["val_loss_by_episode"] = [0.3 + value for value in shift]
        row["val_loss"] = 0.3 + sum(shift) / 8
    reading = read_overfitting(events, VALIDATION_SET, 0)
    assert reading.advice == "go on"
    assert "may be chance" in reading.reason


def test_divergence_is_told_first() -> None:
    events = training([0.5, 0.4])
    events[-1]["val_loss"] = None
    assert read_overfitting(events, VALIDATION_SET, 5).advice == "stop"
    assert "diverged" in read_overfitting(training([0.5]), VALIDATION_SET, 5, diverged=True).reason


def test_without_losses_by_episode_there_is_no_interval() -> None:
    events = [
        {key: value for key, value in row.items() if key != "val_loss_by_episode"} for row in training([0.5, 0.3, 0.4])
    ]
    reading = read_overfitting(events, {}, 5)
    assert reading.gap is not None
    assert math.isnan(reading.gap.low)
    assert (reading.advice, reading.episodes) == ("go on", 0)


def test_gap_is_the_difference_with_an_interval_around_it() -> None:
    reading = read([0.5, 0.4], train=[0.1, 0.1], noise=0.05)
    assert reading.gap is not None
    assert reading.gap.low < reading.gap.value < reading.gap.high
    assert reading.gap.value == pytest.approx(0.3, abs=0.06)


@settings(max_examples=60, deadline=None)
@given(
    losses=st.lists(st.none() | st.floats(allow_nan=True) | st.text(max_size=2) | st.integers(-5, 10**30), max_size=8),
    numbers=st.none() | st.lists(st.integers(-1, 5), max_size=8) | st.text(max_size=2),
    patience=st.integers(0, 5),
)
def test_whatever_the_file_says_there_is_a_sentence(losses: list[Any], numbers: Any, patience: int) -> None:
    events = [
        {"epoch": k, "epochs": 5, "train_loss": loss, "val_loss": loss, "val_loss_by_episode": losses}
        for k, loss in enumerate(losses, 1)
    ]
    assert read_overfitting(events, {"numbers": numbers}, patience).reason.endswith(".")
