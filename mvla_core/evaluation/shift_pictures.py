"""Pictures as another room, lens or mounting would show them, at stated strengths; and predictions from them.

The operations are those of the augmentation, here at one fixed strength instead of a drawn one, so that two runs are asked the
same. Features of disturbed pictures are not cached: every frame is encoded again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.augmentation.picture_transforms import (
    DrawnBlur,
    DrawnCrop,
    DrawnLight,
    DrawnNoise,
    DrawnRotation,
)
from mvla_core.datasets.augmentation.transform import Drawn
from mvla_core.datasets.windows import observed_frames
from mvla_core.episodes.reader import open_known
from mvla_core.evaluation.ablations import Policy
from mvla_core.evaluation.results import Chunks
from mvla_core.progress import Progress
from mvla_core.schema import EpisodeInfo

BLOCK_WINDOWS = 16
"""Windows that are decoded, disturbed and predicted together: their pictures are all that lies in memory."""


@dataclass(frozen=True)
class Disturbance:
    """One way of disturbing a picture.

    Attributes:
        family: "light", "blur", "noise", "camera" or "tilt".
        strength: In `unit`; its sign is a direction where the family has two.
        unit: What the strength counts.
        text: The same in words.
        drawn: What is done to each frame.
    """

    family: str
    strength: float
    unit: str
    text: str
    drawn: Drawn

    @property
    def name(self) -> str:
        return f"{self.family} {self.strength:+g}" if self.family in ("light", "camera") else self._unsigned

    @property
    def _unsigned(self) -> str:
        return f"{self.family} {self.strength:g}"


def _light(percent: float) -> Disturbance:
    words = f"{abs(percent):g} % {'brighter' if percent > 0 else 'darker'}"
    return Disturbance("light", percent, "% of the full range", words, DrawnLight(percent, 0.0))


def _blur(percent: float) -> Disturbance:
    return Disturbance(
        "blur", percent, "% of the width", f"out of focus by {percent:g} % of the width", DrawnBlur(percent, 0.0, 0.0)
    )


def _noise(levels: float) -> Disturbance:
    return Disturbance("noise", levels, "levels of 255", f"sensor noise of {levels:g} levels", DrawnNoise(levels))


def _camera(percent: float) -> Disturbance:
    # What lies beyond the recorded picture is not known: its edge is repeated.
    side = "right" if percent > 0 else "left"
    words = f"camera looks {abs(percent):g} % of the width further to the {side}"
    return Disturbance("camera", percent, "% of the width", words, DrawnCrop(100.0, percent, 0.0))


def _tilt(degrees: float) -> Disturbance:
    return Disturbance("tilt", degrees, "degrees", f"camera tilted by {degrees:g} degrees", DrawnRotation(degrees))


DISTURBANCES = (
    *(_light(percent) for percent in (-15, -30, -45, 15, 30)),
    *(_blur(percent) for percent in (0.5, 1, 2)),
    *(_noise(levels) for levels in (8, 16, 32)),
    *(_camera(percent) for percent in (3, -3, 6, -6, 12, -12)),
    *(_tilt(degrees) for degrees in (3, 8)),
)
"""Within a family and a direction the strengths rise from weak to far too much."""


def predict_disturbed(
    policy: Policy,
    info: EpisodeInfo,
    last: npt.NDArray[np.int64],
    window_size: int,
    disturbance: Disturbance,
    progress: Progress,
) -> Chunks:
    """Predict windows of an episode from disturbed pictures.

    Args:
        policy: The loaded policy.
        info: The episode; its instruction is told as always.
        last: int64 (N,), last observed frame of each window, ascending, N at least 1.
        window_size: Frames a window.
        disturbance: What is done to the frames.
        progress: Asked between blocks whether to stop.

    Returns:
        float32 (N, chunk, A).

    Raises:
        EpisodeError: A frame cannot be read.
        Stopped: The user asked.
    """
    chunks = []
    with open_known(info) as reader:
        for begin in range(0, len(last), BLOCK_WINDOWS):
            progress.check()
            observed = observed_frames(last[begin : begin + BLOCK_WINDOWS], window_size)
            seen = np.unique(observed)
            pictures = np.stack(
                [
                    disturbance.drawn.picture(reader.frame(int(index)), (_seed(info.episode_id), int(index)))
                    for index in seen
                ]
            )
            # Windows lie beside each other, so that their frames do, too: a window's place is that of its last frame.
            chunks.append(policy.predict_frames(pictures, info.instruction, np.searchsorted(seen, observed[:, -1])))
    return np.concatenate(chunks)


def chosen_rows(num_windows: int, most: int) -> npt.NDArray[np.int64]:
    """Choose at most about `most` windows of an episode, int64, ascending, in whole blocks spread evenly over it."""
    if num_windows <= most:
        return np.arange(num_windows, dtype=np.int64)
    blocks = max(1, most // BLOCK_WINDOWS)
    starts = np.linspace(0, num_windows - BLOCK_WINDOWS, blocks).astype(np.int64)
    return np.unique(starts[:, None] + np.arange(BLOCK_WINDOWS))


def evenly(items: Sequence[EpisodeInfo], most: int) -> list[int]:
    """Choose at most `most` positions, spread evenly."""
    if len(items) <= most:
        return list(range(len(items)))
    return sorted({round(place) for place in np.linspace(0, len(items) - 1, most)})


def _seed(text: str) -> int:
    """A number that depends on the text alone: Python's own hash differs from process to process."""
    return int.from_bytes(text.encode()[-6:], "big")
