"""The files of a data set's annotations: what holds now, and every step that led to it.

    annotations/<dataset>.json             what holds now
    annotations/<dataset>.history.jsonl    every step, one a line; only ever appended to
    annotations/<dataset>.lock             held while a step is taken, so that two tabs take one after the other

A step is first appended to the history and then put into the state. Whoever finds the history ahead of the state, after a
crash between the two, reads on from there. Without a state it is made again from the history.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from mvla_core.episodes.notes import Annotations, DatasetSettings, EpisodeNote
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.files import read_json, write_text

FORMAT = 1
MAX_UNDO_STEPS = 1000
MAX_TITLE_CHARACTERS = 120
Stored = TypeVar("Stored")


@dataclass(frozen=True)
class Said:
    """Notes and settings on one side of a step. Of the notes, only those that the step changes."""

    notes: Mapping[str, EpisodeNote]
    settings: DatasetSettings

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Said:
        notes = {name: EpisodeNote.from_json(note) for name, note in value["episodes"].items()}
        return cls(notes, DatasetSettings(**value["settings"]))

    def to_json(self) -> dict[str, Any]:
        notes = {name: note.to_json() for name, note in self.notes.items()}
        return {"settings": self.settings.to_json(), "episodes": notes}


@dataclass(frozen=True)
class Place:
    """A step that can be undone or redone, and where in the history it begins."""

    version: int
    offset: int
    title: str


@dataclass(frozen=True)
class State:
    """The annotations with what leads on from them."""

    annotations: Annotations
    undo: tuple[Place, ...] = ()
    redo: tuple[Place, ...] = ()
    history_bytes: int = 0
    """How much of the history it holds."""

    def after(self, row: Mapping[str, Any], offset: int, end: int) -> State:
        """Return the state after a row of the history that lies from `offset` to `end`."""
        if row["version"] != self.annotations.version + 1:
            raise ValueError(f"step {row['version']} follows step {self.annotations.version}")
        undo, redo = self.undo, self.redo
        if row["kind"] == "change":
            undo, redo = (*undo, Place(row["version"], offset, row["title"]))[-MAX_UNDO_STEPS:], ()
        elif row["kind"] == "undo":
            undo, redo = undo[:-1], (*redo, undo[-1])
        else:
            undo, redo = (*undo, redo[-1]), redo[:-1]
        said = Said.of(row["after"])
        notes = {**self.annotations.notes, **said.notes}
        for name, note in said.notes.items():
            if note == EpisodeNote():
                del notes[name]
        annotations = Annotations(
            notes,
            said.settings,
            row["version"],
            undo[-1].title if undo else None,
            redo[-1].title if redo else None,
        )
        return State(annotations, undo, redo, end)

    def to_text(self) -> str:
        """JSON with one episode a line, for people and for version control."""
        now = self.annotations
        head = {"format": FORMAT, "version": now.version, "settings": now.dataset_settings.to_json()}
        head |= {"history_bytes": self.history_bytes}
        head |= {name: [list(vars(place).values()) for place in getattr(self, name)] for name in ("undo", "redo")}
        entries = [f"  {compact(key)}: {compact(held)}" for key, held in head.items()]
        lines = ",\n".join(f"    {compact(name)}: {_encoded(now.notes[name])}" for name in sorted(now.notes))
        return "{\n" + ",\n".join([*entries, '  "episodes": {\n' + lines + "\n  }"]) + "\n}\n"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> State:
        if value["format"] != FORMAT:
            raise ValueError(f"its format is {value['format']!r} and this program reads {FORMAT}")
        undo, redo = (tuple(Place(*place) for place in value[name]) for name in ("undo", "redo"))
        annotations = replace(
            Annotations.from_json(value),
            undoable=undo[-1].title if undo else None,
            redoable=redo[-1].title if redo else None,
        )
        return cls(annotations, undo, redo, int(value["history_bytes"]))


class Store:
    """The files of one data set's annotations."""

    def __init__(self, dataset: str, state: Path) -> None:
        """Args: dataset: What to call it in messages. state: The file of what holds now; the others lie beside it."""
        self._dataset = dataset
        self._state = state
        self._history = self._state.with_suffix(".history.jsonl")
        self._lock = self._state.with_suffix(".lock")

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other tab or process take a step meanwhile."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self, expected_version: int | None = None) -> State:
        """Read the state, and what the history has beyond it."""
        state = self._stored()
        try:
            for (offset, end), row in self.rows(state.history_bytes):
                if row["version"] > state.annotations.version:
                    state = state.after(row, offset, end)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, UserInputError) as error:
            raise MvlaError(
                f"The history {self._history} does not fit to {self._state.name} ({error}); restore both files together."
            ) from error
        if expected_version not in (None, state.annotations.version):
            raise UserInputError(
                f"The curation of {self._dataset} was changed elsewhere since this page was drawn; look at it again first."
            )
        return state

    def _stored(self) -> State:
        """Read the state's file, unless it is the one that was read or written last."""
        try:
            stamp = _stamp(self._state)
        except FileNotFoundError:
            return State(Annotations())
        kept = _states.get(self._state)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        state = parsed(self._state, State.from_json)
        _keep(self._state, stamp, state)
        return state

    def rows(self, offset: int) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
        """Each row of the history from a byte on, with where it begins and ends; half a row is passed over."""
        if not self._history.exists():
            return
        with open(self._history, "rb") as file:
            # A history that is shorter than it was is another one.
            file.seek(offset if offset <= os.fstat(file.fileno()).st_size else 0)
            begin = file.tell()
            for line in file:
                end = begin + len(line)
                with contextlib.suppress(ValueError):
                    if line.endswith(b"\n") and isinstance(row := json.loads(line), dict):
                        yield (begin, end), row
                begin = end

    def row(self, place: Place) -> dict[str, Any]:
        """Read one row of the history.

        Raises:
            UserInputError: It is not there any more.
        """
        found = next(self.rows(place.offset), None)
        if found is None or found[1].get("version") != place.version:
            raise UserInputError(
                f"The step {place.title!r} is no longer in {self._history}, so it cannot be undone or redone."
            )
        return found[1]

    def take(self, state: State, kind: str, title: str, before: Said, after: Said) -> Annotations:
        """Append a step to the history, then store the state after it."""
        row = {
            "version": state.annotations.version + 1,
            "kind": kind,
            "title": " ".join(title.split())[:MAX_TITLE_CHARACTERS],
            "created": datetime.now().astimezone().isoformat(timespec="seconds"),
            "before": before.to_json(),
            "after": after.to_json(),
        }
        reached = state.after(row, *self._append(row))
        write_text(self._state, reached.to_text())
        _keep(self._state, _stamp(self._state), reached)
        return reached.annotations

    def _append(self, row: dict[str, Any]) -> tuple[int, int]:
        """Append a row and see it to the disk; return where it begins and ends."""
        line = (compact(row) + "\n").encode()
        with open(self._history, "ab+") as file:
            begin = file.seek(0, os.SEEK_END)
            if begin:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # Half a row, after a power cut: it becomes a line that is passed over.
                    file.write(b"\n")
                    begin += 1
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        return begin, begin + len(line)


@lru_cache(maxsize=1 << 15)
def _encoded(note: EpisodeNote) -> str:
    """Remembered, because each step writes all notes and changes few."""
    return compact(note.to_json())


_states: OrderedDict[Path, tuple[tuple[int, int, int], State]] = OrderedDict()
"""What was read or written last of a few state files, with inode, size and time of change: a page reads at every click."""
_KEPT_STATES = 8


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _keep(path: Path, stamp: tuple[int, int, int], state: State) -> None:
    _states[path] = (stamp, state)
    while len(_states) > _KEPT_STATES:
        _states.popitem(last=False)


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def parsed(path: Path, parse: Callable[[Mapping[str, Any]], Stored]) -> Stored:
    """Read a file of ours. Raises MvlaError where it is damaged: to go on without it would throw the curation away."""
    try:
        return parse(read_json(path))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, UserInputError) as error:
        raise MvlaError(
            f"The curation in {path} is damaged ({type(error).__name__}: {error}); restore it from a copy, or move it away: what "
            "holds is made again from its history."
        ) from error
