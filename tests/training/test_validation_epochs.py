"""What a training leaves for its readers after each epoch: losses by episode, predictions, event files, a NaN that is seen."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
from transformers import TrainerControl, TrainerState

from mvla_core.errors import RunError
from mvla_core.files import read_json, read_json_lines
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.metrics.overfitting import read_overfitting
from mvla_core.progress import JobProgress
from mvla_core.runs.columns import read_columns
from mvla_core.runs.predictions import read_predictions
from mvla_core.runs.tensorboard import ScalarEvents
from mvla_core.schema import ActionSpace
from mvla_core.training.launch import prepare_run
from mvla_core.training.recipe import Recipe
from mvla_core.training.run_callback import RunCallback
from mvla_core.training.train import train_run
from mvla_core.training.trainer import training_arguments
from mvla_core.training.validation import Validation

SHORT = {"window_size": 3, "chunk_size": 4, "epochs": 3, "batch_size": 2}


def test_a_training_leaves_what_its_page_shows(root: DataRoot, colours: str) -> None:
    run = prepare_run(root, colours, "tiny", SHORT, seed=2)
    train_run(root, run, JobProgress(run.progress))
    split = read_json(run.split)
    read = read_columns(root, run)
    assert read.validation_set["episodes"] == split["validation"]
    assert len(read.epochs) == 3
    for row in read.epochs:
        mean = np.average(row["val_loss_by_episode"], weights=read.validation_set["numbers"])
        assert mean == pytest.approx(row["val_loss"], rel=1e-4), "the episodes' losses make up the whole"
    assert (read.columns["memory_bytes"] > 1e7).all()
    reading = read_overfitting(read.epochs, read.validation_set, Recipe().patience)
    assert reading.episodes == len(split["validation"])
    assert reading.gap is not None

    predictions = read_predictions(run)
    assert predictions is not None
    assert list(predictions.epochs) == [1, 2, 3]
    assert {episode.episode_id for episode in predictions.episodes} <= set(split["validation"])
    episode = predictions.episodes[0]
    assert episode.frames.tolist() == [2, 3, 4, 5, 6], "each frame that ends a window of three"
    assert predictions.epochs[1][0].shape == episode.driven.shape == (5, 2)
    errors = predictions.epochs[3][0] - episode.driven
    assert np.abs(errors).max() < 3, "in the units of the actions"
    assert list((run.path / "tensorboard").glob("events.out.tfevents.*"))


def callback_in(folder: Path) -> tuple[RunCallback, RunFolder]:
    run = RunFolder(folder / "run")
    run.path.mkdir(parents=True)
    progress = JobProgress(run.progress)
    return RunCallback(progress, 0, 10, lambda epoch, measured: None, scalars=ScalarEvents(run)), run


def test_a_loss_that_is_not_a_number_is_written_before_the_training_ends(tmp_path: Path) -> None:
    callback, run = callback_in(tmp_path)
    arguments = training_arguments(Recipe(), tmp_path, steps=1, use_cpu=True)
    state, control = TrainerState(), TrainerControl()
    callback.on_train_begin(arguments, state, control)
    with pytest.raises(RunError, match="diverged"):
        callback.on_log(arguments, state, control, logs={"loss": float("nan"), "grad_norm": 1.0, "learning_rate": 0.1})
    (row,) = read_json_lines(run.progress)[0]
    assert row["event"] == "step"
    assert row["train_loss"] is None


@pytest.mark.parametrize("before", [[], [{"eval_loss": 0.5, "epoch": 1.0}]], ids=["first epoch", "second epoch"])
def test_a_validation_that_is_not_a_number_ends_the_training_as_diverged(
    tmp_path: Path, before: list[dict[str, float]]
) -> None:
    """It is told first, keeps no adapter, and is no defect of the program."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    kept: list[int] = []
    space = ActionSpace.default(2)
    callback = RunCallback(
        JobProgress(run.progress),
        1,
        10,
        lambda epoch, measured: kept.append(epoch),
        lambda *_: kept.append(0),
        None,
        space,
    )
    epoch = len(before) + 1
    nan = math.nan
    callback.validation = Validation(nan, nan, (nan, 0.1), {"a": nan}, {"a": nan}, {"a": 4}, nan)
    state = TrainerState(epoch=float(epoch), num_train_epochs=3)
    state.log_history = [*before, {"eval_loss": nan, "epoch": float(epoch)}]
    arguments = training_arguments(Recipe(), tmp_path, steps=1, use_cpu=True)
    with pytest.raises(
        RunError, match=rf"validation of epoch {epoch} gives a loss of nan.*choose a lower learning_rate"
    ):
        callback.on_evaluate(arguments, state, TrainerControl())
    assert kept == []
    row = read_json_lines(run.progress)[0][-1]
    assert (row["val_loss"], row["best_epoch"]) == (None, 1 if before else None)
    assert row["val_rmse_axes"] == {"linear_x [m/s]": None, "linear_y [m/s]": 0.1}


def test_logging_costs_less_than_a_tenth_of_a_millisecond(tmp_path: Path) -> None:
    """Progress, memory and TensorBoard together; `benchmarks/curves.py` measures it at length."""
    callback, run = callback_in(tmp_path)
    arguments = training_arguments(Recipe(), tmp_path, steps=1, use_cpu=True)
    state, control = TrainerState(), TrainerControl()
    callback.on_train_begin(arguments, state, control)
    state.max_steps = state.num_train_epochs = 1000
    took = []
    for step in range(400):
        state.global_step, state.epoch = step + 1, step / 100
        began = time.perf_counter()
        callback.on_log(arguments, state, control, logs={"loss": 0.5, "grad_norm": 1.0, "learning_rate": 1e-4})
        took.append(time.perf_counter() - began)
    assert len(run.progress.read_text().splitlines()) == 400
    assert sorted(took)[200] < 5e-4  # about 0.08 ms; the limit leaves room for a busy machine
    assert json.loads(run.progress.read_text().splitlines()[-1])["step"] == 400
