"""Readiness in words, in English and Korean: the sentence on top, and each gate with its evidence and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from mvla_core.readiness.gates import OWN_SOURCE, Gate, Unit
from mvla_core.wording import (
    Language,
    amount,
    format_text,
    interval,
    percent,
    placeholders,
    read_catalog,
    real,
    text_of,
)

if TYPE_CHECKING:
    from mvla_core.readiness.assess import GateResult, Readiness


_COMMANDS: Mapping[str, str] = {
    "not_evaluated": "python -m mvla_core evaluate {run}",
    "pictures_not_looked_at": "python -m mvla_core audit {dataset} --pictures && python -m mvla_core evaluate {run}",
    "no_interval": "python -m mvla_core plan {dataset}",
    "no_stops": "python -m mvla_core plan {dataset}",
    "no_turns": "python -m mvla_core plan {dataset}",
    "no_times": "",
    "no_scenarios": "",
    "no_period": "",
    "one_instruction": "",
}
"""Where a reason why nothing was measured asks for another command than its gate."""


@dataclass(frozen=True)
class WordedGate:
    """A gate as a reader of one language sees it.

    Attributes:
        name: What is asked.
        status: "met", "not_met" or "not_measured", for the machine.
        status_text: The same in words.
        level: Its level in words.
        wanted: The threshold, for example "at least 2,000" or "lower end above 0 %".
        found: The figure with its interval, or why there is none.
        stored: File and key of the figure, as they are.
        next: What to do where it is not met; "" where it is.
        command: The command that does it; "" where it is met or none does.
        reason: Why the gate is there.
        source: Who asks for it.
    """

    name: str
    status: str
    status_text: str
    level: str
    wanted: str
    found: str
    stored: str
    next: str
    command: str
    reason: str
    source: str


@cache
def catalog(language: Language) -> dict[str, Any]:
    return read_catalog("mvla_core.readiness", f"gates_{language}")


def say(language: Language, key: str, values: Mapping[str, Any]) -> str:
    """Return the text of a dotted key of the catalogs, filled with values.

    Raises:
        KeyError: There is no such text, or a value of it is missing.
    """
    return format_text(language, text_of(catalog(language), key), values)


def worded_gate(result: GateResult, readiness: Readiness, language: Language) -> WordedGate:
    """Put one gate of a run into words."""
    gate, texts = result.gate, catalog(language)["gate"][result.gate.name]
    names = {"run": readiness.run_id, "dataset": readiness.dataset}
    met = result.status == "met"
    reason = texts.get("reason", gate.reason) if gate.source != OWN_SOURCE else gate.reason
    return WordedGate(
        name=texts["name"],
        status=result.status,
        status_text=say(language, f"status.{result.status}", {}),
        level=say(language, f"level.{gate.level}.name", {}),
        wanted=_wanted(gate, language),
        found=_found(result, language),
        stored=result.evidence.stored,
        next="" if met else _next(result, language),
        command="" if met else _COMMANDS.get(result.evidence.missing, gate.command).format(**names),
        reason=reason,
        source=say(language, f"source.{gate.source}", {}),
    )


def _wanted(gate: Gate, language: Language) -> str:
    threshold = _figure(gate.threshold, gate.unit, language)
    end = say(language, f"end.{gate.uses}", {})
    return say(language, f"comparison.{gate.comparison}", {"threshold": threshold, "end": end}).strip()


def _found(result: GateResult, language: Language) -> str:
    evidence, gate = result.evidence, result.gate
    values = dict(evidence.values)
    for name in ("origin", "suite", "worlds"):
        if name in values:
            values[name] = say(language, f"{name}.{values[name]}", {})
    if evidence.value is None:
        if "found" in values:
            values["found"] = _figure(values["found"], gate.unit, language)
        return say(language, f"missing.{evidence.missing}", values)
    text = _figure(evidence.value, gate.unit, language)
    if evidence.low is not None and evidence.high is not None and gate.unit == "percent":
        text = f"{text} ({interval(language, evidence.low, evidence.high)})"
    detail = catalog(language)["gate"][gate.name].get("detail")
    # Readiness that was stored by an earlier release may not know what a newer sentence names.
    told = bool(detail) and placeholders(detail) <= values.keys()
    return f"{text}; {format_text(language, detail, values)}" if told else text


def _next(result: GateResult, language: Language) -> str:
    """What to do: a reason that is missing may ask for something of its own."""
    if result.evidence.missing in catalog(language)["missing_next"]:
        return say(language, f"missing_next.{result.evidence.missing}", result.evidence.values)
    text: str = catalog(language)["gate"][result.gate.name]["next"]
    return text


def _figure(value: float, unit: Unit, language: Language) -> str:
    match unit:
        case "count":
            return amount(value)
        case "percent":
            return percent(language, value)
        case "ratio":
            return real(value)
