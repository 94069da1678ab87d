"""The policy beside predictors that lack something: time alone, remembered pictures, its own recipe without an input.

Four kinds, told apart by name. The **trivial** ones know no picture: the verdict's clocks are taken from them alone. The **scene**
one looks once, at the first picture, and then goes by the clock. The **picture** ones remember the training frames, the **learned**
ones are trained as the policy was but without one input: they say how much is left to a policy that looks and listens. Which of
them have to be beaten, `facts.py` says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mvla_core.evaluation.measure_directions import direction_hits
from mvla_core.evaluation.measure_parts import masked_sums, num_values, weighted_skill
from mvla_core.evaluation.results import Chunks, EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.metrics.errors import ErrorSums
from mvla_core.metrics.intervals import Interval, bootstrap_ratio
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS

Vector = npt.NDArray[np.float64]
Kind = Literal["trivial", "scene", "picture", "learned"]

CLOCKS = ("frame_index", "instruction_clock")
"""The trivial predictors that know the time; a policy that looks has to beat both, and the constant."""

FIRST_PICTURE = "first_picture"
"""The predictor that replays the scene which begins most alike; see `first_picture.py`."""

NEAREST = ("nearest_picture", "nearest_picture_instruction")
"""Predictors that remember the training frames; see `metrics/nearest_picture.py`."""

LEARNED = ("picture_blind", "instruction_blind")
"""Policies of the run's own recipe that were trained without pictures, and without instructions."""


def kind_of(name: str) -> Kind:
    """What a baseline is, by its name."""
    if name in TRIVIAL_PREDICTORS:
        return "trivial"
    if name == FIRST_PICTURE:
        return "scene"
    return "picture" if name in NEAREST else "learned"


def baseline_sums(episodes: Sequence[EpisodePredictions]) -> dict[str, ErrorSums]:
    """The errors of each baseline on the windows of the policy; every episode has the same baselines."""
    masks = [episode.mask for episode in episodes]
    return {
        name: masked_sums(episodes, [episode.baselines[name] for episode in episodes], masks, None)
        for name in episodes[0].baselines
    }


def measure_baseline(
    episodes: Sequence[EpisodePredictions], name: str, sums: ErrorSums, policy: ErrorSums, scale: ActionScale
) -> dict[str, Any]:
    """Return a baseline's errors and the policy's skill against it, each with its interval, and the episodes it wins."""
    chunks = [episode.baselines[name] for episode in episodes]
    squared, policy_squared = sums.squared @ scale.weights, policy.squared @ scale.weights
    against = weighted_skill(policy_squared, squared, sums.count, scale).to_json()
    hits = direction_hits(episodes, chunks, scale)
    values = num_values(sums)
    found = {
        "rmse": bootstrap_ratio(sums.episode_squared, values).mapped(math.sqrt),
        "mae": bootstrap_ratio(sums.absolute.sum(axis=1), values),
        "huber": bootstrap_ratio(sums.huber.sum(axis=1), values),
        "direction_accuracy": bootstrap_ratio(hits.correct.astype(np.float64), hits.count.astype(np.float64)),
    }
    return {
        "kind": kind_of(name),
        **{name: interval.value for name, interval in found.items()},
        "intervals": {
            name: {end: interval.to_json()[end] for end in ("low", "high")} for name, interval in found.items()
        },
        "skill": against["value"],
        "skill_low": against["low"],
        "skill_high": against["high"],
        "wins": int((policy_squared < squared).sum()),
        "per_step": [step.rmse() for step in steps(episodes, chunks)],
    }


def steps(episodes: Sequence[EpisodePredictions], chunks: Sequence[Chunks]) -> list[ErrorSums]:
    """The errors of each step of the chunk that is due inside at least one episode, from the first on."""
    found = []
    for step in range(episodes[0].target.shape[1]):
        masks = [only_step(episode.mask, step) for episode in episodes]
        sums = masked_sums(episodes, chunks, masks, None)
        if sums.num_values:
            found.append(sums)
    return found


def only_step(mask: npt.NDArray[np.bool_], step: int) -> npt.NDArray[np.bool_]:
    """The mask (N, C) of one step of the chunk alone."""
    chosen = np.zeros_like(mask)
    chosen[:, step] = mask[:, step]
    return chosen


def gain(sums: Mapping[str, ErrorSums], name: str, over: str, scale: ActionScale) -> Interval:
    """Skill of one baseline against another: what its further knowledge is worth on this data."""
    return weighted_skill(
        sums[name].squared @ scale.weights, sums[over].squared @ scale.weights, sums[name].count, scale
    )


def better_clock(sums: Mapping[str, ErrorSums], scale: ActionScale) -> str:
    """The clock with the smaller squared error."""
    return min(CLOCKS, key=lambda name: float((sums[name].squared @ scale.weights).sum()))
