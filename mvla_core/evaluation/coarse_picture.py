"""A picture in a few large squares: enough to tell one scene from another without any network."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mvla_core.schema import Frame

BLOCKS = 16
"""Squares along each edge."""

Squares = npt.NDArray[np.float32]


def mean_colours(frame: Frame) -> Squares:
    """Return float32 (16, 16, 3): the mean colour, 0 to 255, of each square of a picture uint8 (H, W, 3) of any size."""
    return np.asarray(
        cv2.resize(frame.astype(np.float32), (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA), dtype=np.float32
    )
