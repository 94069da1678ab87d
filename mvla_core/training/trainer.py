"""transformers' Trainer with this project's loss count, validation and whole checkpoints; the translation of a recipe for it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import Sampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mvla_core.policies.head import count_targets
from mvla_core.training.average import AveragedWeights
from mvla_core.training.checkpoints import finish_checkpoint, part_folder
from mvla_core.training.distributed import EpochSampler, wait_for_all
from mvla_core.training.ranks import world_size
from mvla_core.training.recipe import Recipe
from mvla_core.training.validation import Validation

_LOGGED_STEPS = 500
"""About so many `step` events a run, however many steps it has."""


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
        self._writing_into: Path | None = None
        if average is not None or sampler is not None:
            self.add_callback(_EachStep(average, sampler))

    def _get_train_sampler(self, *arguments: Any, **options: Any) -> EpochSampler | Sampler[int] | None:
        if self._sampler is not None:
            return self._sampler
        drawn: Sampler[int] | None = super()._get_train_sampler(*arguments, **options)
        return drawn

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the weights, and their average beside them."""
        super().save_model(output_dir, _internal_call)
        if self._average is not None and self.args.should_save and output_dir is not None:
            self._average.save(Path(output_dir))

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Let Trainer write aside, and name the checkpoint when every process has written its part of it."""
        checkpoints = Path(self.args.output_dir)
        written = part_folder(checkpoints)
        if self.args.should_save:
            shutil.rmtree(written, ignore_errors=True)
        wait_for_all()
        self._writing_into = written
        try:
            super()._save_checkpoint(model, trial)
            wait_for_all()
            if self.args.should_save:
                finish_checkpoint(checkpoints, self.state.global_step, self.args.world_size)
        except BaseException:
            # A full disk gets its space back at once.
            shutil.rmtree(written, ignore_errors=True)
            raise
        finally:
            self._writing_into = None

    def _get_output_dir(self, trial: Any) -> str:
        return str(super()._get_output_dir(trial)) if self._writing_into is None else str(self._writing_into)

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
