"""Everybody's predictions for the held-out windows: the policy, trivial predictors, nearest pictures, learned baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mvla_core.datasets.windows import WindowSpec, chunk_targets, last_frames
from mvla_core.episodes.looks import load_looks
from mvla_core.errors import PolicyError
from mvla_core.evaluation.ablations import LastFrames, Policy
from mvla_core.evaluation.measure_baselines import NEAREST
from mvla_core.evaluation.results import Chunks, EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.layout import DataRoot
from mvla_core.metrics.nearest_picture import NearestPicture
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import ActionSequence, EpisodeInfo


@dataclass
class Baselines:
    """What further baselines there are, and why others are not.

    Attributes:
        chunks: By name, float32 (N, C, A) of each held-out episode.
        neighbours: By name of a nearest-picture predictor, how many frames it averages.
        not_measured: By name, the reason in one sentence.
    """

    chunks: dict[str, list[Chunks]] = field(default_factory=dict)
    neighbours: dict[str, int] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)

    def beside(self, predictions: Sequence[EpisodePredictions]) -> list[EpisodePredictions]:
        """Return the predictions with these baselines added to those that are there."""
        return [
            replace(
                episode,
                baselines={**episode.baselines, **{name: chunks[row] for name, chunks in self.chunks.items()}},
            )
            for row, episode in enumerate(predictions)
        ]


def predict(
    root: DataRoot,
    policy: Policy,
    test: Sequence[EpisodeInfo],
    train_sequences: Sequence[ActionSequence],
    test_sequences: Sequence[ActionSequence],
    window: WindowSpec,
    progress: Progress = SILENT,
) -> list[EpisodePredictions]:
    """Predict every window of the held-out episodes, with the policy and with every trivial predictor.

    The trivial predictors are fitted on `train_sequences` and asked for exactly the same windows.

    Raises:
        PolicyError: A prediction is NaN or infinite.
    """
    predictors = {name: kind.fit(train_sequences) for name, kind in TRIVIAL_PREDICTORS.items()}
    predictions = []
    for done, (info, sequence) in enumerate(zip(test, test_sequences, strict=True)):
        progress.update(done, len(test), info.episode_id)
        last = last_frames(info.num_frames, window)
        target, mask = chunk_targets(sequence.actions, last, window.chunk_size)
        predicted = np.asarray(policy.predict_episode(root, info, last), dtype=np.float32)
        if not np.isfinite(predicted).all():
            raise PolicyError(
                f"The policy predicts NaN or infinity on the episode {info.episode_id}, expected velocities: its training has "
                "diverged, so that only its loss curves and the audit of its data can be shown; train again with a smaller "
                "learning rate or in full precision."
            )
        baselines = {name: each.predict(sequence, last, window.chunk_size) for name, each in predictors.items()}
        predictions.append(
            EpisodePredictions(info.episode_id, last, predicted, target, mask, baselines, info.instruction)
        )
    progress.update(len(test), len(test))
    return predictions


def nearest_pictures(
    root: DataRoot,
    train: Sequence[EpisodeInfo],
    test: Sequence[EpisodeInfo],
    train_sequences: Sequence[ActionSequence],
    test_sequences: Sequence[ActionSequence],
    lasts: Sequence[LastFrames],
    window: WindowSpec,
    scale: ActionScale,
) -> Baselines:
    """Predict the held-out windows from the training frames that look most alike, with the cached looks of the frames.

    Args:
        root: The data root, which keeps the looks.
        train: The training episodes; nothing else is remembered.
        test: The held-out episodes.
        train_sequences: Actions of the training episodes.
        test_sequences: Of the held-out ones; their instructions are read, never their actions.
        lasts: The last observed frames of each held-out episode's windows.
        window: Gives the chunk.
        scale: Gives the weights of the axes by which the number of neighbours is chosen.
    """
    found = Baselines()
    looks = load_looks(root, [*train, *test])
    unseen = len(train) + len(test) - len(looks)
    if unseen:
        reason = (
            f"The pictures of {unseen} of {len(train) + len(test)} training and test episodes have not been looked at; do so: "
            f"python -m mvla_core audit {train[0].dataset} --pictures"
        )
        found.not_measured.update(dict.fromkeys(NEAREST, reason))
        return found
    vectors = {name: look.vectors for name, look in looks.items()}
    for name in NEAREST:
        if name == NEAREST[1] and len({sequence.instruction for sequence in train_sequences}) < 2:
            found.not_measured[name] = (
                "The training part holds one instruction: it would be the same as nearest_picture."
            )
            continue
        remembered = NearestPicture.fit(
            train_sequences,
            vectors,
            window.chunk_size,
            same_instruction=name == NEAREST[1],
            axis_weights=scale.weights,
        )
        found.neighbours[name] = remembered.neighbours
        found.chunks[name] = remembered.predict_each(
            test_sequences, [vectors[info.episode_id] for info in test], lasts, window.chunk_size
        )
    return found


def learned_baselines(
    root: DataRoot,
    learned: Mapping[str, Policy],
    test: Sequence[EpisodeInfo],
    predictions: Sequence[EpisodePredictions],
    progress: Progress = SILENT,
) -> Baselines:
    """Ask policies that lack an input for exactly the windows of the policy; one that answers NaN is not measured."""
    found = Baselines()
    for done, (name, policy) in enumerate(learned.items()):
        progress.update(done, len(learned), name.replace("_", " "))
        chunks = [
            np.asarray(policy.predict_episode(root, info, episode.last_frames), dtype=np.float32)
            for info, episode in zip(test, predictions, strict=True)
        ]
        if all(np.isfinite(each).all() for each in chunks):
            found.chunks[name] = chunks
        else:
            found.not_measured[name] = "It predicts NaN or infinity: its training has diverged."
    progress.update(len(learned), len(learned))
    return found
