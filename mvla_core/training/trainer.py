"""transformers' Trainer with this project's loss count, validation, progress, early stop and cooperative stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from torch.utils.data import Sampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mvla_core.errors import RunError
from mvla_core.policies.head import count_targets
from mvla_core.progress import Progress
from mvla_core.runs.tensorboard import ScalarEvents
from mvla_core.schema import ActionSpace
from mvla_core.training.average import AveragedWeights
from mvla_core.training.distributed import EpochSampler, any_of
from mvla_core.training.ranks import world_size
from mvla_core.training.recipe import Recipe
from mvla_core.training.validation import Validation

_LOGGED_STEPS = 500
"""About so many `step` events a run, however many steps it has."""


CHECKPOINT_INTERVAL_S = 30.0
"""A checkpoint is written at the end of the first epoch after so many seconds, at a stop, and at the end."""


class PolicyTrainer(Trainer):  # type: ignore[misc]
    """Averages the loss over all numbers of an optimiser step, and validates by episode in physical units."""

    control: TrainerControl

    def __init__(
        self,
        *,
        run_validation: Callable[[], Validation],
        average: AveragedWeights | None = None,
        sampler: EpochSampler | None = None,
        **arguments: Any,
    ) -> None:
        self._sampler = sampler  # before Trainer's own, which may ask for it
        super().__init__(**arguments)
        self._run_validation = run_validation
        self._average = average
        if average is not None or sampler is not None:
            self.add_callback(_EachStep(average, sampler))

    def _get_train_sampler(self, *arguments: Any, **options: Any) -> EpochSampler | Sampler[int] | None:
        if self._sampler is not None:
            return self._sampler
        drawn: Sampler[int] | None = super()._get_train_sampler(*arguments, **options)
        return drawn

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the weights, and their average beside them: a checkpoint's last file is written after both."""
        super().save_model(output_dir, _internal_call)
        if self._average is not None and self.args.should_save and output_dir is not None:
            self._average.save(Path(output_dir))

    def get_batch_samples(
        self, epoch_iterator: Iterator[dict[str, torch.Tensor]], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, torch.Tensor]], torch.Tensor | None]:
        """Return the batches of one optimiser step and how many numbers its loss averages.

        Trainer would count label entries; masked ones must not count, or items at the end of an episode would weigh more.
        """
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        if not batches:
            return batches, None
        counts = [count_targets(batch["labels_mask"], batch["labels"].shape[-1]) for batch in batches]
        total = torch.stack(counts).sum().to(device)
        if self.args.world_size > 1:
            total = self.accelerator.gather(total).sum()
        return batches, total

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Run the project's own validation in place of Trainer's loop, whose predictions must have one fixed shape.

        Where an average of the weights is kept, it is that which is validated, and kept if it is the best.
        """
        with nullcontext() if self._average is None else self._average.applied():
            measured = self._run_validation()
            metrics = {"eval_loss": measured.loss, "eval_rmse": measured.rmse}
            self.log(metrics)
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class _EachStep(TrainerCallback):  # type: ignore[misc]
    """Keeps the average of the weights, and tells the curriculum which epoch begins."""

    def __init__(self, average: AveragedWeights | None, sampler: EpochSampler | None) -> None:
        self._average = average
        self._sampler = sampler

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        # Trainer's own way to tell a sampler does not reach it after a resume within an epoch with several processes.
        if self._sampler is not None:
            self._sampler.set_epoch(math.floor((state.epoch or 0.0) + 1e-6))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        if self._average is not None:
            self._average.update()


@dataclass(frozen=True)
class Best:
    """The epoch with the lowest validation loss."""

    epoch: int
    val_loss: float


def best_of(history: list[dict[str, Any]]) -> Best | None:
    """Return the best epoch of Trainer's log history, which a resumed training has read back; None before the first."""
    evaluated = [Best(round(entry["epoch"]), entry["eval_loss"]) for entry in history if "eval_loss" in entry]
    return min(evaluated, key=lambda best: best.val_loss, default=None)


def train_loss_of(history: list[dict[str, Any]], epoch: int) -> float:
    """Return the mean training loss of an epoch (1-based) from Trainer's log history; not a number where none was logged.

    An entry holds the mean over the steps since the entry before it.
    """
    total, steps, before = 0.0, 0, 0
    for entry in history:
        if "loss" in entry:
            if epoch - 1 < entry["epoch"] <= epoch:
                total += entry["loss"] * (entry["step"] - before)
                steps += entry["step"] - before
            before = entry["step"]
    return total / steps if steps else math.nan


class RunCallback(TrainerCallback):  # type: ignore[misc]
    """Tells progress, keeps the best adapter, stops early, and stops when asked.

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
        self._patience = patience
        self._train_windows = train_windows
        self._save_best = save_best
        self._after_epoch = after_epoch
        self._scalars = scalars
        self._space = space
        self._process = psutil.Process()
        self._named: Sequence[str] = ()
        self._last_log = (0, 0.0)
        self._began = self._saved = 0.0
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
            control.should_save = True
            control.should_training_stop = True

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
            used["gpu_memory_bytes"] = torch.cuda.max_memory_allocated()
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
            control.should_save = self.stopped or state.epoch == state.num_train_epochs or self._is_due()

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        assert self.validation is not None, "the validation is run before its callback"
        epoch = round(state.epoch or 0.0)
        best = best_of(state.log_history)
        assert best is not None, "the validation was logged before its callback"
        if best.epoch == epoch:
            self._save_best(epoch, self.validation)
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
            val_huber=self.validation.huber,
            best_epoch=best.epoch,
            eta_seconds=round(per_epoch * (state.num_train_epochs - epoch), 1),
            val_loss_by_episode=[_short(loss) for loss in self.validation.loss_by_episode.values()],
        )
        if self._patience and epoch - best.epoch >= self._patience:
            control.should_training_stop = True
            control.should_save = True

    def _named_axes(self, values: Sequence[float]) -> dict[str, float]:
        """Name the errors of the axes with their units, as in "linear_x [m/s]"."""
        if self._space is None:
            return {}
        axes = zip(self._space.names, self._space.units, values, strict=True)
        return {f"{name} [{unit}]": value for name, unit, value in axes}

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        self._saved = time.monotonic()

    def _is_due(self) -> bool:
        return any_of(time.monotonic() - self._saved >= CHECKPOINT_INTERVAL_S)


def _short(loss: float) -> float:
    """Six digits that count: enough for an interval, and half as long in the progress file."""
    return float(f"{loss:.6g}")


def training_arguments(recipe: Recipe, checkpoints: Path, *, steps: int, use_cpu: bool) -> TrainingArguments:
    """Translate a recipe; `steps` is about how many the training takes, for the spacing of the log.

    What this machine cannot honour was refused before (see `machine.check_machine`).
    """
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size // world_size(),
        gradient_accumulation_steps=recipe.gradient_accumulation,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        lr_scheduler_type="cosine" if recipe.schedule == "cosine" else "constant_with_warmup",
        warmup_steps=recipe.warmup_steps,
        max_grad_norm=recipe.gradient_clip,
        optim="adamw_torch",
        logging_strategy="steps",
        logging_steps=max(1, steps // _LOGGED_STEPS),
        logging_nan_inf_filter=False,
        eval_strategy="epoch",
        save_strategy="no",  # `RunCallback` saves by time: a checkpoint may cost more than a short epoch
        save_total_limit=2,
        seed=recipe.seed,
        use_cpu=use_cpu,
        bf16=recipe.precision == "bf16",
        fp16=recipe.precision == "fp16",
        activation_checkpointing=recipe.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False} if recipe.gradient_checkpointing else None,
        remove_unused_columns=False,
        label_names=["labels", "labels_mask"],
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        ddp_find_unused_parameters=False,
    )
    # Several GPUs in one process would split tensors whose rows belong together; torchrun is the way to use more than one.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
