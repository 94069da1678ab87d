"""What the audit compares its figures with: read from `thresholds.toml`, the one place to edit."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mvla_core.errors import UserInputError
from mvla_core.schema import Level

DEFAULT_FILE = Path(__file__).with_name("thresholds.toml")

_KEYS = {"sense", "recommended", "limit", "source", "reason", "limit_reason"}
_REQUIRED_KEYS = {"sense", "source", "reason"}


@dataclass(frozen=True)
class Threshold:
    """One figure's goal and limit, with where they come from.

    Attributes:
        name: The figure.
        sense: "at_least" where higher is better, "at_most" where lower is.
        recommended: The goal, or None; missing it is told.
        limit: What is needed, or None; missing it warns.
        source: "briefing", "robot project" or "ours".
        reason: Why this value.
        limit_reason: Why this limit, where `reason` speaks of the recommended value.
    """

    name: str
    sense: Literal["at_least", "at_most"]
    recommended: float | None
    limit: float | None
    source: str
    reason: str
    limit_reason: str = ""

    @property
    def shown(self) -> float:
        """The value a table shows: the recommended one, else the limit."""
        return self.recommended if self.recommended is not None else self.needed

    @property
    def needed(self) -> float:
        """The limit, else the recommended value."""
        chosen = self.limit if self.limit is not None else self.recommended
        assert chosen is not None  # `load_thresholds` refuses a table without both.
        return chosen

    def meets(self, value: float, bound: float) -> bool:
        """Tell whether `value` is on the good side of `bound`, or on it."""
        return value >= bound if self.sense == "at_least" else value <= bound

    def status(self, value: float) -> Level:
        """Return "warning" where the limit is missed, "info" where only the recommended value is, else "ok"."""
        if self.limit is not None and not self.meets(value, self.limit):
            return "warning"
        if self.recommended is not None and not self.meets(value, self.recommended):
            return "info"
        return "ok"


Thresholds = Mapping[str, Threshold]


def load_thresholds(path: Path = DEFAULT_FILE) -> dict[str, Threshold]:
    """Read a thresholds file.

    Raises:
        UserInputError: The file is missing or not TOML, lacks a figure of the file that came with the program, or
            holds a table with a wrong key or value.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserInputError(f"The thresholds file {path} cannot be read ({error}); correct or restore it.") from error
    loaded = {name: _threshold(path, name, table) for name, table in tables.items()}
    if path != DEFAULT_FILE and (missing := default_thresholds().keys() - loaded.keys()):
        raise UserInputError(
            f"The thresholds file {path} lacks {', '.join(sorted(missing))}; copy them from {DEFAULT_FILE}."
        )
    return loaded


@functools.cache
def default_thresholds() -> dict[str, Threshold]:
    """The thresholds that come with the program."""
    return load_thresholds()


def _threshold(path: Path, name: str, table: Any) -> Threshold:
    where = f"The threshold [{name}] of {path}"
    if not isinstance(table, dict) or _REQUIRED_KEYS - table.keys() or table.keys() - _KEYS:
        raise UserInputError(
            f"{where} must hold {', '.join(sorted(_REQUIRED_KEYS))} and nothing beyond {', '.join(sorted(_KEYS))}."
        )
    if table["sense"] not in ("at_least", "at_most"):
        raise UserInputError(f"{where} has the sense {table['sense']!r}; write 'at_least' or 'at_most'.")
    bounds = {key: table.get(key) for key in ("recommended", "limit")}
    if any(
        isinstance(bound, bool) or not isinstance(bound, int | float) for bound in bounds.values() if bound is not None
    ):
        raise UserInputError(f"{where} needs numbers for recommended and limit; found {bounds}.")
    if bounds["recommended"] is None and bounds["limit"] is None:
        raise UserInputError(f"{where} has neither a recommended value nor a limit; give one.")
    return Threshold(
        name,
        table["sense"],
        bounds["recommended"],
        bounds["limit"],
        table["source"],
        table["reason"],
        table.get("limit_reason", ""),
    )
