"""Windows and chunk targets against loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.datasets.windows import WindowSpec, chunk_targets, complete_windows, last_frames, observed_frames
from mvla_core.errors import UserInputError

SPECS = st.builds(WindowSpec, st.integers(1, 8), st.integers(1, 12), st.sampled_from(["mask", "drop"]))
EVERY_SPEC = st.one_of(SPECS, SPECS.map(lambda spec: replace(spec, short_episodes="pad")))


@given(st.integers(0, 60), SPECS)
def test_items_agree_with_trying_every_frame(length: int, spec: WindowSpec) -> None:
    expected = []
    for frame in range(length):
        observed_exist = frame - spec.window_size + 1 >= 0
        span_exists = frame + spec.chunk_size < length
        if observed_exist and (spec.chunk_ends == "mask" or span_exists):
            expected.append(frame)
    assert last_frames(length, spec).tolist() == expected
    assert bool(expected) == (length >= spec.minimum_frames)


@given(st.integers(0, 60), SPECS)
def test_the_briefings_count_is_the_number_of_dropping_items(length: int, spec: WindowSpec) -> None:
    dropping = WindowSpec(spec.window_size, spec.chunk_size, "drop")
    assert complete_windows(length, spec) == len(last_frames(length, dropping))
    assert complete_windows(length, spec) == max(0, length - (spec.window_size + spec.chunk_size) + 1)


@given(st.integers(0, 60), SPECS)
def test_padding_gives_items_of_short_episodes_alone(length: int, spec: WindowSpec) -> None:
    padding = replace(spec, short_episodes="pad")
    frames = last_frames(length, padding)
    assert bool(len(frames)) == (length >= padding.minimum_frames)
    if length >= spec.minimum_frames:
        assert frames.tolist() == last_frames(length, spec).tolist(), "longer ones are cut as ever"
        return
    assert frames.tolist() == [t for t in range(length) if t + 1 >= min(spec.window_size, length)]
    seen = observed_frames(frames, spec.window_size)
    for row, last in zip(seen.tolist(), frames.tolist(), strict=True):
        assert row == [max(last - back, 0) for back in reversed(range(spec.window_size))], (
            "the first frame stands before"
        )
    _, mask = chunk_targets(np.ones((length, 2), dtype=np.float32), frames, spec.chunk_size)
    assert mask.sum() == sum(min(spec.chunk_size, length - t) for t in frames.tolist()), "no action is invented"


def test_a_spec_of_a_version_that_did_not_pad_is_read() -> None:
    assert WindowSpec.from_json({"window_size": 4, "chunk_size": 10, "chunk_ends": "drop"}) == WindowSpec(4, 10, "drop")


def test_the_usual_episode_gives_five_complete_windows_and_fifteen_masked() -> None:
    assert complete_windows(18, WindowSpec()) == 5
    assert len(last_frames(18, WindowSpec())) == 15
    assert complete_windows(2, WindowSpec()) == len(last_frames(2, WindowSpec())) == 0


@given(st.integers(1, 30), SPECS, st.integers(2, 3))
def test_targets_agree_with_a_loop(length: int, spec: WindowSpec, dims: int) -> None:
    actions = np.random.default_rng(length).normal(size=(length, dims)).astype(np.float32)
    frames = last_frames(length, spec)
    targets, mask = chunk_targets(actions, frames, spec.chunk_size)
    assert targets.shape == (len(frames), spec.chunk_size, dims)
    assert targets.dtype == np.float32
    for row, frame in enumerate(frames):
        for step in range(spec.chunk_size):
            exists = frame + step < length
            assert mask[row, step] == exists
            assert targets[row, step].tolist() == (actions[frame + step].tolist() if exists else [0.0] * dims)
    assert spec.chunk_ends == "mask" or mask.all()


def test_an_empty_episode_has_no_targets() -> None:
    targets, mask = chunk_targets(np.zeros((0, 2), dtype=np.float32), last_frames(0, WindowSpec()), 10)
    assert targets.shape == (0, 10, 2)
    assert mask.shape == (0, 10)


def test_the_last_observed_frame_is_the_last_column() -> None:
    assert observed_frames(np.array([3, 5]), 4).tolist() == [[0, 1, 2, 3], [2, 3, 4, 5]]


@pytest.mark.parametrize(
    "wrong", [{"window_size": 0}, {"chunk_size": 0}, {"chunk_ends": "cut"}, {"short_episodes": "drop"}]
)
def test_a_window_that_cannot_be_cut_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UserInputError):
        WindowSpec(**wrong)  # type: ignore[arg-type]


@given(EVERY_SPEC)
def test_json_and_back(spec: WindowSpec) -> None:
    assert WindowSpec.from_json(spec.to_json()) == spec
