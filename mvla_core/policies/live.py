"""A trained policy that drives: each new frame passes the backbone once and is kept, and a window of the latest gives the chunk."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mvla_core.policies.adapter import LoadedPolicy
from mvla_core.policies.spec import PolicySpec
from mvla_core.schema import Frame


class LivePolicy:
    """Keeps the window of a running drive. Use: `reset()` before each drive, then `step(...)` with every frame.

    Before a full window was seen, the window begins with the first frame repeated: a robot that has stood at its start has seen
    nothing else. Training windows are always full, so that this is the only input of a drive that training does not know.
    """

    def __init__(self, policy: LoadedPolicy) -> None:
        self._policy = policy
        self._features: deque[npt.NDArray[Any]] = deque(maxlen=policy.spec.window_size)
        self._vectors: deque[Tensor] = deque(maxlen=policy.spec.window_size)
        self._heard: str | None = None

    @property
    def spec(self) -> PolicySpec:
        return self._policy.spec

    def reset(self) -> None:
        """Forget the former drive."""
        self._features.clear()
        self._vectors.clear()

    def see(self, frame: Frame) -> None:
        """Take a frame into the window without predicting: for control loops that predict only now and then.

        Args:
            frame: uint8 (H, W, 3), RGB, of any size.
        """
        (encoded,) = self._policy.encode_frames(frame[None])
        if not self._features:
            self._features.extend([encoded] * self.spec.window_size)
        else:
            self._features.append(encoded)
        if self._vectors:
            self._vectors.append(self._vector(encoded))

    def predict(self, instruction: str) -> npt.NDArray[np.float32]:
        """Return the chunk that follows the latest frame, float32 (chunk_size, A) in physical units. `see` came before."""
        if instruction != self._heard or not self._vectors:
            # The backbone reads a frame together with the instruction: another one is another reading of the whole window.
            self._heard = instruction
            known: dict[int, Tensor] = {}
            for features in self._features:
                if id(features) not in known:
                    known[id(features)] = self._vector(features)
            self._vectors.extend(known[id(features)] for features in self._features)
        return self._policy.predict_window(torch.cat(tuple(self._vectors)))

    def _vector(self, features: npt.NDArray[Any]) -> Tensor:
        assert self._heard is not None
        vector: Tensor = self._policy.frame_vectors(features[None], self._heard)
        return vector

    def step(self, frame: Frame, instruction: str) -> npt.NDArray[np.float32]:
        """Take the next frame and return the chunk that follows it.

        Args:
            frame: uint8 (H, W, 3), RGB, of any size.
            instruction: What the policy is told; may change from frame to frame.

        Returns:
            float32 (chunk_size, A), physical units of the policy's action space.
        """
        self.see(frame)
        return self.predict(instruction)
