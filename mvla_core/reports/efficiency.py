"""Training efficiency of a run: parameters, memory by a stated formula, speed, convergence. From stored files only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mvla_core.training.forecast import estimate
from mvla_core.training.recipe import Recipe

BYTES_TRAINED = 16
"""Of each trained parameter: weight, gradient and AdamW's two moments, 4 bytes each."""
BYTES_FROZEN = {"fp32": 4, "bf16": 2, "fp16": 2}
GIB = 2**30
FALL_SHARE = 0.9
"""Converged is called the first epoch that has made this share of the whole fall of the validation loss."""


def training_efficiency(
    config: Mapping[str, Any],
    ending: Mapping[str, Any],
    losses: Mapping[str, Any],
    action_dims: int,
    train_windows: int | None,
) -> dict[str, Any]:
    """Return parameters, memory, speed, convergence and settings; what a run has not recorded is None.

    Args:
        config: `config.json`: its recipe, and its forecast where it has one.
        ending: `result.json`; empty while there is none.
        losses: `results["losses"]`.
        action_dims: Of the policy.
        train_windows: Of an epoch.
    """
    recipe = Recipe.from_json(config["recipe"])
    sized = estimate(recipe, train_frames=[], validation_frames=[], action_dims=action_dims, cores=1, has_cuda=False)
    trained = int((ending.get("trainable_parameters") or sized.parameters)["total"])
    frozen = sized.frozen_parameters
    forecast = config.get("forecast") or {}
    windows = forecast.get("train_windows") or train_windows
    seconds, epochs = ending.get("seconds"), ending.get("epochs_done") or len(losses["epochs"]) or None
    frozen_bytes = BYTES_FROZEN[recipe.precision]
    static = frozen * frozen_bytes + trained * BYTES_TRAINED
    full = (frozen + trained) * BYTES_TRAINED
    peak = ending.get("peak_memory_bytes")
    return {
        "parameters": {
            "trained": trained,
            "parts": {name: count for name, count in sized.parameters.items() if name != "total"},
            "frozen": frozen,
            "share": trained / (frozen + trained),
        },
        "memory": {
            "bytes_trained": BYTES_TRAINED,
            "bytes_frozen": frozen_bytes,
            "adapter_gib": static / GIB,
            "full_gib": full / GIB,
            "times_less": full / static,
            "peak_gib": None if peak is None else peak / GIB,
        },
        "speed": {
            "seconds": seconds,
            "epochs": epochs,
            "epoch_seconds": seconds / epochs if seconds and epochs else None,
            "train_windows": windows,
            "windows_per_second": windows * epochs / seconds if windows and seconds and epochs else None,
        },
        "convergence": _convergence(losses),
        "settings": {
            name: getattr(recipe, name)
            for name in (
                "backbone",
                "precision",
                "schedule",
                "warmup_steps",
                "learning_rate",
                "weight_decay",
                "batch_size",
                "gradient_accumulation",
                "gradient_clip",
                "gradient_checkpointing",
                "epochs",
                "patience",
                "augmentation",
                "split_by",
                "lora_rank",
                "lora_alpha",
                "lora_targets",
            )
        },
    }


def _convergence(losses: Mapping[str, Any]) -> dict[str, Any]:
    rows = [row for row in losses["epochs"] if row["val_loss"] is not None]
    if len(rows) < 2:
        return {"measured": False}
    first, best = rows[0]["val_loss"], min(row["val_loss"] for row in rows)
    bound = first - FALL_SHARE * (first - best)
    return {
        "measured": True,
        "share": FALL_SHARE,
        "epoch": next(row["epoch"] for row in rows if row["val_loss"] <= bound),
        "best_epoch": losses["best_epoch"],
        "last_epoch": rows[-1]["epoch"],
        "best_loss": best,
    }
