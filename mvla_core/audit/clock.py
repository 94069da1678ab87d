"""Would a clock do? How well predictors that never look reach the held-out windows.

Two measurements, both on whole episodes that the predictor was not fitted on:

- **baselines**: fitted on the train part of the split, measured on the windows of its test part: exactly what a policy
is
  compared with later. The test part of a small data set holds two or three episodes.
- **evidence**: every usable episode is held out once (cross-validation by episode), so that the interval goes over all
  episodes and does not hang on which three were drawn. The alarm is decided on this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.audit.distributions import determinism, determinism_within_instruction
from mvla_core.audit.thresholds import Thresholds
from mvla_core.datasets.windows import WindowSpec, chunk_targets, last_frames
from mvla_core.metrics.errors import ErrorSums, error_sums, huber_terms
from mvla_core.metrics.intervals import Interval, skill
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS, Predictor
from mvla_core.schema import ActionSequence, ActionSpace

CLOCKS = ("frame_index", "instruction_clock")
_FOLDS = 10
_CONSTANT_BELOW = 1e-6

Weights = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Baseline:
    """One trivial predictor on the held-out test windows.

    Attributes:
        errors: Sums by test episode, physical units.
        explained: Share of the constant's squared error that it removes, with its interval over the test episodes.
    """

    errors: ErrorSums
    explained: Interval

    def to_json(self, names: Sequence[str]) -> dict[str, Any]:
        explained = self.explained.to_json()
        return {
            "rmse": self.errors.rmse(),
            "huber": self.errors.huber_loss(),
            "mae": self.errors.mae(),
            "rmse_per_axis": dict(zip(names, self.errors.rmse_per_axis().tolist(), strict=True)),
            "explained": explained["value"],
            "explained_low": explained["low"],
            "explained_high": explained["high"],
        }


@dataclass(frozen=True)
class ClockEvidence:
    """How much of the data the better clock explains, every usable episode held out once.

    Attributes:
        predictor: "frame_index" or "instruction_clock".
        explained: Share of the constant's squared error that the clock removes, with its interval over the episodes.
        huber: The clock's Huber loss on the held-out windows, mean over the real action dimensions.
        constant_huber: The constant's.
        episodes: Usable episodes.
        determinism: Mean determinism per frame index; within each instruction for "instruction_clock". None where
            unknown.
        verdict: "suffices"; "partly" where it may explain more than half; "fails"; "undecided" with too few episodes.
    """

    predictor: str
    explained: Interval
    huber: float
    constant_huber: float
    episodes: int
    determinism: float | None
    verdict: str

    def to_json(self) -> dict[str, Any]:
        return {
            "predictor": self.predictor,
            "explained": self.explained.to_json(),
            "huber": self.huber,
            "constant_huber": self.constant_huber,
            "episodes": self.episodes,
            "determinism": self.determinism,
            "verdict": self.verdict,
        }


def episode_errors(predictor: Predictor, sequences: Sequence[ActionSequence], window: WindowSpec) -> ErrorSums:
    """Return the predictor's errors on every window of the episodes, one row an episode (at least one episode)."""
    parts = []
    for sequence in sequences:
        last = last_frames(sequence.num_frames, window)
        targets, mask = chunk_targets(sequence.actions, last, window.chunk_size)
        parts.append(error_sums(predictor.predict(sequence, last, window.chunk_size), targets, mask))
    return ErrorSums.join(parts)


def _clock_errors(clock: Predictor, sequences: Sequence[ActionSequence], window: WindowSpec) -> ErrorSums:
    """As `episode_errors`, for a predictor that reads nothing but the frame index and the instruction.

    Episodes of the same length and instruction get the same prediction, so that it is made once and compared with all of them
    together: a thousand episodes of one length take a tenth of the time.
    """
    groups: dict[tuple[int, str], list[int]] = {}
    for place, sequence in enumerate(sequences):
        groups.setdefault((sequence.num_frames, sequence.instruction), []).append(place)
    parts = []
    for places in groups.values():
        like = sequences[places[0]]
        last = last_frames(like.num_frames, window)
        index = last[:, None] + np.arange(window.chunk_size)
        mask = index < like.num_frames
        predicted = clock.predict(like, last, window.chunk_size)[mask].astype(np.float64)
        driven = np.stack([sequences[place].actions for place in places]).astype(np.float64)
        difference = predicted - driven[:, index[mask]]
        parts.append(
            ErrorSums(
                squared=np.square(difference).sum(axis=1),
                absolute=np.abs(difference).sum(axis=1),
                huber=huber_terms(difference).sum(axis=1),
                count=np.full(len(places), int(mask.sum()), dtype=np.int64),
            )
        )
    joined = ErrorSums.join(parts)
    order = np.argsort(np.concatenate(list(groups.values())))
    return ErrorSums(joined.squared[order], joined.absolute[order], joined.huber[order], joined.count[order])


def axis_weights(sequences: Sequence[ActionSequence], space: ActionSpace) -> Weights:
    """Return factors of the squared errors in an explained share, float64 (A,).

    All 1 where the axes share one unit. Where they do not (m/s and rad/s), each axis is divided by its variance: a
    plain sum would be decided by the choice of the unit.
    """
    if len(set(space.units)) == 1:
        return np.ones(len(space))
    variance = np.concatenate([sequence.actions for sequence in sequences]).astype(np.float64).var(axis=0)
    return 1.0 / np.where(variance > _CONSTANT_BELOW**2, variance, 1.0)


def trivial_baselines(
    train: Sequence[ActionSequence], test: Sequence[ActionSequence], window: WindowSpec, space: ActionSpace
) -> dict[str, Baseline]:
    """Fit every trivial predictor on `train` and measure it on the windows of `test`; both hold at least one
    episode.
    """
    errors = {name: episode_errors(kind.fit(train), test, window) for name, kind in TRIVIAL_PREDICTORS.items()}
    weights = axis_weights(train, space)
    constant = errors["constant"].squared @ weights
    return {name: Baseline(sums, skill(sums.squared @ weights, constant)) for name, sums in errors.items()}


def clock_evidence(
    sequences: Sequence[ActionSequence],
    window: WindowSpec,
    space: ActionSpace,
    thresholds: Thresholds,
    seed: int = 0,
) -> ClockEvidence | None:
    """Measure the clocks by cross-validation over episodes.

    Args:
        sequences: Episodes with at least one window.
        window: Which windows are measured.
        space: Names the axes and their units.
        thresholds: When a clock suffices: `clock_explained`, `clock_explained_alone`, `determinism`, `clock_episodes`.
        seed: Deals the episodes to ten folds.

    Returns:
        The evidence for the better clock; None with fewer than three episodes, or where every action is the same so
        that there is nothing to explain.
    """
    if len(sequences) < 3:
        return None
    fold = np.random.default_rng(seed).permutation(len(sequences)) % min(_FOLDS, len(sequences))
    rows: dict[str, list[ErrorSums]] = {name: [] for name in ("constant", *CLOCKS)}
    for number in range(int(fold.max()) + 1):
        train = [sequence for sequence, own in zip(sequences, fold, strict=True) if own != number]
        held_out = [sequence for sequence, own in zip(sequences, fold, strict=True) if own == number]
        for name, parts in rows.items():
            parts.append(_clock_errors(TRIVIAL_PREDICTORS[name].fit(train), held_out, window))
    errors = {name: ErrorSums.join(parts) for name, parts in rows.items()}
    weights = axis_weights(sequences, space)
    constant = errors["constant"].squared @ weights
    if not constant.any():
        return None
    explained = {name: skill(errors[name].squared @ weights, constant) for name in CLOCKS}
    best = max(CLOCKS, key=lambda name: explained[name].value)
    alike = determinism_within_instruction(sequences) if best == "instruction_clock" else determinism(sequences).mean
    return ClockEvidence(
        predictor=best,
        explained=explained[best],
        huber=errors[best].huber_loss(),
        constant_huber=errors["constant"].huber_loss(),
        episodes=len(sequences),
        determinism=alike,
        verdict=verdict_of(explained[best], alike, len(sequences), thresholds),
    )


def verdict_of(explained: Interval, alike: float | None, episodes: int, thresholds: Thresholds) -> str:
    """Decide `ClockEvidence.verdict` from its other figures and the thresholds that `clock_evidence` names."""
    half, alone = thresholds["clock_explained"].needed, thresholds["clock_explained_alone"].needed
    one_script = alike is not None and alike > thresholds["determinism"].needed
    if episodes < thresholds["clock_episodes"].needed:
        return "undecided"
    if explained.low > alone or (one_script and explained.low > half):
        return "suffices"
    return "fails" if explained.high < half else "partly"
