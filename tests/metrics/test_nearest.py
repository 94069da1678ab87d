"""Nearest frames, and the predictor that only remembers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.errors import DatasetError
from mvla_core.metrics import nearest as nearest_module
from mvla_core.metrics.nearest import averaged_chunks, nearest, unit_vectors
from mvla_core.metrics.nearest_picture import NearestPicture
from mvla_core.schema import ActionSequence


@given(seed=st.integers(0, 1000), count=st.integers(1, 12), queries=st.integers(0, 9), references=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_the_same_frames_as_a_full_sort_finds(seed: int, count: int, queries: int, references: int) -> None:
    generator = np.random.default_rng(seed)
    asked, known = (unit_vectors(generator.normal(size=(size, 5))) for size in (queries, references))
    groups = generator.integers(0, 3, references)
    own = generator.integers(0, 3, queries)
    allowed = generator.random((3, 3)) < 0.6
    index, cosine = nearest(asked, known, count, query_groups=own, reference_groups=groups, allowed=allowed)
    assert index.shape == cosine.shape == (queries, min(count, references))
    for row in range(queries):
        possible = [(float(asked[row] @ known[k]), k) for k in range(references) if allowed[own[row], groups[k]]]
        best = [value for value, _ in sorted(possible, reverse=True)[:count]]
        found = [k for k in index[row] if k >= 0]
        assert len(found) == len(best)
        assert np.allclose(sorted((asked[row] @ known[k] for k in found), reverse=True), best, atol=1e-6)
        assert all(k in {k for _, k in possible} for k in found)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(3)
    asked, known = unit_vectors(generator.normal(size=(50, 8))), unit_vectors(generator.normal(size=(40, 8)))
    whole = nearest(asked, known, 5)
    monkeypatch.setattr(nearest_module, "_BLOCK_PAIRS", 90)
    blocks = nearest(asked, known, 5)
    assert np.array_equal(whole[0], blocks[0])
    assert np.allclose(whole[1], blocks[1], atol=1e-6)


def test_what_is_missing_is_left_out_of_the_average() -> None:
    chunks = np.array([[[1.0], [2.0]], [[3.0], [0.0]], [[5.0], [9.0]]], np.float32)
    masks = np.array([[True, True], [True, False], [True, True]])
    averaged = averaged_chunks(np.array([[0, 1], [1, -1], [-1, -1]]), chunks, masks, np.array([7.0]))
    assert averaged[..., 0].tolist() == [[2.0, 2.0], [3.0, 7.0], [7.0, 7.0]]


def test_a_vector_equal_to_the_centre_is_like_nothing() -> None:
    assert unit_vectors(np.array([[1.0, 2.0]]), np.array([1.0, 2.0])).tolist() == [[0.0, 0.0]]


def episode(name: str, instruction: str, sign: float, seed: int) -> tuple[ActionSequence, np.ndarray]:
    """Frames whose first number is what to do, and the rest noise."""
    generator = np.random.default_rng(seed)
    wanted = generator.choice([-1.0, 1.0], 20).astype(np.float32)
    vectors = np.concatenate([3 * wanted[:, None], generator.normal(0, 0.3, (20, 6))], axis=1)
    actions = np.stack([np.ones(20, np.float32), sign * wanted], axis=1)
    return ActionSequence(name, actions, instruction), vectors


def test_it_does_what_was_done_before_the_same_view() -> None:
    made = [episode(f"e{k}", "go", 1.0, k) for k in range(6)]
    vectors = {sequence.episode_id: look for sequence, look in made}
    remembered = NearestPicture.fit([sequence for sequence, _ in made[:5]], vectors, 3)
    sequence, look = made[5]
    predicted = remembered.predict(sequence, look, np.arange(20), 3)
    assert predicted.shape == (20, 3, 2)
    assert predicted.dtype == np.float32
    assert np.mean(np.sign(predicted[:, 0, 1]) == np.sign(sequence.actions[:, 1])) == 1.0


def test_within_the_same_instruction_opposite_meanings_are_kept_apart() -> None:
    made = [episode(f"e{k}", "left" if k % 2 else "right", 1.0 if k % 2 else -1.0, k) for k in range(9)]
    vectors = {sequence.episode_id: look for sequence, look in made}
    train = [sequence for sequence, _ in made[:8]]
    sequence, look = made[8]
    errors = {}
    for same in (False, True):
        remembered = NearestPicture.fit(train, vectors, 1, same_instruction=same)
        errors[same] = np.square(remembered.predict(sequence, look, np.arange(20), 1)[:, 0] - sequence.actions).mean()
    assert errors[True] < 0.05 < 0.4 < errors[False]
    unknown = ActionSequence("new", sequence.actions, "never said")
    assert np.isfinite(
        NearestPicture.fit(train, vectors, 1, same_instruction=True).predict(unknown, look, np.arange(20), 1)
    ).all()


def test_noise_is_averaged_away_by_more_neighbours() -> None:
    generator = np.random.default_rng(0)
    sequences = [ActionSequence(f"e{k}", generator.normal(size=(30, 2)).astype(np.float32)) for k in range(8)]
    vectors = {sequence.episode_id: generator.normal(size=(30, 12)) for sequence in sequences}
    assert NearestPicture.fit(sequences, vectors, 1).neighbours >= 20


def test_it_never_reads_the_actions_it_predicts() -> None:
    made = [episode(f"e{k}", "go", 1.0, k) for k in range(4)]
    vectors = {sequence.episode_id: look for sequence, look in made}
    remembered = NearestPicture.fit([sequence for sequence, _ in made[:3]], vectors, 2)
    sequence, look = made[3]
    blank = ActionSequence(sequence.episode_id, np.full_like(sequence.actions, np.nan), sequence.instruction)
    last = np.arange(20)
    assert np.array_equal(remembered.predict(sequence, look, last, 2), remembered.predict(blank, look, last, 2))


def test_many_frames_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvla_core.metrics.nearest_picture.MOST_REFERENCES", 40)
    made = [episode(f"e{k}", "go", 1.0, k) for k in range(8)]
    vectors = {sequence.episode_id: look for sequence, look in made}
    remembered = NearestPicture.fit([sequence for sequence, _ in made], vectors, 2)
    assert len(remembered.references) == 40


def test_no_frame_to_remember() -> None:
    with pytest.raises(DatasetError, match="holds no frame"):
        NearestPicture.fit([ActionSequence("e", np.zeros((0, 2), np.float32))], {}, 2)
