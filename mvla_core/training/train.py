"""One training, from a prepared run folder to its adapters. Runs in a process of its own."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PrinterCallback

from mvla_core.datasets.action_classes import fit_action_classes
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.datasets.augmentation.store import read_augmentation
from mvla_core.datasets.normalise import ActionNormaliser, check_teachable
from mvla_core.datasets.split import Split
from mvla_core.episodes.annotations import frozen
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import DatasetRef
from mvla_core.episodes.frame_features import frame_features, trim_cache
from mvla_core.errors import Stopped
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.adapter import DESCRIPTION, save_policy
from mvla_core.policies.build import BuiltPolicy, build_policy, trainable_parameters
from mvla_core.policies.folder_exchange import sweep
from mvla_core.policies.spec import BaseDtype, PolicySpec
from mvla_core.progress import Progress
from mvla_core.runs.tensorboard import ScalarEvents
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo
from mvla_core.training.augmented import AugmentedCopy, augmented_features, draw_copies
from mvla_core.training.average import AveragedWeights
from mvla_core.training.checkpoints import epochs_of_ended, take_checkpoint
from mvla_core.training.choices import Precision
from mvla_core.training.continuation import begin_with
from mvla_core.training.curriculum import CurriculumSampler, curriculum_receipt
from mvla_core.training.distributed import (
    check_processes,
    from_main,
    is_main,
    joined_processes,
    main_first,
    shared_items,
)
from mvla_core.training.failures import explained
from mvla_core.training.history import best_of, train_loss_of
from mvla_core.training.machine import check_machine
from mvla_core.training.receipt import CarriedOut, check_receipt
from mvla_core.training.recipe import Recipe
from mvla_core.training.run_callback import RunCallback
from mvla_core.training.segments import Collator, PreparedEpisode, SegmentDataset, cut_segments
from mvla_core.training.trainer import PolicyTrainer, training_arguments
from mvla_core.training.validation import Validation, validate
from mvla_core.training.watched import WatchedPredictions

RECEIPT = "receipt.json"
"""What the trainer really used, every value resolved; lies in the run folder."""

_BASE_DTYPES: dict[Precision, BaseDtype] = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def train_run(root: DataRoot, run: RunFolder, progress: Progress) -> dict[str, Any]:
    """Train what `prepare_run` wrote down; continue from the newest whole checkpoint where the run folder holds one.

    Args:
        root: The data root.
        run: Its folder, with config.json and split.json.
        progress: Told steps and epochs, and asked at every step whether to stop.

    Returns:
        JSON values: "best_epoch", "epochs_done", "train_loss" and "val_loss" of the best epoch, "val_rmse" and more.

    Raises:
        Stopped: The user asked; the last state is kept as a checkpoint and as `adapter_last`.
        RecipeError, PolicyError: As in `prepare_run`, where the machine changed since.
        UserInputError: An episode of the split is no longer there.
        DatasetError: The training part holds nothing to learn.
        RunError: The training diverged, or ran out of memory or disk.
    """
    config = read_json(run.config)
    recipe = Recipe.from_json(config["recipe"])
    with joined_processes(torch.cuda.is_available()), explained(recipe, run):
        check_processes(recipe)
        return _train(root, run, config, recipe, progress)


def _train(
    root: DataRoot, run: RunFolder, config: dict[str, Any], recipe: Recipe, progress: Progress
) -> dict[str, Any]:
    began = time.monotonic()
    has_cuda = torch.cuda.is_available()
    check_machine(recipe, has_cuda)
    split = Split.from_json(read_json(run.split))
    if is_main():
        sweep(run.adapter)
        sweep(run.adapter_last)
    for note in config.get("notes", []):
        progress.note(note, "warning")

    progress.stage("Read the episodes")
    ref = DatasetRef(config["dataset"], Path(config["dataset_folder"]))
    catalogue = scan_curated(root, ref, annotations=frozen(run.path))
    train_infos = [catalogue.by_id(name) for name in split.train]
    validation_infos = [catalogue.by_id(name) for name in split.validation]
    train_sequences = load_sequences(train_infos)
    augmentation = read_augmentation(run.augmentation) if recipe.augmentation else None
    copies = draw_copies(augmentation, train_infos, train_sequences, recipe.seed) if augmentation else []
    taught = train_sequences + [copy.sequence for copy in copies]
    check_teachable(taught, train_infos[0].action_space)  # What it has to say is among the notes of the configuration.
    spec = policy_spec(recipe, train_infos[0].action_space, taught)

    progress.stage("Load the pretrained weights")
    policy = build_policy(spec, recipe.seed)
    policy.encoder.to("cuda" if has_cuda else "cpu")
    if run.start.is_dir():
        begin_with(policy, run.start)

    with main_first():
        progress.stage("Compute picture features, once for each frame")
        prepared = _prepare(root, policy, train_infos + validation_infos, progress)
        train_episodes, validation_episodes = prepared[: len(train_infos)], prepared[len(train_infos) :]
        if augmentation:
            progress.stage("Compute picture features of the augmented copies")
            train_episodes += _prepare_copies(root, policy, augmentation, copies, recipe.seed, progress)
        if is_main():
            trim_cache(root)

    progress.stage("Train")
    segments = cut_segments(train_episodes, recipe.window, recipe.windows_per_item, spec.normaliser)
    origin = {"run_id": run.run_id, "dataset": config["dataset"], "split": split.to_json(), "recipe": recipe.to_json()}
    # Of several processes the first one alone validates and writes.
    watched = WatchedPredictions(run, spec.action_space, validation_episodes, recipe.window) if is_main() else None

    def save_best(epoch: int, measured: Validation) -> None:
        if watched is not None:
            save_policy(policy, run.adapter, {**origin, "epoch": epoch, "validation": asdict(measured)})

    def run_validation() -> Validation:
        measured = None
        if watched is not None:
            encode = policy.encode_instructions
            measured = validate(policy.policy, validation_episodes, recipe.window, spec.normaliser, encode, watched.see)
        callback.validation = from_main(measured)
        return callback.validation

    callback = RunCallback(
        progress,
        recipe.patience,
        sum(len(segment.labels) for segment in segments),
        save_best,
        watched.write if watched is not None else lambda epoch, epochs: None,
        ScalarEvents(run) if is_main() else None,
        spec.action_space,
    )

    steps = math.ceil(len(segments) / (recipe.batch_size * recipe.gradient_accumulation)) * recipe.epochs
    average = AveragedWeights(policy.network, recipe.ema_decay) if recipe.ema_decay else None
    simple_first = recipe.curriculum == "simple_first"
    order = CurriculumSampler(segments, taught, recipe.curriculum_epochs, recipe.seed) if simple_first else None
    items, sampler = shared_items(segments, order, recipe)
    trainer = PolicyTrainer(
        run_validation=run_validation,
        average=average,
        sampler=sampler,
        model=policy.network,
        args=training_arguments(recipe, run.checkpoints, steps=steps, use_cpu=not has_cuda),
        train_dataset=SegmentDataset(items),
        eval_dataset=SegmentDataset(
            cut_segments(validation_episodes, recipe.window, recipe.windows_per_item, spec.normaliser)
        ),
        data_collator=Collator(policy.encode_instructions),
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)
    labels = _labels(spec, taught)
    _write_receipt(
        run,
        recipe,
        policy,
        trainer,
        CarriedOut(
            patience=callback.patience,
            ema_decay=average.decay if average else 0.0,
            curriculum_epochs=order.epochs_until_all if order else None,
            segments=segments,
            split_by=split.by,
            augmentation=augmentation.name if augmentation else "",
        ),
        {
            "augmentation": _augmentation_receipt(augmentation, len(copies)),
            "curriculum": curriculum_receipt(recipe, taught),
            "labels": labels,
        },
    )
    # One process chooses, so that all of them go on from the same one.
    checkpoint = from_main(take_checkpoint(run, progress) if is_main() else None)
    if checkpoint is not None:
        progress.note(f"Continue from {checkpoint.name}.")
        ended = epochs_of_ended(checkpoint, recipe.patience)
        if ended is not None:  # It was killed after its last epoch: the state is loaded and nothing more is trained.
            trainer.args.num_train_epochs = ended
        if average is not None:
            average.load(checkpoint)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if is_main():
        save_policy(policy, run.adapter_last, {**origin, "epoch": round(trainer.state.epoch or 0.0, 4)})
    if callback.stopped:
        raise Stopped(
            f"Stopped as asked at step {trainer.state.global_step}; the last checkpoint and the best adapter are kept."
        )
    clipped = {"clipped_share": labels["clipped_share"]}
    return {**_result(run, trainer, policy, time.monotonic() - began), **clipped}


def policy_spec(recipe: Recipe, space: ActionSpace, train_sequences: Sequence[ActionSequence]) -> PolicySpec:
    """Describe the policy a recipe asks for; the normaliser is fitted on what teaches: the training part and its copies."""
    # Weights that are trained themselves are kept in 32 bits: the small steps of the optimiser would be rounded away.
    keeps_32_bits = recipe.backbone == "compact" or recipe.tuning == "full"
    normaliser = ActionNormaliser.fit(recipe.normaliser, train_sequences)
    chooses = recipe.action_head == "directions"
    return PolicySpec(
        backbone=recipe.backbone,
        action_space=space,
        normaliser=normaliser,
        base_model=recipe.base_model or None,
        window_size=recipe.window_size,
        chunk_size=recipe.chunk_size,
        lora_rank=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        lora_targets=recipe.lora_targets,
        head_hidden=recipe.head_hidden,
        head_layers=recipe.head_layers,
        head_dropout=recipe.head_dropout,
        visual_channels=recipe.visual_channels,
        feature_dropout=recipe.feature_dropout,
        backbone_dropout=recipe.backbone_dropout,
        base_dtype="float32" if keeps_32_bits else _BASE_DTYPES[recipe.precision],
        huber_delta=recipe.huber_delta,
        tuning=recipe.tuning,
        lora_top_layers=recipe.lora_top_layers,
        action_head=recipe.action_head,
        action_classes=fit_action_classes(train_sequences, normaliser) if chooses else (),
    )


def _prepare(
    root: DataRoot, policy: BuiltPolicy, infos: Sequence[EpisodeInfo], progress: Progress
) -> list[PreparedEpisode]:
    sequences = load_sequences(infos)
    total = sum(info.num_frames for info in infos)
    prepared, done = [], 0
    for info, sequence in zip(infos, sequences, strict=True):
        prepared.append(
            PreparedEpisode(sequence, frame_features(root, policy.training_encoder(sequence.instruction), info))
        )
        done += info.num_frames
        progress.update(done, total, f"frames, {info.episode_id}")
    return prepared


def _prepare_copies(
    root: DataRoot,
    policy: BuiltPolicy,
    augmentation: AugmentationRecipe,
    copies: Sequence[AugmentedCopy],
    seed: int,
    progress: Progress,
) -> list[PreparedEpisode]:
    total = sum(copy.drawn.num_frames for copy in copies)
    prepared, done = [], 0
    for copy in copies:
        encoder = policy.training_encoder(copy.sequence.instruction)
        features = augmented_features(root, encoder, augmentation, copy, seed, progress)
        prepared.append(PreparedEpisode(copy.sequence, features))
        done += copy.drawn.num_frames
        progress.update(done, total, f"augmented frames, {copy.sequence.episode_id}")
    return prepared


def _augmentation_receipt(augmentation: AugmentationRecipe | None, augmented_episodes: int) -> dict[str, Any]:
    made = (
        {"name": augmentation.name, "digest": augmentation.digest, "copies": augmentation.copies}
        if augmentation
        else {}
    )
    return {**made, "augmented_episodes": augmented_episodes}


def _labels(spec: PolicySpec, taught: Sequence[ActionSequence]) -> dict[str, Any]:
    """Say what the loss averages, and which share of the training actions the normalisation cuts off for good."""
    actions = np.concatenate([sequence.actions for sequence in taught])
    per_axis = spec.normaliser.clipped_share_per_axis(actions)
    losses = {
        "regression": ("Huber", "unmasked actions and their axes, normalised"),
        "directions": ("cross-entropy", "unmasked actions, in nats"),
    }
    loss, mean_over = losses[spec.action_head]
    return {
        "loss": loss,
        "mean_over": mean_over,
        "classes": len(spec.action_classes),
        "clipped_share": spec.normaliser.clipped_share(actions),
        "clipped_share_per_axis": dict(zip(spec.action_space.names, per_axis, strict=True)),
    }


def _write_receipt(
    run: RunFolder,
    recipe: Recipe,
    policy: BuiltPolicy,
    trainer: PolicyTrainer,
    carried: CarriedOut,
    data: dict[str, Any],
) -> None:
    receipt = {
        "recipe": recipe.to_json(),
        "policy": policy.spec.to_json(),
        **data,
        "trainable_parameters": trainable_parameters(policy.network),
        "device": str(trainer.args.device),
        "processes": trainer.args.world_size,
        "threads": torch.get_num_threads(),
        "trainer": {key: value for key, value in trainer.args.to_dict().items() if not key.startswith("hub_")},
    }
    if is_main():
        write_json(run.path / RECEIPT, receipt)
    check_receipt(recipe, policy, trainer.args, carried)


def _result(run: RunFolder, trainer: PolicyTrainer, policy: BuiltPolicy, seconds: float) -> dict[str, Any]:
    history = trainer.state.log_history
    best = best_of(history)
    assert best is not None, "at least one epoch was validated"
    validation = read_json(run.adapter / DESCRIPTION)["extra"]["validation"]
    kibibyte = 1 if sys.platform == "darwin" else 1024
    return {
        "best_epoch": best.epoch,
        "epochs_done": round(trainer.state.epoch or 0.0),
        "train_loss": train_loss_of(history, best.epoch),
        "val_loss": best.val_loss,
        "val_rmse": validation["rmse"],
        "val_rmse_per_axis": validation["rmse_per_axis"],
        "val_rmse_by_episode": validation["rmse_by_episode"],
        "trainable_parameters": trainable_parameters(policy.network),
        "seconds": round(seconds, 1),
        "peak_gpu_memory_bytes": torch.cuda.max_memory_reserved() if torch.cuda.is_available() else None,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kibibyte,
    }
