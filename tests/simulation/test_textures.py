"""Surfaces are painted the same way each time, and differ from each other."""

from __future__ import annotations

import numpy as np
import pytest

from mvla_core.simulation.scene import Surface
from mvla_core.simulation.textures import PATTERNS, TEXTURE_SIZE, paint


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_a_pattern_is_repeatable_and_follows_its_colour(pattern: str) -> None:
    red = Surface(pattern, (0.8, 0.2, 0.2), seed=1)
    picture = paint(red)
    assert picture.shape == (TEXTURE_SIZE, TEXTURE_SIZE, 3)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, paint(red))
    assert not np.array_equal(picture, paint(Surface(pattern, (0.8, 0.2, 0.2), seed=2)))
    blue = paint(Surface(pattern, (0.2, 0.2, 0.8), seed=1)).mean((0, 1))
    assert picture.mean((0, 1))[0] > blue[0]
    assert blue[2] > picture.mean((0, 1))[2]


@pytest.mark.parametrize("pattern", ["plank", "tile", "carpet"])
def test_floors_repeat_without_a_seam(pattern: str) -> None:
    picture = paint(Surface(pattern, (0.6, 0.5, 0.4), seed=5)).astype(float)
    inner = np.abs(np.diff(picture, axis=1)).mean((0, 2))
    seam = np.abs(picture[:, 0] - picture[:, -1]).mean()
    assert seam <= inner.max() + 1.0
