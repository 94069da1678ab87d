"""Nearest pictures: the predictor that only remembers. What it reaches, anyone who looks at all can reach.

Frames are compared by the cosine of their vectors. Arrays in, numbers out: which frames may be compared is given as groups.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_BLOCK_PAIRS = 8_000_000
"""Similarities held at a time: 32 MB."""


def unit_vectors(vectors: npt.NDArray[np.floating], centre: npt.NDArray[np.floating] | None = None) -> Floats:
    """Return float32 (N, D) of length 1 after `centre` (D,) was taken away; a vector equal to the centre becomes 0."""
    moved = vectors.astype(np.float32) if centre is None else vectors.astype(np.float32) - centre.astype(np.float32)
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    unit: Floats = np.divide(moved, length, out=np.zeros_like(moved), where=length > 0)
    return unit


def nearest(
    queries: Floats,
    references: Floats,
    count: int,
    *,
    query_groups: Integers | None = None,
    reference_groups: Integers | None = None,
    allowed: Flags | None = None,
) -> tuple[Integers, Floats]:
    """Find the references most alike to each query.

    Args:
        queries: float32 (Q, D), unit vectors.
        references: float32 (R, D), unit vectors.
        count: How many to find.
        query_groups: int64 (Q,), row of `allowed`.
        reference_groups: int64 (R,), column of `allowed`.
        allowed: bool (G, H): whether queries of a group may be compared with references of another. None allows all.

    Returns:
        Indices into the references, int64 (Q, K), and cosines, float32 (Q, K), most alike first, K = min(count, R). Where
        fewer are allowed the rest is -1 with a cosine of minus infinity.
    """
    kept = min(count, len(references))
    index = np.full((len(queries), kept), -1, dtype=np.int64)
    cosine = np.full((len(queries), kept), -np.inf, dtype=np.float32)
    if not kept:
        return index, cosine
    rows = max(1, _BLOCK_PAIRS // len(references))
    for begin in range(0, len(queries), rows):
        block = slice(begin, min(begin + rows, len(queries)))
        alike = queries[block] @ references.T
        if allowed is not None:
            assert query_groups is not None
            assert reference_groups is not None
            alike[~allowed[query_groups[block]][:, reference_groups]] = -np.inf
        best = np.argpartition(-alike, kept - 1, axis=1)[:, :kept]
        values = np.take_along_axis(alike, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        cosine[block] = np.take_along_axis(values, order, axis=1)
        index[block] = np.take_along_axis(best, order, axis=1)
    index[np.isneginf(cosine)] = -1
    return index, cosine


def averaged_chunks(neighbours: Integers, chunks: Floats, masks: Flags, otherwise: npt.NDArray[np.floating]) -> Floats:
    """Average what followed the nearest pictures.

    Args:
        neighbours: int64 (Q, K), rows of `chunks`; -1 is left out.
        chunks: float32 (R, C, A), the actions that followed each reference.
        masks: bool (R, C), which of them exist.
        otherwise: float (A,), predicted where no neighbour's episode went on for so long.

    Returns:
        float32 (Q, C, A).
    """
    valid = masks[neighbours] & (neighbours >= 0)[..., None]
    total = (chunks[neighbours] * valid[..., None]).sum(axis=1)
    number = valid.sum(axis=1)[..., None]
    return np.where(number > 0, total / np.maximum(number, 1), otherwise).astype(np.float32)
