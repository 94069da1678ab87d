"""The recipe: one definition of each setting, and no value that silently does nothing."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.errors import RecipeError
from mvla_core.training.machine import check_machine
from mvla_core.training.recipe import PRESETS, Recipe, recipe_fields
from mvla_core.training.settings import GROUPS, RecipeField


@pytest.mark.parametrize("described", recipe_fields(), ids=lambda described: described.name)
def test_every_setting_is_described_and_its_default_is_allowed(described: RecipeField) -> None:
    assert described.label
    assert described.help.endswith(".")
    assert described.group in GROUPS
    assert getattr(Recipe(), described.name) == described.default
    if described.kind in ("int", "float"):
        assert described.minimum is not None
        assert described.maximum is not None
        assert described.minimum <= described.default <= described.maximum
    if described.kind == "choice":
        assert described.default in described.choices
        assert all(described.choices.values())


def test_the_definition_covers_the_recipe_and_nothing_else() -> None:
    assert [described.name for described in recipe_fields()] == [each.name for each in dataclasses.fields(Recipe)]


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_survive_json(name: str) -> None:
    recipe = PRESETS[name].recipe
    assert PRESETS[name].name == name
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_the_briefing_is_the_briefing() -> None:
    recipe = PRESETS["briefing"].recipe
    expected = {
        "backbone": "kosmos2",
        "lora_rank": 32,
        "lora_alpha": 16,
        "lora_dropout": 0.1,
        "lora_targets": "text_all",
        "head_hidden": 512,
        "window_size": 4,
        "chunk_size": 10,
        "huber_delta": 1.0,
        "learning_rate": 1e-4,
        "weight_decay": 0.01,
        "schedule": "cosine",
        "batch_size": 1,
        "windows_per_item": 1,
        "gradient_accumulation": 8,
        "gradient_clip": 1.0,
        "precision": "fp16",
        "epochs": 20,
        "normaliser": "clamp",
        "chunk_ends": "drop",
        "seed": 123,
    }
    assert {name: getattr(recipe, name) for name in expected} == expected


def test_unknown_settings_suggest_the_nearest() -> None:
    with pytest.raises(RecipeError, match="no setting 'learning_rat'. Did you mean 'learning_rate'?"):
        Recipe.from_json({"learning_rat": 1e-3})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epochs", 0, "whole number from 1 to 10000"),
        ("epochs", 2.5, "whole number from 1 to 10000"),
        ("epochs", True, "whole number"),
        ("epochs", "many", "whole number"),
        ("learning_rate", float("nan"), "a number from 1e-07 to 1"),
        ("head_dropout", -0.1, "from 0 to 0.9"),
        ("precision", "fp61", "Did you mean 'fp16'"),
        ("gradient_checkpointing", "perhaps", "true or false"),
        ("base_model", 3, "a text"),
        ("visual_channels", 20, "multiple of 8"),
        ("lora_targets", "all", "whose vision is frozen"),
        ("base_model", "a/b", "brings its own weights"),
        ("gradient_checkpointing", True, "does nothing for the backbone 'compact'"),
    ],
)
def test_values_that_cannot_be_used_are_refused(name: str, value: Any, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Recipe().changed({name: value})


def test_texts_of_the_command_line_are_converted() -> None:
    given = {
        "epochs": " 7",
        "learning_rate": "3e-4",
        "gradient_checkpointing": "on",
        "backbone": "tiny",
        "huber_delta": 2,
    }
    recipe = Recipe().changed(given)
    assert (recipe.epochs, recipe.learning_rate, recipe.gradient_checkpointing) == (7, 3e-4, True)
    assert recipe.huber_delta == 2.0
    assert isinstance(recipe.huber_delta, float)


@given(st.data())
def test_any_number_is_taken_or_refused_by_its_range(data: st.DataObject) -> None:
    numeric = [described for described in recipe_fields() if described.kind in ("int", "float")]
    described = data.draw(st.sampled_from(numeric))
    value = data.draw(st.integers(-10, 20_000) if described.kind == "int" else st.floats(-10, 20_000))
    assert described.minimum is not None
    assert described.maximum is not None
    inside = described.minimum <= value <= described.maximum
    if inside and not (described.name == "visual_channels" and value % 8):
        assert getattr(Recipe().changed({described.name: value}), described.name) == value
    else:
        with pytest.raises(RecipeError, match=described.name):
            Recipe().changed({described.name: value})


def test_fp16_without_cuda_is_refused_with_the_alternative() -> None:
    recipe = PRESETS["briefing"].recipe
    with pytest.raises(RecipeError, match=r"needs a CUDA GPU.*--precision bf16.*preset 'compact'"):
        check_machine(recipe, has_cuda=False)
    check_machine(recipe, has_cuda=True)
    check_machine(PRESETS["compact"].recipe, has_cuda=False)


def test_form_and_launch_load_no_torch() -> None:
    code = (
        "import sys, mvla_core.training.recipe, mvla_core.training.launch, mvla_core.training.forecast;"
        "assert not {'torch', 'transformers', 'peft', 'accelerate'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
