"""A setting that would do nothing is refused where somebody changed it, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from mvla_core.errors import RecipeError
from mvla_core.files import read_json
from mvla_core.layout import DataRoot
from mvla_core.training.launch import prepare_run, resolve_recipe
from mvla_core.training.recipe import PRESETS, Recipe


@pytest.mark.parametrize(
    ("preset", "overrides", "told"),
    [
        ("compact", {"curriculum_epochs": 3}, "curriculum_epochs 3 does nothing without a curriculum"),
        (
            "compact",
            {"curriculum": "simple_first", "curriculum_epochs": 1},
            "the first epoch uses all episodes already",
        ),
        (
            "tiny",
            {"action_head": "directions", "huber_delta": 2},
            "huber_delta 2 does nothing with action_head 'directions'",
        ),
        ("tiny", {"tuning": "full", "lora_rank": 9}, "lora_rank 9 does nothing with tuning 'full'"),
        ("full", {"lora_alpha": 9}, "lora_alpha 9 does nothing"),
        ("full", {"lora_dropout": 0.3}, "lora_dropout 0.3 does nothing"),
        ("full", {"lora_targets": "all"}, "lora_targets 'all' does nothing"),
        ("briefing-fast", {"visual_channels": 64}, "visual_channels 64 does nothing for the backbone 'kosmos2'"),
        ("briefing-fast", {"feature_dropout": 0.2}, "feature_dropout 0.2 does nothing for the backbone 'kosmos2'"),
    ],
)
def test_what_does_nothing_is_refused_in_one_sentence(preset: str, overrides: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        resolve_recipe(preset, overrides)
    assert told in str(caught.value)
    assert Recipe.from_json(PRESETS[preset].recipe.changed(overrides).to_json()), (
        "a run that was made with it still opens"
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_and_every_whole_recipe_of_one_is_accepted(preset: str) -> None:
    recipe = PRESETS[preset].recipe
    assert resolve_recipe(preset, {}) == recipe
    assert resolve_recipe(preset, recipe.to_json()) == recipe
    assert resolve_recipe("compact", recipe.to_json()) == recipe, "whichever it is said to begin with"


def test_values_that_nobody_changed_are_accepted() -> None:
    assert resolve_recipe("compact", {"backbone": "tiny"}).feature_dropout == 0.2
    assert resolve_recipe("tiny", {"tuning": "full"}).lora_rank == 4
    assert resolve_recipe("compact", {"curriculum": "simple_first", "curriculum_epochs": 6}).curriculum_epochs == 6
    with pytest.raises(RecipeError, match="huber_delta 3 does nothing"):
        resolve_recipe("tiny", PRESETS["tiny"].recipe.to_json() | {"action_head": "directions", "huber_delta": 3.0})


def test_a_learning_rate_that_is_never_reached(root: DataRoot, colours: str) -> None:
    # Six episodes in batches of two: three steps an epoch.
    short = {"window_size": 3, "chunk_size": 4, "batch_size": 2, "epochs": 4}
    with pytest.raises(
        RecipeError, match="warmup_steps 12 is not less than the 12 steps of all 4 epochs; choose fewer"
    ):
        prepare_run(root, colours, "tiny", {**short, "warmup_steps": 12})
    assert not root.runs.exists()
    assert read_json(prepare_run(root, colours, "tiny", {**short, "warmup_steps": 11}).config)["notes"] == []
    # The preset's own warm-up is told, not refused: nobody asked for it.
    notes = read_json(prepare_run(root, colours, "compact", short).config)["notes"]
    assert [note for note in notes if "never reaches 0.001: warmup_steps 20 is not less than the 12 steps" in note]


def test_a_curriculum_that_never_ends_is_told(root: DataRoot, colours: str) -> None:
    chosen = {"window_size": 3, "chunk_size": 4, "curriculum": "simple_first", "curriculum_epochs": 4}
    notes = read_json(prepare_run(root, colours, "tiny", {**chosen, "epochs": 3}).config)["notes"]
    assert notes == [
        "The curriculum takes 4 epochs until all training episodes take part and the training has 3: the most difficult episodes "
        "are never seen."
    ]
    assert read_json(prepare_run(root, colours, "tiny", {**chosen, "epochs": 4}).config)["notes"] == []
