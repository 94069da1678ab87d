"""Surfaces painted from a few numbers, so that the program needs no picture files.

A texture is uint8 (TEXTURE_SIZE, TEXTURE_SIZE, 3), RGB in sRGB; row 0 is the top. Patterns that cover floors and walls
repeat without a seam; patterns of things (carton, door, picture) fit one face.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mvla_core.simulation.scene import Surface

TEXTURE_SIZE = 128
"""Pixels, a power of two, so that it halves down to one."""

Grey = npt.NDArray[np.float32]
Picture = npt.NDArray[np.float32]


def paint(surface: Surface) -> npt.NDArray[np.uint8]:
    """Paint a surface: uint8 (TEXTURE_SIZE, TEXTURE_SIZE, 3), RGB. The same surface gives the same bytes."""
    rng = np.random.default_rng(surface.seed)
    colour = np.asarray(surface.colour, np.float32)
    accent = np.asarray(surface.accent, np.float32)
    picture = PATTERNS[surface.pattern](rng, colour, accent)
    return np.round(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)


def _noise(rng: np.random.Generator, octaves: int = 4, coarsest: int = 4) -> Grey:
    """Seamless value noise (size, size), about -0.5 to 0.5, from `coarsest` cells a side to finer ones."""
    total = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.float32)
    weight = 1.0
    for octave in range(octaves):
        cells = min(TEXTURE_SIZE, coarsest * 2**octave)
        grid = rng.random((cells, cells), dtype=np.float32) - 0.5
        position = np.arange(TEXTURE_SIZE, dtype=np.float32) * (cells / TEXTURE_SIZE)
        low = position.astype(np.intp)
        high = (low + 1) % cells
        share = position - low
        share = share * share * (3 - 2 * share)
        rows = grid[low] * (1 - share)[:, None] + grid[high] * share[:, None]
        total += weight * (rows[:, low] * (1 - share) + rows[:, high] * share)
        weight *= 0.55
    return total


def _axes() -> tuple[Grey, Grey]:
    """Columns 0 to 1 from the left and rows 0 to 1 from the top, each (size, size)."""
    steps = (np.arange(TEXTURE_SIZE, dtype=np.float32) + 0.5) / TEXTURE_SIZE
    return np.broadcast_to(steps, (TEXTURE_SIZE, TEXTURE_SIZE)), np.broadcast_to(
        steps[:, None], (TEXTURE_SIZE, TEXTURE_SIZE)
    )


def _toned(colour: Grey, tone: Grey) -> Picture:
    toned: Picture = colour * tone[..., None]
    return toned


def _put(picture: Picture, where: npt.NDArray[np.bool_], colour: npt.ArrayLike) -> Picture:
    return np.where(where[..., None], np.asarray(colour, np.float32), picture).astype(np.float32)


def _plank(rng: np.random.Generator, colour: Grey, accent: Grey) -> Picture:
    u, v = _axes()
    rows = 6
    row = (v * rows).astype(np.intp)
    board = ((u * 2 + rng.random(rows, dtype=np.float32)[row]) % 2).astype(np.intp)
    tone = rng.uniform(0.82, 1.08, (rows, 2)).astype(np.float32)[row, board]
    grain = np.repeat(_noise(rng, 3, 16)[:, ::8], 8, axis=1)
    picture = _toned(colour, tone + 0.14 * grain + 0.10 * _noise(rng))
    return _put(picture, (v * rows) % 1 < 0.06, colour * 0.55)


def _tile(rng: np.random.Generator, colour: Grey, accent: Grey) -> Picture:
    u, v = _axes()
    across = 2
    tone = rng.uniform(0.94, 1.04, (across, across)).astype(np.float32)
    picture = _toned(colour, tone[(v * across).astype(np.intp), (u * across).astype(np.intp)] + 0.08 * _noise(rng))
    joint = ((u * across) % 1 < 0.04) | ((v * across) % 1 < 0.04)
    return _put(picture, joint, colour * 0.65)


def _carpet(rng: np.random.Generator, colour: Grey, accent: Grey) -> Picture:
    speckle = rng.normal(0.0, 0.10, (TEXTURE_SIZE, TEXTURE_SIZE)).astype(np.float32)
    return _toned(colour, 1 + 0.25 * _noise(rng) + speckle)


def _wall(rng: np.random.Generator, colour: Grey, accent: Grey) -> Picture:
    """A painted wall from the ceiling (top row) to a skirting board at the floor (last rows)."""
    _, v = _axes()
    picture = _toned(colour, 1 + 0.05 * _noise(rng, 5, 2))
    picture = _put(picture, v > 0.955, accent)
    return _put(picture, (v > 0.945) & (v <= 0.955), colour * 0.7)


def _plaster(rng: np.random.Generator, colour: Grey, accent: Grey) -> Picture:
    return _toned(colour, 1 + 0.05 * _noise(rng))


def _carton(rng: np.random.Generator, colour: Grey, accent: Grey) -> Picture:
    """One face of a cardboard box: brown, darker edges, a strip of tape, a label."""
    u, v = _axes()
    picture = _toned(colour, 1 + 0.12 * _noise(rng))
    picture = _put(picture, np.abs(u - 0.5) < 0.055, np.minimum(1.0, colour * 1.25 + 0.06))
    left, top = rng.uniform(0.08, 0.20), rng.uniform(0.15, 0.45)
    label = (u > left) & (u < left + 0.24) & (v > top) & (v < top + 0.28)
    picture = _put(picture, label, (0.93, 0.93, 0.90))
    lines = label & (u > left + 0.03) & (u < left + 0.20) & ((v - top) % 0.07 > 0.045)
    picture = _put(picture, lines, (0.25, 0.25, 0.28))
    edge = np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v)) < 0.025
    return _put(picture, edge, colour * 0.62)


def _basket(rng: np.random.Generator, colour: Grey, accent: Grey) -> Picture:
    """A plastic laundry basket: rows of slots between plain bands, a pale rim on top. One repeat around is two slots."""
    u, v = _axes()
    picture = _toned(colour, 1 + 0.06 * _noise(rng))
    slots = ((u * 4) % 1 > 0.35) & ((v * 5) % 1 > 0.38) & (v > 0.2) & (v < 0.97)
    picture = _put(picture, slots, colour * 0.28)
    return _put(picture, v < 0.12, np.minimum(1.0, 0.55 + 0.5 * colour))


def _cone(rng: np.random.Generator, colour: Grey, accent: Grey) -> Picture:
    """A marker cone: bands of the accent colour around it."""
    _, v = _axes()
    picture = _toned(colour, 1 + 0.05 * _noise(rng))
    return _put(picture, (np.abs(v - 0.35) < 0.09) | (np.abs(v - 0.66) < 0.07), accent)


def _cabinet(rng: np.random.Generator, colour: Grey, accent: Grey) -> Picture:
    """A front with two doors and their handles."""
    u, v = _axes()
    picture = _toned(colour, 1 + 0.08 * _noise(rng, 3, 8))
    frame = (np.abs(u - 0.5) < 0.012) | (np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v)) < 0.03)
    picture = _put(picture, frame, colour * 0.6)
    handle = (np.abs(np.abs(u - 0.5) - 0.07) < 0.015) & (np.abs(v - 0.4) < 0.08)
    return _put(picture, handle, (0.75, 0.75, 0.78))


def _door(rng: np.random.Generator, colour: Grey, accent: Grey) -> Picture:
    u, v = _axes()
    picture = _toned(colour, 1 + 0.08 * _noise(rng, 3, 8))
    for top, bottom in ((0.08, 0.46), (0.54, 0.92)):
        panel = np.maximum(np.abs(u - 0.5) / 0.32, np.abs(v - (top + bottom) / 2) / ((bottom - top) / 2))
        picture = _put(picture, (panel < 1.0) & (panel > 0.92), colour * 0.65)
    return _put(picture, (np.abs(u - 0.9) < 0.03) & (np.abs(v - 0.52) < 0.012), (0.8, 0.75, 0.55))


def _window(rng: np.random.Generator, colour: Grey, accent: Grey) -> Picture:
    u, v = _axes()
    picture = _toned(colour, 1.0 - 0.25 * v + 0.10 * _noise(rng, 3, 3))
    bars = (np.abs(u - 0.5) < 0.02) | (np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v)) < 0.045)
    return _put(picture, bars, (0.85, 0.85, 0.84))


def _picture(rng: np.random.Generator, colour: Grey, accent: Grey) -> Picture:
    u, v = _axes()
    shade = _noise(rng, 3, 3)
    picture = _toned(colour, 1.0 + 0.9 * shade)
    picture = _put(picture, shade > 0.12, 1.0 - colour * 0.7)
    return _put(picture, np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v)) < 0.07, (0.2, 0.17, 0.15))


PATTERNS: dict[str, Callable[[np.random.Generator, Grey, Grey], Picture]] = {
    "plank": _plank,
    "tile": _tile,
    "carpet": _carpet,
    "wall": _wall,
    "plaster": _plaster,
    "carton": _carton,
    "basket": _basket,
    "cone": _cone,
    "cabinet": _cabinet,
    "door": _door,
    "window": _window,
    "picture": _picture,
}
