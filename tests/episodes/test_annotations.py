"""Notes that survive restarts, crashes and second tabs, and steps that can be taken back."""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.episodes.annotations import (
    annotation_name,
    change,
    export_json,
    freeze,
    frozen,
    history,
    load_annotations,
    redo,
    undo,
)
from mvla_core.episodes.dataset import DatasetRef, named_dataset, resolve_dataset
from mvla_core.episodes.notes import Annotations, Change, EpisodeNote
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.layout import DataRoot


@pytest.fixture
def lab(root: DataRoot) -> DatasetRef:
    root.dataset("lab").mkdir(parents=True)
    return named_dataset(root, "lab")


def test_what_was_said_is_there_after_a_restart(root: DataRoot, lab: DatasetRef) -> None:
    assert load_annotations(root, lab) == Annotations()
    wanted = Change(
        add_tags=("shove ", "night"),
        note=" The box was moved.\nTwice. ",
        rating=4,
        excluded_reason="hand in the picture",
        trim=(2, 9),
        instruction=" 왼쪽으로  가세요 ",
    )
    changed = change(root, lab, {"episode_1": wanted, "an other": Change(rating=1)}, "Look at two episodes")
    assert load_annotations(root, lab) == changed
    assert changed.of("episode_1") == EpisodeNote(
        ("night", "shove"), "The box was moved.\nTwice.", 4, "hand in the picture", (2, 9), "왼쪽으로 가세요"
    )
    assert changed.of("an other") == EpisodeNote(rating=1)
    assert changed.of("nothing") == EpisodeNote()
    assert (changed.version, changed.undoable, changed.redoable) == (1, "Look at two episodes", None)
    assert not list(root.dataset("lab").iterdir()), "nothing is written among the recordings"


def test_one_field_at_a_time_and_back_to_nothing(root: DataRoot, lab: DatasetRef) -> None:
    change(root, lab, {"a": Change(add_tags=("x", "y"), rating=2)}, "one")
    change(root, lab, {"a": Change(remove_tags=("x",), instruction="")}, "two")
    assert load_annotations(root, lab).of("a") == EpisodeNote(tags=("y",), rating=2, instruction="")
    cleared = change(root, lab, {"a": Change(remove_tags=("y",), rating=None, instruction=None)}, "three")
    assert cleared.notes == {}
    assert load_annotations(root, lab).notes == {}


def test_a_change_that_changes_nothing_is_no_step(root: DataRoot, lab: DatasetRef) -> None:
    first = change(root, lab, {"a": Change(rating=3)}, "rate")
    assert change(root, lab, {"a": Change(rating=3), "b": Change(excluded_reason=None)}, "again") == first
    assert len(history(root, lab)) == 1


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Change(rating=6), "from 1 to 5"),
        (Change(rating=True), "from 1 to 5"),
        (Change(excluded_reason="  "), "reason for an exclusion"),
        (Change(trim=(5, 4)), r"trim \[5, 4\]"),
        (Change(trim=(-1, 4)), "counted from 0"),
        (Change(add_tags=("",)), "tag"),
        (Change(add_tags=tuple("abcdefghijklmnopqrstuvwxyz")), "at most 20"),
        (Change(note="x" * 2001), "2000 characters"),
        (Change(instruction="\ud800"), "not text that can be stored"),
    ],
)
def test_what_cannot_be_used_changes_nothing(root: DataRoot, lab: DatasetRef, wanted: Change, says: str) -> None:
    with pytest.raises(UserInputError, match=says):
        change(root, lab, {"good": Change(rating=1), "bad": wanted}, "both or none")
    assert load_annotations(root, lab) == Annotations()
    with pytest.raises(UserInputError, match="episode name"):
        change(root, lab, {"": Change(rating=1)}, "nobody")
    with pytest.raises(UserInputError, match="colour order"):
        change(root, lab, {}, "colours", color_order="rbg")  # type: ignore[arg-type]


def test_a_bulk_change_is_taken_back_at_once(root: DataRoot, lab: DatasetRef) -> None:
    before = change(root, lab, {"e3": Change(rating=5)}, "rate")
    change(root, lab, {f"e{n}": Change(excluded_reason="dark") for n in range(50)}, "Exclude 50 episodes")
    after = undo(root, lab)
    assert after.same_as(before)
    assert (after.version, after.undoable, after.redoable) == (3, "rate", "Exclude 50 episodes")
    assert redo(root, lab).of("e3") == EpisodeNote(rating=5, excluded_reason="dark")
    assert [(step.kind, len(step.episodes)) for step in history(root, lab)] == [
        ("redo", 50),
        ("undo", 50),
        ("change", 50),
        ("change", 1),
    ]
    assert history(root, lab, limit=1)[0].title == "Exclude 50 episodes"


def test_undo_and_redo_say_when_there_is_nothing_left(root: DataRoot, lab: DatasetRef) -> None:
    with pytest.raises(UserInputError, match="nothing to undo"):
        undo(root, lab)
    change(root, lab, {}, "colours", color_order="bgr")
    assert undo(root, lab).dataset_settings.color_order is None
    change(root, lab, {"a": Change(rating=1)}, "rate")
    with pytest.raises(UserInputError, match="nothing to do again"):
        redo(root, lab)


def test_a_tab_does_not_take_back_what_another_tab_did(root: DataRoot, lab: DatasetRef) -> None:
    seen = change(root, lab, {"a": Change(rating=1)}, "this tab")
    change(root, lab, {"a": Change(note="careful")}, "the other tab")
    with pytest.raises(UserInputError, match="changed elsewhere"):
        undo(root, lab, expected_version=seen.version)
    assert load_annotations(root, lab).of("a") == EpisodeNote(rating=1, note="careful")
    undo(root, lab, expected_version=2)


def _rate_many(path: Path, first: int, together: Any) -> None:
    root = DataRoot(path)
    together.wait(60)
    for number in range(first, first + 25):
        change(root, named_dataset(root, "lab"), {f"e{number}": Change(rating=3)}, f"rate {number}")


def test_two_processes_at_once_lose_nothing(root: DataRoot, lab: DatasetRef) -> None:
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    tabs = [context.Process(target=_rate_many, args=(root.path, first, together)) for first in (0, 100)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join(60)
        assert tab.exitcode == 0
    found = load_annotations(root, lab)
    assert found.version == len(found.notes) == 50
    assert [step.version for step in history(root, lab)] == list(range(50, 0, -1))


def test_a_crash_between_history_and_state_loses_nothing(root: DataRoot, lab: DatasetRef) -> None:
    state = root.annotations("lab")
    change(root, lab, {"a": Change(rating=1)}, "one")
    kept = state.read_bytes()
    last = change(root, lab, {"a": Change(rating=2)}, "two")
    state.write_bytes(kept)  # As if the process had died before it stored the second step.
    assert load_annotations(root, lab) == last
    assert undo(root, lab).of("a") == EpisodeNote(rating=1)
    state.unlink()
    assert load_annotations(root, lab).of("a") == EpisodeNote(rating=1)
    assert redo(root, lab).of("a") == EpisodeNote(rating=2)


def test_half_a_step_at_the_end_of_the_history_is_passed_over(root: DataRoot, lab: DatasetRef) -> None:
    path = root.annotations("lab").with_suffix(".history.jsonl")
    change(root, lab, {"a": Change(rating=1)}, "one")
    with open(path, "ab") as file:
        file.write(b'{"version": 2, "kind": "change", "ti')
    change(root, lab, {"a": Change(rating=2)}, "two")
    root.annotations("lab").unlink()
    assert load_annotations(root, lab).of("a") == EpisodeNote(rating=2)
    assert undo(root, lab).of("a") == EpisodeNote(rating=1)


def test_a_damaged_file_is_told_and_never_taken_for_nothing(root: DataRoot, lab: DatasetRef) -> None:
    change(root, lab, {"a": Change(rating=1)}, "one")
    state = root.annotations("lab")
    good = state.read_text()
    for damaged in ("{", '{"format": 2}', good.replace('"rating": 1', '"rating": 9'), good.replace("rating", "stars")):
        state.write_text(damaged)
        with pytest.raises(MvlaError, match=str(state)):
            load_annotations(root, lab)
        with pytest.raises(MvlaError):
            change(root, lab, {"a": Change(rating=2)}, "two")
        assert state.read_text() == damaged
    state.write_text(good.replace('"version": 1', '"version": 7'))
    change(root, lab, {"a": Change(rating=3)}, "eight")
    state.unlink()
    with pytest.raises(MvlaError, match="step 8 follows step 1"):
        load_annotations(root, lab)


def test_without_its_history_the_state_still_holds(root: DataRoot, lab: DatasetRef) -> None:
    change(root, lab, {"a": Change(rating=1)}, "one")
    change(root, lab, {"a": Change(rating=2)}, "two")
    root.annotations("lab").with_suffix(".history.jsonl").unlink()
    assert load_annotations(root, lab).of("a").rating == 2
    with pytest.raises(UserInputError, match="no longer in"):
        undo(root, lab)
    change(root, lab, {"a": Change(rating=3)}, "three")
    assert undo(root, lab).of("a").rating == 2
    with pytest.raises(UserInputError, match="no longer in"):
        undo(root, lab)


def test_folders_of_the_same_name_are_not_mixed_up(root: DataRoot, lab: DatasetRef, tmp_path: Path) -> None:
    elsewhere = tmp_path / "usb" / "lab"
    elsewhere.mkdir(parents=True)
    outside = resolve_dataset(root, str(elsewhere))
    assert outside.name == lab.name
    change(root, lab, {"a": Change(excluded_reason="dark")}, "in the root")
    assert load_annotations(root, outside) == Annotations()
    change(root, outside, {"a": Change(rating=2)}, "elsewhere")
    assert load_annotations(root, lab).of("a") == EpisodeNote(excluded_reason="dark")

    by_path = resolve_dataset(root, str(root.dataset("lab")))
    assert annotation_name(root, by_path) == annotation_name(root, lab) == "lab"
    (root.episodes / "linked").symlink_to(elsewhere)
    assert annotation_name(root, named_dataset(root, "linked")) == "linked"
    assert annotation_name(root, resolve_dataset(root, str(elsewhere))) == "linked"


def test_export_and_frozen_copies(root: DataRoot, lab: DatasetRef, tmp_path: Path) -> None:
    said = change(root, lab, {"a": Change(trim=(1, 5), add_tags=("x",))}, "trim", color_order="bgr")
    exported = json.loads(json.dumps(export_json(root, lab)))
    assert exported["dataset"] == "lab"
    assert exported["settings"] == {"color_order": "bgr"}
    assert exported["episodes"] == {"a": {"tags": ["x"], "trim": [1, 5]}}
    freeze(said, tmp_path)
    change(root, lab, {"a": Change(trim=None)}, "later")
    assert frozen(tmp_path).same_as(said)
    assert frozen(tmp_path / "old run") == Annotations()
    (tmp_path / "curation.json").write_text("[]")
    with pytest.raises(MvlaError, match="damaged"):
        frozen(tmp_path)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
CHANGES = st.builds(
    Change,
    add_tags=st.lists(st.sampled_from(["night", "shove", "왼쪽"]), max_size=2).map(tuple),
    remove_tags=st.lists(st.sampled_from(["night", "shove"]), max_size=1).map(tuple),
    note=TEXTS,
    rating=st.none() | st.integers(1, 5),
    excluded_reason=st.none() | st.sampled_from(["dark", "hand in the picture"]),
    trim=st.none() | st.tuples(st.integers(0, 5), st.integers(5, 9)),
    instruction=st.none() | TEXTS,
)
STEPS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(["a", "b", "c"]), CHANGES, max_size=3), st.sampled_from([None, "rgb", "bgr"])
    ),
    max_size=6,
)


@contextmanager
def fresh() -> Iterator[tuple[DataRoot, DatasetRef]]:
    with tempfile.TemporaryDirectory() as folder:
        root = DataRoot(Path(folder))
        root.dataset("lab").mkdir(parents=True)
        yield root, named_dataset(root, "lab")


def take(root: DataRoot, ref: DatasetRef, step: tuple[dict[str, Change], Any]) -> Annotations:
    return change(root, ref, step[0], "step", color_order=step[1])


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_undoing_every_step_leads_back_to_the_start_and_redoing_to_the_end(steps: list[Any]) -> None:
    with fresh() as (root, ref):
        states = [load_annotations(root, ref)]
        for step in steps:
            after = take(root, ref, step)
            if after.version != states[-1].version:
                states.append(after)
        for expected in reversed(states[:-1]):
            assert undo(root, ref).same_as(expected)
            assert load_annotations(root, ref).same_as(expected)
        with pytest.raises(UserInputError):
            undo(root, ref)
        for expected in states[1:]:
            assert redo(root, ref).same_as(expected)
        assert load_annotations(root, ref).same_as(states[-1])


@given(STEPS, st.data())
@settings(max_examples=30, deadline=None)
def test_any_mixture_is_what_a_stack_would_hold_and_what_the_history_tells(
    steps: list[Any], data: st.DataObject
) -> None:
    with fresh() as (root, ref):
        done: list[Annotations] = [load_annotations(root, ref)]
        undone: list[Annotations] = []
        for step in steps:
            kind = data.draw(st.sampled_from(["change", "undo", "redo"]))
            version = load_annotations(root, ref).version
            if kind == "undo" and len(done) > 1:
                undone.append(done.pop())
                undo(root, ref)
            elif kind == "redo" and undone:
                done.append(undone.pop())
                redo(root, ref)
            elif take(root, ref, step).version > version:
                done.append(load_annotations(root, ref))
                undone.clear()
            assert load_annotations(root, ref).same_as(done[-1])
        stored = load_annotations(root, ref)
        if stored.version:
            os.unlink(root.annotations("lab"))
            assert load_annotations(root, ref) == stored
