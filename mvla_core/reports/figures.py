"""The figures that grades and checklist are decided by, taken from stored results; None is "not measured", which meets nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mvla_core.evaluation.facts import Facts
from mvla_core.reports.gates import gate_figures

_MEASURED_LEVELS = ("ok", "info", "warning", "error")
_UNKNOWN = "unknown"
SHARES = (
    "val_reduction",
    "gap_share",
    "worse_share",
    "skill_low",
    "clock_value",
    "weakest_recall",
    "met_share",
    "edge_cases",
    "closed_loop",
)
"""Figures that are shares, for whoever writes them."""


def decision_figures(
    results: Mapping[str, Any], audit: Mapping[str, Any], readiness: Mapping[str, Any]
) -> dict[str, Any]:
    """Return every figure that a rule may name.

    Args:
        results: `evaluation/results.json`.
        audit: `evaluation/audit.json`.
        readiness: The gates, as `readiness_json` returns them.
    """
    facts, losses = Facts(results), results["losses"]
    rows = [row for row in losses["epochs"] if row["val_loss"] is not None]
    last = rows[-1]["val_loss"] if rows else None
    compared = [row for row in audit["table"] if row["status"] in _MEASURED_LEVELS]
    levels = [finding["level"] for finding in audit["findings"]]
    weakest = facts.weakest_direction
    clock = results["clock"]
    return {
        "clean_split": results["split"]["clean"],
        "held_out": results["episodes"],
        "val_reduction": losses["val_reduction"],
        "gap_share": losses["last_gap"] / last if losses["last_gap"] is not None and last else None,
        "worse_share": losses["worse_epochs"] / (len(rows) - 1) if len(rows) > 1 else None,
        "skill_low": facts.skill(facts.hardest(facts.required))["low"],
        "verdict": results["verdict"]["label"],
        "clock_value": clock["value"],
        "weakest_recall": None if weakest is None else weakest["recall"],
        "errors": levels.count("error"),
        "warnings": levels.count("warning"),
        "met": sum(row["status"] == "ok" for row in compared),
        "compared": len(compared),
        "met_share": sum(row["status"] == "ok" for row in compared) / len(compared) if compared else None,
        "episodes": audit["episodes"],
        "frames": audit["frames"],
        "train_windows": audit["windows"]["parts"].get("train"),
        "scenarios": _groups(audit, "scenario"),
        "times_of_day": _groups(audit, "time_of_day"),
        **gate_figures(readiness),
    }


def _groups(audit: Mapping[str, Any], kind: str) -> int | None:
    """How many scenarios or times of day the episodes name; None where none of them names any."""
    named = [group for group in audit["balance"][kind] if group["episodes"] and group["name"] != _UNKNOWN]
    return len(named) or None
