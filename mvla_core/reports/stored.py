"""Everything a report reads: what a run and its evaluation have stored. Nothing else is opened, and nothing is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mvla_core.evaluation.results import EpisodePredictions, load_audit, load_predictions, load_results
from mvla_core.files import read_json
from mvla_core.layout import DataRoot


@dataclass(frozen=True)
class Stored:
    """The stored results of one run.

    Attributes:
        results: `evaluation/results.json`.
        audit: `evaluation/audit.json`.
        predictions: `evaluation/predictions.npz`, in the order of `results["per_episode"]`.
        config: `config.json`.
        provenance: `provenance.json`; empty where the run has none.
        ending: `result.json` of the training; empty while there is none.
    """

    results: dict[str, Any]
    audit: dict[str, Any]
    predictions: Sequence[EpisodePredictions]
    config: dict[str, Any]
    provenance: dict[str, Any]
    ending: dict[str, Any]


def read_stored(root: DataRoot, run_id: str) -> Stored:
    """Read an evaluated run.

    Raises:
        RunError: There is no such run, it is not evaluated, or its predictions are damaged.
        MvlaError: A JSON file of it is damaged.
    """
    run = root.run(run_id)
    results = load_results(run)
    return Stored(
        results,
        load_audit(run),
        load_predictions(run),
        read_json(run.config),
        read_json(run.provenance) if run.provenance.is_file() else {},
        read_json(run.result) if run.result.is_file() else {},
    )
