"""Targets are kept in one editable file beside the data, and a slip of the finger in it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.audit.targets import (
    AXES,
    DEFAULT_TARGET,
    KNOWN_VALUES,
    Cell,
    Override,
    Targets,
    load_targets,
    ordered,
    save_targets,
    targets_file,
)
from mvla_core.episodes.dataset import DatasetRef
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.layout import DataRoot


@pytest.fixture
def ref(root: DataRoot) -> DatasetRef:
    folder = root.dataset("lab")
    folder.mkdir(parents=True)
    return DatasetRef("lab", folder)


SOME = Targets(
    default=7,
    axes=("side", "time_of_day"),
    values={"time_of_day": ("morning", "evening")},
    overrides=(Override(Cell.of({"side": "left", "time_of_day": "evening"}), 3),),
)


def test_what_was_kept_is_read_again(root: DataRoot, ref: DatasetRef) -> None:
    assert load_targets(root, ref) == Targets()
    path = save_targets(root, ref, SOME)
    assert path == root.path / "plans" / "lab.json"
    assert load_targets(root, ref) == SOME
    save_targets(root, ref, Targets())
    assert not path.exists(), "the defaults need no file"


def test_another_folder_of_the_same_name_has_targets_of_its_own(root: DataRoot, ref: DatasetRef) -> None:
    elsewhere = root.path / "other" / "lab"
    elsewhere.mkdir(parents=True)
    assert targets_file(root, DatasetRef("lab", elsewhere)) != targets_file(root, ref)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"default_targt": 4}, "Did you mean 'default_target'?"),
        ({"default_target": -1}, "from 0 to 1000"),
        ({"default_target": True}, "True"),
        ({"default_target": 2.5}, "2.5"),
        ({"axes": ["sid"]}, "Did you mean 'side'?"),
        ({"axes": "side"}, "must be a list"),
        ({"values": {"time_of_day": ["evenning"]}}, "Did you mean 'evening'?"),
        ({"values": {"distance": []}}, "name one or leave the axis out"),
        ({"values": {"boxes": ["two"]}}, "not a whole number"),
        ({"values": {"pattern": ["line\nbreak"]}}, "printable"),
        ({"cells": [{"side": "left"}]}, "has no target"),
        ({"cells": [{"layuot": "hori", "target": 2}]}, "Did you mean 'layout'?"),
        ({"cells": [3]}, "must be an object"),
        ({"format": 2}, "this program reads 1"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence_with_its_name(
    change: dict[str, Any], says: str, root: DataRoot, ref: DatasetRef
) -> None:
    path = targets_file(root, ref)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"format": 1, **change}), encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(UserInputError) as caught:
        load_targets(root, ref)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_a_damaged_file_is_named(content: bytes, root: DataRoot, ref: DatasetRef) -> None:
    path = targets_file(root, ref)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(MvlaError, match="cannot be read as JSON"):
        load_targets(root, ref)


def test_the_override_that_names_most_wins_and_of_equals_the_last() -> None:
    night = Cell.of({"time_of_day": "night"})
    left_night = Cell.of({"side": "left", "time_of_day": "night"})
    targets = Targets().with_cell(left_night, 4).with_cell(night, 0)
    assert targets.of(left_night) == 4
    assert targets.of(Cell.of({"side": "right", "time_of_day": "night"})) == 0
    assert targets.of(Cell.of({"side": "left"})) == DEFAULT_TARGET
    left_far = Cell.of({"side": "left", "distance": "far"})
    assert targets.with_cell(left_far, 6).of(Cell.of({**left_far.to_json(), **left_night.to_json()})) == 6
    assert targets.with_cell(left_night, 5).of(left_night) == 5
    assert len(targets.with_cell(left_night, 5).overrides) == 2, "a cell has one number, not a history"


def test_a_number_of_boxes_may_be_written_as_a_number() -> None:
    targets = Targets.from_json({"format": 1, "cells": [{"boxes": 2, "target": 4}]})
    assert targets.of(Cell.of({"boxes": "2", "side": "left"})) == 4


def test_values_have_their_natural_order() -> None:
    assert ordered("distance", ["far", "odd", "close", "far"]) == ("close", "far", "odd")
    assert ordered("time_of_day", ["night", "dawn"]) == ("dawn", "night")


def value_of(axis: str) -> st.SearchStrategy[str]:
    """A known value, or one of the user's own that resembles none."""
    return st.just("3") if axis == "boxes" else st.sampled_from([*KNOWN_VALUES.get(axis, ()), "x_1"])


cells = st.fixed_dictionaries({}, optional={axis: value_of(axis) for axis in AXES}).map(Cell.of)


def test_what_could_not_be_read_again_is_not_kept() -> None:
    with pytest.raises(UserInputError, match="Did you mean 'dawn'"):
        Targets().with_cell(Cell.of({"time_of_day": "da"}), 3)


@given(
    default=st.integers(0, 1000),
    axes=st.none() | st.sets(st.sampled_from(AXES)),
    overrides=st.lists(st.tuples(cells, st.integers(0, 1000)), max_size=4),
)
def test_what_is_written_can_be_read(default: int, axes: set[str] | None, overrides: list[tuple[Cell, int]]) -> None:
    targets = Targets(default, None if axes is None else tuple(axis for axis in AXES if axis in axes))
    for cell, target in overrides:
        targets = targets.with_cell(cell, target)
    assert Targets.from_json(json.loads(json.dumps(targets.to_json()))) == targets
