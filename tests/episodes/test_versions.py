"""Older versions: what differs is told for each kind, and going back brings exactly what was said then, until it is undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvla_core.episodes.annotations import change, load_annotations, redo, undo
from mvla_core.episodes.dataset import DatasetRef, named_dataset
from mvla_core.episodes.notes import Change
from mvla_core.episodes.snapshots import state_of_now, take_snapshot
from mvla_core.episodes.versions import VersionDifference, described, difference, load_version, restore, version_of_now
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.layout import DataRoot

NAMES = ["e0", "e1", "e2"]


@pytest.fixture
def lab(root: DataRoot, make_episode: Any) -> DatasetRef:
    for number, name in enumerate(NAMES):
        make_episode(root.dataset("lab") / f"{name}.h5", 6, instruction="Go.", seed=number)
    return named_dataset(root, "lab")


def test_every_kind_of_difference_is_told(root: DataRoot, lab: DatasetRef, make_episode: Any) -> None:
    change(root, lab, {"e0": Change(excluded_reason="dark")}, "before")
    take_snapshot(root, lab, "one")
    one = load_version(root, lab, 1)
    assert not difference(one, version_of_now(root, lab))
    changes = {
        "e0": Change(excluded_reason=None, rating=3),
        "e1": Change(excluded_reason="blurred", trim=(1, 4)),
        "e2": Change(instruction="Stop."),
    }
    change(root, lab, changes, "after", color_order="bgr")
    make_episode(lab.folder / "e2.h5", 7, instruction="Go.", seed=9)
    make_episode(lab.folder / "e3.h5", 6, seed=10)
    found = difference(one, version_of_now(root, lab))
    assert found == VersionDifference(
        new=("e3",),
        rewritten=("e2",),
        excluded=("e1",),
        included=("e0",),
        trimmed=("e1",),
        relabelled=("e2",),
        said=("e0",),
        color_order=("as the files tell", "bgr"),
    )
    assert "1 relabelled" in described(found)
    (lab.folder / "e2.h5").unlink()
    assert difference(one, version_of_now(root, lab)).gone == ("e2",)


def test_going_back_is_a_step_like_any_other(root: DataRoot, lab: DatasetRef) -> None:
    change(root, lab, {"e0": Change(excluded_reason="dark"), "e1": Change(trim=(0, 3))}, "first", color_order="bgr")
    take_snapshot(root, lab, "one")
    then = state_of_now(root, lab).sha256
    change(
        root,
        lab,
        {name: Change(rating=2, trim=None, excluded_reason=None) for name in NAMES},
        "later",
        color_order=None,
    )
    later = load_annotations(root, lab)
    back = restore(root, lab, 1)
    assert back.same_as(load_version(root, lab, 1).annotations)
    assert back.undoable == "Go back to version v1"
    assert state_of_now(root, lab).sha256 == then, "training would see the same data"
    assert restore(root, lab, 1).version == back.version, "there is nothing to do a second time"
    assert undo(root, lab).same_as(later)
    assert redo(root, lab).same_as(back)


def test_a_version_that_is_not_there_is_told(root: DataRoot, lab: DatasetRef) -> None:
    with pytest.raises(UserInputError, match="none was taken yet"):
        restore(root, lab, 1)
    take_snapshot(root, lab, "one")
    with pytest.raises(UserInputError, match="there are v1"):
        load_version(root, lab, 2)
    path = root.annotations("lab").with_suffix(".snapshots") / "1.content.json"
    path.write_text('{"episodes": [], "annotations": {"episodes": 3}}', encoding="utf-8")
    with pytest.raises(MvlaError, match="damaged"):
        restore(root, lab, 1)


CHANGES = st.builds(
    Change,
    rating=st.sampled_from([None, 1, 5]),
    excluded_reason=st.sampled_from([None, "dark"]),
    trim=st.sampled_from([None, (0, 2), (1, 4)]),
    instruction=st.sampled_from([None, "", "Stop."]),
)
STEPS = st.lists(st.dictionaries(st.sampled_from(NAMES), CHANGES, max_size=3), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=STEPS, after=STEPS)
def test_whatever_was_done_since_going_back_undoes_it_all(
    root: DataRoot, lab: DatasetRef, tmp_path: Path, before: list[dict[str, Change]], after: list[dict[str, Change]]
) -> None:
    for step in before:
        change(root, lab, step, "before")
    kept = take_snapshot(root, lab, "kept")
    for step in after:
        change(root, lab, step, "after")
    restore(root, lab, kept.number)
    assert not difference(load_version(root, lab, kept.number), version_of_now(root, lab))
    assert state_of_now(root, lab).sha256 == kept.sha256
