"""The gates: what has to be met before a policy may drive, from `gates.yaml` and the user's own changes to it.

A file `gates.yaml` in the data root changes single gates (level, comparison, threshold, uses, reason) and says what the robot
can do. What it does not name stays as it is; a name that is unknown is refused, so that a slip of the pen never loosens a gate
unseen.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from mvla_core.errors import UserInputError, did_you_mean
from mvla_core.layout import DataRoot

FORMAT = 1
DEFAULT_FILE = Path(__file__).with_name("gates.yaml")
OWN_SOURCE = "own"

Level = Literal["at_once", "before", "deploy"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""In the order in which they have to be passed."""
Comparison = Literal["at_least", "at_most", "above", "below"]
Uses = Literal["value", "low", "high"]
Unit = Literal["count", "percent", "ratio"]

_OWN_KEYS = ("level", "comparison", "threshold", "uses", "reason")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "level": LEVELS,
    "comparison": get_args(Comparison),
    "uses": get_args(Uses),
    "unit": get_args(Unit),
}


@dataclass(frozen=True)
class Gate:
    """One gate.

    Attributes:
        name: Also the name of its measure.
        level: When it has to be met.
        comparison: How the figure is compared with the threshold.
        threshold: In the figure's own unit: a share as 0.75, a count, or a ratio to a limit.
        uses: Which end of the interval is compared.
        unit: How figure and threshold are written.
        source: "briefing", "ours", or "own" for the user's.
        command: What measures or mends it, with {run} and {dataset}; "" where no command does.
        reason: Why it is there, in one English sentence or the user's own words.
    """

    name: str
    level: Level
    comparison: Comparison
    threshold: float
    uses: Uses
    unit: Unit
    source: str
    command: str
    reason: str

    def passes(self, value: float) -> bool:
        """Tell whether a figure is on the good side of the threshold. NaN never is."""
        match self.comparison:
            case "at_least":
                return value >= self.threshold
            case "at_most":
                return value <= self.threshold
            case "above":
                return value > self.threshold
            case "below":
                return value < self.threshold


@dataclass(frozen=True)
class Robot:
    """What the robot can do; None where the user has not said so."""

    control_period_ms: float | None = None
    max_speed: float | None = None
    max_turn_rate: float | None = None
    max_acceleration: float | None = None
    max_turn_acceleration: float | None = None


_LIMITS = tuple(field.name for field in fields(Robot))


@dataclass(frozen=True)
class GateTable:
    """All gates that hold for a data root, in the order of the file."""

    gates: tuple[Gate, ...]
    robot: Robot

    def to_json(self) -> dict[str, Any]:
        return {"gates": {gate.name: asdict(gate) for gate in self.gates}, "robot": asdict(self.robot)}

    @property
    def sha256(self) -> str:
        """Digest of everything that holds, whether it comes from the program or from the user."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


def own_gates_file(root: DataRoot) -> Path:
    """Where the user's own gates lie; the file need not exist."""
    return root.path / DEFAULT_FILE.name


@functools.cache
def default_gates() -> GateTable:
    """The gates that come with the program."""
    table = _read(DEFAULT_FILE)
    gates = tuple(_gate(DEFAULT_FILE, name, entry) for name, entry in table["gates"].items())
    return GateTable(gates, _robot(DEFAULT_FILE, table["robot"], Robot()))


def load_gates(root: DataRoot) -> GateTable:
    """Return the gates that hold for a data root: those of the program, with the user's own put over them.

    Raises:
        UserInputError: The user's file is damaged, or names a gate, a key or a value that cannot be used.
    """
    default, path = default_gates(), own_gates_file(root)
    if not path.exists():
        return default
    table = _read(path)
    for key in table:
        if key not in ("format", "robot", "gates"):
            raise UserInputError(
                f"The gates file {path} has a key {key!r}; expected format, robot and gates."
                f"{did_you_mean(str(key), ('format', 'robot', 'gates'))}"
            )
    changed = table.get("gates") or {}
    if not isinstance(changed, dict):
        raise UserInputError(f"The gates file {path} must hold a table under 'gates', found {type(changed).__name__}.")
    known = {gate.name: gate for gate in default.gates}
    for name, entry in changed.items():
        if name not in known:
            raise UserInputError(
                f"The gates file {path} names {name!r}, which is no gate.{did_you_mean(str(name), known)} "
                "All gates are listed by: python -m mvla_core ready RUN"
            )
        known[name] = _overridden(path, known[name], entry)
    return GateTable(tuple(known.values()), _robot(path, table.get("robot") or {}, default.robot))


def _read(path: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise UserInputError(
            f"The gates file {path} cannot be read ({problem}); correct it, or remove it to use the defaults."
        ) from error
    if not isinstance(value, dict):
        raise UserInputError(f"The gates file {path} must hold a table with 'format', found {type(value).__name__}.")
    if value.get("format") != FORMAT:
        raise UserInputError(
            f"The gates file {path} has the format {value.get('format')!r}; this program reads 'format: {FORMAT}'."
        )
    return value


def _gate(path: Path, name: str, entry: Mapping[str, Any]) -> Gate:
    checked = _checked(f"The gate {name!r} of {path}", entry)
    return Gate(name=name, **{**checked, "threshold": float(checked["threshold"])})


def _overridden(path: Path, default: Gate, entry: Any) -> Gate:
    where = f"The gate {default.name!r} of {path}"
    if not isinstance(entry, dict) or not entry:
        raise UserInputError(f"{where} must be a table with some of {', '.join(_OWN_KEYS)}.")
    for key in entry:
        if key not in _OWN_KEYS:
            raise UserInputError(
                f"{where} has a key {key!r}; expected {', '.join(_OWN_KEYS)}.{did_you_mean(str(key), _OWN_KEYS)}"
            )
    given = {"reason": f"Set in the data root's {path.name}.", **_checked(where, entry)}
    return replace(default, **given, source=OWN_SOURCE)


def _checked(where: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    for key, choices in _CHOICES.items():
        if key in entry and entry[key] not in choices:
            raise UserInputError(
                f"{where} has {key} {str(entry[key])[:40]!r}; expected {', '.join(choices)}."
                f"{did_you_mean(str(entry[key]), choices)}"
            )
    if "threshold" in entry and not _is_number(entry["threshold"]):
        raise UserInputError(f"{where} has the threshold {str(entry['threshold'])[:40]!r}; give a number.")
    if "reason" in entry and not (isinstance(entry["reason"], str) and entry["reason"].strip()):
        raise UserInputError(f"{where} has the reason {str(entry['reason'])[:40]!r}; write a sentence.")
    return dict(entry)


def _robot(path: Path, table: Any, default: Robot) -> Robot:
    if not isinstance(table, dict):
        raise UserInputError(f"The gates file {path} must hold a table under 'robot', found {type(table).__name__}.")
    for name, value in table.items():
        if name not in _LIMITS:
            raise UserInputError(
                f"The robot of {path} has no {name!r}; expected {', '.join(_LIMITS)}.{did_you_mean(str(name), _LIMITS)}"
            )
        if value is not None and not (_is_number(value) and value > 0):
            raise UserInputError(f"The robot's {name} in {path} is {str(value)[:40]!r}; give a number above 0.")
    return replace(default, **{name: None if value is None else float(value) for name, value in table.items()})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
