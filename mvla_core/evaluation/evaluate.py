"""The evaluation of a run. Loads the policy and with it torch; what follows is in `assess`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.looks import without_looks
from mvla_core.errors import PolicyError, RunError
from mvla_core.evaluation.ablations import Policy
from mvla_core.evaluation.assess import Suite, assess
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.adapter import load_policy
from mvla_core.policies.picture_looks import look_at_pictures
from mvla_core.progress import SILENT, Progress

QUICK_FRAMES = 1_000
"""A quick evaluation looks at no more pictures than these for the nearest-picture baselines: some 15 seconds on two cores."""


def evaluate_run(
    root: DataRoot,
    run_id: str,
    progress: Progress = SILENT,
    *,
    suite: Suite = "quick",
    learned: Mapping[str, Policy] | None = None,
) -> dict[str, Any]:
    """Evaluate a run's best adapter on its test part and write `evaluation/` in the run folder, the results last.

    Args:
        root: The data root.
        run_id: A run whose training has left an adapter.
        progress: Told of each stage; a request to stop ends the evaluation between two predictions.
        suite: "quick", or "full" with the shift ladder, more disturbed pictures and a look at every picture.
        learned: By name, policies that were trained without an input; see `assess`.

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
        raise RunError(
            f"The run {run_id!r} has no adapter in {run.adapter}: its training has not finished an epoch, so that only its loss "
            "curves can be shown; resume it, or train a new run: python -m mvla_core train DATASET"
        )
    progress.stage("Load the policy")
    policy = load_policy(run.adapter)
    _look(root, run, policy.spec.backbone, suite, progress)
    window = WindowSpec(policy.spec.window_size, policy.spec.chunk_size)
    return assess(root, run, policy, policy.spec.action_space, window, progress, suite=suite, learned=learned)


def _look(root: DataRoot, run: RunFolder, backbone: str, suite: Suite, progress: Progress) -> None:
    """Describe the pictures that nobody has looked at, for the nearest-picture baselines.

    A quick evaluation does so only for the compact policy, whose training has left the features it takes.
    """
    folder = read_json(run.config)["dataset_folder"]
    waiting = without_looks(root, scan_curated(root, resolve_dataset(root, folder), progress).episodes)
    frames = sum(info.num_frames for info in waiting)
    if not waiting or (suite == "quick" and (backbone != "compact" or frames > QUICK_FRAMES)):
        return
    try:
        look_at_pictures(root, folder, progress)
    except PolicyError as error:
        # Without these eyes the baseline is missing, and `assess` says so; everything else can be measured.
        progress.note(str(error))
