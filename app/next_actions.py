"""The few things to do next, each with its reason: from the way, the audit, the verdict, the gates and the collection plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.language import PageText
from app.places import DATASET, EVALUATE, READINESS, Place
from app.session import DATASET_KEY, RUN_KEY
from app.way import Step, next_stop
from mvla_core.audit.plan import PlanItem
from mvla_core.audit.plan_wording import PlanWords
from mvla_core.audit.wording import worded
from mvla_core.evaluation.wording import fill
from mvla_core.readiness.assess import Readiness
from mvla_core.readiness.gates import LEVELS
from mvla_core.readiness.wording import worded_gate
from mvla_core.schema import Finding

MOST = 3
_PLAN_COMMAND = " plan "
_RECORD = "record"


@dataclass(frozen=True)
class Action:
    """One thing to do.

    Attributes:
        sentence: What.
        reason: Why.
        place: The page where it is done, or told.
        query: What the page shall show.
    """

    sentence: str
    reason: str
    place: Place
    query: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    """Two actions of one kind come to the same thing; an action without a kind is told by its sentence."""


def next_actions(
    dataset: str,
    steps: Sequence[Step],
    findings: Sequence[Finding],
    verdict: Mapping[str, Any] | None,
    readiness: Readiness | None,
    plan_item: PlanItem | None,
    text: PageText,
) -> list[Action]:
    """Return at most `MOST` things to do, the most urgent first, none twice.

    Args:
        dataset: Its name.
        steps: The way.
        findings: Of the audit.
        verdict: Of the best run; None without one.
        readiness: Of the best run; None without one.
        plan_item: The top of the collection plan; None where nothing is missing or nothing was planned.
        text: In which language.
    """
    ways = [
        _from_way(steps, text),
        _from_findings(dataset, findings, text),
        _from_verdict(verdict, readiness, text),
        _from_gates(dataset, readiness, plan_item, text),
        _from_plan(dataset, plan_item, text),
    ]
    chosen: list[Action] = []
    # One of each kind first, then second ones.
    while ways and len(chosen) < MOST:
        left = []
        for way in ways:
            action = next((each for each in way if not any(_same(each, one) for one in chosen)), None)
            if action is not None and len(chosen) < MOST:
                chosen.append(action)
                left.append(way)
        ways = left
    return chosen


def _from_way(steps: Sequence[Step], text: PageText) -> Iterator[Action]:
    """What blocks all that follows; the report can wait until the gates say something."""
    stop = next_stop(steps)
    if not stop.done and stop is not steps[-1]:
        yield Action(stop.action, stop.sentence, stop.place, stop.query)


def _from_findings(dataset: str, findings: Sequence[Finding], text: PageText) -> Iterator[Action]:
    """What the audit calls an error and can be mended."""
    for finding in findings:
        if finding.level == "error" and finding.next:
            words = worded(finding, text.language)
            yield Action(words.next, words.message, DATASET, {DATASET_KEY: dataset})


def _from_verdict(verdict: Mapping[str, Any] | None, readiness: Readiness | None, text: PageText) -> Iterator[Action]:
    if not verdict or not readiness or verdict["label"] == "learned":
        return
    for step in verdict["next"]:
        yield Action(
            fill(text.language, f"next.{step['code']}", step["values"]),
            fill(text.language, f"verdict.{verdict['rule']}", verdict["values"]),
            EVALUATE,
            {RUN_KEY: readiness.run_id},
        )


def _from_gates(
    dataset: str, readiness: Readiness | None, plan_item: PlanItem | None, text: PageText
) -> Iterator[Action]:
    """The gates of the first level that is not passed: what is not met before what is not measured."""
    if readiness is None:
        return
    for level in LEVELS:
        still_open = [found for found in readiness.of_level(level) if found.status != "met"]
        for found in sorted(still_open, key=lambda each: each.status == "not_measured"):
            gate = worded_gate(found, readiness, text.language)
            reason = text.say("overview.gate_reason", name=gate.name, found=_ended(gate.found), wanted=gate.wanted)
            if _PLAN_COMMAND in gate.command:
                # The plan knows what to record; the gate only that more is needed.
                what = gate.next if plan_item is None else PlanWords(text.language).headline(plan_item)
                yield Action(what, reason, DATASET, {DATASET_KEY: dataset, "part": "plan"}, _RECORD)
            else:
                yield Action(gate.next, reason, READINESS, {RUN_KEY: readiness.run_id})


def _from_plan(dataset: str, plan_item: PlanItem | None, text: PageText) -> Iterator[Action]:
    if plan_item is not None:
        words = PlanWords(text.language)
        query = {DATASET_KEY: dataset, "part": "plan"}
        yield Action(words.headline(plan_item), words.why(plan_item), DATASET, query, _RECORD)


def _same(one: Action, other: Action) -> bool:
    return one.sentence == other.sentence or (one.kind != "" and one.kind == other.kind)


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(".") else f"{sentence}."
