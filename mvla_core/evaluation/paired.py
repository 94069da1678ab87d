"""Two evaluated runs on the test episodes that both have: which is better, and by how much, with an interval.

Both runs predict the same episodes, so that what makes an episode hard or easy is the same for both and cancels: the episode is
the pair, and pairs are drawn with replacement (percentile bootstrap). Free of torch; reads what the evaluations stored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.split import Split
from mvla_core.episodes.annotations import frozen
from mvla_core.errors import RunError
from mvla_core.evaluation.results import EpisodePredictions, load_predictions, load_results
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.metrics.intervals import LEVEL, RESAMPLES, Interval, skill

SAME_TARGET = 1e-5
"""Two stored targets of the same frame differ by no more than rounding; more means another curation."""
DEVIATIONS = "training deviations"

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PairedComparison:
    """Run B beside run A on their common test episodes.

    Attributes:
        run_a: The one that is compared with.
        run_b: The other.
        episodes: The episodes that were paired, in order.
        actions: Actions compared.
        unit: Of the errors: the action unit, or `DEVIATIONS` of A's training part where the axes have different units.
        rmse_a: Of A on exactly the paired actions.
        rmse_b: Of B.
        difference: RMSE of B minus that of A with its 95 % interval; below zero B is better.
        skill: 1 - MSE(B) / MSE(A) with its interval.
        per_axis: By axis: `{"unit", "rmse_a", "rmse_b", "difference", "low", "high"}`.
        wins: In how many episodes B has the lower error.
        warnings: What a reader has to know, one sentence each.
    """

    run_a: str
    run_b: str
    episodes: tuple[str, ...]
    actions: int
    unit: str
    rmse_a: float
    rmse_b: float
    difference: Interval
    skill: Interval
    per_axis: Mapping[str, Mapping[str, Any]]
    wins: int
    warnings: tuple[str, ...]

    @property
    def better(self) -> str | None:
        """The run whose error is lower beyond chance; None where the interval holds zero, or there is none."""
        if self.difference.high < 0:
            return self.run_b
        return self.run_a if self.difference.low > 0 else None

    def sentence(self, a: str = "", b: str = "") -> str:
        """The result in one sentence; `a` and `b` are what the runs are called, their names where nothing is given."""
        a, b = a or self.run_a, b or self.run_b
        value, low, high = self.difference.value, self.difference.low, self.difference.high
        count = f"{len(self.episodes)} episode{'s' if len(self.episodes) > 1 else ''}"
        if math.isnan(low):
            return (
                f"{b} minus {a} is {value:+.3f} {self.unit} on one common episode: no interval, so nothing can be told."
            )
        half = (high - low) / 2
        if self.better is None:
            return (
                f"No difference can be told: {b} minus {a} is {value:+.3f} {self.unit} "
                f"(95 %: {low:+.3f} to {high:+.3f}; {count})."
            )
        first, second = (b, a) if self.better == self.run_b else (a, b)
        return f"{first} is better than {second} by {abs(value):.3f} ± {half:.3f} {self.unit} ({count})."

    def to_json(self) -> dict[str, Any]:
        return {
            "run_a": self.run_a,
            "run_b": self.run_b,
            "episodes": list(self.episodes),
            "actions": self.actions,
            "unit": self.unit,
            "rmse_a": self.rmse_a,
            "rmse_b": self.rmse_b,
            "difference": self.difference.to_json(),
            "skill": self.skill.to_json(),
            "per_axis": {name: dict(values) for name, values in self.per_axis.items()},
            "wins": self.wins,
            "better": self.better,
            "warnings": list(self.warnings),
            "sentence": self.sentence(),
        }


def compare_runs(root: DataRoot, run_a: str, run_b: str) -> PairedComparison:
    """Compare two evaluated runs on the windows and steps that both predicted.

    Raises:
        RunError: A run is missing or not evaluated, both are the same, their action spaces or data sets differ, or their test
            parts have nothing in common.
    """
    if run_a == run_b:
        raise RunError(f"The run {run_a!r} cannot be compared with itself; name another one.")
    a, b = root.run(run_a), root.run(run_b)
    results = load_results(a), load_results(b)
    spaces = [(found["actions"]["names"], found["actions"]["units"]) for found in results]
    if spaces[0] != spaces[1]:
        told = [", ".join(f"{name} [{unit}]" for name, unit in zip(*space, strict=True)) for space in spaces]
        raise RunError(
            f"The runs cannot be compared: {run_a} predicts {told[0]}, {run_b} predicts {told[1]}; choose "
            "runs with the same actions."
        )
    # By name: a data root may have been moved, and a recording of the same name but other content is found below.
    data = [found["dataset"] for found in results]
    if data[0] != data[1]:
        raise RunError(
            f"The runs cannot be compared: {run_a} was tested on the data set {data[0]!r}, {run_b} on {data[1]!r}; choose runs "
            "of one data set."
        )
    pairs, changed = _pairs(a, b)
    if not pairs:
        why = (
            "the episodes that both tested were trimmed or labelled differently"
            if changed
            else "their test parts have no episode in common"
        )
        raise RunError(f"The runs {run_a} and {run_b} cannot be compared: {why}; train both on the same split.")
    mixed = bool(results[0]["actions"]["mixed_units"])
    scale = np.array(results[0]["actions"]["spread"], dtype=np.float64) if mixed else np.ones(len(spaces[0][0]))
    return _measured(a, b, pairs, spaces[0], scale, DEVIATIONS if mixed else spaces[0][1][0], _warnings(a, b, changed))


@dataclass(frozen=True, eq=False)
class _Pair:
    """One episode: float64 (A,) squared errors of both runs over the same `count` actions."""

    episode_id: str
    squared_a: Vector
    squared_b: Vector
    count: int


def _pairs(a: RunFolder, b: RunFolder) -> tuple[list[_Pair], list[str]]:
    """The common episodes, and those left out because the runs saw other targets."""
    of_b = {episode.episode_id: episode for episode in load_predictions(b)}
    notes = [frozen(run.path) for run in (a, b)]
    pairs, changed = [], []
    for one in load_predictions(a):
        other = of_b.get(one.episode_id)
        if other is None:
            continue
        begin = [trim[0] if (trim := note.of(one.episode_id).trim) else 0 for note in notes]
        pair = _pair(one, other, begin[0], begin[1])
        if pair is None:
            changed.append(one.episode_id)
        elif pair.count:
            pairs.append(pair)
    return pairs, changed


def _pair(one: EpisodePredictions, other: EpisodePredictions, begin_a: int, begin_b: int) -> _Pair | None:
    """Errors on the common windows and steps; None where the same frame has another target in each run."""
    _, rows_a, rows_b = np.intersect1d(one.last_frames + begin_a, other.last_frames + begin_b, return_indices=True)
    steps = min(one.target.shape[1], other.target.shape[1])
    mask = one.mask[rows_a, :steps] & other.mask[rows_b, :steps]
    target, same = one.target[rows_a, :steps], other.target[rows_b, :steps]
    if not np.allclose(target[mask], same[mask], atol=SAME_TARGET):
        return None
    errors = [
        np.square(predicted[mask].astype(np.float64) - target[mask]).sum(axis=0)
        for predicted in (one.predicted[rows_a, :steps], other.predicted[rows_b, :steps])
    ]
    return _Pair(one.episode_id, errors[0], errors[1], int(mask.sum()))


def _measured(
    a: RunFolder,
    b: RunFolder,
    pairs: Sequence[_Pair],
    space: tuple[Sequence[str], Sequence[str]],
    scale: Vector,
    unit: str,
    warnings: tuple[str, ...],
) -> PairedComparison:
    squared_a, squared_b = (np.stack([getattr(pair, name) for pair in pairs]) for name in ("squared_a", "squared_b"))
    counts = np.array([pair.count for pair in pairs], dtype=np.float64)
    total_a, total_b = (squared @ (1.0 / np.square(scale)) for squared in (squared_a, squared_b))
    values = counts * len(scale)
    per_axis = {}
    for column, (name, axis_unit) in enumerate(zip(*space, strict=True)):
        found = rmse_difference(squared_a[:, column], squared_b[:, column], counts)
        per_axis[name] = {
            "unit": axis_unit,
            "rmse_a": math.sqrt(squared_a[:, column].sum() / counts.sum()),
            "rmse_b": math.sqrt(squared_b[:, column].sum() / counts.sum()),
            **{("difference" if key == "value" else key): number for key, number in found.to_json().items()},
        }
    return PairedComparison(
        run_a=a.run_id,
        run_b=b.run_id,
        episodes=tuple(pair.episode_id for pair in pairs),
        actions=int(counts.sum()),
        unit=unit,
        rmse_a=math.sqrt(total_a.sum() / values.sum()),
        rmse_b=math.sqrt(total_b.sum() / values.sum()),
        difference=rmse_difference(total_a, total_b, values),
        skill=skill(total_b, total_a),
        per_axis=per_axis,
        wins=int((total_b < total_a).sum()),
        warnings=warnings,
    )


def rmse_difference(squared_a: Vector, squared_b: Vector, counts: Vector, seed: int = 0) -> Interval:
    """Return RMSE(B) - RMSE(A) with its 95 % interval; each draw takes whole episodes, the same for both.

    Args:
        squared_a: float64 (E,), squared errors of A in each episode, summed.
        squared_b: float64 (E,), the same of B on the same actions.
        counts: float64 (E,), how many numbers each sum goes over; positive.
        seed: Of the draws.
    """

    def difference(a: Vector, b: Vector, count: Vector) -> Vector:
        return np.asarray(np.sqrt(b / count) - np.sqrt(a / count), dtype=np.float64)

    sums = np.stack([squared_a, squared_b, counts], axis=1).astype(np.float64)
    value = float(difference(*sums.sum(axis=0)[:, None])[0])
    if len(sums) < 2:
        return Interval(value, math.nan, math.nan)
    generator, shares = np.random.default_rng(seed), np.full(len(sums), 1.0 / len(sums))
    drawn = np.stack([generator.multinomial(len(sums), shares) @ sums for _ in range(RESAMPLES)])
    tail = 100.0 * (1.0 - LEVEL) / 2.0
    low, high = np.percentile(difference(*drawn.T), [tail, 100.0 - tail], method="inverted_cdf")
    return Interval(value, float(low), float(high))


def _warnings(a: RunFolder, b: RunFolder, changed: Sequence[str]) -> tuple[str, ...]:
    splits = [Split.from_json(read_json(run.split)) for run in (a, b)]
    told = []
    for trained, tested, first, second in ((splits[0], splits[1], a, b), (splits[1], splits[0], b, a)):
        if seen := len({*trained.train, *trained.validation} & set(tested.test)):
            told.append(
                f"{first.run_id} was trained on {seen} of the {len(tested.test)} test episodes of {second.run_id}; only episodes "
                "that both held out are compared here."
            )
    if changed:
        told.append(
            f"{len(changed)} common episode{'s were' if len(changed) > 1 else ' was'} left out, first {changed[0]!r}: trimmed or "
            "labelled differently in the two runs."
        )
    return tuple(told)
