"""How many parameters a preset trains, for the audit's ratio of training windows to them. Torch-free and exact."""

from __future__ import annotations

from mvla_core.audit.table import PresetSize
from mvla_core.errors import RecipeError, did_you_mean
from mvla_core.policies.parameters import trainable_parameters
from mvla_core.training.recipe import PRESETS


def preset_size(name: str, chunk_size: int | None = None) -> PresetSize:
    """Return the trainable parameters of a preset with two and with three action dimensions.

    Args:
        name: One of `PRESETS`.
        chunk_size: Predicted actions; None takes the preset's own.

    Raises:
        RecipeError: There is no such preset.
    """
    if name not in PRESETS:
        raise RecipeError(
            f"The preset {name!r} is unknown: expected one of {', '.join(PRESETS)}.{did_you_mean(name, PRESETS)}"
        )
    recipe = PRESETS[name].recipe
    two, three = (
        trainable_parameters(
            recipe.backbone,
            rank=recipe.lora_rank,
            targets=recipe.lora_targets,
            head_hidden=recipe.head_hidden,
            head_layers=recipe.head_layers,
            outputs=(chunk_size or recipe.chunk_size) * num_dims,
            visual_channels=recipe.visual_channels,
            tuning=recipe.tuning,
            top_layers=recipe.lora_top_layers,
        )["total"]
        for num_dims in (2, 3)
    )
    return PresetSize(name, (two, three))
