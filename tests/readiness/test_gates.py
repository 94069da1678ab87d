"""The gates themselves: the table, the user's own file, and what can never happen."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.errors import UserInputError
from mvla_core.layout import DataRoot
from mvla_core.readiness.assess import GateResult, judge, passed_level
from mvla_core.readiness.evidence import Evidence, unmeasured
from mvla_core.readiness.gates import LEVELS, Gate, default_gates, load_gates, own_gates_file
from mvla_core.readiness.measures import MEASURES
from mvla_core.readiness.wording import catalog
from mvla_core.wording import placeholders

GATES = default_gates().gates
numbers = st.floats(-1e6, 1e6)
chosen = st.sampled_from(GATES)


def own(root: DataRoot, text: str) -> Path:
    path = own_gates_file(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_every_gate_has_its_measure_and_its_words() -> None:
    names = [gate.name for gate in GATES]
    assert names == list(MEASURES)
    for language in ("en", "ko"):
        assert list(catalog(language)["gate"]) == names
    assert all(gate.source in ("briefing", "ours") and gate.reason.endswith(".") for gate in GATES)
    assert all(
        gate.command.format(run="r", dataset="d").startswith("python -m mvla_core") for gate in GATES if gate.command
    )


def test_both_languages_say_the_same() -> None:
    def texts(node: object, path: str = "") -> dict[str, set[str]]:
        if isinstance(node, str):
            return {path: placeholders(node)}
        assert isinstance(node, dict)
        found: dict[str, set[str]] = {}
        for key, child in node.items():
            found |= texts(child, f"{path}.{key}")
        return found

    english, korean = texts(catalog("en")), texts(catalog("ko"))
    reasons = {f".gate.{gate.name}.reason" for gate in GATES}
    assert english.keys() == korean.keys() - reasons
    assert reasons <= korean.keys(), "the reasons of gates.yaml are English"
    assert all(english[key] == korean[key] for key in english)


def test_the_briefings_gates_are_there() -> None:
    by_name = {gate.name: gate for gate in GATES}
    assert (by_name["episodes"].threshold, by_name["episodes"].level) == (130, "at_once")
    assert (by_name["frames"].threshold, by_name["frames"].level) == (2000, "before")
    assert (by_name["frames_deploy"].threshold, by_name["frames_deploy"].level) == (10000, "deploy")


def test_the_users_file_changes_single_gates(root: DataRoot) -> None:
    before = load_gates(root)
    own(root, 'format: 1\nrobot: {max_speed: 0.5}\ngates:\n  episodes: {threshold: 60, reason: "One corridor."}\n')
    after = load_gates(root)
    changed = [gate for gate, old in zip(after.gates, before.gates, strict=True) if gate != old]
    assert [(gate.name, gate.threshold, gate.source, gate.reason) for gate in changed] == [
        ("episodes", 60, "own", "One corridor.")
    ]
    assert after.robot.max_speed == 0.5
    assert after.sha256 != before.sha256


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("format: 1\ngates: {episods: {threshold: 1}}", "Did you mean 'episodes'?"),
        ("format: 1\ngates: {episodes: {treshold: 1}}", "Did you mean 'threshold'?"),
        ("format: 1\ngates: {episodes: {threshold: many}}", "give a number"),
        ("format: 1\ngates: {episodes: {threshold: .nan}}", "give a number"),
        ("format: 1\ngates: {episodes: {threshold: true}}", "give a number"),
        ("format: 1\ngates: {episodes: {level: befor}}", "Did you mean 'before'?"),
        ("format: 1\ngates: {episodes: {reason: ''}}", "write a sentence"),
        ("format: 1\ngates: {episodes: }", "must be a table"),
        ("format: 1\ngates: [episodes]", "a table under 'gates'"),
        ("format: 1\ngate: {}", "Did you mean 'gates'?"),
        ("format: 1\nrobot: {max_sped: 1}", "Did you mean 'max_speed'?"),
        ("format: 1\nrobot: {max_speed: -1}", "a number above 0"),
        ("format: 1\nrobot: [1]", "a table under 'robot'"),
        ("format: 2\n", "'format: 1'"),
        ("", "must hold a table"),
        ("format: [1\n", "cannot be read"),
        ("!!python/object/apply:os.getcwd []", "cannot be read"),
    ],
)
def test_a_damaged_file_is_one_sentence(root: DataRoot, text: str, says: str) -> None:
    path = own(root, text)
    with pytest.raises(UserInputError) as refused:
        load_gates(root)
    assert says in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@given(chosen, numbers, numbers, numbers, st.floats(0, 1e6))
def test_worse_never_turns_not_met_into_met(gate: Gate, value: float, low: float, high: float, worse: float) -> None:
    step = -worse if gate.comparison in ("at_least", "above") else worse
    before = judge(gate, Evidence(value, low, high))
    after = judge(gate, Evidence(value + step, low + step, high + step))
    assert not (before.status == "not_met" and after.status == "met")


@given(chosen, st.sampled_from(["value", "low", "high"]))
def test_what_is_not_measured_is_never_met(gate: Gate, uses: str) -> None:
    asked = replace(gate, uses=uses)  # type: ignore[arg-type]
    assert judge(asked, unmeasured("not_stored")).status == "not_measured"
    assert judge(asked, Evidence(math.nan, math.nan, math.nan)).status == "not_measured"
    if uses != "value":
        alone = judge(asked, Evidence(0.5, None, None))
        assert alone.status == "not_measured"
        assert alone.evidence.missing == "no_interval"


@given(st.lists(st.sampled_from(["met", "not_met", "not_measured"]), min_size=len(GATES), max_size=len(GATES)))
def test_a_level_is_passed_only_with_every_gate_up_to_it(statuses: list[str]) -> None:
    found = tuple(GateResult(gate, status, Evidence(1.0)) for gate, status in zip(GATES, statuses, strict=True))  # type: ignore[arg-type]
    passed = passed_level(found)
    for level in LEVELS[: 0 if passed is None else LEVELS.index(passed) + 1]:
        assert all(result.status == "met" for result in found if result.gate.level == level)
    if passed != "deploy":
        following = LEVELS[0 if passed is None else LEVELS.index(passed) + 1]
        assert any(result.status != "met" for result in found if result.gate.level == following)
