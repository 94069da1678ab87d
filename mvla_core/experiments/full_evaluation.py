"""The full evaluation: everything the quick one asks, the shift ladder, and the policy's own architecture without eyes or ears."""

from __future__ import annotations

from typing import Any

from mvla_core.evaluation.evaluate import evaluate_run
from mvla_core.evaluation.shift import with_other_dataset
from mvla_core.experiments.blind import blind_policies
from mvla_core.experiments.subject import load_subject
from mvla_core.files import write_json
from mvla_core.layout import DataRoot
from mvla_core.policies.adapter import load_policy
from mvla_core.progress import SILENT, Progress


def evaluate_fully(
    root: DataRoot, run_id: str, progress: Progress = SILENT, *, other_dataset: str | None = None
) -> dict[str, Any]:
    """Train the blind versions of a run's policy, then evaluate it beside them with the suite "full".

    Args:
        root: The data root.
        run_id: A run whose training has left an adapter.
        progress: Told of each stage.
        other_dataset: A second data set of the same action space, on which the policy is measured too; None for none.

    Returns:
        What `results.json` holds.

    Raises:
        RunError, PolicyError, Stopped: As of `evaluate_run`; trained blind versions are kept.
        UserInputError: There is no such other data set.
    """
    subject = load_subject(root, run_id)
    learned = blind_policies(root, subject.run, progress)
    results = evaluate_run(root, run_id, progress, suite="full", learned=learned)
    if other_dataset is not None:
        progress.stage(f"Measure on {other_dataset}")
        policy = load_policy(subject.run.adapter)
        shift = with_other_dataset(
            root,
            subject.run,
            policy,
            subject.train_sequences,
            subject.window,
            subject.scale,
            progress,
            shift=results["shift"],
            dataset=other_dataset,
        )
        results = {**results, "shift": shift}
        write_json(subject.run.evaluation_results, results)
    return results
