"""The coverage matrix: how many episodes of each kind there are, beside how many are wanted.

A cell is one combination of values: boxes, layout and side (or the goal, where no episode tells boxes or layout), pattern,
distance and time of day. Only axes on which an episode or a target has a value are used. Where no episode names a scenario, the
instruction takes its place; where nothing at all is known there is one cell, which is every episode.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mvla_core.audit.episode_checks import episode_side
from mvla_core.audit.targets import AXES, Cell, Targets, ordered
from mvla_core.errors import UserInputError
from mvla_core.schema import EpisodeInfo

MOST_CELLS = 4096
MOST_COLUMNS = 4
"""More do not fit beside their labels on a telephone."""
LONGEST_SHOWN = 120

MIRRORED = {"left": "right", "right": "left"}
_SCENARIO_AXES = ("goal", "boxes", "layout", "side")
_COLUMN_AXES = ("distance", "time_of_day", "pattern")


@dataclass(frozen=True)
class CellCount:
    """One cell of the matrix.

    Attributes:
        cell: The values.
        episodes: Those whose values these are, in the order given.
        target: How many are wanted; 0 where none is.
    """

    cell: Cell
    episodes: tuple[str, ...]
    target: int

    @property
    def have(self) -> int:
        return len(self.episodes)

    @property
    def gap(self) -> int:
        """How many are missing, never negative."""
        return max(0, self.target - self.have)


@dataclass(frozen=True)
class Pivot:
    """The matrix as rows and columns for a picture.

    Attributes:
        row_axes, column_axes: Which axes the rows and columns differ in; either may be empty.
        shared: What all cells have in common.
        rows, columns: Their values, at least one of each.
        grid: grid[row][column]; None where the combination is neither there nor wanted.
    """

    row_axes: tuple[str, ...]
    column_axes: tuple[str, ...]
    shared: Cell
    rows: tuple[Cell, ...]
    columns: tuple[Cell, ...]
    grid: tuple[tuple[CellCount | None, ...], ...]


@dataclass(frozen=True)
class Coverage:
    """The matrix.

    Attributes:
        axes: In the order of `AXES`; empty where nothing is known.
        wanted: Axis -> the values wanted on it.
        values: Axis -> every value that is wanted or seen.
        cells: Every cell that is wanted or holds an episode, in the order of the axes' values.
        partly_known: Episodes that lack a value on an axis that others have; they are in no cell.
        unknown: Episodes of which no axis is known.
    """

    axes: tuple[str, ...]
    wanted: Mapping[str, tuple[str, ...]]
    values: Mapping[str, tuple[str, ...]]
    cells: tuple[CellCount, ...]
    partly_known: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def usable(self) -> int:
        """Every episode that was given: those in cells, partly known and unknown ones."""
        return sum(count.have for count in self.cells) + len(self.partly_known) + len(self.unknown)

    def pivot(self) -> Pivot:
        """Turn the cells into rows and columns: axes with one value are told once, distance, time of day and pattern go into
        columns as long as there are no more than `MOST_COLUMNS`, and the rest into rows.
        """
        differing = [axis for axis in self.axes if len(self.values[axis]) > 1]
        chosen: list[str] = []
        for axis in _COLUMN_AXES:
            if axis in differing and math.prod(len(self.values[name]) for name in [*chosen, axis]) <= MOST_COLUMNS:
                chosen.append(axis)
        columns = tuple(axis for axis in self.axes if axis in chosen)
        rows = tuple(axis for axis in differing if axis not in chosen)
        by_cell = {count.cell: count for count in self.cells}
        shared = {axis: self.values[axis][0] for axis in self.axes if axis not in differing}
        there = {Cell(tuple(pair for pair in count.cell.pairs if pair[0] in rows)) for count in self.cells}
        row_cells = [row for row in _product(rows, self.values) if row in there]
        column_cells = _product(columns, self.values)
        grid = tuple(
            tuple(by_cell.get(Cell.of({**shared, **row.to_json(), **column.to_json()})) for column in column_cells)
            for row in row_cells
        )
        return Pivot(rows, columns, Cell.of(shared), tuple(row_cells), tuple(column_cells), grid)

    def to_json(self) -> dict[str, Any]:
        return {
            "axes": list(self.axes),
            "wanted": {axis: list(values) for axis, values in self.wanted.items()},
            "values": {axis: list(values) for axis, values in self.values.items()},
            "usable": self.usable,
            "partly_known": list(self.partly_known),
            "unknown": list(self.unknown),
        }


def known_values(info: EpisodeInfo) -> dict[str, str]:
    """Return axis -> value for what is known of an episode; the side also where only the instruction tells it."""
    scenario = info.scenario
    said = {axis: getattr(scenario, axis) for axis in AXES if axis != "instruction"}
    said |= {"side": episode_side(info), "instruction": info.instruction}
    return {axis: text for axis, value in said.items() if value is not None and (text := _one_line(str(value)))}


def seen_values(episodes: Sequence[EpisodeInfo]) -> dict[str, tuple[str, ...]]:
    """Return axis -> the values that episodes have on it, for every axis that at least one speaks of."""
    known = [known_values(info) for info in episodes]
    seen = {axis: ordered(axis, (values[axis] for values in known if axis in values)) for axis in AXES}
    return {axis: values for axis, values in seen.items() if values}


def usual_axes(told: Collection[str], targets: Targets) -> tuple[str, ...]:
    """Return the axes of the matrix where the user chose none.

    Args:
        told: Axes that an episode speaks of.
        targets: Axes on which these name values are taken too.
    """
    axes = set(told)
    if {"boxes", "layout"} & axes:
        axes.discard("goal")
    if axes.intersection(_SCENARIO_AXES):
        axes.discard("instruction")
    return tuple(axis for axis in AXES if axis in axes or axis in targets.values)


def usual_values(axis: str, seen: Iterable[str]) -> tuple[str, ...]:
    """Return the values wanted on an axis where the user chose none: those seen, and the mirror of the sides seen."""
    values = set(seen)
    return ordered(axis, values | {MIRRORED[side] for side in values & MIRRORED.keys()} if axis == "side" else values)


def cover(episodes: Sequence[EpisodeInfo], targets: Targets) -> Coverage:
    """Count episodes by cell.

    Args:
        episodes: The usable ones.
        targets: What is wanted.

    Raises:
        UserInputError: The wanted values make more than `MOST_CELLS` cells.
    """
    known = {info.episode_id: known_values(info) for info in episodes}
    seen = {axis: {values[axis] for values in known.values() if axis in values} for axis in AXES}
    told = {axis for axis in AXES if seen[axis]}
    if targets.axes is None:
        axes = usual_axes(told, targets)
    else:
        axes = tuple(axis for axis in targets.axes if axis in told or axis in targets.values)
    wanted = {axis: _wanted(axis, seen[axis], targets) for axis in axes}
    size = math.prod(len(values) for values in wanted.values())
    if size > MOST_CELLS:
        raise UserInputError(
            f"The plan would have {size:,} cells of {', '.join(axes)}, more than {MOST_CELLS:,}; choose fewer axes or values."
        )
    holding: dict[Cell, list[str]] = {}
    partly: list[str] = []
    unknown: list[str] = []
    for episode_id, values in known.items():
        if all(axis in values for axis in axes):
            holding.setdefault(Cell.of({axis: values[axis] for axis in axes}), []).append(episode_id)
        else:
            (partly if any(axis in values for axis in axes) else unknown).append(episode_id)
    own = {override.where for override in targets.overrides if {axis for axis, _ in override.where.pairs} == set(axes)}
    regular = set(_product(axes, wanted))
    everything = {axis: ordered(axis, {*wanted[axis], *seen[axis], *_named(axis, own)}) for axis in axes}
    cells = tuple(
        CellCount(cell, tuple(holding.get(cell, ())), targets.of(cell, None if cell in regular else 0))
        for cell in sorted(regular | own | holding.keys(), key=lambda cell: _place(cell, everything))
    )
    return Coverage(axes, wanted, everything, cells, tuple(partly), tuple(unknown))


def _wanted(axis: str, seen: set[str], targets: Targets) -> tuple[str, ...]:
    return targets.values[axis] if axis in targets.values else usual_values(axis, seen)


def _named(axis: str, cells: set[Cell]) -> set[str]:
    return {value for cell in cells if (value := cell.get(axis)) is not None}


def _product(axes: Sequence[str], values: Mapping[str, tuple[str, ...]]) -> list[Cell]:
    return [Cell(tuple(zip(axes, one, strict=True))) for one in itertools.product(*(values[axis] for axis in axes))]


def _place(cell: Cell, values: Mapping[str, tuple[str, ...]]) -> tuple[int, ...]:
    return tuple(values[axis].index(value) for axis, value in cell.pairs)


def _one_line(text: str) -> str:
    """Text of a file as one short printable line."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:LONGEST_SHOWN]
