"""From when on two frames show the same view.

They do where they are as alike as two consecutive frames of one episode usually are. So the measure fits any camera and room. Where
consecutive frames are no more alike than frames of different episodes it says nothing, and no answer is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mvla_core.episodes.looks import Vectors
from mvla_core.metrics.nearest import unit_vectors
from mvla_core.schema import ActionSequence

_DRAWN_PAIRS = 4_000
_APART_PERCENTILE = 95.0


def mean_look(sequences: Sequence[ActionSequence], vectors: Mapping[str, Vectors]) -> npt.NDArray[np.float64]:
    """The mean vector of the episodes, float64 (D,): what all pictures of a data set have in common."""
    means = [np.asarray(vectors[each.episode_id], np.float64).mean(axis=0) for each in sequences if each.num_frames]
    return np.asarray(np.mean(means, axis=0))


def same_view_likeness(sequences: Sequence[ActionSequence], vectors: Mapping[str, Vectors]) -> float | None:
    """Return the median cosine of two consecutive frames of an episode, after the mean look is taken away.

    Args:
        sequences: At least two episodes.
        vectors: Episode id -> float (num_frames, D), for every one of them.

    Returns:
        None where there is no such pair, or where 5 % of the pairs of frames of different episodes are more alike.
    """
    used = [sequence for sequence in sequences if sequence.num_frames > 1]
    if len(used) < 2:
        return None
    centre = mean_look(used, vectors)
    units = [unit_vectors(vectors[sequence.episode_id], centre) for sequence in used]
    usual = float(np.median(np.concatenate([(unit[1:] * unit[:-1]).sum(axis=1) for unit in units])))
    generator = np.random.default_rng(0)
    first = generator.integers(0, len(units), _DRAWN_PAIRS)
    second = (first + generator.integers(1, len(units), _DRAWN_PAIRS)) % len(units)
    draws = generator.random((2, _DRAWN_PAIRS))
    apart = [
        float(units[a][int(x * len(units[a]))] @ units[b][int(y * len(units[b]))])
        for a, b, x, y in zip(first, second, *draws, strict=True)
    ]
    return usual if usual > np.percentile(apart, _APART_PERCENTILE) else None
