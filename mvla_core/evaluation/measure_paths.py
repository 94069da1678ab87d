"""What the driven way is like: cosine similarity, drift, smoothness, and whether overlapping chunks agree.

Drift and smoothness look at the first action of each chunk, one a frame: what a robot executes that asks anew at every frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.evaluation.measure_parts import Compared, Json, figure, unmeasured
from mvla_core.evaluation.measure_phases import instants
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.metrics.intervals import bootstrap_mean, bootstrap_ratio, bootstrap_ratios
from mvla_core.metrics.paths import integrate, moves_over_floor, second_differences, turns

Vector = npt.NDArray[np.float64]


def measure_cosine(compared: Compared) -> Json:
    """Return the mean cosine of predicted and true action, over the actions in which the driver moves.

    The driver moves where an axis is beyond its dead band; a prediction of exactly zero counts as 0. Axes of different units are
    divided by their training deviations first. Source: the action similarity of ViNT (Shah et al. 2023, arXiv:2306.14846).
    """
    scale = compared.scale
    unit = scale.spread if scale.mixed_units else 1.0
    sums, counts = [], []
    for episode in compared.episodes:
        target = episode.target[episode.mask].astype(np.float64)
        moving = (np.abs(target) > scale.band).any(axis=1)
        true, told = target[moving] / unit, episode.predicted[episode.mask][moving].astype(np.float64) / unit
        length = np.linalg.norm(true, axis=1) * np.linalg.norm(told, axis=1)
        along = (true * told).sum(axis=1)
        sums.append(float(np.divide(along, length, out=np.zeros_like(along), where=length > 0).sum()))
        counts.append(float(moving.sum()))
    if not sum(counts):
        return unmeasured("The driver moves in no compared action.")
    found = bootstrap_ratio(np.array(sums), np.array(counts))
    return {"measured": True, "actions": int(sum(counts)), **figure(found)}


def measure_drift(compared: Compared, frame_rates: Sequence[float | None] | None) -> Json:
    """Return how far the predicted way ends from the driver's, both integrated from the same start.

    `rate` is the distance of the two ends divided by the driven time, m/s, over all episodes; `final` is the mean distance in
    metres.

    Args:
        compared: The E held-out episodes.
        frame_rates: Frames a second of each, None where it is not known: then only `rate`, and for a robot that turns nothing.
    """
    space = compared.scale.space
    if not moves_over_floor(space):
        return unmeasured(
            "The actions are not velocities in m/s and rad/s, so that no way over the floor follows from them."
        )
    rates = list(frame_rates) if frame_rates is not None else [None] * len(compared.episodes)
    known = all(rate is not None for rate in rates)
    if turns(space) and not known:
        return unmeasured(
            "The recordings tell no frame rate, and without it nobody knows how far the robot turns in a frame."
        )
    rows: list[dict[str, Any]] = []
    ends, times = [], []
    for episode, rate in zip(compared.episodes, rates, strict=True):
        seconds = 1.0 if rate is None or not known else 1.0 / rate
        predicted, target = _executed(episode)
        apart = float(np.linalg.norm(integrate(predicted, space, seconds)[-1] - integrate(target, space, seconds)[-1]))
        time = len(target) * seconds
        ends.append(apart)
        times.append(time)
        rows.append({"episode_id": episode.episode_id, "rate": apart / time, "final": apart if known else None})
    return {
        "measured": True,
        "frame_rate_hz": float(np.median([rate for rate in rates if rate is not None])) if known else None,
        "rate": figure(bootstrap_ratio(np.array(ends), np.array(times))),
        "final": figure(bootstrap_mean(np.array(ends))) if known else None,
        "per_episode": rows,
    }


def measure_smoothness(compared: Compared) -> Json:
    """Return the policy's jerk beside the driver's: root mean square of the second differences of the executed velocities.

    `ratio` above 1: jerkier than the driver. Axes of different units are divided by their training deviations first. Source: jerk
    as the measure of smoothness, T. Flash and N. Hogan 1985, Journal of Neuroscience 5.
    """
    scale = compared.scale
    unit = scale.spread if scale.mixed_units else np.ones(len(scale.space))
    own, theirs, counts = [], [], []
    for episode in compared.episodes:
        predicted, target = (second_differences(each / unit) for each in _executed(episode))
        own.append(float(np.square(predicted).sum()))
        theirs.append(float(np.square(target).sum()))
        counts.append(float(target.size))
    if not sum(counts):
        return unmeasured("No held-out episode has three windows in a row.")
    if not sum(theirs):
        return unmeasured("The driver's velocity never changes its slope, so that there is nothing to compare with.")
    policy, driver = bootstrap_ratios(np.stack([own, theirs], axis=1), np.array(counts))
    return {
        "measured": True,
        "ratio": figure(bootstrap_ratio(np.array(own), np.array(theirs)).mapped(math.sqrt)),
        "policy": figure(policy.mapped(math.sqrt)),
        "driver": figure(driver.mapped(math.sqrt)),
        "unit": "training deviations a frame squared"
        if scale.mixed_units
        else f"{scale.space.units[0]} a frame squared",
    }


def measure_consistency(compared: Compared) -> Json:
    """Return how far overlapping chunks disagree about the same instant: the deviation within instants, pooled.

    sqrt(sum (p - mean of the instant)^2 / sum (predictions of the instant - 1)), mean over axes; 0 where every window says the
    same of an instant. The driver's is 0 by nature. Source: disagreement within a group, pooled as in an analysis of variance.
    """
    spread, varies = compared.scale.spread, compared.scale.varies
    sums, normalised, freedom, instants_told = [], [], [], 0
    for episode in compared.episodes:
        at = instants(episode)[episode.mask]
        told = episode.predicted[episode.mask].astype(np.float64)
        _, group, count = np.unique(at, return_inverse=True, return_counts=True)
        mean = np.stack([np.bincount(group, weights=column) for column in told.T], axis=1) / count[:, None]
        apart = np.square(told - mean[group])
        sums.append(float(apart.sum()))
        normalised.append(float((apart / np.square(spread))[:, varies].sum()))
        freedom.append(float((count - 1).sum()))
        instants_told += int((count > 1).sum())
    if not instants_told:
        return unmeasured("No instant is predicted by two windows: the chunks do not overlap.")
    axes = np.array([len(spread), varies.sum()], dtype=np.float64)
    raw, scaled = bootstrap_ratios(np.stack([sums, normalised], axis=1), np.array(freedom)[:, None] * axes)
    return {
        "measured": True,
        "instants": instants_told,
        "spread": figure(raw.mapped(math.sqrt)),
        "normalised": figure(scaled.mapped(math.sqrt)),
    }


def measure_paths(compared: Compared, frame_rates: Sequence[float | None] | None) -> Mapping[str, Json]:
    """Return `cosine`, `drift`, `smoothness` and `consistency`; see each function."""
    return {
        "cosine": measure_cosine(compared),
        "drift": measure_drift(compared, frame_rates),
        "smoothness": measure_smoothness(compared),
        "consistency": measure_consistency(compared),
    }


def _executed(episode: EpisodePredictions) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The first predicted and the first true action of each window, float32 (N, A); the first action always lies inside."""
    return episode.predicted[:, 0], episode.target[:, 0]
