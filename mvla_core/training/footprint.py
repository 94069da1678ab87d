"""What a training occupies, by a formula: memory while it computes, and space on the disk. Torch-free.

The terms of Kosmos-2 fit what was measured on its real size: 6.1 GiB for four frames with LoRA on the text model, 9.1 for
eleven, 12.5 for eighteen, 9.0 with LoRA everywhere, 5.65 with checkpointing, 5.6 for eighteen frames with the top 8 layers.
"""

from __future__ import annotations

from mvla_core.policies.parameters import SHAPES, TOTAL_KOSMOS2
from mvla_core.policies.spec import TEXT_ONLY_TARGETS
from mvla_core.training.recipe import Recipe

_LIBRARIES = 600_000_000
"""Bytes of the interpreter with torch, transformers and PEFT loaded."""
_OPTIMISED = 16
"""Bytes of a trained parameter: 32-bit weight, gradient and AdamW's two moments."""
_NUMBER = 4
"""Bytes of a 32-bit number: of a parameter's average, or of a stored one."""
_TEXT_FRAME = 483_000_000
_VISION_FRAME = 760_000_000
"""Bytes of activations that a frame leaves behind in Kosmos-2's text and vision model until the backward pass."""
_TEXT_FRAME_AGAIN = 140_000_000
_VISION_FRAME_AGAIN = 205_000_000
"""The same where activations are computed again."""
_PARTIAL = 0.6
"""The top layers alone keep less than their share: what lies below them needs no gradient."""
_SMALL = {"compact": (180_000_000, 1_000_000), "tiny": (60_000_000, 1_200_000)}
"""Bytes of the weights of a small backbone in use, and of a frame."""

MOST_CHECKPOINTS = 3
"""Two are kept, and the oldest of them is deleted only after a new one is written."""
_POLICIES = 2
"""Stored policies: the best and the last."""
_RUN_FILES = 5_000_000
"""Bytes of what a run writes besides: records, curves, predictions, event files."""


def frames_in_work(recipe: Recipe, longest_windows: int) -> int:
    """Return how many frames a forward pass holds at most.

    Args:
        recipe: Its batch, windows an item and window.
        longest_windows: Windows of the longest training episode.
    """
    windows = max(1, min(recipe.windows_per_item, longest_windows))
    return recipe.batch_size * (windows + recipe.window_size - 1)


def memory_bytes(recipe: Recipe, parameters: int, frames: int) -> int:
    """Estimate the memory of a training process at its highest, in bytes.

    Args:
        recipe: What is trained.
        parameters: Trained ones.
        frames: As `frames_in_work` gives them.
    """
    return _LIBRARIES + gpu_memory_bytes(recipe, parameters, frames)


def gpu_memory_bytes(recipe: Recipe, parameters: int, frames: int) -> int:
    """Estimate the memory of a training's tensors alone, in bytes: what a GPU holds besides CUDA's own.

    Args:
        recipe, parameters, frames: As for `memory_bytes`.
    """
    kept = parameters * (_OPTIMISED + (_NUMBER if recipe.ema_decay else 0))
    if recipe.backbone != "kosmos2":
        return _SMALL[recipe.backbone][0] + kept + frames * _SMALL[recipe.backbone][1]
    wide = 2 if recipe.precision == "fp32" else 1
    return _base_bytes(recipe) + kept + int(frames * _kosmos_frame(recipe) * wide)


def beginning_bytes(recipe: Recipe, parameters: int) -> int:
    """Estimate the memory while a training takes over another policy's parameters: both policies with their weights.

    Args:
        recipe: What is trained.
        parameters: Trained ones.
    """
    base = _SMALL[recipe.backbone][0] if recipe.backbone != "kosmos2" else _base_bytes(recipe)
    return _LIBRARIES + 2 * (base + parameters * _NUMBER)


def _base_bytes(recipe: Recipe) -> int:
    """The frozen weights of Kosmos-2; tuned in full they are among the trained ones."""
    return 0 if recipe.tuning == "full" else TOTAL_KOSMOS2 * (4 if recipe.precision == "fp32" else 2)


def _kosmos_frame(recipe: Recipe) -> float:
    again = recipe.gradient_checkpointing
    text = float(_TEXT_FRAME_AGAIN if again else _TEXT_FRAME)
    layers = SHAPES["kosmos2"].text_layers
    if 0 < recipe.lora_top_layers < layers and recipe.tuning != "full":
        text *= _PARTIAL * recipe.lora_top_layers / layers
    if recipe.tuning != "full" and recipe.lora_targets in TEXT_ONLY_TARGETS:
        return text
    return text + (_VISION_FRAME_AGAIN if again else _VISION_FRAME)


def run_bytes(recipe: Recipe, parameters: int) -> int:
    """Estimate the disk space of a run's folder at its fullest: the best and the last policy, checkpoints, records.

    Args:
        recipe: What is trained; a checkpoint holds the average of the weights where one is kept.
        parameters: Trained ones; a checkpoint holds each with AdamW's two moments.
    """
    numbers = _POLICIES + MOST_CHECKPOINTS * (4 if recipe.ema_decay else 3)
    return parameters * _NUMBER * numbers + _RUN_FILES


def start_bytes(parameters: int) -> int:
    """The disk space of the policy that an extension begins with, which it keeps."""
    return parameters * _NUMBER
