"""Planted diseases, really trained: from episode files over the compact policy to the verdict.

One seed of the shortest case at each run of the tests, one of every case with --run-slow; `benchmarks/verdict.py` does twenty each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.planted.cases import CASES
from benchmarks.planted.replica import (
    PUBLISHED_DIMENSIONS,
    PUBLISHED_HUBER,
    REAL_DIMENSIONS,
    replica_case,
    replica_file,
)
from benchmarks.planted.trial import remembered_features, run_trial
from benchmarks.verdict import matrix_lines, run_missing, summary
from mvla_core.files import write_json

SEED = 1000
QUICK = ("forward",)
"""The shortest training; the others take longer together than all that CI has for them."""


@pytest.fixture(scope="module")
def features() -> Iterator[None]:
    """Each picture is encoded once for all cases."""
    with remembered_features():
        yield


@pytest.mark.usefixtures("features")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in CASES]
)
def test_a_planted_disease_is_named(name: str, tmp_path: Path) -> None:
    verdict = run_trial(CASES[name], SEED, tmp_path / "root")["results"]["verdict"]
    assert verdict["label"] == CASES[name].label, verdict["sentence"]
    assert all(item["figure"] for item in verdict["evidence"])


@pytest.mark.slow
@pytest.mark.shared
def test_the_briefings_replica_is_memorised_although_its_loss_is_like_the_published_one(tmp_path: Path) -> None:
    if not replica_file().is_file():
        pytest.skip(f"the briefing's key sequences are not at {replica_file()}")
    results = run_trial(replica_case(), SEED, tmp_path / "root")["results"]
    assert results["verdict"]["label"] == "memorised_script", results["verdict"]["sentence"]
    # The published loss is a mean over six dimensions of which four are always zero.
    published = PUBLISHED_HUBER * PUBLISHED_DIMENSIONS / REAL_DIMENSIONS
    clock = results["baselines"]["frame_index"]["huber"]
    assert clock < published
    assert results["metrics"]["huber"] < 2 * published


def test_the_matrix_counts_what_the_rules_of_now_say(tmp_path: Path) -> None:
    """A stored result is judged, not believed: here the stored verdict is a lie."""
    case = CASES["leaked"]
    for seed in (0, 1):
        write_json(tmp_path / f"leaked-{seed}.json", {"results": _few_and_leaked(), "seconds": {"train": 2.0}})
    run_missing([case], range(2), tmp_path)
    found = summary(tmp_path, [case], range(2))
    assert found["passed"]
    assert found["cases"]["leaked"]["named"] == 2
    assert found["cases"]["leaked"]["called_learned"] == 0
    assert matrix_lines(found)[-1] == "| leaked | **2** | 2 of 2 |"


def _few_and_leaked() -> dict[str, Any]:
    names = ("constant", "frame_index", "instruction_clock", "repeat_last")
    skill = {"skill": 0.5, "skill_low": 0.4, "skill_high": 0.6, "wins": 8, "huber": 0.1}
    nothing = {"skill": 0.0, "low": None, "high": None}
    return {
        "episodes": 8,
        "baselines": dict.fromkeys(names, skill),
        "metrics": {"huber": 0.05, "first_window": {"skill": dict.fromkeys(names, nothing)}},
        "per_instruction": {"go": {"skill": dict.fromkeys(names, nothing)}},
        "directions": {
            "collapse": {"direction": "forward", "share": 0.5, "true_share": 0.5},
            "variation": 0.9,
            "recall": {"forward": {"count": 50, "recall": 0.8}},
            "true_share": {"forward": 0.5},
        },
        "clock": {
            "baseline": "frame_index",
            "value": 0.3,
            "low": 0.2,
            "high": 0.4,
            "verdict": "fails",
            "episodes": None,
        },
        "instruction_gain": {"value": 0.2, "low": 0.1, "high": 0.3},
        "ablations": {},
        "split": {"leaked": 3, "usable_episodes": 40},
        "sequences_seen": 0,
        "instructions": ["go"],
        "verdict": {"label": "learned"},
    }
