"""Before a training starts: everything that can be refused is refused here, and what is left is written down. Torch-free."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mvla_core.datasets.action_classes import fit_action_classes
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.datasets.normalise import ActionNormaliser, check_teachable
from mvla_core.datasets.split import Split, make_split
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.annotations import freeze, load_annotations
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import CuratedEpisodes, scan_curated
from mvla_core.episodes.dataset import DatasetRef, resolve_dataset
from mvla_core.episodes.notes import Annotations
from mvla_core.episodes.snapshots import DataState, snapshot_of_now, state_of, take_snapshot
from mvla_core.errors import DatasetError, RecipeError, did_you_mean
from mvla_core.files import write_json, write_text
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.instructions import unknown_words
from mvla_core.policies.weights import check_base_weights
from mvla_core.runs.listing import new_run_id
from mvla_core.schema import EpisodeInfo
from mvla_core.training.augmented import augmentation_of, check_augmentation, copies_of
from mvla_core.training.fit import check_fit, room_here
from mvla_core.training.forecast import Forecast, estimate
from mvla_core.training.machine import check_machine, cores, cuda_devices, program_changes, provenance
from mvla_core.training.measurement import WarmUp, known_warm_up, missing_frames, warm_up_key
from mvla_core.training.recipe import PRESETS, Recipe

PROGRAM_CHANGES = "program.diff"
"""What the checkout that made a run differed from its commit; lies in the run folder where it did."""


def resolve_recipe(preset: str, overrides: Mapping[str, Any], seed: int | None = None) -> Recipe:
    """Return a preset's recipe with some values replaced.

    Raises:
        RecipeError: The preset or a setting is unknown, or a value cannot be used.
    """
    if preset not in PRESETS:
        raise RecipeError(
            f"There is no preset {preset!r}: expected one of {', '.join(PRESETS)}.{did_you_mean(preset, PRESETS)}"
        )
    recipe = PRESETS[preset].recipe.changed(overrides)
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
        gpus: Names of this machine's GPUs.
        notes: What a reader of the run should know about its data.
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

    @property
    def warm_up_key(self) -> str:
        """Names the warm-up that would measure this training."""
        return warm_up_key(self.recipe, self.data.episodes, self.gpus, cores())

    @property
    def episode_ids(self) -> frozenset[str]:
        """The episodes that are there and not excluded."""
        return frozenset(info.episode_id for info in self.data.episodes)

    def forecast(self) -> Forecast:
        """Estimate what it takes: from a warm-up where one was kept, else from the formula."""
        return self._forecast(self.recipe, known_warm_up(self.root, self.warm_up_key))

    def check_fit(self) -> None:
        """Raise `RecipeError` where it cannot fit this machine's memory or disk; the sentence names settings that would."""
        room = room_here(self.root, len(self.gpus))
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
            cores=cores(),
            has_cuda=bool(self.gpus),
            copies=copies,
            warm_up=warm_up,
            missing_frames=missing,
            classes=self._classes(recipe, infos[:taught]),
        )

    def _classes(self, recipe: Recipe, train: Sequence[EpisodeInfo]) -> int | None:
        if recipe.action_head != "directions":
            return None
        sequences = load_sequences(train)
        return len(fit_action_classes(sequences, ActionNormaliser.fit(recipe.normaliser, sequences)))


def plan_training(
    root: DataRoot,
    dataset: str,
    preset: str,
    overrides: Mapping[str, Any],
    seed: int | None = None,
    *,
    split_seed: int | None = None,
    annotations: Annotations | None = None,
) -> Plan:
    """Check a training on this machine and this data; nothing is written.

    Args:
        root: The data root.
        dataset: A name under it, or the path of a folder of episodes.
        preset: One of `PRESETS`.
        overrides: Settings that replace the preset's; texts are converted.
        seed: In place of the recipe's; of the split and of the training.
        split_seed: Of the split alone; None takes the recipe's.
        annotations: A curation that was kept; None takes that of this moment.

    Raises:
        RecipeError: A setting is unknown, out of range, or cannot be honoured on this machine; or a label of the augmentation
            would be wrong.
        PolicyError: Base weights are not on this machine; the message holds the command that downloads them.
        UserInputError: There is no such data set, or no such augmentation.
        DatasetError: The data set cannot be split, mixes action spaces, or has no actions that could teach anything.
    """
    recipe = resolve_recipe(preset, overrides, seed)
    gpus = cuda_devices()
    check_machine(recipe, bool(gpus))
    check_base_weights(recipe.backbone, recipe.base_model or None)
    augmentation = augmentation_of(root, recipe)
    ref = resolve_dataset(root, dataset)
    if annotations is None:
        annotations = load_annotations(root, ref)
    data = scan_curated(root, ref, annotations=annotations)
    _check_action_spaces(ref.name, data.episodes)
    split = _split(data.episodes, recipe, split_seed)
    train = [data.by_id(name) for name in split.train]
    notes = _notes(data.episodes, split, recipe) + check_teachable(load_sequences(train), train[0].action_space)
    if augmentation:
        notes += [finding.message for finding in check_augmentation(root, augmentation, train, recipe.seed)]
    return Plan(root, ref, preset, recipe, annotations, data, split, augmentation, gpus, tuple(notes))


def prepare_run(
    root: DataRoot,
    dataset: str,
    preset: str,
    overrides: Mapping[str, Any],
    seed: int | None = None,
    *,
    split_seed: int | None = None,
    group: Mapping[str, Any] | None = None,
) -> RunFolder:
    """Check a training and write its run folder: config.json, split.json, curation.json and provenance.json.

    Where the recipe names an augmentation, it is checked on the training episodes and kept as augmentation.json.

    Nothing is started. The data is what the curation of this moment makes of it, and stays so for this run. A state of the
    data that no snapshot holds yet becomes one.

    Args:
        root, dataset, preset, overrides, seed, split_seed: As for `plan_training`.
        group: What runs of several seeds have in common; see `mvla_core.training.groups`.

    Raises:
        RecipeError, PolicyError, UserInputError, DatasetError: As `plan_training`; a `RecipeError` also where the training
            cannot fit this machine.
    """
    plan = plan_training(root, dataset, preset, overrides, seed, split_seed=split_seed)
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
    return run


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


def _check_action_spaces(dataset: str, episodes: Sequence[EpisodeInfo]) -> None:
    spaces = {info.action_space: info.episode_id for info in episodes}
    if len(spaces) > 1:
        described = "; ".join(
            f"{', '.join(space.names)} in {', '.join(space.units)} (for example {name})"
            for space, name in spaces.items()
        )
        raise DatasetError(
            f"The data set {dataset} mixes action spaces and no policy can predict them all: {described}; keep the episodes "
            "of each robot in a data set of their own."
        )


def _short_episodes(episodes: Sequence[EpisodeInfo], split: Split, window: WindowSpec) -> list[str]:
    """Count and name the episodes that are shorter than a window and a chunk, with what happens to them."""
    notes = []
    taught = [info for info in episodes if info.episode_id not in set(split.excluded)]
    padded = [info.episode_id for info in taught if info.num_frames < window.unpadded_frames]
    whole = window.window_size + window.chunk_size
    cut = [info.episode_id for info in taught if window.unpadded_frames <= info.num_frames < whole]
    if split.excluded:
        notes.append(
            f"{len(split.excluded)} of {len(episodes)} episodes have fewer than the {window.minimum_frames} frames of one item "
            f"and take no part; short_episodes 'pad' would use them: {', '.join(split.excluded)}."
        )
    if padded:
        notes.append(
            f"{len(padded)} of {len(episodes)} episodes have fewer than the {window.unpadded_frames} frames of one item and are "
            f"padded, as short_episodes says: {', '.join(padded)}."
        )
    if cut:
        notes.append(
            f"{len(cut)} of {len(episodes)} episodes are shorter than a window and a chunk together ({whole} frames): every chunk "
            f"of theirs is cut at its end, and what is missing is left out of the loss: {', '.join(cut)}."
        )
    return notes


def _notes(episodes: Sequence[EpisodeInfo], split: Split, recipe: Recipe) -> list[str]:
    """Say what a reader of the run should know about its data; written to the configuration and repeated by the trainer."""
    notes = _short_episodes(episodes, split, recipe.window)
    words = sorted({word for info in episodes for word in unknown_words(info.instruction)})
    if words:
        notes.append(
            "The text model reads English; these Korean words of the instructions are not in the glossary and carry no meaning "
            f"for it: {', '.join(words)}."
        )
    without = sum(not info.instruction for info in episodes)
    if 0 < without < len(episodes):
        notes.append(
            f"{without} of {len(episodes)} episodes have no instruction; the policy learns them with an empty one."
        )
    return notes
