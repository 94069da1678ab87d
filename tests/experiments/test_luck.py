"""One training against one: what is luck is not called help, and what is help still can be."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mvla_core.experiments.luck import LUCK_COUNTED, ONE_TRAINING, Luck, gain_with_luck, known_luck, verdict_on
from mvla_core.experiments.store import write_result
from mvla_core.experiments.subject import Errors, skill_gain
from mvla_core.layout import RunFolder

HELD_OUT = 12


def trained(generator: np.random.Generator, hard: np.ndarray, deviation: float, level: float = 1.0) -> Errors:
    """A training on episodes of stated hardness; `deviation` is its luck, as a share of the error."""
    luck = level * math.exp(generator.normal(scale=deviation))
    return Errors((luck * hard) ** 2 * generator.gamma(20, 0.05, HELD_OUT) * 100, np.full(HELD_OUT, 100.0))


def curve(generator: np.random.Generator, hard: np.ndarray, deviation: float) -> Luck:
    """As the scaling curve measures it: two parts, trained twice each."""
    pairs = [[trained(generator, hard, deviation).rmse for _ in range(2)] for _ in range(2)]
    return Luck(math.sqrt(np.mean([np.var(pair, ddof=1) for pair in pairs])), 2)


def test_luck_of_ten_percent_is_seldom_called_help_or_harm() -> None:
    generator = np.random.default_rng(0)
    named, held_out_alone = 0, 0
    for _ in range(300):
        hard = generator.gamma(8, 0.05, HELD_OUT)
        before, after = trained(generator, hard, 0.1), trained(generator, hard, 0.1)
        clock = Errors((1.5 * hard) ** 2 * 100, np.full(HELD_OUT, 100.0))
        alone = skill_gain(before, after, clock)
        gain = gain_with_luck(before, after, clock, curve(generator, hard, 0.1))
        named += verdict_on(gain, alone, "episodes")["code"] != "cannot_tell"
        held_out_alone += alone.low > 0 or alone.high < 0
    assert held_out_alone > 100, "without the luck of training most such pairs differ"
    assert named <= 21


def test_a_gain_far_beyond_the_luck_is_called_help() -> None:
    generator = np.random.default_rng(1)
    hard = generator.gamma(8, 0.05, HELD_OUT)
    before, after = trained(generator, hard, 0.0), trained(generator, hard, 0.0, level=0.5)
    clock = Errors((1.5 * hard) ** 2 * 100, np.full(HELD_OUT, 100.0))
    alone = skill_gain(before, after, clock)
    said = verdict_on(gain_with_luck(before, after, clock, Luck(0.01, 2)), alone, "simulated episodes")
    assert said["code"] == "helps"
    assert said["text"].startswith("Simulated episodes help: the skill over the clock changes by +0.")
    assert said["text"].endswith(LUCK_COUNTED)
    assert verdict_on(gain_with_luck(after, before, clock, Luck(0.01, 2)), alone, "they")["code"] == "harms"
    # The same, and nobody knows what luck does.
    unknown = gain_with_luck(before, after, clock, None)
    assert unknown.to_json() == {"value": alone.value, "low": None, "high": None}
    said = verdict_on(unknown, alone, "simulated episodes")
    assert said["code"] == "cannot_tell"
    assert ONE_TRAINING in said["text"]
    assert f"{alone.low:+.3f}" in said["text"]


def test_the_luck_is_read_off_the_scaling_curve(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert known_luck(run) is None
    rows = [{"episodes": number} for number in (9, 9, 18, 18, 27, 36)]
    write_result(run, "scaling", {"trainings": rows, "fit": {"training_noise": 0.02}})
    assert known_luck(run) == Luck(0.02, 2)
    write_result(run, "scaling", {"trainings": rows[::2], "fit": {"training_noise": 0.02}})
    assert known_luck(run) == Luck(0.02, 1)


def test_the_interval_is_wider_than_that_of_the_held_out_episodes() -> None:
    generator = np.random.default_rng(3)
    hard = generator.gamma(8, 0.05, HELD_OUT)
    before, after = trained(generator, hard, 0.1), trained(generator, hard, 0.1)
    clock = Errors((1.5 * hard) ** 2 * 100, np.full(HELD_OUT, 100.0))
    alone = skill_gain(before, after, clock)
    assert gain_with_luck(before, after, clock, Luck(0.0, 2)).low == pytest.approx(alone.low)
    wide = gain_with_luck(before, after, clock, Luck(0.02, 2))
    moved = 4.303 * 2 * 0.02 * math.hypot(before.rmse, after.rmse) / clock.rmse**2
    assert wide.high - wide.value == pytest.approx(math.hypot(alone.high - alone.value, moved), rel=1e-3)
