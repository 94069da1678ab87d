"""The validation part: the training loss without dropout, and the error in physical units, episode by episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.datasets.windows import WindowSpec, chunk_targets, last_frames, observed_frames
from mvla_core.policies.base import ActionPolicy, Instructions
from mvla_core.policies.head import masked_huber
from mvla_core.training.segments import EncodeInstructions, PreparedEpisode


@dataclass(frozen=True)
class Validation:
    """What one pass over the validation episodes gives.

    Attributes:
        loss: Mean Huber loss over all unmasked targets and real action dimensions, normalised units.
        rmse: Root of the mean squared error over the same targets, physical units.
        rmse_per_axis: The same for each action dimension, in column order.
        rmse_by_episode: The same for each episode id.
    """

    loss: float
    rmse: float
    rmse_per_axis: tuple[float, ...]
    rmse_by_episode: dict[str, float]


def validate(
    policy: ActionPolicy,
    episodes: Sequence[PreparedEpisode],
    window: WindowSpec,
    normaliser: ActionNormaliser,
    encode_instructions: EncodeInstructions,
) -> Validation:
    """Predict every window of the episodes with dropout off; the mode of the network is restored.

    Args:
        policy: The network under training.
        episodes: At least one, each with at least one window.
        window: How they are cut.
        normaliser: The training part's.
        encode_instructions: Texts to ids and mask.
    """
    was_training = policy.training
    policy.eval()
    huber, targets_seen = 0.0, 0
    read: dict[str, Instructions] = {}
    squared: dict[str, tuple[npt.NDArray[np.float64], int]] = {}
    for episode in episodes:
        actions = episode.sequence.actions
        last = last_frames(len(actions), window)
        targets, mask = chunk_targets(actions, last, window.chunk_size)
        instruction = episode.sequence.instruction
        if instruction not in read:
            read[instruction] = policy.read(*encode_instructions([instruction]))
        windows = torch.from_numpy(observed_frames(last, window.window_size))
        predicted = policy.predict(episode.features, read[instruction], windows)
        labels = torch.from_numpy(normaliser.apply(targets))
        huber += float(masked_huber(predicted, labels, torch.from_numpy(mask), policy.spec.huber_delta))
        targets_seen += int(mask.sum())
        errors = (normaliser.invert(predicted.numpy()) - targets)[mask].astype(np.float64)
        squared[episode.sequence.episode_id] = ((errors**2).sum(axis=0), len(errors))
    policy.train(was_training)
    per_axis = np.sum([total for total, _ in squared.values()], axis=0) / targets_seen
    return Validation(
        loss=huber / (targets_seen * len(per_axis)),
        rmse=float(np.sqrt(per_axis.mean())),
        rmse_per_axis=tuple(np.sqrt(per_axis).tolist()),
        rmse_by_episode={name: float(np.sqrt(total.mean() / count)) for name, (total, count) in squared.items()},
    )
