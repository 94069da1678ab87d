"""Which way an action drives: stop, eight directions, and turning on the spot.

The lateral axis is `ActionSpace.lateral`: linear_y for an omni robot, else angular_z; positive is left. A value within
the dead band of its axis counts as zero. An omni robot with a third axis that only rotates is "turn-left" or
"turn-right".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mvla_core.metrics.errors import Floats, Mask
from mvla_core.schema import ActionSpace

DIRECTION_NAMES = (
    "stop",
    "forward",
    "backward",
    "left",
    "right",
    "forward-left",
    "forward-right",
    "backward-left",
    "backward-right",
    "turn-left",
    "turn-right",
)
"""The name of each class; the index is the class."""

LEFT_CLASSES = (3, 5, 7, 9)
RIGHT_CLASSES = (4, 6, 8, 10)

DEAD_BAND_SHARE = 0.1
"""Default dead band: this share of the largest absolute value of the axis in the training part."""

Classes = npt.NDArray[np.int8]

# Row: sign of linear_x (0 none, 1 forward, 2 backward). Column: sign of the lateral axis (0 none, 1 left, 2 right).
_CLASS_OF_SIGNS = np.array([[0, 3, 4], [1, 5, 6], [2, 7, 8]], dtype=np.int8)
_TURN_LEFT, _TURN_RIGHT = 9, 10


def dead_band(actions: Floats, share: float = DEAD_BAND_SHARE) -> npt.NDArray[np.float64]:
    """Return the dead band of each axis: `share` of its largest absolute value.

    Args:
        actions: float (..., A); without a frame every band is 0.
        share: 0 to 1.

    Returns:
        float64 (A,), unit of each axis.
    """
    size = np.abs(actions.astype(np.float64))
    return np.asarray(share * size.max(axis=tuple(range(size.ndim - 1)), initial=0.0))


def direction_classes(actions: Floats, space: ActionSpace, band: npt.NDArray[np.float64]) -> Classes:
    """Return the direction class of each action.

    Args:
        actions: float (..., A), units of `space`.
        space: Names the A columns.
        band: float (A,), the dead band of each axis; a value counts as moving where it is beyond it.

    Returns:
        int8 (...), 0 to 10, an index of `DIRECTION_NAMES`.
    """
    signs = np.where(actions > band, 1, np.where(actions < -band, 2, 0))

    def signs_of(name: str | None) -> npt.NDArray[np.int64]:
        column = None if name is None else space.column(name)
        return np.zeros(actions.shape[:-1], dtype=np.int64) if column is None else signs[..., column]

    classes = _CLASS_OF_SIGNS[signs_of("linear_x"), signs_of(space.lateral)]
    if space.lateral != "angular_z" and space.column("angular_z") is not None:
        turning, standing = signs_of("angular_z"), classes == 0
        classes = np.where(standing & (turning == 1), np.int8(_TURN_LEFT), classes)
        classes = np.where(standing & (turning == 2), np.int8(_TURN_RIGHT), classes)
    return np.asarray(classes, dtype=np.int8)


def direction_counts(classes: Classes) -> npt.NDArray[np.int64]:
    """Return int64 (11,): how many actions fall into each class of `DIRECTION_NAMES`."""
    return np.bincount(classes.reshape(-1).astype(np.int64), minlength=len(DIRECTION_NAMES))


def confusion_matrix(true: Classes, predicted: Classes, mask: Mask | None = None) -> npt.NDArray[np.int64]:
    """Return int64 (11, 11): row = true class, column = predicted class, over the valid steps.

    Args:
        true: int8, any shape.
        predicted: int8, the shape of `true`.
        mask: bool, the shape of `true`; None where every step is valid.
    """
    size = len(DIRECTION_NAMES)
    valid = np.ones(true.shape, dtype=np.bool_) if mask is None else mask
    joint = true[valid].astype(np.int64) * size + predicted[valid].astype(np.int64)
    return np.bincount(joint, minlength=size * size).reshape(size, size)
