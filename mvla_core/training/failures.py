"""What a machine can run out of while training, told in one sentence with the setting to change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mvla_core.errors import MvlaError, RunError
from mvla_core.jobs.diagnosis import diagnose_exception, is_full, is_unnamed_write
from mvla_core.layout import RunFolder
from mvla_core.training.recipe import Recipe

_MEMORY = re.compile(r"out of memory|(can't|cannot) allocate memory|not enough memory", re.IGNORECASE)


@contextmanager
def explained(recipe: Recipe, run: RunFolder) -> Iterator[None]:
    """Turn running out of memory or disk into a `RunError` that names the setting to change; everything else passes.

    Args:
        recipe: Whose settings are named.
        run: Where the training writes.
    """
    try:
        yield
    except MvlaError:
        raise
    except Exception as error:
        if _is_memory(error):
            raise RunError(_memory_sentence(recipe, _on_gpu(error))) from error
        # torch hides why it could not write, and safetensors' own error holds the system's words alone.
        hidden = is_unnamed_write(str(error)) and is_full(run.path)
        if hidden or diagnose_exception(error) == "disk_full":
            raise RunError(_disk_sentence(run)) from error
        raise


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and _MEMORY.search(str(error)) is not None


def _on_gpu(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "CUDA" in str(error)


def _memory_sentence(recipe: Recipe, on_gpu: bool) -> str:
    """Name what can still be made smaller, the setting that changes the result least first."""
    ways = []
    if recipe.backbone != "compact" and not recipe.gradient_checkpointing:
        ways.append("turn gradient_checkpointing on")
    if recipe.batch_size > 1:
        kept = recipe.batch_size * recipe.gradient_accumulation
        ways.append(
            f"choose a batch_size below {recipe.batch_size} (with gradient_accumulation {kept} and batch_size 1 the steps stay the "
            "same)"
        )
    if recipe.windows_per_item > 1:
        ways.append(f"choose fewer windows_per_item than {recipe.windows_per_item}")
    if recipe.tuning == "full":
        ways.append("choose tuning lora, which needs about a sixth")
    elif recipe.backbone == "kosmos2" and recipe.lora_top_layers == 0:
        ways.append("choose the preset top-layers")
    if not ways:
        ways.append("close other programs, or use a machine with more")
    return (
        f"The {'GPU' if on_gpu else 'machine'} ran out of memory while training; {', or '.join(ways)}. Checkpoints that "
        "were written until then are kept."
    )


def _disk_sentence(run: RunFolder) -> str:
    return (
        f"The disk that holds {run.path} is full, so that the training could not save its state; free space there (cached features "
        "can always be deleted), then resume: the last complete checkpoint is kept."
    )
