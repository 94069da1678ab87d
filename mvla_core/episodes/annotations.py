"""What was said of a data set: read, changed, undone. Stored beside the recordings and never inside them (`annotation_store`)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from mvla_core.episodes.annotation_store import FORMAT, Said, Store, parsed
from mvla_core.episodes.dataset import DatasetRef, list_datasets
from mvla_core.episodes.notes import KEEP, Annotations, Change, DatasetSettings, Keep
from mvla_core.errors import UserInputError
from mvla_core.files import write_json
from mvla_core.layout import DataRoot
from mvla_core.schema import ColorOrder

FROZEN = "curation.json"
"""The annotations that a run was made with, in its folder."""
MAX_EPISODE_ID_CHARACTERS = 255


@dataclass(frozen=True)
class Step:
    """One entry of the history."""

    version: int
    kind: Literal["change", "undo", "redo"]
    title: str
    created: str
    """ISO 8601 with the offset of this machine."""
    episodes: tuple[str, ...]
    """Those whose note it changed."""


def annotation_name(root: DataRoot, ref: DatasetRef) -> str:
    """Return the name under which a data set's annotations lie.

    A folder that is no data set of the root gets a name of its own: what is said of `lab` in the root must not be applied to
    another folder that happens to be called so.
    """
    folder = ref.folder.resolve()
    for known in list_datasets(root):
        if known.folder.resolve() == folder:
            return known.name
    return f"{ref.name}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"


def load_annotations(root: DataRoot, ref: DatasetRef) -> Annotations:
    """Return what was said of a data set and its episodes; nothing where nobody said anything yet.

    Raises:
        MvlaError: The file is damaged; the message names it.
    """
    return _store(root, ref).read().annotations


def change(
    root: DataRoot,
    ref: DatasetRef,
    changes: Mapping[str, Change],
    title: str,
    *,
    color_order: ColorOrder | Literal[Keep.KEEP] | None = KEEP,
) -> Annotations:
    """Change the notes of any number of episodes as one step, which one `undo` takes back.

    Fields that a change does not name are left as they are now, so that two tabs may work on one episode. Where nothing
    becomes different there is no step.

    Args:
        root: The data root.
        ref: The data set.
        changes: By episode id.
        title: What was done, for the history: "Exclude 3 episodes".
        color_order: In place of what the files tell; None believes them again.

    Returns:
        The annotations after it.

    Raises:
        UserInputError: A value cannot be used; nothing is changed then.
    """
    for episode_id in changes:
        _check_episode_id(episode_id)
    store = _store(root, ref)
    with store.alone():
        state = store.read()
        now = state.annotations
        settings = now.dataset_settings if color_order is KEEP else DatasetSettings(color_order)
        notes = {name: wanted.apply(now.of(name)) for name, wanted in changes.items()}
        differing = {name: note for name, note in notes.items() if note != now.of(name)}
        if not differing and settings == now.dataset_settings:
            return now
        before = Said({name: now.of(name) for name in differing}, now.dataset_settings)
        return store.take(state, "change", title, before, Said(differing, settings))


def replace_all(root: DataRoot, ref: DatasetRef, wanted: Annotations, title: str) -> Annotations:
    """Make the notes and settings what they are in `wanted`, as one step, which one `undo` takes back.

    Raises:
        MvlaError: The stored annotations are damaged.
    """
    store = _store(root, ref)
    with store.alone():
        state = store.read()
        now = state.annotations
        if wanted.same_as(now):
            return now
        differing = [name for name in {**now.notes, **wanted.notes} if now.of(name) != wanted.of(name)]
        before = Said({name: now.of(name) for name in differing}, now.dataset_settings)
        after = Said({name: wanted.of(name) for name in differing}, wanted.dataset_settings)
        return store.take(state, "change", title, before, after)


def undo(root: DataRoot, ref: DatasetRef, *, expected_version: int | None = None) -> Annotations:
    """Take the last step back that was not yet taken back.

    Args:
        root: The data root.
        ref: The data set.
        expected_version: The version that the user saw; None takes back whatever is last.

    Raises:
        UserInputError: There is nothing to undo, or another tab has changed something since.
    """
    store = _store(root, ref)
    with store.alone():
        state = store.read(expected_version)
        if not state.undo:
            raise UserInputError(f"There is nothing to undo in the curation of {ref.name}.")
        row = store.row(state.undo[-1])
        return store.take(state, "undo", state.undo[-1].title, Said.of(row["after"]), Said.of(row["before"]))


def redo(root: DataRoot, ref: DatasetRef, *, expected_version: int | None = None) -> Annotations:
    """Do the step again that was taken back last; a change in between leaves nothing to do again. Else as `undo`."""
    store = _store(root, ref)
    with store.alone():
        state = store.read(expected_version)
        if not state.redo:
            raise UserInputError(f"There is nothing to do again in the curation of {ref.name}.")
        row = store.row(state.redo[-1])
        return store.take(state, "redo", state.redo[-1].title, Said.of(row["before"]), Said.of(row["after"]))


def history(root: DataRoot, ref: DatasetRef, limit: int = 100) -> list[Step]:
    """Return the last steps, newest first."""
    rows = [row for _, row in _store(root, ref).rows(0)]
    return [
        Step(row["version"], row["kind"], row["title"], row["created"], tuple(row["after"]["episodes"]))
        for row in rows[: -limit - 1 : -1]
    ]


def export_json(root: DataRoot, ref: DatasetRef) -> dict[str, Any]:
    """Return the curation of a data set for other programs: settings, and the notes by episode id."""
    created = datetime.now().astimezone().isoformat(timespec="seconds")
    return {"format": FORMAT, "dataset": ref.name, "exported": created, **load_annotations(root, ref).to_json()}


def freeze(annotations: Annotations, folder: Path) -> None:
    """Keep annotations in the folder of a run, so that it stays what it was whatever is curated later."""
    write_json(folder / FROZEN, {"format": FORMAT, **annotations.to_json()})


def frozen(folder: Path) -> Annotations:
    """Return what `freeze` kept. A run without it was made from the recordings as they are.

    Raises:
        MvlaError: The file is damaged.
    """
    path = folder / FROZEN
    return parsed(path, Annotations.from_json) if path.exists() else Annotations()


def _store(root: DataRoot, ref: DatasetRef) -> Store:
    return Store(ref.name, root.annotations(annotation_name(root, ref)))


def _check_episode_id(episode_id: str) -> None:
    if not isinstance(episode_id, str) or not 1 <= len(episode_id) <= MAX_EPISODE_ID_CHARACTERS:
        raise UserInputError(
            f"The episode name {str(episode_id)[:60]!r} cannot be one; name an episode of the data set."
        )
