"""From predicted chunks to one command a frame: how many steps of a chunk are driven, and how overlapping chunks are averaged."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import numpy.typing as npt

Chunk = npt.NDArray[np.float32]
"""float32 (C, A), physical units: what to command from one frame on."""


class ChunkPlan:
    """Chooses the command of each frame.

    Without ensembling the first `execute_steps` actions of a chunk are driven, then the next chunk is asked for. With it
    a chunk is asked for at every frame, and the command is the mean of what all chunks say of this frame, each weighted by
    exp(-ensembling * age in frames). Source of temporal ensembling: Zhao et al. 2023 (arXiv:2304.13705), who weigh the
    oldest highest instead.
    """

    def __init__(self, execute_steps: int, ensembling: float | None) -> None:
        """
        Args:
            execute_steps: At least 1; ignored with ensembling.
            ensembling: At least 0, a frame; None drives one chunk at a time.
        """
        self._execute_steps = execute_steps
        self._ensembling = ensembling
        self._chunks: deque[tuple[int, Chunk]] = deque()

    @property
    def begun(self) -> bool:
        """Whether there is a chunk at all."""
        return bool(self._chunks)

    def wants(self, frame: int) -> bool:
        """Whether a new chunk shall be predicted at this frame."""
        if self._ensembling is not None or not self._chunks:
            return True
        begun, chunk = self._chunks[-1]
        return frame - begun >= min(self._execute_steps, len(chunk))

    def offer(self, frame: int, chunk: Chunk) -> None:
        """Take the chunk that was predicted at a frame."""
        if self._ensembling is None:
            self._chunks.clear()
        self._chunks.append((frame, chunk))
        while frame - self._chunks[0][0] >= len(self._chunks[0][1]):
            self._chunks.popleft()

    def age(self, frame: int) -> int:
        """Frames since the newest chunk was predicted."""
        return frame - self._chunks[-1][0]

    def command(self, frame: int) -> Chunk:
        """The action for a frame, float32 (A,); the last one of a chunk that has run out."""
        begun, chunk = self._chunks[-1]
        if self._ensembling is None or frame - begun >= len(chunk):
            return np.asarray(chunk[min(frame - begun, len(chunk) - 1)], np.float32)
        said = [(frame - begun, chunk[frame - begun]) for begun, chunk in self._chunks if frame - begun < len(chunk)]
        weights = np.array([math.exp(-self._ensembling * age) for age, _ in said])
        actions = np.stack([action for _, action in said])
        return np.asarray((weights / weights.sum()) @ actions, np.float32)
