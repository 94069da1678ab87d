"""What was measured of a run's predictions, kept in the cache: reading the predictions of 2,000 episodes takes seconds.

    cache/readiness/<run_id>.json      for one state of the run's files and one robot; written anew when either changes

A damaged or older file counts for nothing. Records and their verification measure anew: a cache is no evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mvla_core.errors import MvlaError
from mvla_core.evaluation.results import audit_path
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.readiness.evidence import Evidence, Gathered

_VERSION = 1
"""Raised when a measure of the predictions changes."""


def kept_file(root: DataRoot, run: RunFolder) -> Path:
    return root.cache / "readiness" / f"{run.run_id}.json"


def state_of(gathered: Gathered) -> dict[str, Any]:
    """Everything that a measure of the predictions depends on."""
    run = gathered.run
    files = (run.predictions, run.evaluation_results, audit_path(run), run.split, run.config)
    return {
        "version": _VERSION,
        "files": [_stamp(path) for path in files],
        "robot": asdict(gathered.robot),
        "period_ms": gathered.period_ms,
    }


def read_kept(root: DataRoot, gathered: Gathered) -> dict[str, Evidence] | None:
    """Return what was kept by the name of the measure, or None where it has to be measured."""
    try:
        held = read_json(kept_file(root, gathered.run))
        if held["state"] != state_of(gathered):
            return None
        return {name: Evidence(**entry) for name, entry in held["evidence"].items()}
    except (MvlaError, KeyError, TypeError, AttributeError):
        return None


def keep(root: DataRoot, gathered: Gathered, evidence: Mapping[str, Evidence]) -> None:
    """Keep figures for the state that the run's files have now."""
    held = {name: found.to_json() for name, found in evidence.items()}
    write_json(kept_file(root, gathered.run), {"state": state_of(gathered), "evidence": held})


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        return [0, 0]
    return [status.st_size, status.st_mtime_ns]
