"""Are pictures worth anything here? How much of what no clock explains is explained by the nearest pictures.

Every episode is held out once (`held_out_folds`), and the clocks and the nearest pictures are asked for the same windows of it. The
share of the better clock's squared error that the nearest pictures remove is the **vision headroom**: a policy that looks can
reach at least that, and where it is not above 0 nobody has shown that looking helps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mvla_core.audit.clock import CLOCKS, axis_weights
from mvla_core.datasets.folds import held_out_folds
from mvla_core.datasets.windows import WindowSpec, chunk_targets, last_frames
from mvla_core.episodes.looks import Vectors
from mvla_core.metrics.errors import ErrorSums, error_sums
from mvla_core.metrics.intervals import Interval, skill
from mvla_core.metrics.nearest_picture import NearestPicture
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS, Chunks
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo

PICTURES = ("nearest_picture", "nearest_picture_instruction")
MOST_EPISODES = 2_000
"""Episodes that are compared, evenly drawn by name where there are more; memory and time stay bounded."""
MOST_WINDOWS = 4_000
"""Windows that are predicted, evenly drawn from all of them."""
FEWEST_EPISODES = 5

NOTHING_LEFT = 0.01
"""Where a clock leaves less than this share of the constant's squared error, there is nothing for pictures to explain."""

Verdict = Literal["needed", "not_shown", "nothing_left", "undecided"]


@dataclass(frozen=True)
class VisionEvidence:
    """What pictures explain, every episode held out once.

    Attributes:
        episodes: Compared episodes.
        windows: Predicted windows.
        explained: Predictor -> share of the constant's squared error that it removes, with its interval over episodes; names of
            `TRIVIAL_PREDICTORS` and of `PICTURES`.
        rmse: Predictor -> root mean squared error in physical units, mean over steps and axes.
        clock: The better of the two clocks.
        picture: The nearest-picture predictor that the headroom speaks of: within the same instruction where there are several.
        headroom: Share of that clock's squared error that it removes.
        headroom_by_axis: The same for each action dimension.
        neighbours: How many frames were averaged, chosen in each fold on its training episodes.
        verdict: "undecided" with fewer than five episodes; "nothing_left" where the clock explains at least 99 %; "needed" where
            the whole interval of the headroom is above 0; else "not_shown".
    """

    episodes: int
    windows: int
    explained: Mapping[str, Interval]
    rmse: Mapping[str, float]
    clock: str
    picture: str
    headroom: Interval
    headroom_by_axis: Mapping[str, Interval]
    neighbours: tuple[int, ...]
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        return {
            "episodes": self.episodes,
            "windows": self.windows,
            "predictors": {
                name: {"rmse": self.rmse[name], "explained": interval.to_json()}
                for name, interval in self.explained.items()
            },
            "clock": self.clock,
            "picture": self.picture,
            "headroom": self.headroom.to_json(),
            "headroom_by_axis": {name: interval.to_json() for name, interval in self.headroom_by_axis.items()},
            "neighbours": list(self.neighbours),
            "verdict": self.verdict,
        }


def vision_evidence(
    episodes: Sequence[EpisodeInfo],
    sequences: Sequence[ActionSequence],
    vectors: Mapping[str, Vectors],
    window: WindowSpec,
    space: ActionSpace,
    *,
    seed: int = 0,
    progress: Progress = SILENT,
) -> VisionEvidence | None:
    """Hold every episode out once and predict it from clocks and from pictures.

    Args:
        episodes: Episodes of one action space.
        sequences: Their actions, in the same order.
        vectors: Episode id -> float (num_frames, D), for every one of them.
        window: Which windows are predicted.
        space: Names the axes and their units.
        seed: Deals the episodes to folds.
        progress: Told each fold, and asked whether to stop.

    Returns:
        The evidence; None with fewer than three episodes that hold a window, or where every action is the same.
    """
    usable = [k for k, sequence in enumerate(sequences) if sequence.num_frames >= window.minimum_frames]
    if len(usable) > MOST_EPISODES:
        usable = [usable[k] for k in np.linspace(0, len(usable) - 1, MOST_EPISODES).round().astype(int)]
    if len(usable) < 3:
        return None
    infos, kept = [episodes[k] for k in usable], [sequences[k] for k in usable]
    weights = axis_weights(kept, space)
    asked = _asked_frames(kept, window)
    rows: dict[str, dict[int, ErrorSums]] = {name: {} for name in (*TRIVIAL_PREDICTORS, *PICTURES)}
    chosen: list[int] = []
    folds = held_out_folds(infos, seed=seed)
    for number, fold in enumerate(folds):
        train = [kept[position] for position in fold.train]
        clocks = {name: kind.fit(train) for name, kind in TRIVIAL_PREDICTORS.items()}
        pictures = {
            name: NearestPicture.fit(
                train, vectors, window.chunk_size, same_instruction=name != PICTURES[0], axis_weights=weights
            )
            for name in PICTURES
        }
        chosen.append(pictures[PICTURES[1]].neighbours)
        held = [kept[position] for position in fold.held_out]
        lasts = [asked[position] for position in fold.held_out]
        seen = [vectors[sequence.episode_id] for sequence in held]
        predicted: dict[str, list[Chunks]] = {
            name: [
                predictor.predict(sequence, last, window.chunk_size) for sequence, last in zip(held, lasts, strict=True)
            ]
            for name, predictor in clocks.items()
        }
        for name, remembered in pictures.items():
            predicted[name] = remembered.predict_each(held, seen, lasts, window.chunk_size)
        for row, position in enumerate(fold.held_out):
            targets, mask = chunk_targets(held[row].actions, lasts[row], window.chunk_size)
            for name, values in predicted.items():
                rows[name][position] = error_sums(values[row], targets, mask)
        progress.update(number + 1, len(folds), "Predicted held-out episodes from their nearest pictures")
    windows = sum(len(asked[position]) for position in rows["constant"])
    return _weigh(rows, windows, kept, weights, space, chosen)


@dataclass(frozen=True)
class PictureBaseline:
    """A nearest-picture predictor on the windows of the split's test part, as the trivial predictors are measured there.

    Attributes:
        rmse: Root mean squared error in physical units, mean over steps and axes.
        huber: Mean Huber loss, likewise.
        explained: Share of the constant's squared error that it removes, with its interval over the test episodes.
    """

    rmse: float
    huber: float
    explained: Interval

    def to_json(self) -> dict[str, Any]:
        told = self.explained.to_json()
        return {
            "rmse": self.rmse,
            "huber": self.huber,
            "explained": told["value"],
            "explained_low": told["low"],
            "explained_high": told["high"],
        }


def picture_baselines(
    train: Sequence[ActionSequence],
    test: Sequence[ActionSequence],
    vectors: Mapping[str, Vectors],
    window: WindowSpec,
    space: ActionSpace,
) -> dict[str, PictureBaseline]:
    """Fit the nearest-picture predictors on the training part and measure them on the windows of the test part.

    Args:
        train: At least one episode.
        test: At least one episode.
        vectors: Episode id -> float (num_frames, D), for every one of them.
        window: Which windows are measured.
        space: Names the axes and their units.
    """
    weights = axis_weights(train, space)
    lasts = [last_frames(sequence.num_frames, window) for sequence in test]
    seen = [vectors[sequence.episode_id] for sequence in test]
    targets = [chunk_targets(each.actions, last, window.chunk_size) for each, last in zip(test, lasts, strict=True)]

    def errors_of(predicted: Sequence[Chunks]) -> ErrorSums:
        return ErrorSums.join([error_sums(values, *true) for values, true in zip(predicted, targets, strict=True)])

    constant = TRIVIAL_PREDICTORS["constant"].fit(train)
    plain = errors_of([constant.predict(each, last, window.chunk_size) for each, last in zip(test, lasts, strict=True)])
    found = {}
    for name in PICTURES:
        remembered = NearestPicture.fit(
            train, vectors, window.chunk_size, same_instruction=name != PICTURES[0], axis_weights=weights
        )
        errors = errors_of(remembered.predict_each(test, seen, lasts, window.chunk_size))
        explained = skill(errors.squared @ weights, plain.squared @ weights)
        found[name] = PictureBaseline(errors.rmse(), errors.huber_loss(), explained)
    return found


def _asked_frames(sequences: Sequence[ActionSequence], window: WindowSpec) -> list[npt.NDArray[np.int64]]:
    """The last observed frames that are predicted, for each episode at least one."""
    windows = [last_frames(sequence.num_frames, window) for sequence in sequences]
    step = max(1.0, sum(map(len, windows)) / MOST_WINDOWS)
    return [last[np.unique(np.arange(0, len(last), step).astype(int))] for last in windows]


def _weigh(
    rows: Mapping[str, Mapping[int, ErrorSums]],
    windows: int,
    sequences: Sequence[ActionSequence],
    weights: npt.NDArray[np.float64],
    space: ActionSpace,
    chosen: Sequence[int],
) -> VisionEvidence | None:
    measured = sorted(rows["constant"])
    errors = {name: ErrorSums.join([parts[position] for position in measured]) for name, parts in rows.items()}
    squared = {name: sums.squared @ weights for name, sums in errors.items()}
    if not squared["constant"].any():
        return None
    explained = {name: skill(values, squared["constant"]) for name, values in squared.items()}
    clock = max(CLOCKS, key=lambda name: explained[name].value)
    several = len({sequence.instruction for sequence in sequences}) > 1
    picture = PICTURES[1] if several else PICTURES[0]
    headroom = skill(squared[picture], squared[clock])
    verdict: Verdict = "needed" if headroom.low > 0 else "not_shown"
    if explained[clock].value > 1 - NOTHING_LEFT:
        verdict = "nothing_left"
    return VisionEvidence(
        episodes=len(measured),
        windows=windows,
        explained=explained,
        rmse={name: sums.rmse() for name, sums in errors.items()},
        clock=clock,
        picture=picture,
        headroom=headroom,
        headroom_by_axis={
            name: skill(errors[picture].squared[:, axis], errors[clock].squared[:, axis])
            for axis, name in enumerate(space.names)
        },
        neighbours=tuple(sorted(set(chosen))),
        verdict="undecided" if len(measured) < FEWEST_EPISODES else verdict,
    )
