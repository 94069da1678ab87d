"""What a closed-loop evaluation leaves in the run folder, and how it is read back. Free of torch and of the simulation.

evaluation/closed_loop.jsonl    a header with everything that the trials depend on, then a line for each finished trial
evaluation/closed_loop.json     every figure with its interval, written last: see `docs/driving.md`
evaluation/closed_loop/*.mp4    films of the trials that failed, and of the first of each suite
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mvla_core.driving.proportions import PairedShares, Share
from mvla_core.driving.settings import ALL_SUITES, EDGE_CASES, GENERAL
from mvla_core.errors import RunError
from mvla_core.files import append_json_line, read_json, read_json_lines, write_text
from mvla_core.layout import RunFolder

FORMAT = 1
"""Version of `closed_loop.json`. Keys are added, never renamed."""

Trial = Mapping[str, Any]


def results_path(run: RunFolder) -> Path:
    return run.evaluation / "closed_loop.json"


def journal_path(run: RunFolder) -> Path:
    return run.evaluation / "closed_loop.jsonl"


def videos_folder(run: RunFolder) -> Path:
    return run.evaluation / "closed_loop"


def has_driven(run: RunFolder) -> bool:
    """Whether a closed-loop evaluation of the run has been finished."""
    return results_path(run).is_file()


def load_driven(run: RunFolder) -> dict[str, Any]:
    """Read `closed_loop.json`.

    Raises:
        RunError: The run has not been driven, or by another version of the program.
    """
    path = results_path(run)
    if not path.is_file():
        raise RunError(
            f"The run {run.run_id!r} was not driven in closed loop; drive it: python -m mvla_core drive {run.run_id}"
        )
    results: dict[str, Any] = read_json(path)
    if results.get("format") != FORMAT:
        raise RunError(
            f"The results {path} have the format {results.get('format')!r}, expected {FORMAT}; "
            f"drive again: python -m mvla_core drive {run.run_id}"
        )
    return results


def is_stale(run: RunFolder) -> bool:
    """Whether the run's policy was written after it was driven, so that the figures are another policy's."""
    written = [path.stat().st_mtime for path in run.adapter.glob("*.safetensors")]
    return has_driven(run) and bool(written) and max(written) > results_path(run).stat().st_mtime


@dataclass
class TrialJournal:
    """Finished trials of one policy under one control, so that a stopped evaluation goes on where it ended."""

    path: Path
    trials: dict[tuple[str, int], dict[str, Any]]

    @classmethod
    def open(cls, path: Path, header: Mapping[str, Any]) -> TrialJournal:
        """Go on with a journal of the same header, or begin one; trials of another header are forgotten."""
        lines = _lines(path) if path.is_file() else []
        if lines and lines[0] == json.loads(json.dumps(header)):
            found = [
                line for line in lines[1:] if line.get("suite") in ALL_SUITES and isinstance(line.get("index"), int)
            ]
            return cls(path, {(line["suite"], line["index"]): line for line in found})
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "")
        append_json_line(path, dict(header))
        return cls(path, {})

    def add(self, trial: dict[str, Any]) -> None:
        append_json_line(self.path, trial)
        self.trials[trial["suite"], trial["index"]] = trial


def _lines(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    offset = 0
    while True:
        lines, following = read_json_lines(path, offset)
        if following == offset:
            return found
        found += lines
        offset = following


def summarise(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the figures of one suite's trials, of which there is at least one."""
    ordered = sorted(trials, key=lambda trial: int(trial["index"]))
    won = [bool(trial["success"]) for trial in ordered]
    baselines = {}
    for name in ordered[0]["baselines"]:
        blind = [bool(trial["baselines"][name]["success"]) for trial in ordered]
        baselines[name] = {
            "success": Share(sum(blind), len(blind)).to_json(),
            "policy_minus": PairedShares.of(blind, won).to_json(),
        }
    ratios = [trial["path_ratio"] for trial in ordered if trial["success"] and trial["path_ratio"] is not None]
    return {
        "success": Share(sum(won), len(won)).to_json(),
        "failures": dict(Counter(str(trial["failure"]) for trial in ordered if trial["failure"]).most_common()),
        "collisions": Share(sum(bool(trial["collided"]) for trial in ordered), len(ordered)).to_json(),
        "progress": float(np.mean([trial["progress"] for trial in ordered])),
        "path_ratio": float(np.median(ratios)) if ratios else None,
        "seconds": float(np.median([trial["seconds"] for trial in ordered])),
        "least_clearance_m": float(min(trial["least_clearance_m"] for trial in ordered)),
        "baselines": baselines,
        "trials": ordered,
    }


def assemble(head: Mapping[str, Any], trials: Sequence[Trial], safety: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `closed_loop.json` holds.

    Args:
        head: Run, settings and the like.
        trials: Of all suites.
        safety: What `safety.provoke` gave.
    """
    by_suite = {name: [trial for trial in trials if trial["suite"] == name] for name in ALL_SUITES}
    suites = {name: summarise(found) for name, found in by_suite.items() if found}
    return {
        "format": FORMAT,
        **head,
        "closed_loop": {"success": _all_of(suites, GENERAL), "edge_cases": _all_of(suites, EDGE_CASES)},
        "safety": dict(safety),
        "suites": suites,
    }


def _all_of(suites: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any] | None:
    """The share over some suites; None where none of them was driven."""
    found = [suites[name]["success"] for name in names if name in suites]
    if not found:
        return None
    return Share(sum(one["successes"] for one in found), sum(one["trials"] for one in found)).to_json()


def compare_driven(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Compare two runs on the trials whose worlds they share.

    Args:
        first: What `load_driven` gave for one run.
        second: For the other.

    Returns:
        By suite what `PairedShares.to_json` gives, `difference` being second minus first; only suites with common worlds.
    """
    compared = {}
    for name in ALL_SUITES:
        if name not in first["suites"] or name not in second["suites"]:
            continue
        others = {trial["digest"]: bool(trial["success"]) for trial in second["suites"][name]["trials"]}
        pairs = [
            (bool(trial["success"]), others[trial["digest"]])
            for trial in first["suites"][name]["trials"]
            if trial["digest"] in others
        ]
        if pairs:
            compared[name] = PairedShares.of([a for a, _ in pairs], [b for _, b in pairs]).to_json()
    return compared
