"""Actions as a choice between a few: the classes of the direction head, found in the training part.

Where the training part holds at most `FEW` different actions (keys of a keyboard), each is a class. Else a class is a direction
with a speed: the sign of every axis beyond its dead band, and one of `SPEEDS` equal parts of the speeds that go that way; its
action is the mean of the training actions in it. An action belongs to the class whose action is nearest, measured in normalised
units, so that every axis counts alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.errors import DatasetError
from mvla_core.metrics.directions import dead_band
from mvla_core.schema import ActionSequence

FEW = 32
"""At most so many different actions are classes as they are."""
SPEEDS = 3
"""Speeds told apart in a direction, where actions are many."""
_DECIMALS = 4
"""Actions that are the same to so many decimals are one: recordings hold float32."""

ActionClasses = tuple[tuple[float, ...], ...]
"""The physical action of each class, sorted; one value an axis."""


def fit_action_classes(sequences: Sequence[ActionSequence], normaliser: ActionNormaliser) -> ActionClasses:
    """Find the classes in the training part.

    Args:
        sequences: Training episodes of one action space.
        normaliser: Fitted on them; what "clamp" cuts off is no class.

    Raises:
        DatasetError: There are not two different actions to choose from.
    """
    actions = np.concatenate([sequence.actions for sequence in sequences]).astype(np.float64)
    if normaliser.kind == "clamp":
        actions = np.clip(actions, -1.0, 1.0)
    distinct = np.unique(np.round(actions, _DECIMALS) + 0.0, axis=0)
    if len(distinct) < 2:
        raise DatasetError(
            f"The direction head has nothing to choose from: the training part holds {len(distinct)} different actions; add "
            "episodes that drive in other ways."
        )
    classes = distinct if len(distinct) <= FEW else _directions_and_speeds(actions)
    return tuple(tuple(action) for action in classes.tolist())


def _directions_and_speeds(actions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    signs = np.where(np.abs(actions) > dead_band(actions), np.sign(actions), 0.0)
    size = np.abs(actions).max(axis=0)
    speeds = np.sqrt(((actions / np.where(size > 0, size, 1.0)) ** 2).sum(axis=1))
    classes = []
    for direction in np.unique(signs, axis=0):
        there = np.flatnonzero((signs == direction).all(axis=1))
        by_speed = there[np.argsort(speeds[there], kind="stable")]
        parts = SPEEDS if direction.any() else 1
        classes += [actions[part].mean(axis=0) for part in np.array_split(by_speed, parts) if len(part)]
    return np.unique(np.round(classes, _DECIMALS) + 0.0, axis=0)
