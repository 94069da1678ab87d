"""Does the verdict name a disease that was planted? Small real trainings, the whole way from files to verdict.

    python -m benchmarks.verdict --seeds 20 --results FOLDER
    python -m benchmarks.verdict --seeds 1 --cases honest deaf --results FOLDER --json

Goal: the right label in at least 19 of 20 seeds of each case, and no sick policy called learned. What is planted is said in
`benchmarks/planted/cases.py`. The results of each case and seed are kept in the folder, so that the matrix can be made in pieces:
what lies there is not trained again, but it is judged again by the rules of now. The features of the pictures lie there too.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.planted.cases import CASES, Case
from benchmarks.planted.replica import replica_case, replica_file
from mvla_core.evaluation.verdict import LABELS, judge
from mvla_core.files import read_json, write_json

NAMED_IN = 0.95
"""The share of seeds in which the right label has to come."""
EXAMPLE_STATEMENTS = 4


def record_path(folder: Path, case: str, seed: int) -> Path:
    return folder / f"{case}-{seed}.json"


def run_missing(cases: Sequence[Case], seeds: Sequence[int], folder: Path) -> None:
    """Train and evaluate what the folder does not hold yet, seed by seed, and say on the error stream what came out."""
    for seed in seeds:
        missing = [case for case in cases if not record_path(folder, case.name, seed).exists()]
        if not missing:
            continue
        # Loads torch: not needed to judge what is stored.
        from benchmarks.planted.trial import remembered_features, run_trial

        with remembered_features(folder / "features.npz"):
            for case in missing:
                began = time.perf_counter()
                with tempfile.TemporaryDirectory() as scratch:
                    record = run_trial(case, seed, Path(scratch) / "root")
                write_json(record_path(folder, case.name, seed), record)
                label, took = record["results"]["verdict"]["label"], time.perf_counter() - began
                print(f"{case.name} {seed}: {label} ({took:.0f} s)", file=sys.stderr, flush=True)


def judged(folder: Path, case: Case, seeds: Sequence[int]) -> dict[int, dict[str, Any]]:
    """By seed, the verdict of the rules of now on the stored results."""
    return {seed: judge(read_json(record_path(folder, case.name, seed))["results"]) for seed in seeds}


def summary(folder: Path, cases: Sequence[Case], seeds: Sequence[int]) -> dict[str, Any]:
    """Return the confusion matrix and, by case, how often the label was right and what the evidence was."""
    rows: dict[str, Any] = {}
    for case in cases:
        verdicts = judged(folder, case, seeds)
        labels = Counter(verdict["label"] for verdict in verdicts.values())
        rows[case.name] = {
            "planted": case.planted,
            "expected": case.label,
            "labels": dict(labels),
            "named": labels[case.label],
            "called_learned": labels["learned"] if case.label != "learned" else 0,
            "wrong": {seed: found["rule"] for seed, found in verdicts.items() if found["label"] != case.label},
            "rules": dict(Counter(verdict["rule"] for verdict in verdicts.values())),
            "example": _example(verdicts[seeds[0]]),
            "losses": _losses(folder, case, seeds),
            "seconds": _seconds(folder, case, seeds),
        }
    passed = all(row["named"] >= NAMED_IN * len(seeds) and not row["called_learned"] for row in rows.values())
    return {"seeds": list(seeds), "cases": rows, "passed": passed}


def _example(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """The sentence of one seed and the first statements for and against."""
    sides = {
        side: [item["text"] for item in verdict["evidence"] if item["for"] is supports][:EXAMPLE_STATEMENTS]
        for side, supports in (("for", True), ("against", False))
    }
    return {"sentence": verdict["sentence"], **sides}


def _losses(folder: Path, case: Case, seeds: Sequence[int]) -> dict[str, float]:
    """The Huber loss of the policy and of the predictors that see nothing, the mean over the seeds."""
    stored = [read_json(record_path(folder, case.name, seed))["results"] for seed in seeds]
    found = {"policy": [each["metrics"]["huber"] for each in stored]}
    for name in ("constant", "frame_index", "instruction_clock"):
        found[name] = [each["baselines"][name]["huber"] for each in stored]
    return {name: round(sum(values) / len(values), 4) for name, values in found.items()}


def _seconds(folder: Path, case: Case, seeds: Sequence[int]) -> float:
    """Wall time of one seed, the mean."""
    taken = [sum(read_json(record_path(folder, case.name, seed))["seconds"].values()) for seed in seeds]
    return round(sum(taken) / len(taken), 1)


def matrix_lines(found: Mapping[str, Any]) -> list[str]:
    """The confusion matrix as a Markdown table: one row a case, one column a label that was ever given."""
    rows = found["cases"]
    given = [
        label for label in LABELS if any(label in row["labels"] or label == row["expected"] for row in rows.values())
    ]
    lines = ["| planted | " + " | ".join(given) + " | named |", "|---|" + "--:|" * (len(given) + 1)]
    for name, row in rows.items():
        counts = [
            f"**{row['labels'].get(label, 0)}**"
            if label == row["expected"]
            else str(row["labels"].get(label, "") or "")
            for label in given
        ]
        lines.append(f"| {name} | " + " | ".join(counts) + f" | {row['named']} of {len(found['seeds'])} |")
    return lines


def known_cases() -> dict[str, Case]:
    """The cases by name; with the briefing's replica where its key sequences are at hand."""
    return {**CASES, "replica": replica_case()} if replica_file().is_file() else CASES


def main() -> int:
    known = known_cases()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="how many (default 20)")
    parser.add_argument(
        "--first-seed", type=int, default=1, help="the first of them (default 1); thresholds were set on others"
    )
    parser.add_argument("--cases", nargs="+", choices=list(known), default=list(known), help="default: all")
    parser.add_argument(
        "--results", type=Path, required=True, help="folder that keeps the results of each case and seed"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")
    chosen = parser.parse_args()
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    cases = [known[name] for name in chosen.cases]
    chosen.results.mkdir(parents=True, exist_ok=True)
    run_missing(cases, seeds, chosen.results)
    found = summary(chosen.results, cases, seeds)
    if chosen.json:
        print(json.dumps(found, indent=1))
    else:
        print("\n".join(matrix_lines(found)))
        for name, row in found["cases"].items():
            print(f"\n{name}: {row['planted']}; {row['seconds']} s a seed; Huber losses {row['losses']}")
            print(f"  {row['example']['sentence']}")
            print("\n".join(f"  + {text}" for text in row["example"]["for"]))
            print("\n".join(f"  - {text}" for text in row["example"]["against"]))
            if row["wrong"]:
                print(f"  wrong, by seed: {row['wrong']}")
    return 0 if found["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
