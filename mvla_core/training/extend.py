"""Training a finished run on for more epochs, as a run of its own. Torch-free.

The new run begins with the last state of the parent, bit for bit, on the parent's episodes, split and augmentation as the parent
kept them. It has its own learning-rate schedule and a fresh optimiser, and says so. The parent stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mvla_core.datasets.augmentation.store import read_augmentation
from mvla_core.datasets.split import Split
from mvla_core.episodes.annotations import frozen
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.errors import MvlaError, RunError, UserInputError
from mvla_core.files import read_json, sha256_file
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.runs.listing import read_run
from mvla_core.training.choices import SCHEDULES
from mvla_core.training.launch import Plan, check_place, with_data_checked, write_plan
from mvla_core.training.recipe import Recipe
from mvla_core.training.slurm import Cluster

CHANGEABLE = (
    "epochs",
    "patience",
    "learning_rate",
    "schedule",
    "warmup_steps",
    "weight_decay",
    "gradient_clip",
    "seed",
)
"""Settings that an extension may have of its own; every other one is the parent's."""


def prepare_extension(
    root: DataRoot, parent_id: str, epochs: int, overrides: Mapping[str, Any], cluster: Cluster | None = None
) -> RunFolder:
    """Write the folder of a run that trains a finished one on; nothing is started.

    Args:
        root: The data root.
        parent_id: The finished run.
        epochs: How many more, at most.
        overrides: Settings among `CHANGEABLE` that differ from the parent's.
        cluster: Where it is trained outside this machine's queue; None for the queue.

    Raises:
        UserInputError: There is no such run, or a setting is not an extension's to change.
        RunError: The parent has not finished, or its last state or its episodes are not there any more.
        RecipeError, PolicyError, DatasetError: As `prepare_run`.
    """
    summary = read_run(root, parent_id)
    parent = root.run(summary.run_id)
    if summary.status != "succeeded":
        raise RunError(
            f"The run {parent_id} is {summary.status} and not finished, so that it cannot be extended; resume it first: "
            "python -m mvla_core jobs --resume."
        )
    if not (parent.adapter_last / "policy.json").is_file():
        raise RunError(
            f"The run {parent_id} has no last state any more ({parent.adapter_last}); train a new run instead."
        )
    fixed = sorted(set(overrides) - set(CHANGEABLE))
    if fixed:
        raise UserInputError(
            f"An extension keeps its run's {', '.join(fixed)}: only {', '.join(CHANGEABLE)} can be its own; train a new run for "
            "anything else."
        )
    config = read_json(parent.config)
    before = Recipe.from_json(config["recipe"])
    recipe = before.changed({**overrides, "epochs": epochs})
    if before.augmentation and recipe.seed != before.seed:
        raise UserInputError(
            f"The run {parent_id} has augmented copies, which its seed {before.seed} drew: with the seed {recipe.seed} an "
            "extension would teach other ones; leave out the seed, or train a new run."
        )
    gpus, notes = check_place(recipe, cluster)
    note = _schedule_note(parent_id, recipe)
    plan = replace(_same_data(root, parent, config, recipe), gpus=gpus, notes=(note, *notes), cluster=cluster)
    plan = with_data_checked(plan, before)
    plan.check_fit()
    weights = next(iter(sorted(parent.adapter_last.glob("*.safetensors"))))
    origin = {"run_id": parent_id, "epochs": _epochs_done(parent), "sha256": sha256_file(weights), "schedule": note}
    return write_plan(plan, {"extends": origin}, start=parent.adapter_last)


def _same_data(root: DataRoot, parent: RunFolder, config: Mapping[str, Any], recipe: Recipe) -> Plan:
    """Plan on the parent's episodes as it saw them: its curation, its split, its augmentation, whatever became of those since."""
    ref = resolve_dataset(root, config["dataset"])
    annotations = frozen(parent.path)
    data = scan_curated(root, ref, annotations=annotations)
    split = Split.from_json(read_json(parent.split))
    augmentation = read_augmentation(parent.augmentation) if recipe.augmentation else None
    plan = Plan(root, ref, config["preset"], recipe, annotations, data, split, augmentation, (), (), extends=True)
    gone = [name for name in split.train + split.validation + split.test if name not in plan.episode_ids]
    if gone:
        raise RunError(
            f"The run {parent.run_id} cannot be extended: {len(gone)} of its episodes are not in the data set any more, for "
            f"example {gone[0]}; bring them back, or train a new run."
        )
    return plan


def _schedule_note(parent_id: str, recipe: Recipe) -> str:
    rises = f"rises from 0 within {recipe.warmup_steps} steps to" if recipe.warmup_steps else "begins at"
    return (
        f"Extends {parent_id} from its last state by at most {recipe.epochs} epochs. The learning rate {rises} "
        f"{recipe.learning_rate:g} again and then {SCHEDULES[recipe.schedule]}; AdamW's moments begin anew."
    )


def _epochs_done(parent: RunFolder) -> int | None:
    try:
        done = read_json(parent.result).get("epochs_done")
    except MvlaError:
        return None
    return done if isinstance(done, int) else None
