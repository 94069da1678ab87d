"""The briefing's table, recomputed: each figure beside what is recommended, by whom, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mvla_core.audit.distributions import AxisStatistics
from mvla_core.audit.motion_checks import CommandedChange
from mvla_core.audit.thresholds import Threshold, Thresholds
from mvla_core.schema import Level

LABELS: Mapping[str, tuple[str, str]] = {
    "episodes": ("Episodes", ""),
    "frames": ("Frames", ""),
    "mean_length": ("Mean length", "frames"),
    "windows_total": ("Complete windows", ""),
    "train_windows": ("Training windows", ""),
    "validation_windows": ("Validation windows", ""),
    "test_windows": ("Test windows", ""),
    "samples_per_parameter": ("Training windows per trainable parameter", ""),
    "unique_actions": ("Different actions", ""),
    "diversity": ("Diversity (different actions / frames)", ""),
    "unique_sequences": ("Different action sequences", ""),
    "determinism": ("Determinism per frame index, mean", ""),
    "clock_explained": ("Explained by a clock, lower end of the interval", ""),
    "forward_share": ("Share of forward frames", ""),
}
"""Name of a row -> its English label and unit, in the order of the table."""


@dataclass(frozen=True)
class PresetSize:
    """The trainable parameters of a preset.

    Attributes:
        name: The preset, for example "compact".
        parameters: Their true number with two and with three action dimensions.
    """

    name: str
    parameters: tuple[int, int]

    def of(self, num_dims: int) -> int:
        """Return the number for 2 or 3 action dimensions."""
        return self.parameters[num_dims - 2]


@dataclass(frozen=True)
class TableRow:
    """One line of the table.

    Attributes:
        name: Machine-readable, a key of `LABELS` or "<axis>_<mean|std|min|max|change>".
        label: English.
        value: The figure; None where it could not be computed.
        unit: "" for counts and shares.
        recommended: What it is compared with; None where nothing is recommended.
        sense: "at_least" or "at_most" the recommended value; None where there is none.
        source: Who recommends it; "" where nobody does.
        reason: Why; for what is divided or not measured, that.
        status: "ok", "info" (recommended value missed), "warning" (limit missed), or "none" where nothing is compared.
            The clock's row has the level of its finding.
    """

    name: str
    label: str
    value: float | None
    unit: str
    recommended: float | None
    sense: str | None
    source: str
    reason: str
    status: Level | Literal["none"]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def make_table(
    figures: Mapping[str, float | None],
    statistics: Sequence[AxisStatistics],
    thresholds: Thresholds,
    judged: Mapping[str, Level],
    notes: Mapping[str, str],
    changes: Sequence[CommandedChange] = (),
) -> tuple[TableRow, ...]:
    """Return a row for each known figure, in the order of `LABELS`, then five for each axis.

    Args:
        figures: Name -> value, names of `LABELS`.
        statistics: Of each axis.
        thresholds: What the figures are compared with.
        judged: Status of figures that more than one threshold decides.
        notes: What a figure is made of, told before the reason.
        changes: How fast each axis' command changes, in the order of `statistics`.
    """
    rows = [
        _row(name, label, figures[name], unit, thresholds.get(name), judged.get(name), notes.get(name, ""))
        for name, (label, unit) in LABELS.items()
        if name in figures
    ]
    for axis in statistics:
        for what in ("mean", "std", "min", "max"):
            rows.append(_row(f"{axis.name}_{what}", f"{axis.name}, {what}", getattr(axis, what), axis.unit))
        rows += [_change_row(change) for change in changes if change.name == axis.name]
    return tuple(rows)


def _change_row(change: CommandedChange) -> TableRow:
    status: Level | Literal["none"] = "none" if change.beyond is None else "warning" if change.beyond else "ok"
    label = f"{change.name}, largest commanded change"
    judged = change.beyond is not None
    return TableRow(
        f"{change.name}_change",
        label,
        change.largest,
        change.unit,
        change.limit if judged else None,
        "at_most" if judged else None,
        change.source if judged else "",
        change.note,
        status,
    )


def _row(
    name: str,
    label: str,
    value: float | None,
    unit: str,
    threshold: Threshold | None = None,
    judged: Level | None = None,
    note: str = "",
) -> TableRow:
    if threshold is None:
        return TableRow(name, label, value, unit, None, None, "", note, "none")
    status: Level | Literal["none"] = "none" if value is None else judged or threshold.status(value)
    reason = f"{note} {threshold.reason}".strip()
    return TableRow(name, label, value, unit, threshold.shown, threshold.sense, threshold.source, reason, status)
