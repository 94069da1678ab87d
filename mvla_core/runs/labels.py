"""What a user says of a run: tags, a note, and whether it is archived. It lies in `labels.json` beside the run's frozen files."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from mvla_core.errors import MvlaError, RunError, UserInputError
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder

FILE = "labels.json"
MAX_TAGS = 20
MAX_TAG_CHARACTERS = 40
MAX_NOTE_CHARACTERS = 4_000


@dataclass(frozen=True)
class RunLabels:
    """The labels of one run.

    Attributes:
        tags: In the order they were given, none twice.
        note: Free text, shown literally.
        archived: Left out of lists unless they are asked for archived runs.
    """

    tags: tuple[str, ...] = ()
    note: str = ""
    archived: bool = False

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "tags": list(self.tags)}


def load_labels(run: RunFolder) -> RunLabels:
    """Read a run's labels; one without the file has none.

    Raises:
        RunError: The file is damaged.
    """
    path = run.path / FILE
    if not path.exists():
        return RunLabels()
    try:
        stored = read_json(path)
        tags, note, archived = stored["tags"], stored["note"], stored["archived"]
        if isinstance(note, str) and isinstance(archived, bool) and all(isinstance(tag, str) for tag in tags):
            return RunLabels(tuple(tags), note, archived)
    except (MvlaError, KeyError, TypeError) as error:
        raise RunError(f"The labels {path} cannot be read ({error}); remove the file to begin anew.") from error
    raise RunError(f"The labels {path} are not what this program writes; remove the file to begin anew.")


def change_labels(
    root: DataRoot,
    run_id: str,
    *,
    add_tags: Iterable[str] = (),
    remove_tags: Iterable[str] = (),
    note: str | None = None,
    archived: bool | None = None,
) -> RunLabels:
    """Change some labels and keep the others, also where two tabs do so at once.

    Args:
        root: The data root.
        run_id: An existing run.
        add_tags: Spaces around them are dropped.
        remove_tags: Those that are not there are passed over.
        note: None keeps it.
        archived: None keeps it.

    Raises:
        RunError: There is no such run, or its labels are damaged.
        UserInputError: A tag or the note cannot be used.
    """
    run = root.run(run_id)
    if not run.path.is_dir():
        raise RunError(f"There is no run '{run_id}' in {root.runs}.")
    descriptor = os.open(run.path / f".{FILE}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        before = load_labels(run)
        gone = {tag.strip() for tag in remove_tags}
        wanted = [*(tag for tag in before.tags if tag not in gone), *(_checked_tag(tag) for tag in add_tags)]
        after = replace(before, tags=tuple(dict.fromkeys(wanted)))
        if note is not None:
            after = replace(after, note=_checked_note(note))
        if archived is not None:
            after = replace(after, archived=archived)
        if len(after.tags) > MAX_TAGS:
            raise UserInputError(f"The run {run_id} would have {len(after.tags)} tags; keep at most {MAX_TAGS}.")
        if after != before:
            write_json(run.path / FILE, after.to_json())
        return after
    finally:
        os.close(descriptor)


def _checked_tag(tag: str) -> str:
    name = tag.strip()
    if not name or len(name) > MAX_TAG_CHARACTERS or not name.isprintable() or "," in name:
        raise UserInputError(
            f"The tag {name[:60]!r} cannot be used: expected 1 to {MAX_TAG_CHARACTERS} printable characters without a comma."
        )
    return name


def _checked_note(note: str) -> str:
    text = note.strip()
    if len(text) > MAX_NOTE_CHARACTERS:
        raise UserInputError(
            f"The note has {len(text)} characters; shorten it to {MAX_NOTE_CHARACTERS} or keep it in a file of its own."
        )
    return text
