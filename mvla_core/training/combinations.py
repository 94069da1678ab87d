"""Settings of a recipe that contradict each other are refused, so that none silently does nothing. Torch-free.

What contradicts is refused in every recipe. What merely does nothing beside the other settings is refused where a training is
asked for and somebody changed it: every recipe holds a value of it, and the recipe of an older run must still be readable.
"""

from __future__ import annotations

from collections.abc import Iterable
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


MAY_BE_VOID = (
    *("curriculum_epochs", "huber_delta", "visual_channels", "feature_dropout"),
    *("lora_rank", "lora_alpha", "lora_dropout", "lora_targets"),
)
"""Settings that do nothing beside some values of others."""


def refuse_void(recipe: Recipe, bases: Iterable[Recipe]) -> None:
    """Refuse a setting that does nothing in this recipe and that somebody changed.

    Args:
        recipe: What is asked for.
        bases: Recipes that were begun with: their value of such a setting was not changed.

    Raises:
        RecipeError: A setting that does nothing differs from that of every base.
    """
    known = list(bases)
    if recipe.curriculum == "simple_first" and recipe.curriculum_epochs == 1:
        raise RecipeError(
            "curriculum 'simple_first' does nothing with curriculum_epochs 1: the first epoch uses all episodes already; choose 2 "
            "or more, or curriculum 'none'."
        )
    for name, why, remedy in _void(recipe):
        value = getattr(recipe, name)
        if all(value != getattr(base, name) for base in known):
            told = repr(value) if isinstance(value, str) else f"{value:g}"
            raise RecipeError(f"{name} {told} does nothing {why}; {remedy}.")


def warm_up_too_long(recipe: Recipe, steps: int) -> str | None:
    """Say that the learning rate never becomes what the recipe names; None where it does.

    Args:
        recipe: Its warm-up.
        steps: Optimiser steps of all its epochs.
    """
    if recipe.warmup_steps < max(steps, 1):
        return None
    return (
        f"The learning rate never reaches {recipe.learning_rate:g}: warmup_steps {recipe.warmup_steps} is not less than the "
        f"{steps} steps of all {recipe.epochs} epochs."
    )


def _void(recipe: Recipe) -> Iterable[tuple[str, str, str]]:
    """Yield each setting that does nothing in this recipe, beside what, and what to do."""
    if recipe.curriculum == "none":
        yield "curriculum_epochs", "without a curriculum", "choose curriculum 'simple_first', or leave it out"
    if recipe.action_head == "directions":
        yield "huber_delta", "with action_head 'directions', whose loss is the cross-entropy", "leave it out"
    if recipe.backbone != "compact":
        for name in ("visual_channels", "feature_dropout"):
            yield name, f"for the backbone {recipe.backbone!r}, only for 'compact'", "leave it out"
    if recipe.tuning == "full":
        for name in ("lora_rank", "lora_alpha", "lora_dropout", "lora_targets"):
            yield name, "with tuning 'full', which has no low-rank updates", "leave it out, or choose tuning 'lora'"
