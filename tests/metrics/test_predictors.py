"""Trivial predictors against a few lines, and proof that they do not see what they predict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.errors import DatasetError
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS, Predictor
from mvla_core.schema import ActionSequence

INSTRUCTIONS = ("go left", "go right", "")


@st.composite
def recordings(draw: st.DrawFn, smallest: int = 1) -> list[ActionSequence]:
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return [
        ActionSequence(
            f"episode_{number}",
            generator.normal(size=(draw(st.integers(1, 12)), 2)).astype(np.float32),
            draw(st.sampled_from(INSTRUCTIONS)),
        )
        for number in range(draw(st.integers(smallest, 6)))
    ]


def mean(rows: list[np.ndarray]) -> np.ndarray:
    return np.mean(np.array(rows, dtype=np.float64), axis=0)


def by_hand(name: str, train: list[ActionSequence], sequence: ActionSequence, frame: int, step: int) -> np.ndarray:
    everything = mean([action for other in train for action in other.actions])
    if name == "constant":
        return everything
    if name == "repeat_last":
        return sequence.actions[frame - 1] if frame else np.zeros(2)
    index = frame + step
    reaching = [other for other in train if other.num_frames > index]
    same = [other for other in reaching if other.instruction == sequence.instruction]
    if name == "instruction_clock" and same:
        reaching = same
    return mean([other.actions[index] for other in reaching]) if reaching else everything


@settings(max_examples=40, deadline=None)
@given(recordings(), recordings(), st.integers(1, 6))
@pytest.mark.parametrize("name", TRIVIAL_PREDICTORS)
def test_predictions_agree_with_the_definition(
    name: str, train: list[ActionSequence], held_out: list[ActionSequence], chunk: int
) -> None:
    predictor = TRIVIAL_PREDICTORS[name].fit(train)
    sequence = held_out[0]
    frames = np.arange(sequence.num_frames)
    predicted = predictor.predict(sequence, frames, chunk)
    assert predicted.dtype == np.float32
    expected = [[by_hand(name, train, sequence, frame, step) for step in range(chunk)] for frame in frames]
    np.testing.assert_allclose(predicted, expected, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(recordings(), recordings(), st.integers(1, 6))
@pytest.mark.parametrize("name", TRIVIAL_PREDICTORS)
def test_the_present_and_the_future_are_never_seen(
    name: str, train: list[ActionSequence], held_out: list[ActionSequence], chunk: int
) -> None:
    predictor = TRIVIAL_PREDICTORS[name].fit(train)
    sequence = held_out[0]
    for frame in range(sequence.num_frames):
        changed = sequence.actions.copy()
        changed[frame:] += 100.0
        other = ActionSequence(sequence.episode_id, changed, sequence.instruction)
        last = np.array([frame])
        assert np.array_equal(predictor.predict(sequence, last, chunk), predictor.predict(other, last, chunk))


@pytest.mark.parametrize("name", TRIVIAL_PREDICTORS)
def test_a_prediction_does_not_hand_out_the_predictors_own_memory(name: str) -> None:
    train = [ActionSequence("a", np.ones((5, 2), dtype=np.float32), "go")]
    predictor: Predictor = TRIVIAL_PREDICTORS[name].fit(train)
    last = np.arange(3, 5)
    first = predictor.predict(train[0], last, 3)
    kept = first.copy()
    first[:] = 9.0
    assert np.array_equal(predictor.predict(train[0], last, 3), kept)
    assert predictor.predict(train[0], np.zeros(0, dtype=np.int64), 3).shape == (0, 3, 2)


@pytest.mark.parametrize("name", TRIVIAL_PREDICTORS)
def test_without_a_training_frame_the_user_is_told(name: str) -> None:
    with pytest.raises(DatasetError, match="holds no frame"):
        TRIVIAL_PREDICTORS[name].fit([ActionSequence("a", np.zeros((0, 2), dtype=np.float32))])
