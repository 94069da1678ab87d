"""What the audit compares its figures with: `thresholds.toml` beside this module, and what the user puts over it.

A file of the same name in the data root may replace the recommended value and the limit of single figures.
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mvla_core.errors import UserInputError, did_you_mean
from mvla_core.layout import DataRoot
from mvla_core.schema import Level

DEFAULT_FILE = Path(__file__).with_name("thresholds.toml")

_KEYS = {"sense", "recommended", "limit", "source", "reason", "limit_reason"}
_REQUIRED_KEYS = {"sense", "source", "reason"}
_OWN_KEYS = ("recommended", "limit", "reason")
OWN_SOURCE = "yours"
"""The source of a figure that the user's own file sets."""


@dataclass(frozen=True)
class Threshold:
    """One figure's goal and limit, with where they come from.

    Attributes:
        name: The figure.
        sense: "at_least" where higher is better, "at_most" where lower is.
        recommended: The goal, or None; missing it is told.
        limit: What is needed, or None; missing it warns.
        source: "briefing", "robot project" or "ours"; "yours" where the user's own file sets it.
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
    def own(self) -> bool:
        """Whether the user's own file sets it."""
        return self.source == OWN_SOURCE

    def to_json(self) -> dict[str, Any]:
        return {
            "sense": self.sense,
            "recommended": self.recommended,
            "limit": self.limit,
            "source": self.source,
            "reason": self.reason,
            "own": self.own,
        }

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


def own_file(root: DataRoot) -> Path:
    """Where the user's own limits lie; the file need not exist."""
    return root.path / DEFAULT_FILE.name


def load_thresholds(root: DataRoot) -> dict[str, Threshold]:
    """Return the thresholds that hold for a data root: those of the program, with the user's own put over them.

    The user's file has one table for each figure that it changes, with `recommended`, `limit`, or both, and at will a
    `reason`.

    Raises:
        UserInputError: The user's file cannot be read, is not TOML, or names a figure, a key or a value that cannot be
            used.
    """
    path, merged = own_file(root), dict(default_thresholds())
    if not path.exists():
        return merged
    for name, table in _tables(path).items():
        if name not in merged:
            raise UserInputError(
                f"The thresholds file {path} has a table [{name}], which is no figure of the audit."
                f"{did_you_mean(name, merged)} All figures are in {DEFAULT_FILE.name} of the package mvla_core.audit."
            )
        merged[name] = _overridden(path, merged[name], table)
    return merged


@functools.cache
def default_thresholds() -> dict[str, Threshold]:
    """The thresholds that come with the program."""
    return {name: _threshold(DEFAULT_FILE, name, table) for name, table in _tables(DEFAULT_FILE).items()}


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserInputError(
            f"The thresholds file {path} cannot be read ({error}); correct it, or remove it to use the defaults."
        ) from error


def _overridden(path: Path, default: Threshold, table: Any) -> Threshold:
    where = f"The threshold [{default.name}] of {path}"
    if not isinstance(table, dict) or not table.keys() & {"recommended", "limit"}:
        raise UserInputError(f"{where} must be a table that gives a limit, a recommended value, or both.")
    for key in table:
        if key not in _OWN_KEYS:
            raise UserInputError(
                f"{where} has a key {key!r}; expected {', '.join(_OWN_KEYS)}.{did_you_mean(key, _OWN_KEYS)}"
            )
    bounds = _bounds(where, table)
    reason = table.get("reason", f"Set in the data root's {path.name}.")
    if not isinstance(reason, str) or not reason.strip():
        raise UserInputError(f"{where} has the reason {reason!r}; write a sentence.")
    given = {key: bound for key, bound in bounds.items() if bound is not None}
    return replace(default, **given, source=OWN_SOURCE, reason=reason, limit_reason="")


def _bounds(where: str, table: Mapping[str, Any]) -> dict[str, Any]:
    bounds = {key: table.get(key) for key in ("recommended", "limit")}
    for bound in bounds.values():
        number = isinstance(bound, int | float) and not isinstance(bound, bool) and math.isfinite(bound)
        if bound is not None and not number:
            raise UserInputError(f"{where} needs numbers for recommended and limit; found {bounds}.")
    return bounds


def _threshold(path: Path, name: str, table: Any) -> Threshold:
    where = f"The threshold [{name}] of {path}"
    if not isinstance(table, dict) or _REQUIRED_KEYS - table.keys() or table.keys() - _KEYS:
        raise UserInputError(
            f"{where} must hold {', '.join(sorted(_REQUIRED_KEYS))} and nothing beyond {', '.join(sorted(_KEYS))}."
        )
    if table["sense"] not in ("at_least", "at_most"):
        raise UserInputError(f"{where} has the sense {table['sense']!r}; write 'at_least' or 'at_most'.")
    bounds = _bounds(where, table)
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
