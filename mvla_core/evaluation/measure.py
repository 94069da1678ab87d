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

from mvla_core.evaluation.measure_baselines import (
    CLOCKS,
    baseline_sums,
    better_clock,
    gain,
    measure_baseline,
    only_step,
)
from mvla_core.evaluation.measure_directions import DirectionHits, direction_hits, measure_directions
from mvla_core.evaluation.measure_parts import Compared, errors_json, num_values, one_axis, weighted_skill
from mvla_core.evaluation.measure_paths import measure_paths
from mvla_core.evaluation.measure_phases import measure_critical, measure_phases
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.metrics.errors import ErrorSums
from mvla_core.metrics.intervals import Interval, bootstrap_ratio

__all__ = ["CLOCKS", "as_json", "measure", "weighted_skill"]

Vector = npt.NDArray[np.float64]


def measure(
    episodes: Sequence[EpisodePredictions],
    scale: ActionScale,
    frame_rates: Mapping[str, float | None] | None = None,
) -> dict[str, Any]:
    """Return every figure that follows from the predictions, as JSON values; see `docs/metrics.md` for each formula and key.

    Args:
        episodes: At least one held-out episode, each with at least one window; all with the same baselines, the trivial ones
            among them. Their order changes no figure: the bootstrap draws them in the order of their names.
        scale: Units, deviations and dead bands of the training part.
        frame_rates: Episode id -> frames a second, None where the recording does not tell.
    """
    given, episodes = episodes, sorted(episodes, key=lambda episode: episode.episode_id)
    compared = Compared(episodes, scale)
    sums = compared.sums(compared.everything)
    hits = direction_hits(episodes, compared.predicted, scale)
    baselines = baseline_sums(episodes)
    clock = better_clock(baselines, scale)
    rates = None if frame_rates is None else [frame_rates.get(episode.episode_id) for episode in episodes]
    row_of = {episode.episode_id: row for row, episode in enumerate(episodes)}
    return {
        "episodes": len(episodes),
        "windows": sum(episode.num_windows for episode in episodes),
        "actions_compared": int(sums.count.sum()),
        "actions": {
            **scale.space.to_json(),
            "mixed_units": scale.mixed_units,
            "spread": scale.spread.tolist(),
            "varies": scale.varies.tolist(),
        },
        "averages": scale.averages(),
        "skill_over": "squared errors divided by each dimension's training variance"
        if scale.mixed_units
        else "squared errors",
        "metrics": {
            **_overall(compared, sums, hits),
            "per_step": _per_step(compared),
            "first_window": _first_window(compared),
            "phases": measure_phases(compared),
            "critical": measure_critical(compared),
            **measure_paths(compared, rates),
        },
        "directions": measure_directions(episodes, scale),
        "baselines": {name: measure_baseline(episodes, name, total, sums, scale) for name, total in baselines.items()},
        "clock": {"baseline": clock, **as_json(gain(baselines, clock, "constant", scale))},
        "instruction_gain": as_json(gain(baselines, "instruction_clock", "frame_index", scale)),
        "per_instruction": _per_instruction(episodes, sums, baselines, scale),
        "per_episode": [_one_episode(episode, row_of[episode.episode_id], sums, hits, baselines) for episode in given],
    }


def as_json(interval: Interval, prefix: str = "value") -> dict[str, float | None]:
    """Return `{prefix, low, high}`; a figure without an interval has null ends."""
    value = interval.to_json()
    return {prefix: value["value"], "low": value["low"], "high": value["high"]}


def _ends(interval: Interval) -> dict[str, float | None]:
    value = interval.to_json()
    return {"low": value["low"], "high": value["high"]}


def _overall(compared: Compared, sums: ErrorSums, hits: DirectionHits) -> dict[str, Any]:
    scale = compared.scale
    values = num_values(sums)
    scaled = compared.sums(compared.everything, normalised=True)
    varying = scaled.on_axes(scale.varies)
    normalised = bootstrap_ratio(varying.episode_squared, num_values(varying)).mapped(math.sqrt)
    mae, huber = bootstrap_ratio(sums.absolute.sum(axis=1), values), bootstrap_ratio(sums.huber.sum(axis=1), values)
    right = bootstrap_ratio(hits.correct.astype(np.float64), sums.count.astype(np.float64))
    return {
        "rmse": sums.rmse(),
        "mae": sums.mae(),
        "huber": sums.huber_loss(),
        "direction_accuracy": right.value,
        "normalised_rmse": normalised.value,
        "errors": errors_json(sums, varying),
        "intervals": {
            "rmse": _ends(bootstrap_ratio(sums.episode_squared, values).mapped(math.sqrt)),
            "mae": _ends(mae),
            "huber": _ends(huber),
            "direction_accuracy": _ends(right),
            "normalised_rmse": _ends(normalised),
        },
        "per_axis": {
            dim.name: {
                "unit": dim.unit,
                **as_json(
                    bootstrap_ratio(sums.squared[:, axis], sums.count.astype(np.float64)).mapped(math.sqrt), "rmse"
                ),
                "mae": float(sums.mae_per_axis()[axis]),
                "huber": float(sums.huber_per_axis()[axis]),
                "normalised_rmse": float(sums.rmse_per_axis()[axis] / scale.spread[axis]),
                "errors": errors_json(one_axis(sums, axis), one_axis(scaled, axis)),
            }
            for axis, dim in enumerate(scale.space.dims)
        },
    }


def _per_step(compared: Compared) -> list[dict[str, Any]]:
    """Errors by step of the chunk: step 1 is the action at the last seen frame."""
    scale, names = compared.scale, compared.scale.space.names
    rows = []
    for step in range(compared.episodes[0].target.shape[1]):
        masks = [only_step(mask, step) for mask in compared.everything]
        sums, scaled = compared.sums(masks), compared.sums(masks, normalised=True)
        if sums.num_values:
            rows.append(
                {
                    "step": step + 1,
                    "count": int(sums.count.sum()),
                    "rmse": sums.rmse(),
                    "mae": sums.mae(),
                    "per_axis": dict(zip(names, sums.rmse_per_axis().tolist(), strict=True)),
                    "errors": errors_json(sums, scaled.on_axes(scale.varies)),
                    "axes": {
                        name: errors_json(one_axis(sums, axis), one_axis(scaled, axis))
                        for axis, name in enumerate(names)
                    },
                }
            )
    return rows


def _first_window(compared: Compared) -> dict[str, Any]:
    """Errors of each episode's first window alone: there the seen frames hardly show where the driver goes."""
    masks = []
    for mask in compared.everything:
        first = np.zeros_like(mask)
        first[0] = mask[0]
        masks.append(first)
    sums = compared.sums(masks)
    return {
        "windows": len(masks),
        **as_json(bootstrap_ratio(sums.episode_squared, num_values(sums)).mapped(math.sqrt), "rmse"),
        "errors": compared.errors(masks),
        "skill": {
            name: {"skill": found["value"], "low": found["low"], "high": found["high"]}
            for name, found in compared.skills(sums, masks).items()
        },
    }


def _per_instruction(
    episodes: Sequence[EpisodePredictions], sums: ErrorSums, baselines: Mapping[str, ErrorSums], scale: ActionScale
) -> dict[str, dict[str, Any]]:
    """Error and skill under each instruction, each with its interval over that instruction's episodes."""
    table: dict[str, dict[str, Any]] = {}
    for instruction in sorted({episode.instruction for episode in episodes}):
        rows = np.array([episode.instruction == instruction for episode in episodes])
        squared, counts = (sums.squared @ scale.weights)[rows], sums.count[rows]
        error = bootstrap_ratio(sums.episode_squared[rows], num_values(sums)[rows]).mapped(math.sqrt)
        table[instruction] = {
            "episodes": int(rows.sum()),
            "rmse": error.value,
            "intervals": {"rmse": _ends(error)},
            "skill": {
                name: as_json(weighted_skill(squared, (total.squared @ scale.weights)[rows], counts, scale), "skill")
                for name, total in baselines.items()
            },
        }
    return table


def _one_episode(
    episode: EpisodePredictions,
    row: int,
    sums: ErrorSums,
    hits: DirectionHits,
    baselines: Mapping[str, ErrorSums],
) -> dict[str, Any]:
    def own(total: ErrorSums) -> ErrorSums:
        part = slice(row, row + 1)
        return ErrorSums(total.squared[part], total.absolute[part], total.huber[part], total.count[part])

    return {
        "episode_id": episode.episode_id,
        "instruction": episode.instruction,
        "windows": episode.num_windows,
        "rmse": own(sums).rmse(),
        "mae": own(sums).mae(),
        "direction_accuracy": float(hits.correct[row] / hits.count[row]),
        "baselines": {name: own(total).rmse() for name, total in baselines.items()},
    }
