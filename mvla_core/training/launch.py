"""Before a training starts: everything that can be refused is refused here, and what is left is written down. Torch-free."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from mvla_core.datasets.action_classes import fit_action_classes
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.datasets.normalise import ActionNormaliser, NormaliserKind, check_teachable
from mvla_core.datasets.split import Split, make_split
from mvla_core.episodes.annotations import freeze, load_annotations
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import CuratedEpisodes, scan_curated
from mvla_core.episodes.dataset import DatasetRef, resolve_dataset
from mvla_core.episodes.notes import Annotations
from mvla_core.episodes.snapshots import DataState, snapshot_of_now, state_of, take_snapshot
from mvla_core.errors import PolicyError, RecipeError, did_you_mean
from mvla_core.files import write_json, write_text
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.weights import check_base_weights
from mvla_core.runs.listing import new_run_id
from mvla_core.schema import EpisodeInfo
from mvla_core.training.augmented import augmentation_of, check_augmentation, copies_of
from mvla_core.training.combinations import MAY_BE_VOID, refuse_void, warm_up_too_long
from mvla_core.training.data_notes import check_action_spaces, data_notes
from mvla_core.training.fit import check_fit, room_here
from mvla_core.training.forecast import Forecast, estimate, planned_work
from mvla_core.training.machine import check_machine, cores, cuda_devices, program_changes, provenance
from mvla_core.training.measurement import WarmUp, known_warm_up, missing_frames, warm_up_key
from mvla_core.training.recipe import PRESETS, Recipe
from mvla_core.training.slurm import Cluster, check_cluster

PROGRAM_CHANGES = "program.diff"
"""What the checkout that made a run differed from its commit; lies in the run folder where it did."""


def resolve_recipe(preset: str, overrides: Mapping[str, Any], seed: int | None = None) -> Recipe:
    """Return a preset's recipe with some values replaced.

    A value that would do nothing is refused where it is not the preset's. Overrides that name every such setting are a whole
    recipe, which cannot leave one out: there it may be any preset's.

    Raises:
        RecipeError: The preset or a setting is unknown, or a value cannot be used or would do nothing.
    """
    if preset not in PRESETS:
        raise RecipeError(
            f"There is no preset {preset!r}: expected one of {', '.join(PRESETS)}.{did_you_mean(preset, PRESETS)}"
        )
    recipe = PRESETS[preset].recipe.changed(overrides)
    whole = overrides.keys() >= set(MAY_BE_VOID)
    refuse_void(recipe, [PRESETS[name].recipe for name in (PRESETS if whole else [preset])])
    return recipe if seed is None else replace(recipe, seed=seed)


@dataclass(frozen=True)
class Plan:
    """A training that passed every check and is not written down yet.

    Attributes:
        root: The data root.
        ref: The data set.
        preset: Where the recipe began.
        recipe: Its resolved settings.
        annotations: The curation of this moment.
        data: The episodes under it.
        split: Which episode serves what.
        augmentation: The stored augmentation that the recipe names.
        gpus: Names of the GPUs it may use.
        notes: What a reader of the run should know about its data.
        cluster: Where it is trained outside this machine's queue; None trains it in the queue.
        extends: Whether it begins with the parameters of another policy.
    """

    root: DataRoot
    ref: DatasetRef
    preset: str
    recipe: Recipe
    annotations: Annotations
    data: CuratedEpisodes
    split: Split
    augmentation: AugmentationRecipe | None
    gpus: tuple[str, ...]
    notes: tuple[str, ...]
    cluster: Cluster | None = None
    extends: bool = False

    @property
    def elsewhere(self) -> str:
        """What it runs on where that is not this machine; "" for this machine."""
        return f"the partition {self.cluster.partition}" if self.cluster and not self.cluster.here else ""

    @property
    def warm_up_key(self) -> str:
        """Names the warm-up that would measure this training."""
        return warm_up_key(self.recipe, self.data.episodes, self.gpus, cores())

    @property
    def episode_ids(self) -> frozenset[str]:
        """The episodes that are there and not excluded."""
        return frozenset(info.episode_id for info in self.data.episodes)

    def forecast(self) -> Forecast:
        """Estimate what it takes: from a warm-up where one was kept, else from the formula.

        A warm-up was one process of this machine; it says nothing of several, or of a cluster.
        """
        alike = self.cluster is None or (self.cluster.here and self.cluster.processes == 1)
        return self._forecast(self.recipe, known_warm_up(self.root, self.warm_up_key) if alike else None)

    def check_fit(self) -> None:
        """Raise `RecipeError` where it cannot fit the memory or the disk; the sentence names settings that would.

        Of a cluster only the disk is judged: the data root is on a file system that its nodes share with this machine.
        """
        room = room_here(self.root, len(self.gpus))
        if self.cluster is not None:
            room = replace(room, processes=self.cluster.processes)
        if self.elsewhere:
            room = replace(room, memory_bytes=None, gpu_memory_bytes=None)
        check_fit(self.recipe, self.forecast(), room, lambda recipe: self._forecast(recipe, None))

    def _forecast(self, recipe: Recipe, warm_up: WarmUp | None) -> Forecast:
        infos = [self.data.by_id(name) for name in self.split.train + self.split.validation]
        copies = copies_of(self.augmentation)
        missing = None
        if warm_up is not None:
            made = copies * sum(self.data.by_id(name).num_frames for name in self.split.train)
            missing = missing_frames(self.root, warm_up.encoder_keys, infos) + made
        taught = len(self.split.train)
        return estimate(
            recipe,
            train_frames=[info.num_frames for info in infos[:taught]],
            validation_frames=[info.num_frames for info in infos[taught:]],
            action_dims=max(len(info.action_space) for info in self.data.episodes),
            cores=self.cluster.cores if self.cluster and self.elsewhere else cores(),
            has_cuda=bool(self.gpus),
            copies=copies,
            warm_up=warm_up,
            missing_frames=missing,
            classes=_classes(recipe, infos[:taught]),
            extends=self.extends,
            processes=self.cluster.processes if self.cluster else 1,
            place=self.elsewhere,
        )


def _classes(recipe: Recipe, train: Sequence[EpisodeInfo]) -> int | None:
    """Different actions that a head chooses between; None for a head that does not choose."""
    return _count_classes(recipe.normaliser, tuple(train)) if recipe.action_head == "directions" else None


@lru_cache(maxsize=8)
def _count_classes(normaliser: NormaliserKind, train: tuple[EpisodeInfo, ...]) -> int:
    # Every episode is opened: a form asks for the same ones again with each change, and a changed file is another one.
    sequences = load_sequences(train)
    return len(fit_action_classes(sequences, ActionNormaliser.fit(normaliser, sequences)))


def plan_training(
    root: DataRoot,
    dataset: str,
    preset: str,
    overrides: Mapping[str, Any],
    seed: int | None = None,
    *,
    split_seed: int | None = None,
    cluster: Cluster | None = None,
) -> Plan:
    """Check a training on this data and on the machine it is meant for; nothing is written.

    Args:
        root: The data root.
        dataset: A name under it, or the path of a folder of episodes.
        preset: One of `PRESETS`.
        overrides: Settings that replace the preset's; texts are converted.
        seed: In place of the recipe's; of the split and of the training.
        split_seed: Of the split alone; None takes the recipe's.
        cluster: Where it is trained outside this machine's queue; None for the queue.

    Raises:
        RecipeError: A setting is unknown, out of range, would do nothing, or cannot be honoured on that machine; or a label of
            the augmentation would be wrong.
        PolicyError: Base weights are not on this machine; the message holds the command that downloads them.
        UserInputError: There is no such data set, or no such augmentation; or processes and GPUs do not fit each other.
        DatasetError: The data set cannot be split, mixes action spaces, or has no actions that could teach anything.
    """
    recipe = resolve_recipe(preset, overrides, seed)
    gpus, notes = check_place(recipe, cluster)
    augmentation = augmentation_of(root, recipe)
    ref = resolve_dataset(root, dataset)
    annotations = load_annotations(root, ref)
    data = scan_curated(root, ref, annotations=annotations)
    check_action_spaces(ref.name, data.episodes)
    split = _split(data.episodes, recipe, split_seed)
    plan = Plan(root, ref, preset, recipe, annotations, data, split, augmentation, gpus, notes, cluster)
    return with_data_checked(plan, PRESETS[preset].recipe)


def check_place(recipe: Recipe, cluster: Cluster | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Refuse what the machine that will train cannot honour.

    Returns:
        Names of the GPUs the training may use, and notes: what could not be judged from here.

    Raises:
        RecipeError, PolicyError, UserInputError: As `plan_training`.
    """
    here = cuda_devices()
    if cluster is not None:
        check_cluster(recipe, cluster, len(here))
    if cluster is None or cluster.here:
        gpus = here if cluster is None else here[: cluster.gpus]
        if cluster is None or gpus:  # A job without GPUs is given none, whatever this process has.
            check_machine(recipe, bool(gpus))
        check_base_weights(recipe.backbone, recipe.base_model or None)
        return gpus, ()
    note = (
        f"It runs on the partition {cluster.partition}, which cannot be seen from here: its memory and its base weights were not "
        "judged; what is missing there ends the job at its start."
    )
    try:
        check_base_weights(recipe.backbone, recipe.base_model or None)
    except PolicyError as error:
        note += f" Here they are missing: {error}"
    return (f"a GPU of the partition {cluster.partition}",) * cluster.gpus, (note,)


def with_data_checked(plan: Plan, base: Recipe) -> Plan:
    """Refuse training episodes that cannot teach, or whose augmentation would be wrong, and note what a reader should know.

    Args:
        plan: With its split drawn.
        base: The recipe that was begun with; a warm-up that is too long for this data is refused where it is not this recipe's.

    Raises:
        RecipeError, DatasetError: As `plan_training`.
    """
    recipe, train = plan.recipe, [plan.data.by_id(name) for name in plan.split.train]
    notes = [
        *plan.notes,
        *data_notes(plan.data.episodes, plan.split, recipe),
        *check_teachable(load_sequences(train), train[0].action_space),
    ]
    if plan.augmentation:
        found = check_augmentation(plan.root, plan.augmentation, train, recipe.seed)
        notes += [finding.message for finding in found]
    taught = [info.num_frames for info in train] * (1 + copies_of(plan.augmentation))
    too_long = warm_up_too_long(recipe, planned_work(recipe, taught, ()).steps * recipe.epochs)
    if too_long and recipe.warmup_steps != base.warmup_steps:
        raise RecipeError(f"{too_long[:-1]}; choose fewer warmup_steps, or more epochs.")
    return replace(plan, notes=(*notes, *([too_long] if too_long else [])))


def prepare_run(
    root: DataRoot,
    dataset: str,
    preset: str,
    overrides: Mapping[str, Any],
    seed: int | None = None,
    *,
    split_seed: int | None = None,
    group: Mapping[str, Any] | None = None,
    cluster: Cluster | None = None,
) -> RunFolder:
    """Check a training and write its run folder: config.json, split.json, curation.json and provenance.json.

    Where the recipe names an augmentation, it is checked on the training episodes and kept as augmentation.json.

    Nothing is started. The data is what the curation of this moment makes of it, and stays so for this run. A state of the
    data that no snapshot holds yet becomes one.

    Args:
        root, dataset, preset, overrides, seed, split_seed, cluster: As for `plan_training`.
        group: What runs of several seeds have in common; see `mvla_core.training.groups`.

    Raises:
        RecipeError, PolicyError, UserInputError, DatasetError: As `plan_training`; a `RecipeError` also where the training
            cannot fit this machine.
    """
    plan = plan_training(root, dataset, preset, overrides, seed, split_seed=split_seed, cluster=cluster)
    plan.check_fit()
    return write_plan(plan, {"group": dict(group)} if group else {})


def write_plan(plan: Plan, more: Mapping[str, Any], start: Path | None = None) -> RunFolder:
    """Write the run folder of a checked training.

    Args:
        plan: What is trained.
        more: Further keys of its configuration.
        start: A policy folder whose parameters the training begins with; it is copied. None begins with fresh ones.
    """
    state = state_of(plan.root, plan.ref, plan.data, plan.annotations)
    run = plan.root.run(new_run_id(plan.ref.name, plan.preset))
    run.path.mkdir(parents=True)
    try:
        _write_run(plan, run, state, more, start)
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)  # Half a run is none: nobody could begin it.
        raise
    return run


def _write_run(plan: Plan, run: RunFolder, state: DataState, more: Mapping[str, Any], start: Path | None) -> None:
    files = [(info.episode_id, info.file_size, info.file_mtime_ns) for info in plan.data.episodes]
    data = _data_version(plan.root, plan.ref, state, run.run_id)
    made_by = {key: more[key] for key in ("extends",) if key in more}
    write_json(run.provenance, {**provenance(files), "data": data, **made_by})
    changes = program_changes()
    if changes:
        write_text(run.path / PROGRAM_CHANGES, changes)
    if start is not None:
        shutil.copytree(start, run.start)
    write_inputs(plan, run, more)


def write_inputs(plan: Plan, run: RunFolder, more: Mapping[str, Any]) -> None:
    """Write what the trainer reads: the split, the curation, the augmentation, and the configuration last."""
    write_json(run.split, plan.split.to_json())
    freeze(plan.annotations, run.path)
    if plan.augmentation:
        write_json(run.augmentation, plan.augmentation.to_json())
    config = {
        "run_id": run.run_id,
        "dataset": plan.ref.name,
        "dataset_folder": str(plan.ref.folder),
        "preset": plan.preset,
        "recipe": plan.recipe.to_json(),
        "seed": plan.recipe.seed,
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "forecast": plan.forecast().to_json(),
        "notes": list(plan.notes),
        **({"cluster": asdict(plan.cluster)} if plan.cluster else {}),
        **more,
    }
    write_json(run.config, config)


def forecast(root: DataRoot, dataset: str, recipe: Recipe) -> Forecast:
    """Estimate what a training takes, without starting it; a warm-up of the same kind that was kept is used.

    Raises:
        UserInputError: There is no such data set, or no such augmentation.
        DatasetError: The data set cannot be split.
    """
    augmentation = augmentation_of(root, recipe)
    ref = resolve_dataset(root, dataset)
    annotations = load_annotations(root, ref)
    data = scan_curated(root, ref, annotations=annotations)
    split = _split(data.episodes, recipe, None)
    return Plan(root, ref, "", recipe, annotations, data, split, augmentation, cuda_devices(), ()).forecast()


def _split(episodes: Sequence[EpisodeInfo], recipe: Recipe, seed: int | None) -> Split:
    drawn = recipe.seed if seed is None else seed
    return make_split(episodes, by=recipe.split_by, seed=drawn, min_frames=recipe.window.minimum_frames)


def _data_version(root: DataRoot, ref: DatasetRef, state: DataState, run_id: str) -> dict[str, Any]:
    """Say which version of the data set a run is made from; a state that is none yet becomes one."""
    known = snapshot_of_now(root, ref, state=state)
    version = known or take_snapshot(root, ref, f"Used by the run {run_id}", state=state)
    return {
        "sha256": state.sha256,
        "snapshot": version.number,
        "curation_version": state.annotations.version,
        "excluded": {left_out.info.episode_id: left_out.reason for left_out in state.curated.excluded},
    }
