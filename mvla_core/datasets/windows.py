"""From an episode to training items. An item is named by its last observed frame t.

Observed are the frames t - window_size + 1 .. t; predicted are the actions t .. t + chunk_size - 1, so that the first
predicted action is the one that was commanded when the last observed frame was seen.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mvla_core.errors import UserInputError
from mvla_core.schema import Actions

ChunkEnds = Literal["mask", "drop"]
CHUNK_ENDS: tuple[ChunkEnds, ...] = ("mask", "drop")
ShortEpisodes = Literal["leave_out", "pad"]
SHORT_EPISODES: tuple[ShortEpisodes, ...] = ("leave_out", "pad")


@dataclass(frozen=True)
class WindowSpec:
    """How many frames are seen, how many actions are predicted, and what happens at the end of an episode.

    Attributes:
        window_size: Observed frames, at least 1.
        chunk_size: Predicted actions, at least 1.
        chunk_ends: "mask" uses every t from window_size - 1 to the last frame and masks the actions past the end.
            "drop" uses only a t whose span of window_size + chunk_size frames exists, which is the briefing's count.
        short_episodes: "leave_out" gives no item of an episode in which no such t exists. "pad" gives those it can: before the
            first frame stands the first frame, as when a policy begins to drive; actions past the end are masked, whatever
            `chunk_ends` says, because nobody knows what they would have been. Longer episodes are cut as ever.
    """

    window_size: int = 4
    chunk_size: int = 10
    chunk_ends: ChunkEnds = "mask"
    short_episodes: ShortEpisodes = "leave_out"

    def __post_init__(self) -> None:
        if self.window_size < 1 or self.chunk_size < 1:
            raise UserInputError(
                f"A window of {self.window_size} frames with a chunk of {self.chunk_size} actions cannot be cut; "
                "give at least 1 for both."
            )
        if self.chunk_ends not in CHUNK_ENDS:
            raise UserInputError(f"The chunk end {self.chunk_ends!r} is unknown: expected 'mask' or 'drop'.")
        if self.short_episodes not in SHORT_EPISODES:
            raise UserInputError(
                f"The way with short episodes {self.short_episodes!r} is unknown: expected 'leave_out' or 'pad'."
            )

    @property
    def minimum_frames(self) -> int:
        """The shortest episode that gives an item."""
        return 1 if self.short_episodes == "pad" else self.unpadded_frames

    @property
    def unpadded_frames(self) -> int:
        """The shortest episode that gives an item without padding."""
        return self.window_size + (self.chunk_size if self.chunk_ends == "drop" else 0)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> WindowSpec:
        """Read what `to_json` gave, of this version or of one that did not pad."""
        short = value.get("short_episodes", "leave_out")
        return cls(int(value["window_size"]), int(value["chunk_size"]), value["chunk_ends"], short)


def last_frames(num_frames: int, spec: WindowSpec) -> npt.NDArray[np.int64]:
    """Return the last observed frame of every item of an episode, int64 (N,), ascending; empty where it is too
    short.
    """
    if num_frames < spec.unpadded_frames:
        first = min(spec.window_size, num_frames) - 1 if spec.short_episodes == "pad" else num_frames
        return np.arange(max(first, 0), num_frames, dtype=np.int64)
    beyond = spec.chunk_size if spec.chunk_ends == "drop" else 0
    return np.arange(spec.window_size - 1, num_frames - beyond, dtype=np.int64)


def complete_windows(num_frames: int, spec: WindowSpec) -> int:
    """Return max(0, L - (window + chunk) + 1), the briefing's count of windows, whatever `chunk_ends` says."""
    return max(0, num_frames - (spec.window_size + spec.chunk_size) + 1)


def observed_frames(last: npt.NDArray[np.int64], window_size: int) -> npt.NDArray[np.int64]:
    """Return the frames each item sees, int64 (N, window_size), oldest first, `last` in the last column.

    Before the first frame stands the first frame, which only padded items reach.
    """
    seen: npt.NDArray[np.int64] = np.maximum(last[:, None] + np.arange(1 - window_size, 1), 0)
    return seen


def chunk_targets(
    actions: Actions, last: npt.NDArray[np.int64], chunk: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return the actions each item has to predict.

    Args:
        actions: float32 (L, A), L >= 1 where `last` is not empty.
        last: int64 (N,), each within 0 .. L - 1.
        chunk: Number of predicted actions.

    Returns:
        Targets float32 (N, chunk, A), 0 where the episode has ended, and mask bool (N, chunk), True where it has not.
    """
    index = last[:, None] + np.arange(chunk)
    mask = index < len(actions)
    if len(last) == 0:
        return np.zeros((0, chunk, actions.shape[1]), dtype=np.float32), mask
    targets = actions[np.minimum(index, len(actions) - 1)].astype(np.float32)
    targets[~mask] = 0.0
    return targets, mask
