"""What the audit says of three small sets is what it said before, figure by figure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from tests.golden.regenerate import DRIVES_FILE, HERE, drive_anew, golden_audits

ADVICE = "look at the difference, then write the golden audits anew with: python -m tests.golden.regenerate"
TOLERANCE = 1e-6


def differences(found: Any, golden: Any, key: str = "") -> Iterator[str]:
    """Yield each key at which two JSON values differ, with both values; floats may differ by rounding."""
    if isinstance(found, dict) and isinstance(golden, dict):
        for name in sorted(found.keys() | golden.keys()):
            where = f"{key}.{name}" if key else name
            if name not in golden:
                yield f"{where} is new"
            elif name not in found:
                yield f"{where} is missing"
            else:
                yield from differences(found[name], golden[name], where)
    elif isinstance(found, list) and isinstance(golden, list) and len(found) == len(golden):
        for number, (one, other) in enumerate(zip(found, golden, strict=True)):
            yield from differences(one, other, f"{key}[{number}]")
    elif isinstance(found, float) and isinstance(golden, int | float):
        if not math.isclose(found, golden, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{key} is {found}, was {golden}"
    elif found != golden:
        yield f"{key} is {json.dumps(found)[:200]}, was {json.dumps(golden)[:200]}"


@pytest.fixture(scope="module")
def audits() -> dict[str, Any]:
    return golden_audits()


@pytest.mark.parametrize("name", ["audit_briefing_replica.json", "audit_one_script.json", "audit_simulated.json"])
def test_the_audit_says_what_it_said(audits: dict[str, Any], name: str) -> None:
    golden = json.loads((HERE / name).read_text(encoding="utf-8"))
    changed = list(differences(json.loads(json.dumps(audits[name])), golden))
    assert not changed, f"{name}: {'; '.join(changed[:10])}. If this is meant: {ADVICE}"


def test_every_golden_audit_is_compared(audits: dict[str, Any]) -> None:
    assert {path.name for path in HERE.glob("audit_*.json")} == set(audits)


def test_a_difference_is_named_by_its_key() -> None:
    golden = {"a": {"b": [1, 2.0]}, "c": "x", "gone": 1}
    found = {"a": {"b": [1, 2.1]}, "c": "y", "new": None}
    assert list(differences(found, golden)) == [
        "a.b[1] is 2.1, was 2.0",
        'c is "y", was "x"',
        "gone is missing",
        "new is new",
    ]
    assert list(differences({"a": 1.0 + 1e-9}, {"a": 1})) == []


@pytest.mark.slow
def test_the_kept_drives_are_those_of_the_simulator() -> None:
    assert drive_anew() == json.loads(DRIVES_FILE.read_text(encoding="utf-8"))
