"""What a data set's actions look like: pure functions from action sequences to counts, for figures and checks.

Two actions count as the same where they agree to `ACTION_RESOLUTION` in every axis, so that rounding in a file does
not make a keyboard's five commands look like hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mvla_core.metrics.directions import DIRECTION_NAMES, Classes, direction_classes
from mvla_core.schema import Actions, ActionSequence, ActionSpace

ACTION_RESOLUTION = 1e-3
"""In the unit of the axis: 1 mm/s, 0.001 rad/s."""

_MOST_DISTINCT_VALUES = 25

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AxisStatistics:
    """Mean, population deviation (divided by the number of frames), smallest and largest value of one axis, in its
    unit.
    """

    name: str
    unit: str
    mean: float
    std: float
    min: float
    max: float

    def to_json(self) -> dict[str, str | float]:
        return {"unit": self.unit, "mean": self.mean, "std": self.std, "min": self.min, "max": self.max}


@dataclass(frozen=True)
class Histogram:
    """Counts of one axis. `edges` float64 (bins + 1,) in the unit of the axis; `counts` int64 (bins,)."""

    name: str
    unit: str
    edges: Values
    counts: Counts


@dataclass(frozen=True)
class JointCounts:
    """How often two axes take which values together.

    Attributes:
        x_name, y_name: The axes.
        x: float64 (nx,), values or, where `binned`, centres of bins.
        y: float64 (ny,).
        counts: int64 (ny, nx).
        binned: False where an axis takes few values and each has its own row or column.
    """

    x_name: str
    y_name: str
    x: Values
    y: Values
    counts: Counts
    binned: bool


@dataclass(frozen=True)
class Determinism:
    """How alike the episodes are at each frame index.

    Attributes:
        share: float64 (longest,), share of the episodes that hold the most common action at that index; NaN where fewer
            than two episodes reach it.
        episodes: int64 (longest,), how many episodes reach the index.
    """

    share: Values
    episodes: Counts

    @property
    def mean(self) -> float | None:
        """Mean over the indices that at least two episodes reach; None where there is none."""
        known = self.share[~np.isnan(self.share)]
        return float(known.mean()) if len(known) else None

    @property
    def max(self) -> float | None:
        """The largest share of any index."""
        known = self.share[~np.isnan(self.share)]
        return float(known.max()) if len(known) else None


def joined_actions(sequences: Sequence[ActionSequence], num_dims: int) -> Actions:
    """Return all frames of all episodes, float32 (frames, num_dims)."""
    return np.concatenate([np.zeros((0, num_dims), dtype=np.float32), *(sequence.actions for sequence in sequences)])


def axis_statistics(actions: Actions, space: ActionSpace) -> tuple[AxisStatistics, ...]:
    """Return the statistics of each axis of actions (frames, A); an empty tuple where there is no frame."""
    if len(actions) == 0:
        return ()
    exact = actions.astype(np.float64)
    rows = zip(exact.mean(axis=0), exact.std(axis=0), exact.min(axis=0), exact.max(axis=0), strict=True)
    return tuple(
        AxisStatistics(dim.name, dim.unit, *(float(number) for number in row))
        for dim, row in zip(space.dims, rows, strict=True)
    )


def action_ids(actions: Actions) -> tuple[Counts, Actions]:
    """Number the different actions.

    Args:
        actions: float32 (frames, A).

    Returns:
        int64 (frames,), the number of each frame's action, and float32 (different, A), the action of each number.
    """
    # One number an action, built column by column: sorting whole rows is ten times slower.
    numbers = np.zeros(len(actions), dtype=np.int64)
    for column in _grid(actions).T:
        values, places = np.unique(column, return_inverse=True)
        numbers = np.unique(numbers * max(len(values), 1) + places, return_inverse=True)[1]
    _, first = np.unique(numbers, return_index=True)
    return numbers, actions[first]


def _grid(actions: Actions) -> Counts:
    return np.round(actions.astype(np.float64) / ACTION_RESOLUTION).astype(np.int64)


def sequence_keys(sequences: Sequence[ActionSequence]) -> list[bytes]:
    """Return one key an episode; two episodes have the same key where all their actions are the same, in the same
    order.
    """
    if not sequences:
        return []
    grid = _grid(np.concatenate([sequence.actions for sequence in sequences]))
    ends = np.cumsum([sequence.num_frames for sequence in sequences]).tolist()
    return [grid[begin:end].tobytes() for begin, end in zip([0, *ends], ends, strict=False)]


def axis_histograms(actions: Actions, space: ActionSpace, bins: int = 41) -> tuple[Histogram, ...]:
    """Return a histogram of each axis of actions (frames, A), symmetric about 0 so that left and right can be
    compared.
    """
    histograms = []
    for column, dim in enumerate(space.dims):
        reach = max(float(np.abs(actions[:, column]).max(initial=0.0)), ACTION_RESOLUTION)
        # Half a bin beyond the largest value puts 0 and both extremes into the middle of a bin.
        reach *= bins / (bins - 1)
        counts, edges = np.histogram(actions[:, column].astype(np.float64), bins=bins, range=(-reach, reach))
        histograms.append(Histogram(dim.name, dim.unit, edges, counts.astype(np.int64)))
    return tuple(histograms)


def joint_action_counts(actions: Actions, space: ActionSpace, x: str, y: str, bins: int = 21) -> JointCounts:
    """Count how often two axes take which values together.

    Args:
        actions: float32 (frames, A).
        space: Names the columns.
        x: The axis of the columns, for example "linear_y".
        y: The axis of the rows.
        bins: Bins of an axis that takes more than 25 different values.
    """
    values, places, binned = [], [], False
    for name in (x, y):
        column = (
            np.round(actions[:, space.names.index(name)].astype(np.float64) / ACTION_RESOLUTION) * ACTION_RESOLUTION
        )
        different, place = np.unique(column, return_inverse=True)
        if len(different) > _MOST_DISTINCT_VALUES:
            edges = np.histogram_bin_edges(column, bins=bins)
            different, place = (edges[:-1] + edges[1:]) / 2, np.clip(np.digitize(column, edges) - 1, 0, bins - 1)
            binned = True
        values.append(different)
        places.append(place)
    width, height = len(values[0]), len(values[1])
    counts = np.bincount(places[1] * width + places[0], minlength=width * height).reshape(height, width)
    return JointCounts(x, y, values[0], values[1], counts.astype(np.int64), binned)


def transition_counts(sequences: Sequence[ActionSequence], space: ActionSpace, band: Values) -> Counts:
    """Return int64 (11, 11): how often class `row` is followed by class `column` within an episode
    (`DIRECTION_NAMES`).
    """
    size = len(DIRECTION_NAMES)
    pairs = [np.zeros(0, dtype=np.int64)]
    for sequence in sequences:
        classes: Classes = direction_classes(sequence.actions, space, band)
        pairs.append(classes[:-1].astype(np.int64) * size + classes[1:])
    return np.bincount(np.concatenate(pairs), minlength=size * size).reshape(size, size)


def determinism(sequences: Sequence[ActionSequence]) -> Determinism:
    """Return the share of episodes that hold the most common action at each frame index."""
    lengths = [sequence.num_frames for sequence in sequences]
    longest = max(lengths, default=0)
    if longest == 0:
        return Determinism(np.zeros(0), np.zeros(0, dtype=np.int64))
    index = np.concatenate([np.arange(length) for length in lengths])
    numbers, different = action_ids(np.concatenate([sequence.actions for sequence in sequences]))
    episodes = np.bincount(index, minlength=longest)
    pairs, counts = np.unique(index * len(different) + numbers, return_counts=True)
    most = np.zeros(longest, dtype=np.int64)
    np.maximum.at(most, pairs // len(different), counts)
    share = np.where(episodes >= 2, most / np.maximum(episodes, 1), np.nan)
    return Determinism(share, episodes.astype(np.int64))


def determinism_within_instruction(sequences: Sequence[ActionSequence]) -> float | None:
    """Return the mean determinism within each instruction, weighted by its episodes; None where no two share an
    index.
    """
    groups: dict[str, list[ActionSequence]] = {}
    for sequence in sequences:
        groups.setdefault(sequence.instruction, []).append(sequence)
    means = [(determinism(group).mean, len(group)) for group in groups.values()]
    known = [(mean, weight) for mean, weight in means if mean is not None]
    total = sum(weight for _, weight in known)
    return sum(mean * weight for mean, weight in known) / total if total else None
