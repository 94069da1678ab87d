"""The validation part: the training loss without dropout, and the error in physical units, episode by episode."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

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
        loss: Mean loss of the action head over all unmasked targets, normalised units: Huber's over real action dimensions, or the
            cross-entropy of an action in nats.
        rmse: Root of the mean squared error over the same targets, physical units.
        rmse_per_axis: The same for each action dimension, in column order.
        rmse_by_episode: The same for each episode id.
        loss_by_episode: The same mean loss of each episode id.
        numbers_by_episode: How many numbers that mean is over: unmasked targets times action dimensions.
        huber: Mean Huber loss of the predicted actions over the same targets, normalised units: comparable between heads.
        normalised_rmse_per_axis: As `rmse_per_axis`, in the units that the network predicts.
    """

    loss: float
    rmse: float
    rmse_per_axis: tuple[float, ...]
    rmse_by_episode: dict[str, float]
    loss_by_episode: dict[str, float] = field(default_factory=dict)
    numbers_by_episode: dict[str, int] = field(default_factory=dict)
    huber: float = math.nan
    normalised_rmse_per_axis: tuple[float, ...] = ()

    @property
    def is_finite(self) -> bool:
        """Whether the errors are numbers; those of a training that diverged are not."""
        return math.isfinite(self.loss) and math.isfinite(self.rmse)


Watch = Callable[[str, npt.NDArray[np.int64], npt.NDArray[np.float32]], None]
"""Is given an episode id, its last observed frames int64 (N,), and the predicted chunks float32 (N, chunk, A), physical units."""


def validate(
    policy: ActionPolicy,
    episodes: Sequence[PreparedEpisode],
    window: WindowSpec,
    normaliser: ActionNormaliser,
    encode_instructions: EncodeInstructions,
    watch: Watch | None = None,
) -> Validation:
    """Predict every window of the episodes with dropout off; the mode of the network is restored.

    Args:
        policy: The network under training.
        episodes: At least one, each with at least one window.
        window: How they are cut.
        normaliser: The training part's.
        encode_instructions: Texts to ids and mask.
        watch: Told what was predicted for each episode.
    """
    was_training = policy.training
    policy.eval()
    losses: dict[str, float] = {}
    huber = 0.0
    read: dict[str, Instructions] = {}
    squared: dict[str, tuple[npt.NDArray[np.float64], int]] = {}
    normalised = np.zeros(len(policy.spec.action_space))
    for episode in episodes:
        actions = episode.sequence.actions
        last = last_frames(len(actions), window)
        targets, mask = chunk_targets(actions, last, window.chunk_size)
        instruction = episode.sequence.instruction
        if instruction not in read:
            read[instruction] = policy.read(*encode_instructions([instruction]))
        windows = torch.from_numpy(observed_frames(last, window.window_size))
        outputs = policy.predict_outputs(episode.features, read[instruction], windows)
        labels, counted = (torch.from_numpy(array).to(outputs.device) for array in (normaliser.apply(targets), mask))
        name = episode.sequence.episode_id
        with torch.no_grad():
            losses[name] = float(policy.action_head.loss_sum(outputs, labels, counted))
            predicted = policy.action_head.actions(outputs).float()
            huber += float(masked_huber(predicted, labels, counted, policy.spec.huber_delta))
        physical = normaliser.invert(predicted.cpu().numpy())
        if watch is not None:
            watch(name, last, physical)
        errors = (physical - targets)[mask].astype(np.float64)
        squared[name] = ((errors**2).sum(axis=0), len(errors))
        normalised += np.square((predicted - labels)[counted].double().cpu().numpy()).sum(axis=0)
    policy.train(was_training)
    targets_seen = sum(count for _, count in squared.values())
    per_axis = np.sum([total for total, _ in squared.values()], axis=0) / targets_seen
    numbers = {name: count * len(per_axis) for name, (_, count) in squared.items()}
    return Validation(
        loss=sum(losses.values()) / (targets_seen * len(per_axis)),
        rmse=float(np.sqrt(per_axis.mean())),
        rmse_per_axis=tuple(np.sqrt(per_axis).tolist()),
        rmse_by_episode={name: float(np.sqrt(total.mean() / count)) for name, (total, count) in squared.items()},
        loss_by_episode={name: losses[name] / numbers[name] for name in squared},
        numbers_by_episode=numbers,
        huber=huber / (targets_seen * len(per_axis)),
        normalised_rmse_per_axis=tuple(np.sqrt(normalised / targets_seen).tolist()),
    )
