"""Classes of actions: keys as they are, many actions by direction and speed, and what leaves nothing to choose."""

from __future__ import annotations

import numpy as np
import pytest

from mvla_core.datasets.action_classes import FEW, SPEEDS, fit_action_classes
from mvla_core.datasets.normalise import ActionNormaliser, check_teachable
from mvla_core.errors import DatasetError
from mvla_core.schema import ActionSequence, ActionSpace

KEYS = np.array([[0.0, 0.0], [1.15, 0.0], [0.0, 1.15], [0.0, -1.15], [1.15, 1.15]], dtype=np.float32)


def classes_of(actions: np.ndarray, kind: str = "mean_std") -> np.ndarray:
    sequences = [ActionSequence("e", actions.astype(np.float32))]
    return np.array(fit_action_classes(sequences, ActionNormaliser.fit(kind, sequences)))  # type: ignore[arg-type]


def test_keys_are_classes_as_they_are() -> None:
    found = classes_of(KEYS.repeat(7, axis=0))
    assert np.allclose(found, np.unique(KEYS, axis=0), atol=1e-4)


def test_what_the_clamp_cuts_off_is_no_class() -> None:
    assert np.abs(classes_of(KEYS, "clamp")).max() == 1.0


def test_many_actions_are_directions_and_speeds() -> None:
    generator = np.random.default_rng(1)
    actions = generator.uniform(-1, 1, (2000, 2))
    found = classes_of(actions)
    assert len(np.unique(actions, axis=0)) > FEW
    assert len(found) == 8 * SPEEDS + 1
    nearest = np.linalg.norm(actions[:, None] - found, axis=-1).min(axis=1)
    assert nearest.max() < 0.7
    assert nearest.mean() < 0.3
    assert np.array_equal(found, classes_of(actions[::-1]))  # the order of the frames does not matter


def test_one_action_leaves_nothing_to_choose() -> None:
    with pytest.raises(DatasetError, match="nothing to choose from: the training part holds 1 different actions"):
        classes_of(np.ones((5, 2)))


def test_a_constant_axis_is_named_and_a_constant_set_refused() -> None:
    space = ActionSpace.default(2)
    one_axis = ActionSequence("e", np.array([[0.1, 0.5], [0.2, 0.5]], dtype=np.float32))
    (note,) = check_teachable([one_axis], space)
    assert note.startswith("The axis linear_y is 0.5 m/s in every training action")
    assert check_teachable([ActionSequence("e", KEYS)], space) == []
    with pytest.raises(DatasetError, match=r"Every training action is the same \(linear_x 1 m/s, linear_y 1 m/s\)"):
        check_teachable([ActionSequence("e", np.ones((3, 2), dtype=np.float32))], space)


def test_an_action_that_is_no_number_is_refused_with_its_place() -> None:
    actions = KEYS.copy()
    actions[3, 1] = np.nan
    with pytest.raises(DatasetError, match="episode bad holds actions .* in 1 of 5 frames, first in frame 3"):
        check_teachable([ActionSequence("bad", actions)], ActionSpace.default(2))


def test_the_clipped_share_of_each_axis() -> None:
    clamp = ActionNormaliser("clamp", (0.0, 0.0), (1.0, 1.0))
    assert clamp.clipped_share_per_axis(KEYS) == (0.4, 0.6)
    assert clamp.clipped_share(KEYS) == 0.8
    assert ActionNormaliser("range", (0.0, 0.0), (1.0, 1.0)).clipped_share_per_axis(KEYS) == (0.0, 0.0)
