"""Before a training starts: everything that can be refused is refused here, and what is left is written down. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from mvla_core.datasets.split import Split, make_split
from mvla_core.episodes.annotations import freeze, load_annotations
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import DatasetRef, resolve_dataset
from mvla_core.episodes.snapshots import DataState, snapshot_of_now, state_of, take_snapshot
from mvla_core.errors import DatasetError, RecipeError, did_you_mean
from mvla_core.files import write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.instructions import unknown_words
from mvla_core.policies.weights import check_base_weights
from mvla_core.runs.listing import new_run_id
from mvla_core.schema import EpisodeInfo
from mvla_core.training.augmented import augmentation_of, check_augmentation, copies_of
from mvla_core.training.forecast import Forecast, estimate
from mvla_core.training.machine import check_machine, cores, cuda_devices, provenance
from mvla_core.training.recipe import PRESETS, Recipe


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


def prepare_run(
    root: DataRoot, dataset: str, preset: str, overrides: Mapping[str, Any], seed: int | None = None
) -> RunFolder:
    """Check a training and write its run folder: config.json, split.json, curation.json and provenance.json.

    Where the recipe names an augmentation, it is checked on the training episodes and kept as augmentation.json.

    Nothing is started. The data is what the curation of this moment makes of it, and stays so for this run. A state of the
    data that no snapshot holds yet becomes one.

    Args:
        root: The data root.
        dataset: A name under it, or the path of a folder of episodes.
        preset: One of `PRESETS`.
        overrides: Settings that replace the preset's; texts are converted.
        seed: In place of the recipe's; of the split and of the training.

    Raises:
        RecipeError: A setting is unknown, out of range, or cannot be honoured on this machine; or a label of the augmentation
            would be wrong.
        PolicyError: Base weights are not on this machine; the message holds the command that downloads them.
        UserInputError: There is no such data set, or no such augmentation.
        DatasetError: The data set cannot be split, or mixes action spaces.
    """
    recipe = resolve_recipe(preset, overrides, seed)
    gpus = cuda_devices()
    check_machine(recipe, bool(gpus))
    check_base_weights(recipe.backbone, recipe.base_model or None)
    augmentation = augmentation_of(root, recipe)
    ref = resolve_dataset(root, dataset)
    annotations = load_annotations(root, ref)
    data = scan_curated(root, ref, annotations=annotations)
    episodes = data.episodes
    _check_action_spaces(ref.name, episodes)
    split = _split(episodes, recipe)
    notes = _notes(episodes, split)
    if augmentation:
        train = [data.by_id(name) for name in split.train]
        notes += [finding.message for finding in check_augmentation(root, augmentation, train, recipe.seed)]
    state = state_of(root, ref, data, annotations)
    run = root.run(new_run_id(ref.name, preset))
    run.path.mkdir(parents=True)
    write_json(run.split, split.to_json())
    files = [(info.episode_id, info.file_size, info.file_mtime_ns) for info in episodes]
    freeze(annotations, run.path)
    if augmentation:
        write_json(run.augmentation, augmentation.to_json())
    write_json(run.provenance, {**provenance(files), "data": _data_version(root, ref, state, run.run_id)})
    config = {
        "run_id": run.run_id,
        "dataset": ref.name,
        "dataset_folder": str(ref.folder),
        "preset": preset,
        "recipe": recipe.to_json(),
        "seed": recipe.seed,
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "forecast": _forecast(recipe, episodes, split, bool(gpus), copies_of(augmentation)).to_json(),
        "notes": notes,
    }
    write_json(run.config, config)
    return run


def forecast(root: DataRoot, dataset: str, recipe: Recipe) -> Forecast:
    """Estimate what a training takes, without starting it.

    Raises:
        UserInputError: There is no such data set, or no such augmentation.
        DatasetError: The data set cannot be split.
    """
    augmentation = augmentation_of(root, recipe)
    episodes = scan_curated(root, resolve_dataset(root, dataset)).episodes
    split = _split(episodes, recipe)
    return _forecast(recipe, episodes, split, bool(cuda_devices()), copies_of(augmentation))


def _split(episodes: Sequence[EpisodeInfo], recipe: Recipe) -> Split:
    return make_split(episodes, by=recipe.split_by, seed=recipe.seed, min_frames=recipe.window.minimum_frames)


def _forecast(recipe: Recipe, episodes: Sequence[EpisodeInfo], split: Split, has_cuda: bool, copies: int) -> Forecast:
    frames = {info.episode_id: info.num_frames for info in episodes}
    dims = max(len(info.action_space) for info in episodes)
    return estimate(
        recipe,
        train_frames=[frames[name] for name in split.train],
        validation_frames=[frames[name] for name in split.validation],
        action_dims=dims,
        cores=cores(),
        has_cuda=has_cuda,
        copies=copies,
    )


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


def _notes(episodes: Sequence[EpisodeInfo], split: Split) -> list[str]:
    """Say what a reader of the run should know about its data; written to the configuration and repeated by the trainer."""
    notes = []
    if split.excluded:
        notes.append(
            f"{len(split.excluded)} episodes are too short for a window and take no part: {', '.join(split.excluded)}."
        )
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
