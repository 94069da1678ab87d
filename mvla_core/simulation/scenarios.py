"""The recordings' scenario grammar: which worlds a simulated data set shall hold, and how many of each.

A scenario is named like the recorder names it, for example "basket_2box_vert_left_far". Parts that are left out are drawn, so
that "1box" is one box anywhere with an instruction of either side. A **scenario matrix** is a number of episodes for each of
some scenarios; episodes take turns in random order, so that a stopped recording is balanced too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, cast, get_args

import numpy as np

from mvla_core.errors import UserInputError
from mvla_core.simulation.scene import Goal, Side

Layout = Literal["vert", "hori"]
Distance = Literal["close", "medium", "far"]
ScenarioCount = tuple[str, int]
"""A scenario's name and its number of episodes."""

MAX_SCENARIOS = 200
_GRAMMAR = re.compile(
    r"(?:(?P<goal>basket|target)(?:_|$))?(?P<boxes>[12])box(?:_(?P<layout>vert|hori))?(?:_(?P<side>left|right|straight))?"
    r"(?:_core)?(?:_(?P<distance>close|medium|far))?"
)


@dataclass(frozen=True)
class ScenarioParts:
    """What is asked of a world. None is drawn."""

    boxes: Literal[1, 2] = 1
    goal: Goal = "basket"
    layout: Layout | None = None
    side: Side | None = None
    distance: Distance | None = None

    @property
    def name(self) -> str:
        """The name that gives these parts, without those that are drawn."""
        goal = "" if self.goal == "basket" else self.goal
        return "_".join(part for part in (goal, f"{self.boxes}box", self.layout, self.side, self.distance) if part)


ALL_SCENARIOS = tuple(
    ScenarioParts(boxes, "basket", layout, side).name
    for boxes in (1, 2)
    for layout in get_args(Layout)
    for side in get_args(Side)
    if side != "straight" or (boxes == 2 and layout == "hori")
)
"""Every layout with every side that it allows, at any distance."""


def parse_scenario(name: str) -> ScenarioParts:
    """Read a scenario's name.

    Raises:
        UserInputError: It is not in the grammar, or no world of this kind has such a way.
    """
    match = _GRAMMAR.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        raise UserInputError(
            f"The scenario {str(name)[:60]!r} is unknown; expected [basket|target]_1box|2box_[vert|hori]_"
            "[left|right|straight]_[close|medium|far] in this order, for example '2box_vert_left' or '1box'."
        )
    found = match.groupdict()
    parts = ScenarioParts(
        boxes=1 if found["boxes"] == "1" else 2,
        goal=cast(Goal, found["goal"] or "basket"),
        layout=cast(Layout | None, found["layout"]),
        side=cast(Side | None, found["side"]),
        distance=cast(Distance | None, found["distance"]),
    )
    if parts.side == "straight" and (parts.boxes, parts.layout) != (2, "hori"):
        raise UserInputError(
            f"The scenario {name!r} has no way: straight leads between two boxes side by side; use 2box_hori_straight."
        )
    return parts


def check_matrix(matrix: object) -> None:
    """Check a scenario matrix.

    Raises:
        UserInputError: It is no list of names with whole numbers from 1, names a scenario twice, or an unknown one.
    """
    names: set[str] = set()
    if not isinstance(matrix, tuple) or len(matrix) > MAX_SCENARIOS:
        raise UserInputError(
            f"The simulation setting scenarios is {str(matrix)[:60]}; expected at most {MAX_SCENARIOS} pairs of a name and "
            "a number."
        )
    for entry in matrix:
        if (
            not isinstance(entry, tuple)
            or len(entry) != 2
            or isinstance(entry[1], bool)
            or not isinstance(entry[1], int)
            or not 1 <= entry[1] <= 100_000
        ):
            raise UserInputError(
                f"The simulation setting scenarios holds {str(entry)[:60]}; expected a name and a number of episodes "
                "from 1 to 100000, for example 1box_vert_left=10."
            )
        name = parse_scenario(entry[0]).name
        if name in names:
            raise UserInputError(f"The scenario {entry[0]!r} is named twice; give its number once.")
        names.add(name)


def matrix_from_texts(texts: Iterable[str]) -> tuple[ScenarioCount, ...]:
    """Read texts such as "2box_vert_left=10"; without a number it is 1.

    Raises:
        UserInputError: A text is not of this form.
    """
    matrix = []
    for text in texts:
        name, _, number = text.partition("=")
        if number and not (number.isascii() and number.isdecimal()):
            raise UserInputError(f"The scenario {text[:60]!r} has no whole number after '='; write 1box_vert_left=10.")
        matrix.append((name.strip(), int(number or 1)))
    check_matrix(tuple(matrix))
    return tuple(matrix)


def scenario_of(matrix: tuple[ScenarioCount, ...], seed: int, index: int) -> ScenarioParts:
    """What episode `index` of a seed shall be; one box with everything drawn where the matrix is empty.

    The first `sum` episodes hold exactly the numbers of the matrix; further ones repeat them in another order.
    """
    if not matrix:
        return ScenarioParts()
    bounds = list(accumulate(number for _, number in matrix))
    lap, place = divmod(index, bounds[-1])
    order = np.random.default_rng([seed, lap, 0x5CE]).permutation(bounds[-1])
    drawn = int(order[place])
    return parse_scenario(next(name for (name, _), bound in zip(matrix, bounds, strict=True) if drawn < bound))
