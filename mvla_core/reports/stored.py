"""Everything a report reads: what a run, its evaluation and the gathering have stored. Nothing else is opened, and nothing is
measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mvla_core.errors import RunError
from mvla_core.evaluation.results import EpisodePredictions, load_audit, load_predictions, load_results
from mvla_core.files import read_json
from mvla_core.layout import DataRoot
from mvla_core.reports.background import load_background


@dataclass(frozen=True)
class Stored:
    """The stored results of one run.

    Attributes:
        results: `evaluation/results.json`.
        audit: `evaluation/audit.json`.
        background: `evaluation/background.json`: see `gather_background`.
        predictions: `evaluation/predictions.npz`, in the order of `results["per_episode"]`.
        config: `config.json`.
        provenance: `provenance.json`; empty where the run has none.
        ending: `result.json` of the training; empty while there is none.
    """

    results: dict[str, Any]
    audit: dict[str, Any]
    background: dict[str, Any]
    predictions: Sequence[EpisodePredictions]
    config: dict[str, Any]
    provenance: dict[str, Any]
    ending: dict[str, Any]


def read_stored(root: DataRoot, run_id: str) -> Stored:
    """Read an evaluated run.

    Raises:
        RunError: There is no such run, it is not evaluated, nothing was gathered for its report, or its predictions are
            damaged.
        MvlaError: A JSON file of it is damaged.
    """
    run = root.run(run_id)
    results = load_results(run)
    background = load_background(run)
    if background is None:
        raise RunError(
            f"Nothing was gathered yet for a report of the run {run_id!r}; order one: python -m mvla_core report {run_id}"
        )
    return Stored(
        results,
        load_audit(run),
        background,
        load_predictions(run),
        read_json(run.config),
        read_json(run.provenance) if run.provenance.is_file() else {},
        read_json(run.result) if run.result.is_file() else {},
    )
