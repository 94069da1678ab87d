"""The receipt reads what will compute: a part that differs from the recipe is found even where the policy's description agrees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from mvla_core.errors import RecipeError
from mvla_core.policies.build import BuiltPolicy, build_policy
from mvla_core.policies.head import LSTMActionHead
from mvla_core.schema import ActionSequence, ActionSpace
from mvla_core.training.receipt import CarriedOut, check_receipt, effective_settings
from mvla_core.training.recipe import PRESETS, Recipe
from mvla_core.training.segments import PreparedEpisode, Segment, cut_segments
from mvla_core.training.train import policy_spec
from mvla_core.training.trainer import training_arguments

SHORT = {"window_size": 3, "chunk_size": 4, "batch_size": 2, "windows_per_item": 4}
GENERATOR = np.random.default_rng(0)
SEQUENCES = [
    ActionSequence(f"e{number}", GENERATOR.normal(size=(length, 2)).astype(np.float32))
    for number, length in enumerate((9, 12))
]


def built(recipe: Recipe) -> BuiltPolicy:
    return build_policy(policy_spec(recipe, ActionSpace.default(2), SEQUENCES), 0)


def segments_of(recipe: Recipe) -> list[Segment]:
    episodes = [PreparedEpisode(each, np.zeros((each.num_frames, 1), np.float32)) for each in SEQUENCES]
    normaliser = policy_spec(recipe, ActionSpace.default(2), SEQUENCES).normaliser
    return cut_segments(episodes, recipe.window, recipe.windows_per_item, normaliser)


def carried(recipe: Recipe, **other: Any) -> CarriedOut:
    simple_first = recipe.curriculum == "simple_first"
    values = {
        "patience": recipe.patience,
        "ema_decay": recipe.ema_decay,
        "curriculum_epochs": recipe.curriculum_epochs if simple_first else None,
        "segments": segments_of(recipe),
        "split_by": recipe.split_by,
        "augmentation": recipe.augmentation,
    }
    return CarriedOut(**values | other)


def check(recipe: Recipe, policy: BuiltPolicy, tmp_path: Path, **other: Any) -> None:
    arguments = training_arguments(recipe, tmp_path, steps=1, use_cpu=True)
    check_receipt(recipe, policy, arguments, carried(recipe, **other))


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        ("tiny", {}),
        ("tiny", {"lora_targets": "text_qv", "lora_top_layers": 1, "head_layers": 2, "head_dropout": 0.2}),
        ("tiny", {"lora_targets": "text_vision", "backbone_dropout": 0.1, "lora_dropout": 0.3}),
        ("tiny", {"lora_targets": "all", "lora_alpha": 9}),
        ("tiny", {"lora_top_layers": 2}),
        ("tiny", {"tuning": "full"}),
        ("tiny", {"action_head": "directions", "curriculum": "simple_first", "curriculum_epochs": 2}),
        ("tiny", {"chunk_ends": "drop", "windows_per_item": 64, "ema_decay": 0.5, "patience": 3}),
        ("tiny", {"chunk_size": 1}),
        ("compact", {"visual_channels": 16, "feature_dropout": 0.4, "lora_top_layers": 2}),
        ("compact", {"lora_targets": "text_qv", "backbone_dropout": 0.1}),
    ],
)
def test_what_was_asked_for_passes(tmp_path: Path, preset: str, changes: dict[str, Any]) -> None:
    recipe = PRESETS[preset].recipe.changed({**SHORT, **changes})
    policy = built(recipe)
    check(recipe, policy, tmp_path)
    arguments = training_arguments(recipe, tmp_path, steps=1, use_cpu=True)
    compared = effective_settings(policy, arguments) | carried(recipe).settings(recipe)
    # Everything that takes effect in this recipe is compared, but how short episodes are treated: the split says that.
    void = {"short_episodes"} | {
        name for name in recipe.to_json() if name.startswith("lora_") and recipe.tuning == "full"
    }
    void |= {"visual_channels", "feature_dropout"} if preset == "tiny" else set()
    void |= {"huber_delta"} if recipe.action_head == "directions" else {"curriculum_epochs"}
    void |= {"chunk_ends"} if recipe.chunk_size == 1 else set()
    assert set(recipe.to_json()) - set(compared) == void


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"learning_rate": 0.5}, "learning_rate is 0.001 where 0.5 was asked for"),
        ({"batch_size": 7}, "batch_size is 2 where 7 was asked for"),
        ({"lora_rank": 9}, "lora_rank is 4 where 9 was asked for"),
        ({"schedule": "constant", "seed": 8}, "seed is 0 where 8 was asked for"),
        ({"precision": "bf16"}, "precision is 'fp32' where 'bf16' was asked for"),
    ],
)
def test_a_training_that_would_not_be_what_was_asked_for_is_not_started(
    tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    recipe = PRESETS["tiny"].recipe.changed(SHORT)
    policy, arguments = built(recipe), training_arguments(recipe, tmp_path, steps=1, use_cpu=True)
    with pytest.raises(RecipeError, match="The training was not started") as caught:
        check_receipt(recipe.changed(changed), policy, arguments, carried(recipe))
    assert told in str(caught.value)


def head_of(policy: BuiltPolicy) -> LSTMActionHead:
    heads = [each for each in policy.network.modules() if isinstance(each, LSTMActionHead)]
    return next(each for each in heads if next(each.parameters()).requires_grad)


def wider(policy: BuiltPolicy) -> None:
    head_of(policy).lstm = nn.LSTM(64, 48, batch_first=True)


def without_dropout(policy: BuiltPolicy) -> None:
    head_of(policy).dropout.p = 0.0


def less_updates(policy: BuiltPolicy) -> None:
    """The second layer's updates are taken away again."""
    layer = policy.policy.backbone.text_model.model.layers[1]
    for part, names in ((layer.self_attn, ("q_proj", "k_proj", "v_proj", "out_proj")), (layer.ffn, ("fc1", "fc2"))):
        for name in names:
            setattr(part, name, getattr(part, name).base_layer)


def only_queries(policy: BuiltPolicy) -> None:
    for layer in policy.policy.backbone.text_model.model.layers:
        layer.ffn.fc1 = layer.ffn.fc1.base_layer


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (wider, "head_hidden is 48 where 32 was asked for"),
        (without_dropout, "head_dropout is 0.0 where 0.2 was asked for"),
        (less_updates, "lora_top_layers is 'other' where 0 was asked for"),
        (only_queries, "lora_targets is 'other' where 'text_all' was asked for"),
    ],
)
def test_a_network_that_is_not_its_description_is_not_trained(tmp_path: Path, spoil: Any, told: str) -> None:
    recipe = PRESETS["tiny"].recipe.changed({**SHORT, "head_dropout": 0.2})
    policy = built(recipe)
    spoil(policy)
    with pytest.raises(RecipeError, match="The training was not started") as caught:
        check(recipe, policy, tmp_path)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"patience": 7}, "patience is 7 where 0 was asked for"),
        ({"ema_decay": 0.9}, "ema_decay is 0.9 where 0.0 was asked for"),
        ({"curriculum_epochs": 4}, "curriculum is 'simple_first' where 'none' was asked for"),
        ({"split_by": "session"}, "split_by is 'session' where 'episode' was asked for"),
        ({"augmentation": "twice"}, "augmentation is 'twice' where '' was asked for"),
        ({"chunk_ends": "drop"}, "chunk_ends is 'drop' where 'mask' was asked for"),
        ({"windows_per_item": 3}, "windows_per_item is 3 where 4 was asked for"),
        ({"window_size": 2}, "window_size is 2 where 3 was asked for"),
    ],
)
def test_parts_made_with_other_values_are_found(tmp_path: Path, other: dict[str, Any], told: str) -> None:
    recipe = PRESETS["tiny"].recipe.changed(SHORT)
    cut = {
        name: value for name, value in other.items() if name in recipe.to_json() and name in SHORT | {"chunk_ends": 0}
    }
    rest = {name: value for name, value in other.items() if name not in cut}
    given = {"segments": segments_of(recipe.changed(cut)), **rest}
    with pytest.raises(RecipeError) as caught:
        check(recipe, built(recipe), tmp_path, **given)
    assert told in str(caught.value)


def test_an_alpha_that_the_layers_do_not_have_is_found(tmp_path: Path) -> None:
    recipe = PRESETS["tiny"].recipe.changed(SHORT)
    policy = built(recipe)
    spec = replace(policy.spec, lora_alpha=9)
    with pytest.raises(RecipeError, match="lora_alpha is 4 where 9 was asked for"):
        check(recipe.changed({"lora_alpha": 9}), replace(policy, spec=spec), tmp_path)
