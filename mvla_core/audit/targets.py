"""How many episodes of what a user wants: the targets of the coverage matrix, one editable file a data set.

    plans/<dataset>.json below the data root, beside the data and never in it:

    {
      "format": 1,
      "default_target": 10,
      "axes": ["boxes", "side", "time_of_day"],
      "values": {"time_of_day": ["morning", "evening"]},
      "cells": [{"boxes": 2, "side": "left", "target": 4}, {"time_of_day": "night", "target": 0}]
    }

Every key but `format` may be left out. Without the file, and for whatever it leaves out, the defaults of `Targets` hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mvla_core.episodes.annotations import annotation_name
from mvla_core.episodes.dataset import DatasetRef
from mvla_core.episodes.names import TIMES_OF_DAY
from mvla_core.errors import UserInputError, did_you_mean
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot

FORMAT = 1
DEFAULT_TARGET = 10
"""Episodes a cell. The split deals 60, 20 and 20 %: ten leave two of each cell to test on, and one could be luck."""
LARGEST_TARGET = 1000
LONGEST_VALUE = 500

AXES = ("goal", "boxes", "layout", "side", "pattern", "distance", "time_of_day", "instruction")
"""What a cell may speak of, in the order in which cells are sorted: the fields of `schema.Scenario`, and the instruction."""

KNOWN_VALUES: Mapping[str, tuple[str, ...]] = {
    "layout": ("hori", "vert"),
    "side": ("left", "straight", "right"),
    "pattern": ("core", "variant"),
    "distance": ("close", "medium", "far"),
    "time_of_day": TIMES_OF_DAY,
}
"""The natural order of an axis; other values follow in the order of their letters."""

_KEYS = ("format", "default_target", "axes", "values", "cells")


@dataclass(frozen=True, order=True)
class Cell:
    """One kind of episode: pairs of axis and value, in the order of `AXES`. The empty cell is any episode at all."""

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Cell:
        return cls(tuple((axis, values[axis]) for axis in AXES if axis in values))

    def get(self, axis: str) -> str | None:
        return dict(self.pairs).get(axis)

    def within(self, other: Cell) -> bool:
        """Tell whether this cell has every value that `other` names."""
        return set(other.pairs) <= set(self.pairs)

    def to_json(self) -> dict[str, str]:
        return dict(self.pairs)


@dataclass(frozen=True)
class Override:
    """Another target for every cell that has all values of `where`; 0 means that it is not wanted."""

    where: Cell
    target: int


@dataclass(frozen=True)
class Targets:
    """What is wanted of a data set.

    Attributes:
        default: Episodes a cell, 0 to `LARGEST_TARGET`.
        axes: Axes of the matrix; None takes those that the episodes speak of.
        values: Axis -> the values wanted on it; an axis that is not named takes those seen, and the mirror of the sides
            seen.
        overrides: Cells that have another target.
    """

    default: int = DEFAULT_TARGET
    axes: tuple[str, ...] | None = None
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()

    def of(self, cell: Cell, otherwise: int | None = None) -> int:
        """Return the target of a cell: that of the override which names most of its values, of several the last; else
        `otherwise`, by default the default.
        """
        fitting = [override for override in self.overrides if cell.within(override.where)]
        if not fitting:
            return self.default if otherwise is None else otherwise
        most = max(len(override.where.pairs) for override in fitting)
        return next(override.target for override in reversed(fitting) if len(override.where.pairs) == most)

    def with_default(self, target: int) -> Targets:
        """Return the targets with another default.

        Raises:
            UserInputError: The number is out of range.
        """
        return replace(self, default=_target(target, "default target"))

    def with_cell(self, cell: Cell, target: int | None) -> Targets:
        """Return the targets with one cell's own number in place of what it had; None takes its own number away.

        Raises:
            UserInputError: The number is out of range, or a value of the cell cannot be kept.
        """
        for axis, value in cell.pairs:
            _value(axis, value)
        others = tuple(override for override in self.overrides if override.where != cell)
        own = () if target is None else (Override(cell, _target(target, "target")),)
        return replace(self, overrides=(*others, *own))

    def with_axes(self, axes: Iterable[str]) -> Targets:
        """Return the targets with other axes; none at all returns to those that the episodes speak of.

        Raises:
            UserInputError: An axis is unknown.
        """
        return replace(self, axes=_axes(list(axes)) or None)

    def with_values(self, axis: str, values: Iterable[str]) -> Targets:
        """Return the targets with other values on an axis; none at all returns to the default.

        Raises:
            UserInputError: The axis is unknown or a value cannot be one.
        """
        rest = {name: held for name, held in self.values.items() if name != axis}
        wanted = ordered(axis, (_value(axis, value) for value in values))
        return replace(self, values={**rest, axis: wanted} if wanted else rest)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "default_target": self.default,
            "axes": None if self.axes is None else list(self.axes),
            "values": {axis: list(values) for axis, values in self.values.items()},
            "cells": [{**override.where.to_json(), "target": override.target} for override in self.overrides],
        }

    @classmethod
    def from_json(cls, value: Any) -> Targets:
        """Read the form that `to_json` writes.

        Raises:
            UserInputError: A key is unknown or a value cannot be used; the text is a part of a sentence.
        """
        found = _table(value, "the file")
        for key in found:
            if key not in _KEYS:
                raise UserInputError(
                    f"the key {key!r} is unknown, expected {_listed(_KEYS)}.{did_you_mean(key, _KEYS)}"
                )
        if found.get("format") != FORMAT:
            raise UserInputError(f"its format is {found.get('format')!r} and this program reads {FORMAT}.")
        axes = found.get("axes")
        values = {_axis(axis): held for axis, held in _table(found.get("values", {}), "values").items()}
        targets = cls(
            default=_target(found.get("default_target", DEFAULT_TARGET), "default target"),
            axes=None if axes is None else _axes(_list(axes, "axes")),
            overrides=tuple(_override(entry) for entry in _list(found.get("cells", []), "cells")),
        )
        for axis, held in values.items():
            if not _list(held, f"values of {axis}"):
                raise UserInputError(f"the values of {axis} are empty; name one or leave the axis out.")
            targets = targets.with_values(axis, held)
        return targets


def ordered(axis: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return the values of an axis once each, in their natural order."""
    known = KNOWN_VALUES.get(axis, ())
    return tuple(sorted(set(values), key=lambda value: (known.index(value) if value in known else len(known), value)))


def targets_file(root: DataRoot, ref: DatasetRef) -> Path:
    """Return where the targets of a data set lie; a folder outside the data root has a file of its own."""
    return root.path / "plans" / f"{annotation_name(root, ref)}.json"


def load_targets(root: DataRoot, ref: DatasetRef) -> Targets:
    """Read the targets of a data set; the defaults where nobody set any.

    Raises:
        MvlaError: The file is damaged or says what cannot be; nothing is overwritten then.
    """
    path = targets_file(root, ref)
    if not path.exists():
        return Targets()
    value = read_json(path)
    try:
        return Targets.from_json(value)
    except UserInputError as error:
        raise UserInputError(
            f"The targets in {path} cannot be used: {error} Correct the file, or remove it to return to the defaults."
        ) from error


def save_targets(root: DataRoot, ref: DatasetRef, targets: Targets) -> Path:
    """Keep the targets of a data set and return their file; the defaults remove it."""
    path = targets_file(root, ref)
    if targets == Targets():
        path.unlink(missing_ok=True)
    else:
        write_json(path, targets.to_json())
    return path


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _table(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserInputError(f"{what} must be an object, found {type(value).__name__}.")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise UserInputError(f"{what} must be a list, found {type(value).__name__}.")
    return value


def _target(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_TARGET:
        raise UserInputError(
            f"The {what} {str(value)[:40]!r} cannot be used; give a whole number of episodes from 0 to {LARGEST_TARGET}."
        )
    return value


def _axis(name: Any) -> str:
    if name not in AXES:
        raise UserInputError(
            f"the axis {str(name)[:40]!r} is unknown, expected {_listed(AXES)}.{did_you_mean(str(name), AXES)}"
        )
    return str(name)


def _axes(names: list[Any]) -> tuple[str, ...]:
    known = {_axis(name) for name in names}
    return tuple(axis for axis in AXES if axis in known)


def _value(axis: str, value: Any) -> str:
    """A value as text; a number of boxes may be written as a number."""
    text = str(value) if axis == "boxes" and isinstance(value, int) and not isinstance(value, bool) else value
    _axis(axis)
    if not isinstance(text, str) or not 1 <= len(text) <= LONGEST_VALUE or not text.isprintable():
        raise UserInputError(
            f"the value {str(value)[:40]!r} of {axis} cannot be used, expected 1 to {LONGEST_VALUE} printable characters."
        )
    known = KNOWN_VALUES.get(axis, ())
    # A recorder may write values of its own, so that only what looks like a slip of the finger is refused.
    if text not in known and (meant := did_you_mean(text, known)):
        raise UserInputError(f"the value {text[:40]!r} of {axis} is unknown, expected {_listed(known)}.{meant}")
    if axis == "boxes" and not (text.isascii() and text.isdecimal()):
        raise UserInputError(f"the number of boxes {text[:40]!r} is not a whole number.")
    return text


def _override(entry: Any) -> Override:
    found = dict(_table(entry, "each of the cells"))
    if "target" not in found:
        raise UserInputError(f"the cell {str(entry)[:80]} has no target; 0 means that it is not wanted.")
    target = _target(found.pop("target"), "target of a cell")
    return Override(Cell.of({_axis(axis): _value(axis, value) for axis, value in found.items()}), target)
