"""The run that an experiment starts from: its data as frozen, what its errors count as, and the clock beside it. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.split import Split
from mvla_core.datasets.windows import WindowSpec, chunk_targets, last_frames
from mvla_core.episodes.annotations import frozen
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.errors import PolicyError, RunError
from mvla_core.evaluation.ablations import Policy
from mvla_core.evaluation.measure import CLOCKS
from mvla_core.evaluation.results import Chunks
from mvla_core.evaluation.scale import ActionScale
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.metrics.errors import error_sums
from mvla_core.metrics.intervals import Interval, bootstrap_ratio, paired_ratio, rmse_difference
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS
from mvla_core.progress import Progress
from mvla_core.schema import ActionSequence, EpisodeInfo
from mvla_core.training.recipe import Recipe

Vector = npt.NDArray[np.float64]
Predict = Callable[[EpisodeInfo, ActionSequence, npt.NDArray[np.int64]], Chunks]
"""From an episode, its actions and the last observed frame of each window to the predicted chunks."""


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors on the held-out episodes, one row an episode, so that two predictors can be paired.

    Attributes:
        squared: float64 (E,), squared errors, summed over steps and dimensions; divided by the training variance where dimensions
            have different units.
        values: float64 (E,), how many numbers each sum is over.
    """

    squared: Vector
    values: Vector

    @property
    def rmse(self) -> float:
        return math.sqrt(float(self.squared.sum() / self.values.sum()))

    def interval(self) -> Interval:
        """The same with its 95 % interval by episode."""
        return bootstrap_ratio(self.squared, self.values).mapped(math.sqrt)

    def difference(self, after: Errors) -> Interval:
        """The RMSE of another predictor on the same actions minus this one's; below zero the other is better."""
        return rmse_difference(self.squared, after.squared, self.values)


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained run with its episodes.

    Attributes:
        run: Its folder.
        config: What its `config.json` holds.
        recipe: How it was trained.
        split: Of its data set.
        train: Training episodes as curated for it.
        test: Held-out episodes.
        train_sequences: Actions of the training episodes.
        test_sequences: Actions of the held-out episodes.
        scale: Of the whole training part, also where an experiment trains on less of it.
    """

    run: RunFolder
    config: dict[str, Any]
    recipe: Recipe
    split: Split
    train: tuple[EpisodeInfo, ...]
    test: tuple[EpisodeInfo, ...]
    train_sequences: tuple[ActionSequence, ...]
    test_sequences: tuple[ActionSequence, ...]
    scale: ActionScale

    @property
    def window(self) -> WindowSpec:
        """Of the evaluation: chunks that reach past the end are masked, whatever training did with them."""
        return WindowSpec(self.recipe.window_size, self.recipe.chunk_size)

    @property
    def unit(self) -> str:
        """Of the errors: the action unit, or training deviations where units are mixed."""
        return "training deviations" if self.scale.mixed_units else self.scale.space.units[0]

    def errors(self, root: DataRoot, policy: Policy, progress: Progress) -> Errors:
        """Predict every window of the held-out episodes.

        Raises:
            PolicyError: A prediction is NaN or infinite.
            Stopped: The user asked.
        """

        def predict(info: EpisodeInfo, sequence: ActionSequence, last: npt.NDArray[np.int64]) -> Chunks:
            progress.check()
            predicted = policy.predict_episode(root, info, last)
            if not np.isfinite(predicted).all():
                raise PolicyError(
                    f"The policy predicts NaN or infinity on the episode {info.episode_id}, expected velocities: its training has "
                    "diverged; train with a smaller learning rate."
                )
            return predicted

        return self._measured(predict)

    def clock(self) -> tuple[str, Errors]:
        """Name and errors of the better clock, no smaller than a hundredth of the driver's deviation."""
        found = {name: self._measured(self._clockwork(name)) for name in CLOCKS}
        best = min(found, key=lambda name: found[name].rmse)
        errors = found[best]
        floor = errors.values / len(self.scale.space) * self.scale.floor
        return best, Errors(np.maximum(errors.squared, floor), errors.values)

    def _clockwork(self, name: str) -> Predict:
        predictor, chunk = TRIVIAL_PREDICTORS[name].fit(self.train_sequences), self.window.chunk_size
        return lambda info, sequence, last: predictor.predict(sequence, last, chunk)

    def _measured(self, predict: Predict) -> Errors:
        squared, values = [], []
        for info, sequence in zip(self.test, self.test_sequences, strict=True):
            last = last_frames(info.num_frames, self.window)
            if not len(last):
                continue
            target, mask = chunk_targets(sequence.actions, last, self.window.chunk_size)
            sums = error_sums(predict(info, sequence, last), target, mask)
            squared.append(float((sums.squared @ self.scale.weights)[0]))
            values.append(float(sums.num_values))
        return Errors(np.array(squared), np.array(values))


def load_subject(root: DataRoot, run_id: str) -> Subject:
    """Read a run that has an adapter, with its episodes as they were curated for it.

    Raises:
        RunError: There is no such run, it has no adapter, or episodes of its split are gone.
    """
    run = root.run(run_id)
    if not run.path.is_dir():
        raise RunError(f"There is no run {run_id!r} in {root.runs}; train one: python -m mvla_core train DATASET")
    if not run.adapter.is_dir():
        raise RunError(
            f"The run {run_id!r} has no adapter, so that an experiment has nothing to compare with; let its training finish."
        )
    config, split = read_json(run.config), Split.from_json(read_json(run.split))
    data = scan_curated(root, resolve_dataset(root, config["dataset_folder"]), annotations=frozen(run.path))
    known = {info.episode_id: info for info in data.episodes}
    missing = [name for name in (*split.train, *split.validation, *split.test) if name not in known]
    if missing:
        raise RunError(
            f"The run {run_id!r} has {len(missing)} episodes that its data set no longer holds, first {missing[0]!r}; restore "
            "them, or train a new run."
        )
    train, test = (tuple(known[name] for name in part) for part in (split.train, split.test))
    train_sequences, test_sequences = tuple(load_sequences(train)), tuple(load_sequences(test))
    return Subject(
        run,
        config,
        Recipe.from_json(config["recipe"]),
        split,
        train,
        test,
        train_sequences,
        test_sequences,
        ActionScale.fit(train_sequences, train[0].action_space),
    )


def skill_gain(before: Errors, after: Errors, clock: Errors) -> Interval:
    """Return by how much the skill over the clock grows from one predictor to another, paired by episode."""
    return paired_ratio(before.squared - after.squared, clock.squared)


def nested_order(train: Sequence[EpisodeInfo], seed: int) -> list[str]:
    """Return the training episodes in an order of which every beginning is a fair sample: instructions stay in proportion.

    Args:
        train: The training episodes.
        seed: Which order.
    """
    generator = np.random.default_rng(seed)
    groups: dict[str, list[str]] = {}
    for info in sorted(train, key=lambda info: info.episode_id):
        groups.setdefault(info.instruction, []).append(info.episode_id)
    placed: list[tuple[float, str]] = []
    for names in groups.values():
        shuffled = [names[place] for place in generator.permutation(len(names))]
        # The k-th of n stands at the (k + u)/n-th part of the order, so that all instructions advance at the same pace.
        offset = generator.random()
        placed += [((place + offset) / len(names), name) for place, name in enumerate(shuffled)]
    return [name for _, name in sorted(placed)]
