"""Two evaluated runs on the test episodes that both have: which is better, and by how much, with an interval.

Both runs predict the same episodes, so that what makes an episode hard or easy is the same for both and cancels: the episode is
the pair. The interval of the difference is a jackknife over episodes with Student's t (`metrics.intervals.rmse_difference`): a
bootstrap of few episodes would find a winner where there is none. Free of torch; reads what the evaluations stored.
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
from mvla_core.evaluation.facts import threshold
from mvla_core.evaluation.results import EpisodePredictions, load_predictions, load_results
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.metrics.intervals import Interval, rmse_difference, skill

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
        """The run whose error is lower beyond chance; None where the interval holds zero, or where there are too few episodes."""
        if len(self.episodes) < threshold("fewest_episodes"):
            return None
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
        if len(self.episodes) < threshold("fewest_episodes"):
            return (
                f"Nothing can be told from {count}: {b} minus {a} is {value:+.3f} {self.unit} (95 %: {low:+.3f} to {high:+.3f}), "
                f"and a winner needs at least {threshold('fewest_episodes'):.0f} common episodes."
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
    pairs, lost = _pairs(a, b)
    if not pairs:
        why = (
            "on the episodes that both tested, the driven actions of the same frame differ"
            if lost.changed
            else "both predicted no frame of the episodes that both tested"
            if lost.apart
            else "their test parts have no episode in common"
        )
        raise RunError(f"The runs {run_a} and {run_b} cannot be compared: {why}; train both on the same split.")
    mixed = bool(results[0]["actions"]["mixed_units"])
    scale = np.array(results[0]["actions"]["spread"], dtype=np.float64) if mixed else np.ones(len(spaces[0][0]))
    warnings = _warnings(a, b, results, len(pairs), lost)
    return _measured(a, b, pairs, spaces[0], scale, DEVIATIONS if mixed else spaces[0][1][0], warnings)


@dataclass(frozen=True, eq=False)
class _Pair:
    """One episode: float64 (A,) squared errors of both runs over the same `count` actions."""

    episode_id: str
    squared_a: Vector
    squared_b: Vector
    count: int


@dataclass(frozen=True)
class _Lost:
    """What of the common episodes cannot be compared, or not quite; the ids of each kind.

    Attributes:
        changed: Left out, as the driven actions of the same frame differ.
        apart: Left out, as no frame was predicted by both runs.
        retold: Compared although the runs were told another instruction.
    """

    changed: tuple[str, ...]
    apart: tuple[str, ...]
    retold: tuple[str, ...]


def _pairs(a: RunFolder, b: RunFolder) -> tuple[list[_Pair], _Lost]:
    """The common episodes that can be compared, and what is to be said of the others."""
    of_b = {episode.episode_id: episode for episode in load_predictions(b)}
    notes = [frozen(run.path) for run in (a, b)]
    pairs, changed, apart, retold = [], [], [], []
    for one in load_predictions(a):
        other = of_b.get(one.episode_id)
        if other is None:
            continue
        begin = [trim[0] if (trim := note.of(one.episode_id).trim) else 0 for note in notes]
        pair = _pair(one, other, begin[0], begin[1])
        if pair is None:
            changed.append(one.episode_id)
        elif not pair.count:
            apart.append(one.episode_id)
        else:
            pairs.append(pair)
            if one.instruction != other.instruction:
                retold.append(one.episode_id)
    return pairs, _Lost(tuple(changed), tuple(apart), tuple(retold))


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


def _warnings(
    a: RunFolder, b: RunFolder, results: Sequence[Mapping[str, Any]], paired: int, lost: _Lost
) -> tuple[str, ...]:
    splits = [Split.from_json(read_json(run.split)) for run in (a, b)]
    told = []
    for run, found in zip((a, b), results, strict=True):
        if leaked := found.get("split", {}).get("leaked"):
            told.append(
                f"{leaked} test episodes of {run.run_id} are also in what it was trained or chosen with: its error here "
                "may be recall."
            )
    for trained, tested, first, second in ((splits[0], splits[1], a, b), (splits[1], splits[0], b, a)):
        if seen := len({*trained.train, *trained.validation} & set(tested.test)):
            told.append(
                f"{first.run_id} was trained on {seen} of the {len(tested.test)} test episodes of {second.run_id}; only episodes "
                "that both held out are compared here."
            )
    if lost.changed:
        told.append(
            f"{_left_out(lost.changed)}: the driven actions of the same frame differ between the two runs, so that the "
            "recording was changed or replaced."
        )
    if lost.apart:
        told.append(f"{_left_out(lost.apart)}: no frame was predicted by both runs.")
    if lost.retold:
        told.append(
            f"In {len(lost.retold)} of the compared episodes, first {lost.retold[0]!r}, the two runs were told different "
            "instructions."
        )
    if threshold("fewest_episodes") <= paired < threshold("narrow_episodes"):
        told.append(
            f"Only {paired} common episodes: with fewer than {threshold('narrow_episodes'):.0f}, a difference that is "
            "shown may still be that of a few of them."
        )
    return tuple(told)


def _left_out(episodes: Sequence[str]) -> str:
    return f"{len(episodes)} common episode{'s were' if len(episodes) > 1 else ' was'} left out, first {episodes[0]!r}"
