"""Errors over any part of the compared actions, each with its interval: physical and normalised, direction, skill.

A part is a mask a window and step for each episode: a phase, a critical interval, one step of the chunk, the episodes of one
instruction. Every figure of a part follows from sums by episode, so that the bootstrap can draw whole episodes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.evaluation.results import Chunks, EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.metrics.directions import direction_classes
from mvla_core.metrics.errors import ErrorSums, error_sums
from mvla_core.metrics.intervals import Interval, bootstrap_ratios, skill

Mask = npt.NDArray[np.bool_]
Vector = npt.NDArray[np.float64]
Json = dict[str, Any]

NO_ACTIONS = "No compared action belongs to it."


def figure(interval: Interval) -> Json:
    """Return `{"value", "low", "high"}`; what is not finite is null."""
    return dict(interval.to_json())


def masked_sums(
    episodes: Sequence[EpisodePredictions], chunks: Sequence[Chunks], masks: Sequence[Mask], scale: ActionScale | None
) -> ErrorSums:
    """Sum the errors of each episode over its masked steps; divided by the training deviations where a scale is given.

    A deviation of an axis that never varies counts as 1: sums over several axes leave it out, see `ActionScale.varies`.
    """
    spread = 1.0 if scale is None else scale.spread
    return ErrorSums.join(
        [
            error_sums(chunk.astype(np.float64) / spread, episode.target.astype(np.float64) / spread, mask)
            for episode, chunk, mask in zip(episodes, chunks, masks, strict=True)
        ]
    )


def unmeasured(reason: str) -> Json:
    """What stands in the place of a figure that this data or policy does not allow; the reason is a sentence."""
    return {"measured": False, "reason": reason}


def num_values(sums: ErrorSums) -> Vector:
    """float64 (E,): how many numbers each episode's sums go over, its steps times the axes."""
    return np.asarray(sums.count * sums.squared.shape[1], dtype=np.float64)


def errors_json(physical: ErrorSums, normalised: ErrorSums) -> Json:
    """Return RMSE, MAE and Huber with intervals, in the axes' units and normalised, means over steps and axes.

    The sums have at least one compared action; both are of the same actions, the normalised ones perhaps of fewer axes.
    """
    columns, values = [], []
    for sums in (physical, normalised):
        columns += [part.sum(axis=1) for part in (sums.squared, sums.absolute, sums.huber)]
        values += [num_values(sums)] * 3
    found = bootstrap_ratios(np.stack(columns, axis=1), np.stack(values, axis=1))
    tables = [
        {"rmse": figure(square.mapped(math.sqrt)), "mae": figure(absolute), "huber": figure(huber)}
        for square, absolute, huber in (found[:3], found[3:])
    ]
    return {**tables[0], "normalised": tables[1]}


def one_axis(sums: ErrorSums, axis: int) -> ErrorSums:
    """The sums of a single action dimension."""
    return sums.on_axes(slice(axis, axis + 1))


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


class Compared:
    """The predictions of all held-out episodes, ready to be measured over any part of them.

    Attributes:
        episodes: At least one, all with the same baselines.
        scale: Units, deviations and dead bands of the training part.
    """

    def __init__(self, episodes: Sequence[EpisodePredictions], scale: ActionScale) -> None:
        self.episodes = episodes
        self.scale = scale

    @cached_property
    def predicted(self) -> list[Chunks]:
        return [episode.predicted for episode in self.episodes]

    @cached_property
    def everything(self) -> list[Mask]:
        """All actions that lie inside their episode."""
        return [episode.mask for episode in self.episodes]

    @cached_property
    def right(self) -> list[Mask]:
        """bool (N, C) for each episode: the predicted direction is the driver's."""
        space, band = self.scale.space, self.scale.band
        return [
            direction_classes(episode.predicted, space, band) == direction_classes(episode.target, space, band)
            for episode in self.episodes
        ]

    def sums(self, masks: Sequence[Mask], *, normalised: bool = False) -> ErrorSums:
        """Of all axes; see `masked_sums`."""
        return masked_sums(self.episodes, self.predicted, masks, self.scale if normalised else None)

    def errors(self, masks: Sequence[Mask]) -> Json:
        """`errors_json` over the masked actions, of which there is at least one; normalised over the axes that vary."""
        return errors_json(self.sums(masks), self.sums(masks, normalised=True).on_axes(self.scale.varies))

    def part(self, masks: Sequence[Mask], *, rows: Sequence[int] | None = None) -> Json:
        """Return errors, direction accuracy and skills over a part of the actions.

        Args:
            masks: bool (N, C) for each episode, within `everything`.
            rows: The episodes that the part is of; None takes those that hold an action of it.
        """
        kept = [row for row, mask in enumerate(masks) if mask.any()] if rows is None else list(rows)
        kept = [row for row in kept if masks[row].any()]
        if not kept:
            return unmeasured(NO_ACTIONS)
        own = Compared([self.episodes[row] for row in kept], self.scale)
        inside = [masks[row] for row in kept]
        sums = own.sums(inside)
        right = [[float((hit & mask).sum())] for hit, mask in zip(own.right, inside, strict=True)]
        (accuracy,) = bootstrap_ratios(np.array(right), sums.count.astype(np.float64))
        return {
            "measured": True,
            "actions": int(sums.count.sum()),
            "episodes": len(kept),
            "errors": own.errors(inside),
            "direction_accuracy": figure(accuracy),
            "skill": own.skills(sums, inside),
        }

    def skills(self, sums: ErrorSums, masks: Sequence[Mask]) -> Mapping[str, Json]:
        """Skill against each baseline over the masked actions; `sums` are the policy's errors there."""
        weights = self.scale.weights
        found = {}
        for name in self.episodes[0].baselines:
            chunks = [episode.baselines[name] for episode in self.episodes]
            theirs = masked_sums(self.episodes, chunks, masks, None)
            found[name] = figure(
                weighted_skill(sums.squared @ weights, theirs.squared @ weights, sums.count, self.scale)
            )
        return found
