"""How the error falls with the number of training episodes: e = a + b n^-c, with an interval, and what follows from it in words.

a is what more of the same will never remove, c how fast the rest falls (J. Hestness et al. 2017, arXiv:1712.00409). Three numbers
through four points leave room, so that nothing is said of the fit alone: it is made 1,000 times, each time on other held-out
episodes (drawn with replacement) and with other luck in training. Shapes: K numbers of episodes, E held-out episodes, R fits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.errors import RunError
from mvla_core.experiments.subject import Errors
from mvla_core.metrics.intervals import Interval

Vector = npt.NDArray[np.float64]

FITS = 1_000
REACH = 20.0
"""A target that needs more than so many times today's episodes counts as out of reach: nobody records them."""
_EXPONENTS = np.geomspace(0.1, 2.0, 150)


@dataclass(frozen=True, eq=False)
class Point:
    """One number of training episodes.

    Attributes:
        episodes: How many.
        trainings: Errors on the held-out episodes of each training with that many; at least one.
    """

    episodes: int
    trainings: tuple[Errors, ...]

    @property
    def rmse(self) -> float:
        """Mean over the trainings."""
        return float(np.mean([errors.rmse for errors in self.trainings]))


@dataclass(frozen=True, eq=False)
class Curve:
    """A fitted power law with its resamples.

    Attributes:
        episodes: int64 (K,), ascending.
        measured: float64 (K,), mean RMSE of the trainings with so many.
        a: float64 (1 + R,); the first is the fit to what was measured.
        b: float64 (1 + R,), at the largest number of episodes: e(n) = a + b (n / n_last)^-c.
        c: float64 (1 + R,).
        training_noise: Standard deviation from training to training.
    """

    episodes: npt.NDArray[np.int64]
    measured: Vector
    a: Vector
    b: Vector
    c: Vector
    training_noise: float

    @property
    def last(self) -> int:
        return int(self.episodes[-1])

    def at(self, episodes: float) -> Interval:
        """Expected RMSE with so many training episodes."""
        return _interval(self.values(episodes))

    def values(self, episodes: float) -> Vector:
        """float64 (1 + R,): the same for each fit."""
        return np.asarray(self.a + self.b * (episodes / self.last) ** -self.c)

    def needed(self, target: float) -> Interval:
        """How many training episodes bring the RMSE to a target; infinite where none do."""
        room = target - self.a
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            needed = np.where(room > 0, self.last * (room / self.b) ** (-1.0 / self.c), math.inf)
        return _interval(np.where(self.b <= 0, np.where(room >= 0, 0.0, math.inf), needed))


def fit_curve(points: Sequence[Point], seed: int = 0) -> Curve:
    """Fit the law to the measured errors and to resampled ones.

    Args:
        points: At least three different numbers of episodes; all trainings on the same held-out episodes.
        seed: Of the resampling.

    Raises:
        RunError: Too few points or held-out episodes.
    """
    ordered = sorted(points, key=lambda point: point.episodes)
    held_out = len(ordered[0].trainings[0].squared) if ordered else 0
    if len({point.episodes for point in ordered}) < 3 or held_out < 2:
        raise RunError(
            f"A curve needs at least 3 different numbers of training episodes and 2 held-out ones; found {len(ordered)} and "
            f"{held_out}; record more episodes."
        )
    episodes = np.array([point.episodes for point in ordered], dtype=np.int64)
    measured = np.array([point.rmse for point in ordered])
    trainings = np.array([len(point.trainings) for point in ordered])
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(held_out, np.full(held_out, 1 / held_out), size=FITS)
    resampled = np.stack([_resampled(point, draws) for point in ordered], axis=1)
    noise = _training_noise(ordered, episodes, measured)
    resampled += generator.normal(size=resampled.shape) * noise / np.sqrt(trainings)
    a, b, c = _least_squares(episodes / episodes[-1], np.concatenate([measured[None], np.maximum(resampled, 0.0)]))
    return Curve(episodes, measured, a, b, c, noise)


def _resampled(point: Point, draws: npt.NDArray[np.int64]) -> Vector:
    """float64 (R,): the point's RMSE on drawn held-out episodes."""
    each = [np.sqrt((draws @ errors.squared) / (draws @ errors.values)) for errors in point.trainings]
    return np.asarray(np.mean(each, axis=0))


def _training_noise(points: Sequence[Point], episodes: npt.NDArray[np.int64], measured: Vector) -> float:
    """Deviation from training to training: from repeated trainings, else from what the curve misses; the larger of both.

    Two trainings may agree by chance, and a curve may miss nothing because it bends: neither alone is trusted.
    """
    spreads = [
        np.var([errors.rmse for errors in point.trainings], ddof=1) for point in points if len(point.trainings) > 1
    ]
    a, b, c = _least_squares(episodes / episodes[-1], measured[None])
    missed = measured - (a + b * (episodes / episodes[-1]) ** -c)
    free = max(1, len(measured) - 2)
    return math.sqrt(max(float(np.mean(spreads)) if spreads else 0.0, float((missed**2).sum()) / free))


def _least_squares(shares: Vector, errors: Vector) -> tuple[Vector, Vector, Vector]:
    """Fit a, b >= 0 and c on a grid to rows of errors, float64 (R, K); see `Curve` for the form."""
    best = np.full(len(errors), math.inf)
    found = np.zeros((3, len(errors)))
    mean = errors.mean(axis=1)
    for c in _EXPONENTS:
        x = shares**-c
        centred = x - x.mean()
        b = np.maximum((errors @ centred) / (centred @ centred), 0.0)
        a = mean - b * x.mean()
        through_zero = (errors @ x) / (x @ x)
        a, b = np.where(a < 0, 0.0, a), np.where(a < 0, through_zero, b)
        missed = ((errors - a[:, None] - b[:, None] * x) ** 2).sum(axis=1)
        better = missed < best
        best = np.where(better, missed, best)
        found = np.where(better, np.stack([a, b, np.full(len(errors), c)]), found)
    return found[0], found[1], found[2]


def _interval(values: Vector) -> Interval:
    low, high = np.quantile(values[1:], [0.025, 0.975], method="inverted_cdf")
    return Interval(float(values[0]), float(low), float(high))


def answer(curve: Curve, target: float, unit: str) -> dict[str, Any]:
    """Say whether more episodes of the same kind reach a target.

    Returns:
        `code`: "reached", "more", "no_help" or "cannot_tell"; `text`: one sentence; `target`, `more_low` and `more_high`: episodes
        besides today's, None where they would be more than `REACH` times today's.
    """
    now, far, needed = curve.at(curve.last), curve.at(REACH * curve.last), curve.needed(target)
    most = REACH * curve.last
    low, high = (max(0, math.ceil(end - curve.last)) if end <= most else None for end in (needed.low, needed.high))
    goal = f"{target:.3g} {unit}"
    today = f"{now.value:.3f} {unit} ({now.low:.3f} to {now.high:.3f})"
    if now.high <= target:
        code = "reached"
        text = f"{goal} is reached with the {curve.last} training episodes that are there: {today}."
    elif now.value <= target:
        code = "cannot_tell"
        text = (
            f"Cannot tell: with the {curve.last} training episodes that are there it is {today}, so that {goal} may be reached "
            "already; record more held-out episodes, or repeat the trainings with more seeds."
        )
    elif low is None:
        code = "no_help"
        text = (
            f"More of the same will not help: {REACH:g} times as many episodes would leave {far.value:.3f} {unit} "
            f"({far.low:.3f} to {far.high:.3f}), and {goal} is asked."
        )
    elif high is not None:
        code = "more"
        text = (
            f"To reach {goal}: {low} to {high} episodes more."
            if low < high
            else f"To reach {goal}: {low} episodes more."
        )
    else:
        code = "cannot_tell"
        text = (
            f"Cannot tell: {goal} may need {low} episodes more, or may never be reached; record more held-out episodes, or "
            "repeat the trainings with more seeds."
        )
    return {"code": code, "text": text, "target": target, "more_low": low, "more_high": high, "now": now.to_json()}
