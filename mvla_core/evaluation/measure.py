"""From predictions to figures: pure NumPy, no policy and no file.

Errors go over every step of every chunk that lies inside its episode, and over the real action dimensions. Where these have
different units, skill is computed on errors divided by each dimension's training deviation, and said so; a plain mean over
m/s and rad/s would be decided by the unit. Shapes: E episodes, N windows, C steps of a chunk, A dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.evaluation.measure_directions import DirectionHits, direction_hits, measure_directions
from mvla_core.evaluation.results import Chunks, EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.metrics.errors import ErrorSums, error_sums
from mvla_core.metrics.intervals import Interval, bootstrap_ratio, skill

Vector = npt.NDArray[np.float64]

CLOCKS = ("frame_index", "instruction_clock")
"""The trivial predictors that know the time; a policy that looks has to beat both, and the constant."""


def measure(episodes: Sequence[EpisodePredictions], scale: ActionScale) -> dict[str, Any]:
    """Return every figure that follows from the predictions, as JSON values; see `docs/metrics.md` for each formula.

    Args:
        episodes: At least one held-out episode with at least one window; all with the same baselines.
        scale: Units, deviations and dead bands of the training part.
    """
    sums = _sums(episodes, [episode.predicted for episode in episodes])
    hits = direction_hits(episodes, [episode.predicted for episode in episodes], scale)
    squared = sums.squared @ scale.weights
    names = list(episodes[0].baselines)
    baseline_chunks = {name: [episode.baselines[name] for episode in episodes] for name in names}
    baseline_sums = {name: _sums(episodes, chunks) for name, chunks in baseline_chunks.items()}
    return {
        "episodes": len(episodes),
        "windows": sum(episode.num_windows for episode in episodes),
        "actions_compared": int(sums.count.sum()),
        "actions": {**scale.space.to_json(), "mixed_units": scale.mixed_units, "spread": scale.spread.tolist()},
        "averages": scale.averages(),
        "skill_over": "squared errors divided by each dimension's training variance"
        if scale.mixed_units
        else "squared errors",
        "metrics": {
            **_overall(sums, hits, scale),
            "per_step": _per_step(episodes, [episode.predicted for episode in episodes], scale),
            "first_window": _first_window(episodes, scale),
        },
        "directions": measure_directions(episodes, scale),
        "baselines": {
            name: _baseline(episodes, baseline_chunks[name], baseline_sums[name], squared, scale) for name in names
        },
        "clock": _clock(baseline_sums, scale),
        "instruction_gain": _gain(baseline_sums, "instruction_clock", "frame_index", scale),
        "per_instruction": _per_instruction(episodes, sums, baseline_sums, scale),
        "per_episode": _per_episode(episodes, sums, hits, baseline_sums),
    }


def weighted_skill(policy: Vector, baseline: Vector, counts: npt.NDArray[np.int64], scale: ActionScale) -> Interval:
    """Return 1 - error / baseline's error with its interval by episode.

    Args:
        policy: float64 (E,), weighted squared errors of each episode.
        baseline: float64 (E,), the same of the baseline.
        counts: int64 (E,), compared actions of each episode.
        scale: Gives the floor below which a baseline counts as perfect; there the policy is held to the same floor, so that
            two perfect predictors have skill 0.
    """
    floor = counts * scale.floor
    perfect = baseline < floor
    return skill(np.where(perfect, np.maximum(policy, floor), policy), np.maximum(baseline, floor))


def as_json(interval: Interval, prefix: str = "value") -> dict[str, float | None]:
    """Return `{prefix, low, high}`; a figure without an interval has null ends."""
    value = interval.to_json()
    return {prefix: value["value"], "low": value["low"], "high": value["high"]}


def _sums(episodes: Sequence[EpisodePredictions], chunks: Sequence[Chunks]) -> ErrorSums:
    return ErrorSums.join(
        [error_sums(chunk, episode.target, episode.mask) for episode, chunk in zip(episodes, chunks, strict=True)]
    )


def _root(interval: Interval) -> Interval:
    """The root of a mean square, ends included: the root is monotone."""
    return Interval(*(math.sqrt(number) for number in (interval.value, interval.low, interval.high)))


def _ends(interval: Interval) -> dict[str, float | None]:
    value = interval.to_json()
    return {"low": value["low"], "high": value["high"]}


def _overall(sums: ErrorSums, hits: DirectionHits, scale: ActionScale) -> dict[str, Any]:
    values = sums.count.astype(np.float64) * len(scale.space)
    normalised = _root(bootstrap_ratio(sums.squared @ (1.0 / np.square(scale.spread)), values))
    mae, huber = bootstrap_ratio(sums.absolute.sum(axis=1), values), bootstrap_ratio(sums.huber.sum(axis=1), values)
    right = bootstrap_ratio(hits.correct.astype(np.float64), sums.count.astype(np.float64))
    return {
        "rmse": sums.rmse(),
        "mae": sums.mae(),
        "huber": sums.huber_loss(),
        "direction_accuracy": right.value,
        "normalised_rmse": normalised.value,
        "intervals": {
            "rmse": _ends(_root(bootstrap_ratio(sums.episode_squared, values))),
            "mae": _ends(mae),
            "huber": _ends(huber),
            "direction_accuracy": _ends(right),
            "normalised_rmse": _ends(normalised),
        },
        "per_axis": {
            dim.name: {
                "unit": dim.unit,
                **as_json(_root(bootstrap_ratio(sums.squared[:, axis], sums.count.astype(np.float64))), "rmse"),
                "mae": float(sums.mae_per_axis()[axis]),
                "huber": float(sums.huber_per_axis()[axis]),
                "normalised_rmse": float(sums.rmse_per_axis()[axis] / scale.spread[axis]),
            }
            for axis, dim in enumerate(scale.space.dims)
        },
    }


def _per_step(
    episodes: Sequence[EpisodePredictions], chunks: Sequence[Chunks], scale: ActionScale
) -> list[dict[str, Any]]:
    """Errors by step of the chunk: step 1 is the action at the last seen frame."""
    rows = []
    for step in range(episodes[0].target.shape[1]):
        sums = ErrorSums.join(
            [
                error_sums(chunk[:, step], episode.target[:, step], episode.mask[:, step])
                for episode, chunk in zip(episodes, chunks, strict=True)
            ]
        )
        if sums.num_values:
            per_axis = dict(zip(scale.space.names, sums.rmse_per_axis().tolist(), strict=True))
            rows.append(
                {
                    "step": step + 1,
                    "count": int(sums.count.sum()),
                    "rmse": sums.rmse(),
                    "mae": sums.mae(),
                    "per_axis": per_axis,
                }
            )
    return rows


def _first_window(episodes: Sequence[EpisodePredictions], scale: ActionScale) -> dict[str, Any]:
    """Errors of each episode's first window alone: there the seen frames hardly show where the driver is heading."""
    first = [
        EpisodePredictions(
            episode.episode_id,
            episode.last_frames[:1],
            episode.predicted[:1],
            episode.target[:1],
            episode.mask[:1],
            {name: chunks[:1] for name, chunks in episode.baselines.items()},
        )
        for episode in episodes
    ]
    sums = _sums(first, [episode.predicted for episode in first])
    against = {}
    for name in first[0].baselines:
        other = _sums(first, [episode.baselines[name] for episode in first])
        against[name] = as_json(
            weighted_skill(sums.squared @ scale.weights, other.squared @ scale.weights, sums.count, scale), "skill"
        )
    values = sums.count.astype(np.float64) * len(scale.space)
    return {
        "windows": len(first),
        **as_json(_root(bootstrap_ratio(sums.episode_squared, values)), "rmse"),
        "skill": against,
    }


def _baseline(
    episodes: Sequence[EpisodePredictions],
    chunks: list[Chunks],
    sums: ErrorSums,
    policy_squared: Vector,
    scale: ActionScale,
) -> dict[str, Any]:
    squared = sums.squared @ scale.weights
    against = weighted_skill(policy_squared, squared, sums.count, scale).to_json()
    hits = direction_hits(episodes, chunks, scale)
    return {
        "rmse": sums.rmse(),
        "mae": sums.mae(),
        "huber": sums.huber_loss(),
        "direction_accuracy": float(hits.correct.sum() / hits.count.sum()),
        "skill": against["value"],
        "skill_low": against["low"],
        "skill_high": against["high"],
        "wins": int((policy_squared < squared).sum()),
        "per_step": [row["rmse"] for row in _per_step(episodes, chunks, scale)],
    }


def _gain(sums: Mapping[str, ErrorSums], name: str, over: str, scale: ActionScale) -> dict[str, float | None]:
    """Skill of one trivial predictor against another: what its further knowledge is worth on this data."""
    return as_json(
        weighted_skill(sums[name].squared @ scale.weights, sums[over].squared @ scale.weights, sums[name].count, scale)
    )


def _clock(sums: Mapping[str, ErrorSums], scale: ActionScale) -> dict[str, Any]:
    """The better clock, and how much of a constant's squared error it removes without looking."""
    best = min(CLOCKS, key=lambda name: float((sums[name].squared @ scale.weights).sum()))
    return {"baseline": best, **_gain(sums, best, "constant", scale)}


def _per_instruction(
    episodes: Sequence[EpisodePredictions], sums: ErrorSums, baselines: Mapping[str, ErrorSums], scale: ActionScale
) -> dict[str, dict[str, Any]]:
    """Error and skill under each instruction, each with its interval over that instruction's episodes."""
    table: dict[str, dict[str, Any]] = {}
    for instruction in sorted({episode.instruction for episode in episodes}):
        rows = np.array([episode.instruction == instruction for episode in episodes])
        squared, counts = (sums.squared @ scale.weights)[rows], sums.count[rows]
        table[instruction] = {
            "episodes": int(rows.sum()),
            "rmse": math.sqrt(sums.episode_squared[rows].sum() / (counts.sum() * len(scale.space))),
            "skill": {
                name: as_json(weighted_skill(squared, (total.squared @ scale.weights)[rows], counts, scale), "skill")
                for name, total in baselines.items()
            },
        }
    return table


def _per_episode(
    episodes: Sequence[EpisodePredictions], sums: ErrorSums, hits: DirectionHits, baselines: Mapping[str, ErrorSums]
) -> list[dict[str, Any]]:
    def one(total: ErrorSums, row: int) -> ErrorSums:
        part = slice(row, row + 1)
        return ErrorSums(total.squared[part], total.absolute[part], total.huber[part], total.count[part])

    return [
        {
            "episode_id": episode.episode_id,
            "instruction": episode.instruction,
            "windows": episode.num_windows,
            "rmse": one(sums, row).rmse(),
            "mae": one(sums, row).mae(),
            "direction_accuracy": float(hits.correct[row] / hits.count[row]),
            "baselines": {name: one(total, row).rmse() for name, total in baselines.items()},
        }
        for row, episode in enumerate(episodes)
    ]
