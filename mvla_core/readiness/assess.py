"""May it drive? Every gate against what is stored, and one sentence on top.

The rules are careful on purpose, see `docs/readiness.md`: a level counts as passed only when each of its gates, and each of the
levels before it, is met; "not measured" is never met; and even with everything met a person stays at the stop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from mvla_core.layout import DataRoot
from mvla_core.readiness.evidence import Evidence, Gathered, gather, number, table, unmeasured
from mvla_core.readiness.gates import LEVELS, Gate, GateTable, Level, load_gates
from mvla_core.readiness.kept import keep, read_kept
from mvla_core.readiness.measures import MEASURES, OF_PREDICTIONS, WITHOUT_EVALUATION
from mvla_core.readiness.wording import say

Status = Literal["met", "not_met", "not_measured"]
STATUSES: tuple[Status, ...] = get_args(Status)

SLOW_M_S = 0.25
"""Reduced speed: 250 mm/s, as ISO 10218-1 sets it for a robot that moves while a person is within reach."""


@dataclass(frozen=True)
class GateResult:
    """One gate with what it was decided on.

    Attributes:
        gate: The gate.
        status: "met", "not_met" or "not_measured".
        evidence: The figure, or why there is none.
    """

    gate: Gate
    status: Status
    evidence: Evidence

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self.gate), "status": self.status, "evidence": self.evidence.to_json()}


@dataclass(frozen=True)
class Readiness:
    """What is known of a run before it drives.

    Attributes:
        run_id: The run.
        dataset: What it was trained on.
        gates: Every gate in the order of the file.
        passed: The highest level that is passed, with all before it; None for none.
        top_speed: The largest speed that the driver commanded on any linear axis, m/s; None where none is in m/s.
        gates_sha256: Digest of the gates that held.
        frames: Recorded frames at the evaluation; None where it is not evaluated.
        episodes: Recorded episodes, likewise.
    """

    run_id: str
    dataset: str
    gates: tuple[GateResult, ...]
    passed: Level | None
    top_speed: float | None
    gates_sha256: str
    frames: int | None
    episodes: int | None

    def count(self, status: Status, level: Level | None = None) -> int:
        """How many gates have a status, of one level or of all."""
        return sum(found.status == status and level in (None, found.gate.level) for found in self.gates)

    def of_level(self, level: Level) -> tuple[GateResult, ...]:
        return tuple(found for found in self.gates if found.gate.level == level)

    @property
    def speed(self) -> float | None:
        """How fast it may drive, m/s; 0 where it may not leave the blocks, None where the actions have no physical scale."""
        if self.passed in (None, "at_once"):
            return 0.0
        if self.top_speed is None:
            return SLOW_M_S if self.passed == "before" else None
        return min(SLOW_M_S, self.top_speed) if self.passed == "before" else self.top_speed

    @property
    def values(self) -> dict[str, Any]:
        """What the sentence names."""
        counts: dict[str, int] = {status: self.count(status) for status in STATUSES}
        speed = "" if self.speed is None else f"{self.speed:.2f}"
        return {**counts, "gates": len(self.gates), "speed": speed, "run": self.run_id, "dataset": self.dataset}

    @property
    def sentence_key(self) -> str:
        """Its key in the catalogs: may it drive, where, at what speed?"""
        if self.passed is None:
            return "sentence.no"
        return f"sentence.{self.passed}" if self.speed is not None else "sentence.deploy_no_scale"

    def sentence(self, language: Literal["en", "ko"] = "en") -> str:
        """May it drive? Where? At what speed?"""
        return say(language, self.sentence_key, self.values)

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "dataset": self.dataset,
            "may_drive": self.passed is not None,
            "passed": self.passed,
            "speed_m_s": self.speed,
            "sentence": self.sentence("en"),
            "counts": {status: self.count(status) for status in STATUSES},
            "frames": self.frames,
            "episodes": self.episodes,
            "gates_sha256": self.gates_sha256,
            "gates": [found.to_json() for found in self.gates],
        }


def assess(root: DataRoot, run_id: str, *, fresh: bool = False) -> Readiness:
    """Hold what a run has stored against the gates. Nothing is measured on episodes, and nothing written but the cache.

    Args:
        root: The data root; its `gates.yaml`, where there is one, changes the gates.
        run_id: A run; one that is not evaluated has hardly a gate measured.
        fresh: Measure the stored predictions anew whatever the cache holds, and leave the cache alone.

    Raises:
        RunError: There is no such run, or its results are damaged or of another version.
        UserInputError: The user's gates cannot be used.
        MvlaError: A JSON file of the run is damaged.
    """
    gates = load_gates(root)
    gathered = gather(root, run_id, gates.robot, with_predictions=fresh)
    if fresh or not gathered.evaluated:
        return decide(gathered, gates)
    kept = read_kept(root, gathered)
    if kept is None:
        gathered = gather(root, run_id, gates.robot)
        kept = {name: MEASURES[name](gathered) for name in OF_PREDICTIONS}
        keep(root, gathered, kept)
    return decide(gathered, gates, kept)


def decide(gathered: Gathered, gates: GateTable, known: Mapping[str, Evidence] | None = None) -> Readiness:
    """Decide every gate on what was gathered. Pure.

    Args:
        gathered: What the run has stored.
        gates: What holds.
        known: Evidence that was measured before, by the name of the gate; it is not measured again.
    """
    found = tuple(judge(gate, (known or {}).get(gate.name) or _evidence(gathered, gate)) for gate in gates.gates)
    audit = gathered.audit
    return Readiness(
        run_id=gathered.run.run_id,
        dataset=str(gathered.config.get("dataset", "")),
        gates=found,
        passed=passed_level(found),
        top_speed=_top_speed(audit),
        gates_sha256=gates.sha256,
        frames=_whole(audit.get("frames")),
        episodes=_whole(audit.get("episodes")),
    )


def judge(gate: Gate, evidence: Evidence) -> GateResult:
    """Compare one figure with its gate. A figure without the end that the gate asks for is not measured."""
    if evidence.value is None or math.isnan(evidence.value):
        return GateResult(gate, "not_measured", evidence)
    used = {"value": evidence.value, "low": evidence.low, "high": evidence.high}[gate.uses]
    if used is None or math.isnan(used):
        # One episode alone has a figure, but nobody knows how sure it is.
        missing = unmeasured("no_interval", evidence.stored, **{**evidence.values, "found": evidence.value})
        return GateResult(gate, "not_measured", missing)
    return GateResult(gate, "met" if gate.passes(used) else "not_met", evidence)


def passed_level(found: tuple[GateResult, ...]) -> Level | None:
    """Return the highest level with gates of which each is met, and each of the levels before; None where there is none."""
    passed: Level | None = None
    for level in LEVELS:
        statuses = {result.status for result in found if result.gate.level == level}
        if statuses - {"met"}:
            break
        # A level from which the user has moved every gate away proves nothing, and hinders nothing.
        passed = level if statuses else passed
    return passed


def _evidence(gathered: Gathered, gate: Gate) -> Evidence:
    if not gathered.evaluated and gate.name not in WITHOUT_EVALUATION:
        return unmeasured("not_evaluated")
    return MEASURES[gate.name](gathered)


def _top_speed(audit: Mapping[str, Any]) -> float | None:
    axes = [table(axis) for axis in table(audit.get("actions")).values()]
    ends = [number(axis.get(end)) for axis in axes if axis.get("unit") == "m/s" for end in ("min", "max")]
    return max((abs(end) for end in ends if end is not None), default=None)


def _whole(value: Any) -> int | None:
    found = number(value)
    return None if found is None else int(found)
