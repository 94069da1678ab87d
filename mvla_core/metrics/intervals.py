"""95 % intervals by resampling whole episodes.

Windows of one episode resemble each other, so that resampling windows would promise far more than the data holds. The
episode is what is drawn with replacement (percentile bootstrap; B. Efron, 1979). With few episodes (under about 8) a
percentile interval is too narrow: read it as a lower limit of what is uncertain. The difference of two runs, from which a winner
is named, has a wider one: a jackknife over episodes with Student's t, see `rmse_difference`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

RESAMPLES = 2_000
LEVEL = 0.95
_BLOCK_ELEMENTS = 4_000_000
_KEPT_ELEMENTS = 500_000

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval.

    `low` and `high` are NaN where fewer than two episodes carry the figure: nothing can be said then, and every comparison is
    False. A skill against a baseline that makes no error at all is minus infinity. JSON writes both as null.
    """

    value: float
    low: float
    high: float

    def mapped(self, function: Callable[[float], float]) -> Interval:
        """Return an increasing function of the figure and of both its ends, such as the root of a mean square."""
        return Interval(function(self.value), function(self.low), function(self.high))

    def to_json(self) -> dict[str, float | None]:
        return {
            name: _finite(number) for name, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def _draws(num_episodes: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield int64 (rows, num_episodes): how often each episode is drawn, in blocks that bound the memory."""
    if num_episodes * resamples <= _KEPT_ELEMENTS:
        yield _kept_draws(num_episodes, resamples, seed)
        return
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK_ELEMENTS // num_episodes)
    for begin in range(0, resamples, rows):
        yield _drawn(generator, num_episodes, min(rows, resamples - begin))


@functools.lru_cache(maxsize=8)
def _kept_draws(num_episodes: int, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """An evaluation asks for the same draws hundreds of times; those of few episodes are kept."""
    draws = _drawn(np.random.default_rng(seed), num_episodes, resamples)
    draws.flags.writeable = False
    return draws


def _drawn(generator: np.random.Generator, num_episodes: int, rows: int) -> npt.NDArray[np.int64]:
    return generator.multinomial(num_episodes, np.full(num_episodes, 1.0 / num_episodes), size=rows)


def _ratio(numerator: Vector, denominator: Vector) -> Vector:
    """Divide; 0 / 0 is NaN and x / 0 is infinite, without a warning."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(numerator / denominator, dtype=np.float64)


def _interval(value: float, samples: Vector) -> Interval:
    known = samples[~np.isnan(samples)]
    if len(known) == 0:
        return Interval(value, math.nan, math.nan)
    tail = 100.0 * (1.0 - LEVEL) / 2.0
    # No interpolation between samples: it would turn two infinities into NaN.
    low, high = np.percentile(known, [tail, 100.0 - tail], method="inverted_cdf")
    return Interval(value, float(low), float(high))


def _resampled_sums(columns: list[Vector], resamples: int, seed: int) -> Vector:
    stacked = np.stack(columns, axis=1)
    return np.concatenate([draws @ stacked for draws in _draws(len(stacked), resamples, seed)])


def bootstrap_ratio(numerators: Vector, denominators: Vector, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Return sum(numerators) / sum(denominators) with its 95 % interval over episodes.

    A mean over windows is a ratio of two sums by episode: sum of the errors, number of windows. Where fewer than two episodes
    have a denominator above zero, the others say nothing of the figure: it has no interval.

    Args:
        numerators: float (E,), one an episode.
        denominators: float (E,), not negative.
        resamples: How many times E episodes are drawn with replacement.
        seed: The same seed and E draw the same episodes, so that figures of the same episodes are paired.

    Raises:
        ValueError: The arrays are empty or differ in length.
    """
    top, bottom = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if top.ndim != 1 or top.shape != bottom.shape or len(top) == 0:
        raise ValueError(f"Expected two arrays (E,) with E >= 1; found {top.shape} and {bottom.shape}.")
    value = float(_ratio(top.sum(keepdims=True), bottom.sum(keepdims=True))[0])
    if np.count_nonzero(bottom) < 2:
        return Interval(value, math.nan, math.nan)
    sums = _resampled_sums([top, bottom], resamples, seed)
    return _interval(value, _ratio(sums[:, 0], sums[:, 1]))


def bootstrap_ratios(
    numerators: npt.NDArray[np.float64],
    denominators: npt.NDArray[np.float64],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Interval]:
    """Return `bootstrap_ratio` of each column; the episodes are drawn once, so that hundreds of figures cost little.

    Args:
        numerators: float (E, K), K figures.
        denominators: float (E, K) or (E,), the same for all of them.
        resamples: See `bootstrap_ratio`.
        seed: See `bootstrap_ratio`.

    Raises:
        ValueError: The arrays are empty or do not fit together.
    """
    top = np.asarray(numerators, dtype=np.float64)
    bottom = np.asarray(denominators, dtype=np.float64)
    if bottom.ndim == 1:
        bottom = bottom[:, None]
    if top.ndim != 2 or len(top) == 0 or bottom.shape not in (top.shape, (len(top), 1)):
        raise ValueError(f"Expected two arrays (E, K) with E >= 1; found {top.shape} and {bottom.shape}.")
    bottom = np.broadcast_to(bottom, top.shape)
    values = _ratio(top.sum(axis=0), bottom.sum(axis=0))
    if len(top) < 2:
        return [Interval(float(value), math.nan, math.nan) for value in values]
    count = top.shape[1]
    sums = _resampled_sums([*top.T, *bottom.T], resamples, seed)
    ratios = _ratio(sums[:, :count], sums[:, count:])
    ratios[:, np.count_nonzero(bottom, axis=0) < 2] = math.nan
    return [_interval(float(value), samples) for value, samples in zip(values, ratios.T, strict=True)]


def bootstrap_mean_of_ratios(
    numerators: npt.NDArray[np.float64],
    denominators: npt.NDArray[np.float64],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return the mean of K ratios, such as a balanced accuracy of K recalls, with its 95 % interval over episodes.

    A draw without any episode of one ratio takes the mean of the others. Where fewer than two episodes carry one of the ratios
    there is no interval, as there is none of that ratio.

    Args:
        numerators: float (E, K).
        denominators: float (E, K), not negative; each column has a sum above zero.
        resamples: See `bootstrap_ratio`.
        seed: See `bootstrap_ratio`.

    Raises:
        ValueError: The arrays are empty or do not fit together.
    """
    top, bottom = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if top.ndim != 2 or top.size == 0 or bottom.shape != top.shape:
        raise ValueError(f"Expected two arrays (E, K) with E and K >= 1; found {top.shape} and {bottom.shape}.")
    value = float(_ratio(top.sum(axis=0), bottom.sum(axis=0)).mean())
    if np.count_nonzero(bottom, axis=0).min() < 2:
        return Interval(value, math.nan, math.nan)
    sums = _resampled_sums([*top.T, *bottom.T], resamples, seed)
    ratios = _ratio(sums[:, : top.shape[1]], sums[:, top.shape[1] :])
    return _interval(value, np.nanmean(ratios, axis=1))


def bootstrap_mean(values: Vector, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Return the mean of one value an episode with its 95 % interval; see `bootstrap_ratio`."""
    return bootstrap_ratio(values, np.ones(len(values)), resamples=resamples, seed=seed)


def skill(policy_squared: Vector, baseline_squared: Vector, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Return 1 - MSE(policy) / MSE(baseline) with its 95 % interval over episodes.

    Both errors go over exactly the same windows, so that the counts cancel and the ratio of the sums is the ratio of
    the means. 1 is perfect, 0 as good as the baseline, below 0 worse. Where neither makes an error the skill is 0;
    where only the baseline makes none it is minus infinity.

    Args:
        policy_squared: float (E,), squared errors of each episode, summed (`ErrorSums.episode_squared`).
        baseline_squared: float (E,), the same of the baseline on the same windows.
        resamples: See `bootstrap_ratio`.
        seed: See `bootstrap_ratio`.

    Source: the skill score of A. H. Murphy, Monthly Weather Review 116 (1988).
    """
    policy, baseline = np.asarray(policy_squared, dtype=np.float64), np.asarray(baseline_squared, dtype=np.float64)
    if policy.ndim != 1 or policy.shape != baseline.shape or len(policy) == 0:
        raise ValueError(f"Expected two arrays (E,) with E >= 1; found {policy.shape} and {baseline.shape}.")
    value = float(_skill(policy.sum(keepdims=True), baseline.sum(keepdims=True))[0])
    if len(policy) < 2:
        return Interval(value, math.nan, math.nan)
    sums = _resampled_sums([policy, baseline], resamples, seed)
    return _interval(value, _skill(sums[:, 0], sums[:, 1]))


def _skill(policy: Vector, baseline: Vector) -> Vector:
    both_perfect = (policy == 0) & (baseline == 0)
    return np.where(both_perfect, 0.0, 1.0 - _ratio(policy, baseline))


def rmse_difference(squared_a: Vector, squared_b: Vector, counts: Vector) -> Interval:
    """Return RMSE(B) - RMSE(A) of two predictors on the same actions with its 95 % interval, paired by episode.

    Each episode is left out once, for both predictors; from how the difference then moves follows its standard error, and
    Student's t with E - 1 degrees of freedom makes an interval of it. A percentile bootstrap would call two equally good
    predictors different far too often where there are few episodes: `docs/evaluation.md` has the shares.

    Args:
        squared_a: float64 (E,), squared errors of A in each episode, summed.
        squared_b: float64 (E,), the same of B on the same actions.
        counts: float64 (E,), how many numbers each sum goes over; positive.

    Source: J. W. Tukey, Bias and confidence in not-quite large samples, Ann. Math. Statist. 29 (1958).
    """

    def difference(a: Vector, b: Vector, count: Vector) -> Vector:
        # Leaving out the only episode with an error may leave a rounding below zero.
        return np.asarray(np.sqrt(np.maximum(b, 0) / count) - np.sqrt(np.maximum(a, 0) / count), dtype=np.float64)

    return _jackknife(difference, squared_a, squared_b, counts)


def paired_ratio(numerators: Vector, denominators: Vector) -> Interval:
    """Return sum(numerators) / sum(denominators) with an interval as that of `rmse_difference`, for a difference of skills.

    Args:
        numerators: float64 (E,), of any sign.
        denominators: float64 (E,), positive.
    """
    return _jackknife(_ratio, numerators, denominators)


def _jackknife(figure: Callable[..., Vector], *columns: Vector) -> Interval:
    """A figure of sums over episodes, from columns (E,), with its interval: see `rmse_difference`."""
    table = np.stack(columns).astype(np.float64)
    sums, episodes = table.sum(axis=1, keepdims=True), table.shape[1]
    value = float(figure(*sums)[0])
    if episodes < 2:
        return Interval(value, math.nan, math.nan)
    error = math.sqrt((episodes - 1) * float(np.var(figure(*(sums - table)))))
    half = student_quantile(episodes - 1) * error
    return Interval(value, value - half, value + half)


@functools.cache
def student_quantile(freedom: int) -> float:
    """Return the point that Student's t with so many degrees of freedom does not pass with a probability of 97.5 %.

    Exact for one and two degrees; from three on the Cornish-Fisher expansion (Abramowitz and Stegun, 26.7.5), whose error is
    below 0.3 %.

    Raises:
        ValueError: There are less than one.
    """
    if freedom < 1:
        raise ValueError(f"Expected at least one degree of freedom; found {freedom}.")
    upper = 1.0 - (1.0 - LEVEL) / 2.0
    if freedom == 1:
        return math.tan(math.pi * (upper - 0.5))
    if freedom == 2:
        return (2 * upper - 1) * math.sqrt(2 / (4 * upper * (1 - upper)))
    z: float = NormalDist().inv_cdf(upper)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms)))
