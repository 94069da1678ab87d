"""What frames look like: kept for one state of a file, cut by a trim, forgotten when the file or its colours change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.looks import (
    VECTOR_SIZE,
    Looks,
    load_looks,
    look_table,
    look_vectors,
    looks_entry,
    perceptual_hash,
    without_looks,
)
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace, EpisodeInfo, Frame


def scene(seed: int) -> Frame:
    """A picture with large forms, as rooms have: blurred noise, uint8 (90, 120, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (120, 90), interpolation=cv2.INTER_CUBIC), np.uint8)


def distance(first: Frame, second: Frame) -> int:
    return (perceptual_hash(first) ^ perceptual_hash(second)).bit_count()


def test_the_same_picture_saved_otherwise_keeps_its_hash() -> None:
    for seed in range(20):
        frame = scene(seed)
        jpeg = cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)
        half = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        brighter = np.clip(frame * 1.1 + 5, 0, 255).astype(np.uint8)
        assert max(distance(frame, np.asarray(other)) for other in (jpeg, half, brighter)) <= 4


def test_other_pictures_have_other_hashes() -> None:
    frames = [scene(seed) for seed in range(20)]
    assert min(distance(a, b) for n, a in enumerate(frames) for b in frames[:n]) > 10


def test_vectors_keep_how_alike_features_are() -> None:
    generator = np.random.default_rng(5)
    features = generator.normal(size=(40, 16, 14, 14)).astype(np.float16)
    # The same averages over the 3 x 5 places, spelled out.
    rows, columns = [0, 5, 9, 14], [0, 3, 6, 8, 11, 14]
    plain = np.stack(
        [
            features[:, :, rows[r] : rows[r + 1], columns[c] : columns[c + 1]].astype(np.float64).mean((2, 3))
            for r in range(3)
            for c in range(5)
        ],
        axis=2,
    ).reshape(40, -1)
    vectors = look_vectors(features).astype(np.float64)
    assert vectors.shape == (40, VECTOR_SIZE)

    def cosines(values: np.ndarray) -> np.ndarray:
        unit = values / np.linalg.norm(values, axis=1, keepdims=True)
        return unit @ unit.T

    assert np.abs(cosines(vectors) - cosines(plain)).max() < 0.3
    assert np.corrcoef(cosines(vectors).ravel(), cosines(plain).ravel())[0, 1] > 0.8


@given(frames=st.integers(0, 6), seed=st.integers(0, 99))
def test_bytes_and_back(frames: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    looks = Looks(
        generator.normal(size=(frames, VECTOR_SIZE)).astype(np.float16),
        generator.integers(0, 2**64, frames, dtype=np.uint64),
    )
    again = Looks.from_bytes(looks.to_bytes())
    assert np.array_equal(again.vectors, looks.vectors)
    assert np.array_equal(again.hashes, looks.hashes)


def test_damaged_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 520"):
        Looks.from_bytes(b"\0" * 519)


@pytest.fixture
def walk(tmp_path: Path) -> tuple[DataRoot, EpisodeInfo]:
    root = DataRoot(tmp_path)
    root.dataset("walk").mkdir(parents=True)
    frames = np.stack([scene(seed) for seed in range(6)])
    write_episode(root.dataset("walk") / "a.h5", frames, np.ones((6, 2)), action_space=ActionSpace.default(2))
    return root, scan(root, named_dataset(root, "walk")).episodes[0]


def test_looks_belong_to_one_state_of_a_file(walk: tuple[DataRoot, EpisodeInfo]) -> None:
    root, info = walk
    assert without_looks(root, [info]) == [info]
    looks = Looks(np.arange(6 * VECTOR_SIZE).reshape(6, -1).astype(np.float16), np.arange(6, dtype=np.uint64))
    look_table(root, "walk", root.dataset("walk")).change({info.path.name: looks_entry(info, looks)})
    assert without_looks(root, [info]) == []
    assert load_looks(root, [info])["a"].hashes.tolist() == [0, 1, 2, 3, 4, 5]
    trimmed = load_looks(root, [info.trimmed(2, 4)])["a"]
    assert trimmed.hashes.tolist() == [2, 3, 4]
    assert np.array_equal(trimmed.vectors, looks.vectors[2:5])
    for other in (
        replace(info, file_mtime_ns=info.file_mtime_ns + 1),
        replace(info, file_size=info.file_size + 1),
        replace(info, color_order="bgr"),
    ):
        assert without_looks(root, [other]) == [other]
        assert load_looks(root, [other]) == {}
