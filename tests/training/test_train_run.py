"""A training from its run folder to its adapters: events, best and last, stop, resume, same seed same losses."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainerControl, TrainerState, TrainingArguments

from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.datasets.windows import chunk_targets, last_frames
from mvla_core.episodes.catalogue import load_sequences, scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.errors import RecipeError, RunError, Stopped, UserInputError
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.adapter import load_policy
from mvla_core.progress import Progress
from mvla_core.training.checkpoints import newest_checkpoint
from mvla_core.training.history import best_of, is_out_of_patience, train_loss_of
from mvla_core.training.launch import prepare_run
from mvla_core.training.recipe import Recipe
from mvla_core.training.run_callback import RunCallback
from mvla_core.training.segments import Collator, PreparedEpisode, SegmentDataset, cut_segments
from mvla_core.training.train import RECEIPT, policy_spec, train_run
from mvla_core.training.trainer import PolicyTrainer, training_arguments
from mvla_core.training.validation import Validation

SHORT = {"window_size": 3, "chunk_size": 4, "epochs": 3, "batch_size": 2}


class Recorder(Progress):
    """Keeps every event, and asks to stop once so many of a kind have come."""

    def __init__(self, stop_after: tuple[str, int] | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self._stop_after = stop_after

    def emit(self, event: str, **values: Any) -> None:
        self.events.append({"event": event, **values})

    def named(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in self.events if entry["event"] == event]

    @property
    def stop_requested(self) -> bool:
        return self._stop_after is not None and len(self.named(self._stop_after[0])) >= self._stop_after[1]


def train(
    root: DataRoot, dataset: str, preset: str = "tiny", **overrides: Any
) -> tuple[RunFolder, dict[str, Any], Recorder]:
    run = prepare_run(root, dataset, preset, {**SHORT, **overrides}, seed=2)
    recorder = Recorder()
    return run, train_run(root, run, recorder), recorder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.parametrize("preset", ["tiny", "compact"])
def test_a_run_leaves_two_policies_and_a_truthful_record(root: DataRoot, colours: str, preset: str) -> None:
    run, result, recorder = train(root, colours, preset)
    epochs = recorder.named("epoch")
    assert [event["epoch"] for event in epochs] == [1, 2, 3]
    assert all(event["epochs"] == 3 for event in epochs)
    assert [event["step"] for event in epochs] == [3, 6, 9]  # 6 training episodes, 2 a step
    assert [event["step"] for event in recorder.named("step")] == list(range(1, 10))
    first_epoch = [event["train_loss"] for event in recorder.named("step")[:3]]
    assert epochs[0]["train_loss"] == pytest.approx(np.mean(first_epoch))
    assert epochs[-1]["eta_seconds"] == 0
    best = min(epochs, key=lambda event: event["val_loss"])
    assert result["best_epoch"] == best["epoch"] == epochs[-1]["best_epoch"]
    assert (result["val_loss"], result["train_loss"]) == (best["val_loss"], best["train_loss"])
    assert result["val_rmse"] == best["val_rmse"]
    assert result["epochs_done"] == 3
    assert set(result["val_rmse_by_episode"]) == set(read_json(run.split)["validation"])
    assert load_policy(run.adapter_last, "cpu").extra["epoch"] == 3.0
    policy = load_policy(run.adapter, "cpu")
    assert policy.extra["epoch"] == result["best_epoch"]
    receipt = read_json(run.path / RECEIPT)
    assert receipt["recipe"]["epochs"] == 3
    assert receipt["device"] == ("cuda:0" if torch.cuda.is_available() else "cpu")
    forecast = read_json(run.config)["forecast"]
    assert forecast["parameters"] == receipt["trainable_parameters"]
    assert (forecast["steps"], forecast["train_windows"]) == (9, 30)


def test_the_stored_validation_error_is_that_of_the_stored_policy(root: DataRoot, colours: str) -> None:
    """In physical units, over unmasked targets and both dimensions, computed here again from the loaded adapter."""
    run, result, _ = train(root, colours)
    catalogue = scan(root, resolve_dataset(root, colours))
    policy = load_policy(run.adapter, "cpu")
    infos = [catalogue.by_id(name) for name in read_json(run.split)["validation"]]
    errors = []
    for info, sequence in zip(infos, load_sequences(infos), strict=True):
        last = last_frames(info.num_frames, Recipe().changed(SHORT).window)
        targets, mask = chunk_targets(sequence.actions, last, 4)
        errors.append((policy.predict_episode(root, info, last) - targets)[mask])
    rmse = float(np.sqrt((np.concatenate(errors).astype(np.float64) ** 2).mean()))
    assert result["val_rmse"] == pytest.approx(rmse, rel=1e-5)


def test_the_normaliser_knows_the_training_episodes_alone(root: DataRoot, colours: str) -> None:
    run, _, _ = train(root, colours, epochs=1)
    catalogue = scan(root, resolve_dataset(root, colours))
    sequences = load_sequences([catalogue.by_id(name) for name in read_json(run.split)["train"]])
    assert load_policy(run.adapter, "cpu").spec.normaliser == ActionNormaliser.fit("mean_std", sequences)


def test_same_seed_same_losses(root: DataRoot, colours: str) -> None:
    records = [train(root, colours, head_dropout=0.2, lora_dropout=0.1)[2] for _ in range(2)]
    losses = [[event["train_loss"] for event in record.named("step")] for record in records]
    assert losses[0] == losses[1]
    validated = [[event["val_loss"] for event in record.named("epoch")] for record in records]
    assert validated[0] == validated[1]


@pytest.mark.parametrize("steps", [4, 5], ids=["within an epoch", "at its last step"])
def test_stop_then_resume_ends_where_the_uninterrupted_run_ends(root: DataRoot, colours: str, steps: int) -> None:
    settings = {"head_dropout": 0.2, "epochs": 4}
    whole, expected, _ = train(root, colours, **settings)
    run = prepare_run(root, colours, "tiny", {**SHORT, **settings}, seed=2)
    first = Recorder(stop_after=("step", steps))
    with pytest.raises(Stopped, match="Stopped as asked at step"):
        train_run(root, run, first)
    checkpoint = newest_checkpoint(run)
    assert checkpoint is not None
    assert checkpoint.name == f"checkpoint-{steps + 1}"
    assert [event["epoch"] for event in first.named("epoch")] == ([1] if steps == 4 else [1, 2])
    assert run.adapter_last.is_dir()
    assert run.adapter.is_dir()
    second = Recorder()
    result = train_run(root, run, second)
    assert [event["epoch"] for event in first.named("epoch") + second.named("epoch")] == [1, 2, 3, 4]
    assert result["val_loss"] == pytest.approx(expected["val_loss"], abs=1e-6)
    assert result["best_epoch"] == expected["best_epoch"]
    assert result["train_loss"] == pytest.approx(expected["train_loss"], abs=1e-6)
    there, here = weights(whole.adapter_last), weights(run.adapter_last)
    assert all(torch.allclose(there[name], here[name], atol=1e-6) for name in there)


def test_stop_while_features_are_computed(root: DataRoot, colours: str) -> None:
    run = prepare_run(root, colours, "tiny", SHORT, seed=2)
    with pytest.raises(Stopped):
        train_run(root, run, Recorder(stop_after=("stage", 3)))
    assert not run.adapter.exists()


def test_patience_ends_a_training_that_does_not_get_better(root: DataRoot, colours: str) -> None:
    _, result, recorder = train(root, colours, epochs=30, patience=2, learning_rate=0.3, schedule="constant")
    epochs = recorder.named("epoch")
    assert len(epochs) < 30
    assert epochs[-1]["epoch"] - result["best_epoch"] == 2


def test_killed_after_its_early_end_a_training_is_finished_not_trained_on(root: DataRoot, colours: str) -> None:
    """All that was left to do was the last adapter: the state is loaded, and no epoch is added."""
    settings = {"epochs": 30, "patience": 1, "learning_rate": 0.3, "schedule": "constant"}
    run, expected, recorder = train(root, colours, **settings)
    before = weights(run.adapter_last)
    shutil.rmtree(run.adapter_last)
    again = Recorder()
    result = train_run(root, run, again)
    assert again.named("step") == again.named("epoch") == []
    assert result["epochs_done"] == expected["epochs_done"] == len(recorder.named("epoch")) < 30
    assert [result[key] for key in ("best_epoch", "val_loss")] == [expected[key] for key in ("best_epoch", "val_loss")]
    after = weights(run.adapter_last)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_tiny_learns_colours(root: DataRoot, colours: str) -> None:
    _, result, recorder = train(
        root, colours, epochs=15, learning_rate=1e-2, lora_targets="all", chunk_size=1, window_size=1
    )
    assert recorder.named("epoch")[-1]["train_loss"] < 0.7 * recorder.named("epoch")[0]["train_loss"]
    assert result["val_loss"] < 0.4


def test_kosmos2_path_trains_from_a_local_folder(root: DataRoot, colours: str, tmp_path: Path) -> None:
    from transformers import Kosmos2Model

    from mvla_core.policies.tiny import tiny_config, tiny_processor

    folder = tmp_path / "miniature"
    processor = tiny_processor()
    Kosmos2Model(tiny_config(len(processor.tokenizer))).save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)
    processor.tokenizer.save_pretrained(folder)
    run, result, _ = train(
        root, colours, "briefing-fast", base_model=str(folder), lora_rank=4, head_hidden=16, epochs=1
    )
    assert np.isfinite(result["val_loss"])
    assert load_policy(run.adapter, "cpu").spec.base_dtype == "bfloat16"


def test_a_diverged_training_fails_with_the_setting_to_change() -> None:
    callback = RunCallback(Progress(), 0, 10, lambda epoch, measured: None)
    state = TrainerState(global_step=7)
    with pytest.raises(RunError, match="nan at step 7.*choose a lower learning_rate"):
        callback.on_log(TrainingArguments(), state, TrainerControl(), logs={"loss": float("nan")})


def test_what_changed_since_the_launch_is_told(root: DataRoot, colours: str) -> None:
    run = prepare_run(root, colours, "tiny", SHORT, seed=2)
    config = read_json(run.config)
    if not torch.cuda.is_available():
        write_json(run.config, {**config, "recipe": {**config["recipe"], "precision": "fp16"}})
        with pytest.raises(RecipeError, match="needs a CUDA GPU"):
            train_run(root, run, Recorder())
    write_json(run.config, config)
    gone = read_json(run.split)["train"][0]
    (root.dataset(colours) / f"{gone}.h5").unlink()
    with pytest.raises(UserInputError, match="is not in the data set"):
        train_run(root, run, Recorder())


def test_accumulated_loss_averages_over_numbers_not_over_batches(tmp_path: Path) -> None:
    """One optimiser step over two items with different numbers of unmasked targets equals the step over both at once."""
    from mvla_core.policies.build import build_policy
    from mvla_core.schema import ActionSequence, ActionSpace

    generator = np.random.default_rng(1)
    sequences = [ActionSequence(f"e{n}", generator.normal(size=(n, 2)).astype(np.float32)) for n in (4, 9)]
    recipe = Recipe().changed({**SHORT, "backbone": "tiny", "epochs": 1, "warmup_steps": 0, "lora_dropout": 0.0})
    recipe = recipe.changed({"head_dropout": 0.0, "head_hidden": 16, "schedule": "constant"})
    after = []
    for batch, accumulation in ((2, 1), (1, 2)):
        chosen = recipe.changed({"batch_size": batch, "gradient_accumulation": accumulation})
        policy = build_policy(policy_spec(chosen, ActionSpace.default(2), sequences), 0)
        features = [generator.random((len(s.actions), 64, 64), dtype=np.float32) for s in sequences]
        if after:
            features = after[0][1]
        episodes = [PreparedEpisode(s, f) for s, f in zip(sequences, features, strict=True)]
        segments = cut_segments(episodes, chosen.window, 64, policy.spec.normaliser)
        trainer = PolicyTrainer(
            run_validation=lambda: Validation(0.0, 0.0, (0.0, 0.0), {}),
            model=policy.network,
            args=training_arguments(chosen, tmp_path / str(batch), steps=1, use_cpu=True),
            train_dataset=SegmentDataset(segments),
            eval_dataset=SegmentDataset(segments),
            data_collator=Collator(policy.encode_instructions),
        )
        trainer.train()
        after.append(({n: p.detach().clone() for n, p in policy.network.named_parameters()}, features))
        assert trainer.state.global_step == 1
    assert all(torch.allclose(after[0][0][name], after[1][0][name], atol=1e-6) for name in after[0][0])


def test_history_gives_the_best_epoch_and_its_training_loss() -> None:
    history = [
        {"loss": 4.0, "epoch": 0.5, "step": 2},
        {"loss": 1.0, "epoch": 1.0, "step": 3},
        {"eval_loss": 0.5, "epoch": 1.0, "step": 3},
        {"loss": 2.0, "epoch": 2.0, "step": 6},
        {"eval_loss": 0.5, "epoch": 2.0, "step": 6},
    ]
    best = best_of(history)
    assert best is not None
    assert (best.epoch, best.val_loss) == (1, 0.5)
    assert train_loss_of(history, 1) == 3.0
    assert train_loss_of(history, 2) == 2.0
    assert best_of([]) is None


def test_a_loss_that_is_no_number_is_never_the_best_and_patience_counts_whole_epochs() -> None:
    history = [{"eval_loss": loss, "epoch": epoch} for epoch, loss in enumerate((math.nan, 0.5, math.inf, 0.6), 1)]
    best = best_of(history)
    assert best is not None
    assert best.epoch == 2
    assert best_of(history[:1]) is None
    assert not is_out_of_patience(history[:1], 1, patience=1)
    assert is_out_of_patience(history, 4, patience=2)
    assert not is_out_of_patience(history, 3.9, patience=2)
    assert not is_out_of_patience(history, 4, patience=0)
