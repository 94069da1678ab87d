"""What a training tells while it goes, when it keeps policies and checkpoints, and when it ends before its last epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mvla_core.errors import RunError
from mvla_core.progress import Progress
from mvla_core.runs.tensorboard import ScalarEvents
from mvla_core.schema import ActionSpace
from mvla_core.training.distributed import any_of
from mvla_core.training.history import best_of, is_out_of_patience, train_loss_of
from mvla_core.training.validation import Validation

CHECKPOINT_INTERVAL_S = 30.0
"""A checkpoint is written at the first step after so many seconds, at a stop, and at the end."""
WRITING_SHARE = 0.05
"""They are further apart where writing one takes so long that it would take more than this share of the time."""


class RunCallback(TrainerCallback):  # type: ignore[misc]
    """Tells progress, keeps the best adapter, asks for checkpoints, stops early, and stops when asked.

    Args:
        progress: Whom to tell and ask.
        patience: Epochs without a better validation loss before stopping; 0 never.
        train_windows: Windows of an epoch, for the speed.
        save_best: Called with the epoch and its validation when it is the best so far.
        after_epoch: Called with each validated epoch (1-based) and how many are planned, best or not.
        scalars: Where steps and epochs are written for TensorBoard too.
        space: Names and units of the action dimensions, for the errors of each; None tells them without names.
    """

    def __init__(
        self,
        progress: Progress,
        patience: int,
        train_windows: int,
        save_best: Callable[[int, Validation], None],
        after_epoch: Callable[[int, int], None] = lambda epoch, epochs: None,
        scalars: ScalarEvents | None = None,
        space: ActionSpace | None = None,
    ) -> None:
        self._progress = progress
        self.patience = patience
        self._train_windows = train_windows
        self._save_best = save_best
        self._after_epoch = after_epoch
        self._scalars = scalars
        self._space = space
        self._process = psutil.Process()
        self._named: Sequence[str] = ()
        self._last_log = (0, 0.0)
        self._began = self._saved = self._writing_since = self._writing_took = 0.0
        self._epochs_at_begin = 0.0
        self.validation: Validation | None = None
        self.stopped = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        self._began = self._saved = time.monotonic()
        self._last_log = (state.global_step, self._began)
        self._epochs_at_begin = state.epoch or 0.0

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        if any_of(self._progress.stop_requested):
            self.stopped = True
            control.should_training_stop = True
        # The last step's checkpoint waits for its validation, or a resumed training would never validate that epoch.
        within_epoch = not float(state.epoch or 0.0).is_integer()
        if within_epoch and (self.stopped or self._is_due()):
            self._ask_to_save(control)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float],
        **others: Any,
    ) -> None:
        if "loss" not in logs:
            return
        loss = float(logs["loss"])
        before, then = self._last_log
        now = time.monotonic()
        self._last_log = (state.global_step, now)
        windows = (state.global_step - before) * self._train_windows * state.num_train_epochs / max(state.max_steps, 1)
        self._tell(
            "step",
            step=state.global_step,
            epoch=round(float(state.epoch or 0.0), 4),
            train_loss=loss,
            learning_rate=float(logs.get("learning_rate", math.nan)),
            grad_norm=float(logs.get("grad_norm", math.nan)),
            windows_per_second=round(windows / max(now - then, 1e-9), 2),
            **self._memory(),
        )
        # Told before it is raised, so that the curves show where it happened.
        if not math.isfinite(loss):
            raise RunError(
                f"The training loss is {loss} at step {state.global_step}: the training diverged; choose a lower "
                "learning_rate, or precision fp32."
            )

    def _memory(self) -> dict[str, int]:
        used = {"memory_bytes": self._process.memory_info().rss}
        if torch.cuda.is_available():
            used["gpu_memory_bytes"] = torch.cuda.max_memory_reserved()
        return used

    def _tell(self, event: str, **values: Any) -> None:
        self._progress.emit(event, **values)
        if self._scalars is not None:
            self._scalars.write(event, values)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        # An epoch that was cut short is neither validated nor counted; its checkpoint was saved at the step.
        if self.stopped and not float(state.epoch or 0.0).is_integer():
            control.should_evaluate = False
            control.should_save = False
        else:
            control.should_log = True
            if self.stopped or state.epoch == state.num_train_epochs or self._is_due():
                self._ask_to_save(control)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        assert self.validation is not None, "the validation is run before its callback"
        epoch = round(state.epoch or 0.0)
        best = best_of(state.log_history)
        finite = self.validation.is_finite
        if finite and best is not None and best.epoch == epoch:
            self._save_best(epoch, self.validation)
        if finite:
            self._after_epoch(epoch, int(state.num_train_epochs))
        names = list(self.validation.loss_by_episode)
        if names != self._named:
            self._named = names
            numbers = list(self.validation.numbers_by_episode.values())
            self._progress.emit("validation_set", episodes=names, numbers=numbers)
        per_epoch = (time.monotonic() - self._began) / max(epoch - self._epochs_at_begin, 1e-9)
        self._tell(
            "epoch",
            epoch=epoch,
            epochs=int(state.num_train_epochs),
            step=state.global_step,
            train_loss=train_loss_of(state.log_history, epoch),
            val_loss=self.validation.loss,
            val_rmse=self.validation.rmse,
            val_rmse_per_axis=list(self.validation.rmse_per_axis),
            val_rmse_axes=self._named_axes(self.validation.rmse_per_axis),
            val_rmse_normalised_axes=self._normalised_axes(self.validation.normalised_rmse_per_axis),
            val_huber=self.validation.huber,
            best_epoch=best.epoch if best is not None else None,
            eta_seconds=round(per_epoch * (state.num_train_epochs - epoch), 1),
            val_loss_by_episode=[_short(loss) for loss in self.validation.loss_by_episode.values()],
        )
        # Told before it is raised, as the training loss.
        if not finite:
            raise RunError(
                f"The validation of epoch {epoch} gives a loss of {self.validation.loss} and an error of {self.validation.rmse}: "
                "the training diverged; choose a lower learning_rate, or precision fp32."
            )
        if is_out_of_patience(state.log_history, epoch, self.patience):
            control.should_training_stop = True
            self._ask_to_save(control)
        self._writing_since = time.monotonic()

    def _named_axes(self, values: Sequence[float]) -> dict[str, float]:
        """Name the errors of the axes with their units, as in "linear_x [m/s]"."""
        if self._space is None:
            return {}
        axes = zip(self._space.names, self._space.units, values, strict=True)
        return {f"{name} [{unit}]": value for name, unit, value in axes}

    def _normalised_axes(self, values: Sequence[float]) -> dict[str, float]:
        return {} if self._space is None or not values else dict(zip(self._space.names, values, strict=True))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        self._saved = time.monotonic()
        self._writing_took = self._saved - self._writing_since

    def _ask_to_save(self, control: TrainerControl) -> None:
        control.should_save = True
        control.should_log = True  # the losses since the last entry would be lost with the rest of the epoch's mean
        self._writing_since = time.monotonic()

    def _is_due(self) -> bool:
        interval = max(CHECKPOINT_INTERVAL_S, self._writing_took / WRITING_SHARE)
        return any_of(time.monotonic() - self._saved >= interval)


def _short(loss: float) -> float:
    """Six digits that count: enough for an interval, and half as long in the progress file."""
    return float(f"{loss:.6g}")
