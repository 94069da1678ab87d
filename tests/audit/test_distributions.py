"""Distributions against counting by hand."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.audit.distributions import (
    action_ids,
    axis_histograms,
    axis_statistics,
    determinism,
    determinism_within_instruction,
    joined_actions,
    joint_action_counts,
    sequence_keys,
    transition_counts,
)
from mvla_core.metrics.directions import DIRECTION_NAMES
from mvla_core.schema import ActionSequence, ActionSpace

SPACE = ActionSpace.default(2)
KEYS = ((0.0, 0.0), (1.15, 0.0), (0.0, 1.15), (0.0, -1.15), (1.15, 1.15))


@st.composite
def keyed(draw: st.DrawFn) -> list[ActionSequence]:
    rows = draw(st.lists(st.lists(st.sampled_from(KEYS), min_size=1, max_size=8), min_size=1, max_size=8))
    texts = draw(st.lists(st.sampled_from(["left", "right"]), min_size=len(rows), max_size=len(rows)))
    return [
        ActionSequence(f"e{number}", np.array(row, dtype=np.float32), text)
        for number, (row, text) in enumerate(zip(rows, texts, strict=True))
    ]


def by_hand(sequences: list[ActionSequence]) -> list[float]:
    shares = []
    for index in range(max(sequence.num_frames for sequence in sequences)):
        held = [tuple(sequence.actions[index]) for sequence in sequences if sequence.num_frames > index]
        if len(held) >= 2:
            shares.append(Counter(held).most_common(1)[0][1] / len(held))
    return shares


@settings(deadline=None)
@given(keyed())
def test_determinism_agrees_with_counting(sequences: list[ActionSequence]) -> None:
    shares, found = by_hand(sequences), determinism(sequences)
    assert found.mean == (pytest.approx(np.mean(shares)) if shares else None)
    assert found.max == (pytest.approx(max(shares)) if shares else None)
    assert found.share[~np.isnan(found.share)].tolist() == pytest.approx(shares)
    assert found.episodes[0] == len(sequences)


@settings(deadline=None)
@given(keyed())
def test_determinism_within_an_instruction_weighs_by_episodes(sequences: list[ActionSequence]) -> None:
    total = weight = 0.0
    for text in ("left", "right"):
        group = [sequence for sequence in sequences if sequence.instruction == text]
        if group and (shares := by_hand(group)):
            total, weight = total + np.mean(shares) * len(group), weight + len(group)
    found = determinism_within_instruction(sequences)
    assert found == (pytest.approx(total / weight) if weight else None)


@given(keyed())
def test_actions_and_sequences_are_counted_as_sets_count_them(sequences: list[ActionSequence]) -> None:
    actions = joined_actions(sequences, 2)
    numbers, different = action_ids(actions)
    assert len(different) == len({tuple(action) for action in actions})
    assert np.array_equal(different[numbers], actions)
    rows = {tuple(map(tuple, sequence.actions)) for sequence in sequences}
    assert len(set(sequence_keys(sequences))) == len(rows)


@given(keyed())
def test_transitions_stay_within_an_episode(sequences: list[ActionSequence]) -> None:
    counts = transition_counts(sequences, SPACE, np.array([0.1, 0.1]))
    names = {KEYS[0]: "stop", KEYS[1]: "forward", KEYS[2]: "left", KEYS[3]: "right", KEYS[4]: "forward-left"}
    keys = [
        [names[min(KEYS, key=lambda key, a=action: np.abs(a - key).sum())] for action in s.actions] for s in sequences
    ]
    expected = Counter(pair for row in keys for pair in itertools.pairwise(row))
    found = {
        (DIRECTION_NAMES[row], DIRECTION_NAMES[column]): counts[row, column] for row, column in np.argwhere(counts)
    }
    assert found == dict(expected)


def test_rounding_in_a_file_makes_no_new_action() -> None:
    actions = np.array([[1.15, 0.0], [1.1500001, -0.0], [1.2, 0.0]], dtype=np.float32)
    assert len(action_ids(actions)[1]) == 2
    assert action_ids(actions[:0])[1].shape == (0, 2)


def test_statistics_are_those_of_the_population() -> None:
    actions = np.array([[0, 1], [1, 1], [2, 4]], dtype=np.float32)
    first, second = axis_statistics(actions, SPACE)
    assert (first.mean, first.std, first.min, first.max) == (1.0, pytest.approx(np.sqrt(2 / 3)), 0.0, 2.0)
    assert (second.name, second.unit, second.mean) == ("linear_y", "m/s", 2.0)
    assert axis_statistics(actions[:0], SPACE) == ()


def test_histograms_count_every_frame_and_mirror() -> None:
    actions = np.array([[1.15, 0], [1.15, 1.15], [0, -1.15], [-0.2, 0.3]], dtype=np.float32)
    for histogram, mirrored in zip(axis_histograms(actions, SPACE), axis_histograms(-actions, SPACE), strict=True):
        assert histogram.counts.sum() == len(actions)
        assert len(histogram.edges) == len(histogram.counts) + 1
        assert histogram.counts.tolist() == mirrored.counts.tolist()[::-1]
    assert axis_histograms(actions[:0], SPACE)[0].counts.sum() == 0


def test_joint_counts_of_a_keyboard_have_a_cell_for_each_key() -> None:
    actions = np.array([[1.15, 0], [1.15, 0], [1.15, 1.15], [0, -1.15]], dtype=np.float32)
    found = joint_action_counts(actions, SPACE, "linear_y", "linear_x")
    assert not found.binned
    assert found.x.tolist() == pytest.approx([-1.15, 0.0, 1.15])
    assert found.y.tolist() == pytest.approx([0.0, 1.15])
    assert found.counts.tolist() == [[1, 0, 0], [0, 2, 1]]


def test_joint_counts_of_a_joystick_are_binned() -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, size=(500, 2)).astype(np.float32)
    found = joint_action_counts(actions, SPACE, "linear_x", "linear_y")
    assert found.binned
    assert found.counts.shape == (21, 21)
    assert found.counts.sum() == 500


def test_without_an_episode_there_is_nothing_to_share() -> None:
    assert determinism([]).mean is None
    assert determinism_within_instruction([]) is None
    assert joined_actions([], 2).shape == (0, 2)
    assert transition_counts([], SPACE, np.zeros(2)).sum() == 0
