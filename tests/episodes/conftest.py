"""Episode files for the tests: `make_episode` writes them with h5py alone, as the robot's recorder does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest

MakeEpisode = Callable[..., Path]


def pictures(num_frames: int, height: int = 8, width: int = 10, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def frames_of() -> Callable[..., npt.NDArray[np.uint8]]:
    """Random frames, uint8 (num_frames, height, width, 3)."""
    return pictures


@pytest.fixture(scope="session")
def make_episode() -> MakeEpisode:
    """Write an episode file and return its path."""

    def make(
        path: Path,
        num_frames: int = 3,
        *,
        images: Any = None,
        actions: Any = None,
        image_key: str = "images",
        attributes: dict[str, Any] | None = None,
        instruction: str | None = None,
        seed: int = 0,
        **storage: Any,
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.create_dataset(
                image_key, data=pictures(num_frames, seed=seed) if images is None else images, **storage
            )
            file["actions"] = np.full((num_frames, 2), 0.5, np.float32) if actions is None else actions
            if instruction is not None:
                file.create_dataset("language_instruction", data=[instruction], dtype=h5py.string_dtype())
            file.attrs.update(attributes or {})
        return path

    return make
