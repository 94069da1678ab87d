"""Which way the policy drives, against which way the driver did: confusion, recall, and whether it has collapsed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.evaluation.results import Chunks, EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.metrics.directions import DIRECTION_NAMES, confusion_matrix, direction_classes
from mvla_core.metrics.intervals import bootstrap_mean_of_ratios, bootstrap_ratio

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DirectionHits:
    """Per episode, int64 (E,): how many directions are right, of how many actions."""

    correct: Counts
    count: Counts


def direction_hits(
    episodes: Sequence[EpisodePredictions], chunks: Sequence[Chunks], scale: ActionScale
) -> DirectionHits:
    """Count the actions whose direction class is the driver's.

    Args:
        episodes: Give target and mask.
        chunks: float32 (N, C, A) for each episode: the policy's predictions or a baseline's.
        scale: Gives the action space and the dead bands.
    """
    matrices = _matrices(episodes, chunks, scale)
    return DirectionHits(np.trace(matrices, axis1=1, axis2=2), matrices.sum(axis=(1, 2)))


def measure_directions(episodes: Sequence[EpisodePredictions], scale: ActionScale) -> dict[str, Any]:
    """Return confusion matrix, recall of each class with interval, shares, and the two signs of collapse."""
    matrices = _matrices(episodes, [episode.predicted for episode in episodes], scale)
    matrix = matrices.sum(axis=0)
    true, predicted, total = matrix.sum(axis=1), matrix.sum(axis=0), matrix.sum()
    recall = {}
    for index in np.flatnonzero(true):
        found = bootstrap_ratio(
            matrices[:, index, index].astype(float), matrices[:, index].sum(axis=1).astype(float)
        ).to_json()
        recall[DIRECTION_NAMES[index]] = {
            "count": int(true[index]),
            "recall": found["value"],
            "low": found["low"],
            "high": found["high"],
        }
    top = int(predicted.argmax())
    share = bootstrap_ratio(matrices[:, :, top].sum(axis=1).astype(float), matrices.sum(axis=(1, 2)).astype(float))
    variation = _variation(episodes, scale)
    driven = np.flatnonzero(true)
    balanced = bootstrap_mean_of_ratios(
        matrices[:, driven, driven].astype(float), matrices[:, driven].sum(axis=2).astype(float)
    ).to_json()
    return {
        "names": list(DIRECTION_NAMES),
        "dead_band": scale.dead_bands,
        "confusion": matrix.tolist(),
        "recall": recall,
        "balanced_accuracy": balanced["value"],
        "balanced_accuracy_interval": {end: balanced[end] for end in ("low", "high")},
        "true_share": _shares(true, total),
        "predicted_share": _shares(predicted, total),
        "collapse": {
            "direction": DIRECTION_NAMES[top],
            "share": float(predicted[top] / total),
            "true_share": float(true[top] / total),
            **{end: share.to_json()[end] for end in ("low", "high")},
        },
        "variation": variation["value"] if variation else None,
        "variation_interval": {end: variation[end] for end in ("low", "high")} if variation else None,
    }


def _matrices(episodes: Sequence[EpisodePredictions], chunks: Sequence[Chunks], scale: ActionScale) -> Counts:
    """int64 (E, 11, 11), row = true class, column = predicted class."""
    return np.stack(
        [
            confusion_matrix(
                direction_classes(episode.target, scale.space, scale.band),
                direction_classes(chunk, scale.space, scale.band),
                episode.mask,
            )
            for episode, chunk in zip(episodes, chunks, strict=True)
        ]
    )


def _shares(counts: Counts, total: int) -> dict[str, float]:
    return {name: float(count / total) for name, count in zip(DIRECTION_NAMES, counts, strict=True) if count}


def _variation(episodes: Sequence[EpisodePredictions], scale: ActionScale) -> dict[str, float | None] | None:
    """How much the predictions vary, as a share of how much the driver's actions do; None where the driver's do not.

    Over the axes that vary in the training part. The interval draws episodes around the means of all of them.
    """
    columns = []
    for chunks in ([episode.predicted for episode in episodes], [episode.target for episode in episodes]):
        scaled = [
            (chunk[episode.mask].astype(np.float64) / scale.spread)[:, scale.varies]
            for chunk, episode in zip(chunks, episodes, strict=True)
        ]
        mean = np.concatenate(scaled).mean(axis=0)
        columns.append(np.array([float(np.square(values - mean).sum()) for values in scaled]))
    if not columns[1].sum() > 0:
        return None
    squared = bootstrap_ratio(columns[0], columns[1]).to_json()
    return {end: None if value is None else math.sqrt(value) for end, value in squared.items()}
