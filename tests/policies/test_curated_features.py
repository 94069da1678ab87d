"""Cached picture features of curated episodes: a trim takes a slice of them, and other colours never meet old features."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.frame_features import frame_features
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import EpisodeError
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace, EpisodeInfo

FRAMES = 9


class FirstPixel:
    """Encodes a frame as its first pixel, and counts what it was given."""

    key = "first-pixel"
    shape = (3,)
    dtype = np.dtype(np.float32)

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        self.encoded += len(frames)
        return frames[:, 0, 0].astype(np.float32)

    def to(self, device: Any) -> None:
        """It has no weights."""


@pytest.fixture
def pixels() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (FRAMES, 3), dtype=np.uint8)


@pytest.fixture
def info(root: DataRoot, pixels: npt.NDArray[np.uint8]) -> EpisodeInfo:
    frames = pixels[:, None, None].repeat(8, 1).repeat(8, 2)
    root.dataset("lab").mkdir(parents=True)
    path = root.dataset("lab") / "e.h5"
    write_episode(path, frames, np.zeros((FRAMES, 2)), action_space=ActionSpace.default(2))
    return scan(root, named_dataset(root, "lab")).by_id("e")


@pytest.mark.parametrize("trims", [[None, (2, 6), (0, 0)], [(2, 6), None], [(8, 8), (2, 6), (1, 7), None]])
def test_trimming_neither_mixes_up_frames_nor_encodes_them_again(
    root: DataRoot, info: EpisodeInfo, pixels: npt.NDArray[np.uint8], trims: list[tuple[int, int] | None]
) -> None:
    encoder = FirstPixel()
    for trim in trims:
        seen = info if trim is None else info.trimmed(*trim)
        assert np.array_equal(frame_features(root, encoder, seen), pixels[seen.kept])
    assert encoder.encoded == FRAMES


def test_another_colour_order_is_another_picture(
    root: DataRoot, info: EpisodeInfo, pixels: npt.NDArray[np.uint8]
) -> None:
    encoder = FirstPixel()
    for order, channels in (("rgb", 1), ("bgr", -1), ("rgb", 1)):
        seen = replace(info.trimmed(1, 3), color_order=order)
        assert np.array_equal(frame_features(root, encoder, seen), pixels[1:4, ::channels])
    assert encoder.encoded == 2 * FRAMES


def test_a_recording_that_is_not_what_was_catalogued_is_refused(root: DataRoot, info: EpisodeInfo) -> None:
    longer = replace(info, num_frames=FRAMES + 3, trim=(0, FRAMES + 2))
    with pytest.raises(EpisodeError, match="shorter than when it was trimmed"):
        frame_features(root, FirstPixel(), longer)
