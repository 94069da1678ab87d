"""The evaluation of a run. Loads the policy and with it torch; what follows is in `assess`."""

from __future__ import annotations

from typing import Any

from mvla_core.datasets.windows import WindowSpec
from mvla_core.errors import RunError
from mvla_core.evaluation.assess import assess
from mvla_core.layout import DataRoot
from mvla_core.policies.adapter import load_policy
from mvla_core.progress import SILENT, Progress


def evaluate_run(root: DataRoot, run_id: str, progress: Progress = SILENT) -> dict[str, Any]:
    """Evaluate a run's best adapter on its test part and write `evaluation/` in the run folder, the results last.

    Args:
        root: The data root.
        run_id: A run whose training has left an adapter.
        progress: Told of each stage; a request to stop ends the evaluation between two predictions.

    Returns:
        What `results.json` holds.

    Raises:
        RunError: There is no such run, it has no adapter, or episodes of its split are gone.
        PolicyError: The policy cannot be loaded, has another action space than the data, or predicts NaN.
        Stopped: The user asked to stop; earlier results are left as they were.
    """
    run = root.run(run_id)
    if not run.path.is_dir():
        raise RunError(f"There is no run {run_id!r} in {root.runs}; train one: python -m mvla_core train DATASET")
    if not run.adapter.is_dir():
        raise RunError(f"The run {run_id!r} has no adapter in {run.adapter}: its training has not finished an epoch.")
    progress.stage("Load the policy")
    policy = load_policy(run.adapter)
    window = WindowSpec(policy.spec.window_size, policy.spec.chunk_size)
    return assess(root, run, policy, policy.spec.action_space, window, progress)
