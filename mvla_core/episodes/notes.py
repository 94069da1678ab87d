"""What people say of episodes: values only. Where they are stored is `annotations`, what they do is `curation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

from mvla_core.episodes.reader import MAX_INSTRUCTION_CHARACTERS
from mvla_core.errors import UserInputError
from mvla_core.schema import ColorOrder

MAX_TAGS = 20
MAX_TAG_CHARACTERS = 40
MAX_NOTE_CHARACTERS = 2000
MAX_REASON_CHARACTERS = 200
RATINGS = range(1, 6)
COLOR_ORDERS: tuple[ColorOrder, ...] = ("rgb", "bgr")


class Keep(Enum):
    """The value of a field of `Change` that leaves the note's field as it is; None would clear it."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True)
class EpisodeNote:
    """What was said of one episode. The default says nothing.

    Attributes:
        tags: Sorted, each once.
        note: Free text.
        rating: 1 (bad) to 5 (good), or None.
        excluded_reason: Why the episode is left out of audit, training and evaluation; None where it is not.
        trim: First and last stored frame to keep, both inclusive; None keeps all.
        instruction: In place of the recording's own; "" takes it away, None leaves it.

    Raises:
        UserInputError: A value cannot be used.
    """

    tags: tuple[str, ...] = ()
    note: str = ""
    rating: int | None = None
    excluded_reason: str | None = None
    trim: tuple[int, int] | None = None
    instruction: str | None = None

    def __post_init__(self) -> None:
        if list(self.tags) != sorted(set(self.tags)) or len(self.tags) > MAX_TAGS:
            raise UserInputError(
                f"An episode has at most {MAX_TAGS} different tags, in order; found {list(self.tags)}."
            )
        for tag in self.tags:
            _check_text("tag", tag, MAX_TAG_CHARACTERS, may_be_empty=False)
        _check_text("note", self.note, MAX_NOTE_CHARACTERS)
        if self.rating is not None and (type(self.rating) is not int or self.rating not in RATINGS):
            raise UserInputError(f"A rating of {self.rating!r} cannot be used: expected a whole number from 1 to 5.")
        if self.excluded_reason is not None:
            _check_text("reason for an exclusion", self.excluded_reason, MAX_REASON_CHARACTERS, may_be_empty=False)
        if self.trim is not None:
            _check_trim(self.trim)
        if self.instruction is not None:
            _check_text("instruction", self.instruction, MAX_INSTRUCTION_CHARACTERS)

    def to_json(self) -> dict[str, Any]:
        """Return what differs from the default."""
        value: dict[str, Any] = {key: held for key, held in vars(self).items() if held not in (None, (), "")}
        if self.instruction is not None:
            value["instruction"] = self.instruction
        return {key: list(held) if isinstance(held, tuple) else held for key, held in value.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> EpisodeNote:
        """Raises TypeError or UserInputError for anything but a note."""
        lists = {key: tuple(value[key]) for key in ("tags", "trim") if key in value}
        return cls(**{**value, **lists})


@dataclass(frozen=True)
class Change:
    """What shall become different in the note of an episode; by default nothing. Texts lose the blanks around them."""

    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    note: str | Literal[Keep.KEEP] = KEEP
    rating: int | Literal[Keep.KEEP] | None = KEEP
    excluded_reason: str | Literal[Keep.KEEP] | None = KEEP
    trim: tuple[int, int] | Literal[Keep.KEEP] | None = KEEP
    instruction: str | Literal[Keep.KEEP] | None = KEEP

    def apply(self, note: EpisodeNote) -> EpisodeNote:
        """Return the changed note.

        Raises:
            UserInputError: A value cannot be used.
        """
        added, removed = ({_on_one_line(tag) for tag in tags} for tags in (self.add_tags, self.remove_tags))
        reason, told = (
            _on_one_line(text) if isinstance(text, str) else text for text in (self.excluded_reason, self.instruction)
        )
        return EpisodeNote(
            tags=tuple(sorted((set(note.tags) | added) - removed)),
            note=note.note if self.note is KEEP else self.note.strip(),
            rating=note.rating if self.rating is KEEP else self.rating,
            excluded_reason=note.excluded_reason if reason is KEEP else reason,
            trim=note.trim if self.trim is KEEP else self.trim,
            instruction=note.instruction if told is KEEP else told,
        )


@dataclass(frozen=True)
class DatasetSettings:
    """What was said of a data set as a whole."""

    color_order: ColorOrder | None = None
    """Of the stored channels of every episode, whatever the files tell; None believes the files."""

    def __post_init__(self) -> None:
        if self.color_order not in (None, *COLOR_ORDERS):
            raise UserInputError(f"The colour order {self.color_order!r} is unknown: expected one of {COLOR_ORDERS}.")

    def to_json(self) -> dict[str, Any]:
        return {} if self.color_order is None else {"color_order": self.color_order}


@dataclass(frozen=True)
class Annotations:
    """All that was said of a data set, at one moment. Nobody changes it: `annotations.change` makes the next one.

    Attributes:
        notes: By episode id, those that say something; also of episodes that are not there now.
        dataset_settings: Of the data set as a whole.
        version: Number of steps, undone and redone ones among them, that led here; 0 where nobody said anything.
        undoable: Title of the step that `undo` would take back, or None.
        redoable: Title of the step that `redo` would do again, or None.
    """

    notes: Mapping[str, EpisodeNote] = field(default_factory=dict)
    dataset_settings: DatasetSettings = DatasetSettings()
    version: int = 0
    undoable: str | None = None
    redoable: str | None = None

    def of(self, episode_id: str) -> EpisodeNote:
        """Return what was said of an episode; the default note where nothing was."""
        return self.notes[episode_id] if episode_id in self.notes else EpisodeNote()

    def same_as(self, other: Annotations) -> bool:
        """Whether both say the same, whichever way they came to it."""
        return (self.notes, self.dataset_settings) == (other.notes, other.dataset_settings)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "settings": self.dataset_settings.to_json(),
            "episodes": {name: self.notes[name].to_json() for name in sorted(self.notes)},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Annotations:
        """Raises KeyError, TypeError, ValueError, AttributeError or UserInputError for anything but annotations."""
        notes = {name: EpisodeNote.from_json(note) for name, note in value["episodes"].items()}
        return cls(notes, DatasetSettings(**value["settings"]), int(value["version"]))


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _check_text(what: str, text: Any, limit: int, may_be_empty: bool = True) -> None:
    if not isinstance(text, str) or len(text) > limit or (not text and not may_be_empty):
        least = 0 if may_be_empty else 1
        raise UserInputError(
            f"The {what} {str(text)[:60]!r} cannot be used: expected a text of {least} to {limit} characters."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserInputError(f"The {what} {text[:60]!r} is not text that can be stored; type it again.") from error


def _check_trim(trim: tuple[int, int]) -> None:
    if len(trim) != 2 or any(type(end) is not int for end in trim) or not 0 <= trim[0] <= trim[1]:
        raise UserInputError(
            f"The trim {list(trim)} cannot be used: expected the first and the last frame to keep, counted from 0."
        )
