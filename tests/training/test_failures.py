"""Running out of memory or disk while training: recognised, and told in one sentence with the setting to change."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mvla_core.errors import RecipeError, RunError, Stopped
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT
from mvla_core.training import train
from mvla_core.training.failures import explained
from mvla_core.training.launch import prepare_run
from mvla_core.training.recipe import PRESETS, Recipe


def told(root: DataRoot, error: BaseException, recipe: Recipe) -> str:
    with pytest.raises(RunError) as caught, explained(recipe, root.run("r")):
        raise error
    assert caught.value.__cause__ is error
    return str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to allocate"
        ),
    ],
    ids=["gpu", "python", "torch on the processor"],
)
def test_out_of_memory_names_what_to_make_smaller(root: DataRoot, error: BaseException) -> None:
    sentence = told(root, error, PRESETS["briefing-fast"].recipe)
    assert sentence.startswith(
        f"The {'GPU' if isinstance(error, torch.OutOfMemoryError) else 'machine'} ran out of memory"
    )
    assert "turn gradient_checkpointing on, or choose fewer windows_per_item than 8" in sentence
    assert "batch_size below" not in sentence  # it is 1


def test_only_settings_that_can_be_made_smaller_are_named(root: DataRoot) -> None:
    compact = told(root, MemoryError(), Recipe(batch_size=4, gradient_accumulation=2))
    assert "batch_size below 4 (with gradient_accumulation 8 and batch_size 1" in compact
    assert "gradient_checkpointing on" not in compact
    assert "tuning lora" in told(root, MemoryError(), PRESETS["full"].recipe)
    assert "preset top-layers" in told(root, MemoryError(), PRESETS["briefing"].recipe)
    smallest = replace(PRESETS["top-layers"].recipe, windows_per_item=1, gradient_checkpointing=True)
    assert "use a machine with more" in told(root, MemoryError(), smallest)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
        type("SafetensorError", (Exception,), {})("Error while serializing: IoError: No space left on device"),
    ],
    ids=["python", "torch", "safetensors"],
)
def test_a_full_disk_names_the_folder_and_the_way_on(root: DataRoot, error: BaseException) -> None:
    sentence = told(root, error, Recipe())
    assert sentence.startswith(f"The disk that holds {root.run('r').path} is full")
    assert "then resume" in sentence


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes do not match"), ValueError("x"), Stopped("as asked"), OSError(5, "I/O")]
)
def test_everything_else_passes(root: DataRoot, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, explained(Recipe(), root.run("r")):
        raise error
    assert caught.value is error


def test_a_training_on_a_full_disk_fails_with_that_sentence(
    root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = prepare_run(root, colours, "tiny", {"window_size": 3, "chunk_size": 4, "epochs": 1}, seed=2)

    def full(policy: Any, folder: Path, extra: dict[str, Any]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    monkeypatch.setattr(train, "save_policy", full)
    with pytest.raises(RunError, match="is full, so that the training could not save"):
        train.train_run(root, run, SILENT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora_top_layers": 1, "backbone_dropout": 0.1, "backbone": "tiny"}, "would change at every step"),
        ({"lora_top_layers": 1, "lora_targets": "all", "backbone": "tiny"}, "trains the vision"),
        ({"lora_top_layers": 3, "backbone": "tiny"}, "more than the 2 layers"),
        ({"lora_top_layers": 25, "backbone": "kosmos2"}, "more than the 24 layers"),
        ({"lora_top_layers": 1, "tuning": "full", "backbone": "tiny"}, "does nothing with tuning 'full'"),
        ({"tuning": "full"}, "does not fit the backbone 'compact'"),
        ({"action_head": "direction"}, "Did you mean 'directions'"),
        ({"ema_decay": 1.0}, "a number from 0 to"),
        ({"curriculum": "hard_first"}, "expected one of none, simple_first"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Recipe().changed(changes)
