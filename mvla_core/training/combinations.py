"""Settings of a recipe that contradict each other are refused, so that none silently does nothing. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvla_core.errors import RecipeError
from mvla_core.policies.parameters import SHAPES
from mvla_core.policies.spec import TEXT_ONLY_TARGETS

if TYPE_CHECKING:
    from mvla_core.training.recipe import Recipe


def check_combination(recipe: Recipe) -> None:
    """Raise `RecipeError` where one setting makes another one wrong or void."""
    if recipe.backbone == "compact":
        _check_compact(recipe)
    if recipe.base_model and recipe.backbone != "kosmos2":
        raise RecipeError(
            f"base_model {recipe.base_model!r} does not fit the backbone {recipe.backbone!r}, which brings its own weights; "
            "leave it empty, or choose the backbone 'kosmos2'."
        )
    if recipe.visual_channels % 8:
        raise RecipeError(f"visual_channels must be a multiple of 8; found {recipe.visual_channels}.")
    if recipe.lora_top_layers:
        _check_top_layers(recipe)


def _check_compact(recipe: Recipe) -> None:
    if recipe.lora_targets not in TEXT_ONLY_TARGETS:
        raise RecipeError(
            f"lora_targets {recipe.lora_targets!r} does not fit the backbone 'compact', whose vision is frozen; "
            f"choose one of {', '.join(TEXT_ONLY_TARGETS)}."
        )
    if recipe.gradient_checkpointing:
        raise RecipeError("gradient_checkpointing does nothing for the backbone 'compact'; leave it off.")
    if recipe.tuning == "full":
        raise RecipeError(
            "tuning 'full' does not fit the backbone 'compact', whose vision is frozen; choose tuning 'lora', or the backbone "
            "'kosmos2'."
        )


def _check_top_layers(recipe: Recipe) -> None:
    asked, layers = recipe.lora_top_layers, SHAPES[recipe.backbone].text_layers
    if recipe.tuning == "full":
        raise RecipeError(
            f"lora_top_layers {asked} does nothing with tuning 'full', which trains every layer; set it to 0."
        )
    # A local folder may hold a model of another size; it is asked when it is loaded.
    if asked > layers and not recipe.base_model:
        raise RecipeError(
            f"lora_top_layers {asked} is more than the {layers} layers of the language model of the backbone "
            f"{recipe.backbone!r}; choose 1 to {layers}, or 0 for all."
        )
    if recipe.lora_targets not in TEXT_ONLY_TARGETS:
        raise RecipeError(
            f"lora_top_layers {asked} needs everything below those layers frozen, but lora_targets {recipe.lora_targets!r} "
            f"trains the vision; choose one of {', '.join(TEXT_ONLY_TARGETS)}."
        )
    if recipe.backbone != "compact" and recipe.backbone_dropout > 0:
        raise RecipeError(
            f"lora_top_layers {asked} keeps what the frozen layers give, which a backbone_dropout of "
            f"{recipe.backbone_dropout:g} would change at every step; set backbone_dropout to 0, or lora_top_layers to 0."
        )
