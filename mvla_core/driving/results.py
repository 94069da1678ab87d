"""What a closed-loop evaluation leaves in the run folder, and how it is read back. Free of torch and of the simulation.

evaluation/closed_loop.json                every figure with its interval, written last: see `docs/driving.md`
evaluation/closed_loop/KEY/trials.jsonl    a header with everything that the trials depend on, then a line for each finished trial
evaluation/closed_loop/KEY/*.mp4           films of the trials that failed, and of the first of each suite

KEY is a digest of the header: another policy, world or control has a folder of its own. The folder of former results goes only
when new ones are written. Runs of earlier releases have one `closed_loop.jsonl` and their films right in `closed_loop`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mvla_core.driving.proportions import PairedShares, Share
from mvla_core.driving.settings import ALL_SUITES, EDGE_CASES, GENERAL
from mvla_core.errors import RunError
from mvla_core.files import append_json_line, read_json_lines, read_object, write_text
from mvla_core.layout import RunFolder
from mvla_core.policies.digest import file_digest, policy_digest

FORMAT = 1
"""Version of `closed_loop.json`. Keys are added, never renamed."""
RULES = 2
"""Version of what counts as a success; raised when the same drives would be judged otherwise. Results that name none are of 1,
where any stop before a sudden obstacle counted, also one that the obstacle had not caused."""
JOURNAL = "trials.jsonl"

Trial = Mapping[str, Any]


def results_path(run: RunFolder) -> Path:
    return run.evaluation / "closed_loop.json"


def videos_folder(run: RunFolder) -> Path:
    """The folder to which the trials' `video` is relative."""
    return run.evaluation / "closed_loop"


def drive_folder(run: RunFolder, header: Mapping[str, Any]) -> Path:
    """Where trials of one policy, its worlds and its control lie: their journal and their films."""
    text = json.dumps(header, sort_keys=True, allow_nan=False)
    return videos_folder(run) / hashlib.sha256(text.encode()).hexdigest()[:12]


def forget_other_drives(run: RunFolder, kept: Path) -> None:
    """Remove the trials and films of everything that was driven otherwise than `kept`, a folder of `drive_folder`."""
    (run.evaluation / "closed_loop.jsonl").unlink(missing_ok=True)
    for path in videos_folder(run).iterdir():
        if path.is_dir() and path != kept:
            shutil.rmtree(path)
        elif path.suffix == ".mp4":
            path.unlink()


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
    results = read_object(path)
    if results.get("format") != FORMAT:
        raise RunError(
            f"The results {path} have the format {results.get('format')!r}, expected {FORMAT}; "
            f"drive again: python -m mvla_core drive {run.run_id}"
        )
    return results


def _weights_digest(run: RunFolder) -> str:
    """What results under the first rules call their policy: the weights beside policy.json, and nothing else."""
    digests = [file_digest(path) for path in sorted(run.adapter.glob("*.safetensors"))]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def is_stale(run: RunFolder) -> bool:
    """Whether the run was driven with another policy than it has now. A run without an adapter has none to differ.

    Raises:
        MvlaError: The results or the policy's description cannot be read.
    """
    if not has_driven(run) or not (run.adapter / "policy.json").is_file():
        return False
    results = load_driven(run)
    now = _weights_digest(run) if rules_of(results) == 1 else policy_digest(run.adapter)
    return bool(results.get("policy") != now)


def rules_of(results: Mapping[str, Any]) -> int:
    """By which rules the trials were judged, see `RULES`."""
    return int(results.get("rules", 1))


@dataclass
class TrialJournal:
    """Finished trials of one policy under one control, so that a stopped evaluation goes on where it ended."""

    path: Path
    trials: dict[tuple[str, int], dict[str, Any]]

    @classmethod
    def open(cls, folder: Path, header: Mapping[str, Any]) -> TrialJournal:
        """Go on with the journal in a folder of `drive_folder`, or begin one; films that it does not name are removed.

        Args:
            folder: Created where there is none.
            header: Everything that the trials depend on.
        """
        path = folder / JOURNAL
        lines = _lines(path) if path.is_file() else []
        journal = cls(path, {})
        if lines and lines[0] == json.loads(json.dumps(header)):
            found = [
                line for line in lines[1:] if line.get("suite") in ALL_SUITES and isinstance(line.get("index"), int)
            ]
            journal.trials = {(line["suite"], line["index"]): line for line in found}
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(path, "")
            append_json_line(path, dict(header))
        named = {trial["video"] for trial in journal.trials.values()}
        for film in folder.glob("*.mp4"):
            if f"{folder.name}/{film.name}" not in named:
                film.unlink()
        return journal

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
