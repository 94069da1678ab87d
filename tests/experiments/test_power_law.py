"""The data-scaling curve on planted errors: the law is found again, its interval covers the truth, and the words follow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mvla_core.errors import RunError
from mvla_core.experiments.power_law import REACH, Curve, Point, answer, fit_curve
from mvla_core.experiments.subject import Errors

NUMBERS = (15, 30, 45, 60)


def planted(
    a: float, b: float, c: float, seed: int, *, held_out: int = 40, noise: float = 0.0, trainings: int = 1
) -> list[Point]:
    """Errors whose root mean square is a + b (n / 60)^-c, of episodes that are hard or easy for all trainings alike."""
    generator = np.random.default_rng(seed)
    hardness = generator.gamma(8, 1 / 8, held_out)
    values = np.full(held_out, 200.0)

    def errors(number: int) -> Errors:
        rmse = max(1e-3, a + b * (number / 60) ** -c + generator.normal() * noise)
        return Errors(values * rmse**2 * hardness * generator.gamma(60, 1 / 60, held_out), values)

    return [Point(number, tuple(errors(number) for _ in range(trainings))) for number in NUMBERS]


def test_without_noise_the_law_is_found_again() -> None:
    values = np.full(10, 100.0)
    points = [Point(n, (Errors(values * (0.1 + 0.2 * (n / 60) ** -0.7) ** 2, values),)) for n in NUMBERS]
    curve = fit_curve(points)
    assert curve.at(60).value == pytest.approx(0.3, abs=1e-3)
    assert curve.at(240).value == pytest.approx(0.1 + 0.2 * 4**-0.7, abs=3e-3)
    assert curve.needed(0.2).value == pytest.approx(60 * 2 ** (1 / 0.7), rel=0.05)
    assert curve.training_noise < 1e-3


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered_error = covered_number = 0
    truth = 60 * 2.0 ** (1 / 0.6)
    for seed in range(20):
        curve = fit_curve(planted(0.1, 0.2, 0.6, seed, noise=0.004, trainings=2), seed)
        doubled, needed = curve.at(120), curve.needed(0.2)
        # The held-out episodes themselves may be harder than all others, which shifts the whole curve.
        covered_error += doubled.low <= 0.1 + 0.2 * 2**-0.6 <= doubled.high
        covered_number += needed.low <= truth <= needed.high
    assert covered_error >= 17
    assert covered_number >= 17


def test_the_words_follow_from_the_curve() -> None:
    falling = fit_curve(planted(0.0, 0.3, 0.5, 1, held_out=400))
    said = answer(falling, 0.25, "m/s")
    assert said["code"] == "more"
    assert said["more_low"] <= 60 * (0.3 / 0.25) ** 2 - 60 <= said["more_high"]
    assert said["text"] == f"To reach 0.25 m/s: {said['more_low']} to {said['more_high']} episodes more."
    flat = fit_curve(planted(0.3, 0.0, 0.5, 2, held_out=400, noise=0.001))
    assert answer(flat, 0.2, "m/s")["code"] == "no_help"
    assert answer(flat, 0.2, "m/s")["text"].startswith("More of the same will not help")
    reached = answer(flat, 0.4, "m/s")
    assert reached["code"] == "reached"
    assert (
        f"{reached['now']['value']:.3f} m/s ({reached['now']['low']:.3f} to {reached['now']['high']:.3f})"
        in reached["text"]
    )
    unclear = fit_curve(planted(0.2, 0.1, 0.5, 3, held_out=4, noise=0.05))
    assert answer(unclear, 0.22, "m/s")["code"] == "cannot_tell"
    # Below the target on these held-out episodes, and perhaps not on others.
    barely = answer(unclear, unclear.at(unclear.last).value + 1e-6, "m/s")
    assert barely["code"] == "cannot_tell"
    assert "may be reached already" in barely["text"]


def test_a_target_below_the_floor_is_never_reached() -> None:
    curve = Curve(np.array([10, 20]), np.array([0.4, 0.3]), np.full(5, 0.2), np.full(5, 0.1), np.full(5, 0.5), 0.0)
    assert curve.needed(0.19).value == math.inf
    assert curve.needed(0.25).value == pytest.approx(80)
    assert answer(curve, 0.2 + 0.1 * (1.01 * REACH) ** -0.5, "m/s")["code"] == "no_help"


def test_two_numbers_of_episodes_are_no_curve() -> None:
    with pytest.raises(RunError, match="at least 3 different numbers"):
        fit_curve(planted(0.1, 0.2, 0.6, 0)[:2])
    with pytest.raises(RunError, match="2 held-out"):
        fit_curve(planted(0.1, 0.2, 0.6, 0, held_out=1))
