"""The assessment of the gates as a report keeps it: as JSON that can be said again in either language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mvla_core.readiness.assess import GateResult, Readiness
from mvla_core.readiness.evidence import Evidence
from mvla_core.readiness.gates import Gate

_KEPT = ("run_id", "dataset", "passed", "top_speed", "gates_sha256", "frames", "episodes")
_LIMITS = ("speed_limit", "acceleration_limit", "out_of_range", "stale_command")


def readiness_json(readiness: Readiness) -> dict[str, Any]:
    """Return everything of an assessment."""
    return {**readiness.to_json(), "top_speed": readiness.top_speed}


def read_readiness(stored: Mapping[str, Any]) -> Readiness:
    """Read what `readiness_json` made."""
    return Readiness(gates=tuple(_gate(entry) for entry in stored["gates"]), **{name: stored[name] for name in _KEPT})


def gate_figures(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what only the gates know of: closed loop, edge cases, new places, limits; None where it was not measured."""
    gates = {entry["name"]: entry for entry in stored["gates"]}
    statuses = {gates[name]["status"] for name in _LIMITS if name in gates}
    limits = None if not statuses or "not_measured" in statuses else statuses == {"met"}

    def value(name: str) -> float | None:
        return gates[name]["evidence"]["value"] if name in gates else None

    return {
        "edge_cases": value("edges_driven"),
        "new_environment": value("new_environment_tested"),
        "safety_test": limits,
        "closed_loop": value("closed_loop"),
    }


def _gate(entry: Mapping[str, Any]) -> GateResult:
    own = {name: value for name, value in entry.items() if name not in ("status", "evidence")}
    return GateResult(Gate(**own), entry["status"], Evidence(**entry["evidence"]))
