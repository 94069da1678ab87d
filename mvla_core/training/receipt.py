"""The receipt of a training: what the trainer really uses is compared with what was asked for, before the first step.

Values are read from what will compute, not from the policy's description, which is the recipe's copy: the head's and the picture
branch's from their modules, LoRA's from the layers that carry it, the optimiser's from Trainer's arguments, how episodes are cut
from the cut items. Backbone, base weights and normalisation alone are the description's: it is what they are built from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import TrainingArguments

from mvla_core.errors import RecipeError
from mvla_core.policies.build import COMPACT_TARGETS, KOSMOS_TARGETS, BuiltPolicy
from mvla_core.policies.head import DirectionHead, LSTMActionHead, RegressionHead
from mvla_core.training.recipe import Recipe
from mvla_core.training.segments import Segment

_SCHEDULES = {"cosine": "cosine", "constant_with_warmup": "constant"}
_LAYER = re.compile(r"\.layers?\.(\d+)\.")


@dataclass(frozen=True)
class CarriedOut:
    """What the parts of a training besides its network and Trainer's arguments were made with.

    Attributes:
        patience: Of the callback that stops early.
        ema_decay: Of the average of the weights; 0.0 where none is kept.
        curriculum_epochs: Of the sampler that follows a curriculum; None where the order is random.
        segments: The training items.
        split_by: What the split of the run folder never divides.
        augmentation: Name of the augmentation whose copies teach; "" without one.
    """

    patience: int
    ema_decay: float
    curriculum_epochs: int | None
    segments: Sequence[Segment]
    split_by: str
    augmentation: str

    def settings(self, recipe: Recipe) -> dict[str, Any]:
        """Return them by the recipe's names; what these items cannot show is left out."""
        found: dict[str, Any] = {
            "patience": self.patience,
            "ema_decay": self.ema_decay,
            "curriculum": "none" if self.curriculum_epochs is None else "simple_first",
            "split_by": str(self.split_by),
            "augmentation": self.augmentation,
            **_cut(self.segments, recipe),
        }
        if self.curriculum_epochs is not None:
            found["curriculum_epochs"] = self.curriculum_epochs
        return found


def effective_settings(policy: BuiltPolicy, arguments: TrainingArguments) -> dict[str, Any]:
    """Return the settings as the built policy and the configured trainer have them, by the recipe's names."""
    spec = policy.spec
    schedule = str(getattr(arguments.lr_scheduler_type, "value", arguments.lr_scheduler_type))
    return {
        "backbone": spec.backbone,
        "base_model": spec.base_model or "",
        "normaliser": spec.normaliser.kind,
        **_head(policy.network),
        **_lora(policy),
        **_dropouts(policy),
        "epochs": int(arguments.num_train_epochs),
        "batch_size": arguments.per_device_train_batch_size * arguments.world_size,
        "gradient_accumulation": arguments.gradient_accumulation_steps,
        "learning_rate": arguments.learning_rate,
        "weight_decay": arguments.weight_decay,
        "schedule": _SCHEDULES.get(schedule, schedule),
        "warmup_steps": int(arguments.warmup_steps),
        "gradient_clip": arguments.max_grad_norm,
        "seed": arguments.seed,
        "precision": "bf16" if arguments.bf16 else "fp16" if arguments.fp16 else "fp32",
        "gradient_checkpointing": bool(arguments.activation_checkpointing),
    }


def check_receipt(recipe: Recipe, policy: BuiltPolicy, arguments: TrainingArguments, carried: CarriedOut) -> None:
    """Refuse to train with anything else than what was asked for.

    Args:
        recipe: What was asked for.
        policy: What will be trained.
        arguments: Trainer's.
        carried: What the other parts were made with.

    Raises:
        RecipeError: A setting that takes effect differs from the recipe's; the sentence names all that do.
    """
    asked = recipe.to_json()
    found = effective_settings(policy, arguments) | carried.settings(recipe)
    different = [
        f"{name} is {value!r} where {asked[name]!r} was asked for"
        for name, value in found.items()
        if value != asked[name]
    ]
    if different:
        raise RecipeError(
            f"The training was not started because it would not be what was asked for: {'; '.join(different)}; the receipt in "
            "the run folder holds every value."
        )


def _head(network: nn.Module) -> dict[str, Any]:
    """The head that is trained: PEFT keeps the frozen one it was copied from beside it."""
    heads = [each for each in network.modules() if isinstance(each, LSTMActionHead) and _is_trained(each)]
    kinds: dict[type[nn.Module], str] = {RegressionHead: "regression", DirectionHead: "directions"}
    found: dict[str, Any] = {
        "action_head": _one(kinds[type(head)] for head in heads),
        "chunk_size": _one(head.out.out_features // head.outputs for head in heads),
        "head_hidden": _one(head.lstm.hidden_size for head in heads),
        "head_layers": _one(head.lstm.num_layers for head in heads),
        "head_dropout": _one(head.dropout.p for head in heads),
    }
    deltas = [head.delta for head in heads if isinstance(head, RegressionHead)]
    return found | ({"huber_delta": _one(deltas)} if deltas else {})


def _lora(policy: BuiltPolicy) -> dict[str, Any]:
    """The low-rank updates that are trained, as the layers hold them; those of a policy tuned in full are none."""
    network = policy.network
    if not isinstance(network, PeftModel):
        return {"tuning": "full" if all(each.requires_grad for each in network.parameters()) else "partial"}
    adapted = {name: each for name, each in policy.policy.named_modules() if isinstance(each, LoraLayer)}
    layers = list(adapted.values())
    return {
        "tuning": "lora",
        "lora_rank": _one(each.r["default"] for each in layers),
        "lora_alpha": _one(each.lora_alpha["default"] for each in layers),
        "lora_dropout": _one(getattr(each.lora_dropout["default"], "p", 0.0) for each in layers),
        **_targets(policy, set(adapted)),
    }


def _targets(policy: BuiltPolicy, adapted: set[str]) -> dict[str, Any]:
    """Say which of the choices of targets and top layers the adapted layers are; "other" where they are none of them."""
    network, spec = policy.policy, policy.spec
    every, used = network.text_layers, sorted({layer for name in adapted if (layer := _text_layer(name)) is not None})
    top_layers: int | str = "other"
    if used == list(range(every)):
        # All of them are asked for by 0, or by their number.
        top_layers = every if spec.lora_top_layers == every else 0
    elif used == list(range(every - len(used), every)):
        top_layers = len(used)
    linear = {
        name
        for name, each in network.named_modules()
        if isinstance(each, LoraLayer | nn.Linear) and ".base_layer" not in name and ".lora_" not in name
    }
    choices = COMPACT_TARGETS if spec.backbone == "compact" else KOSMOS_TARGETS

    def chosen_by(pattern: str) -> set[str]:
        matching = {name for name in linear if re.fullmatch(pattern, name)}
        return {name for name in matching if _text_layer(name) is None or _text_layer(name) in used}

    targets = next((name for name, pattern in choices.items() if chosen_by(pattern) == adapted), "other")
    return {"lora_targets": targets, "lora_top_layers": top_layers}


def _text_layer(name: str) -> int | None:
    """The layer of the language model that a module is a part of; None where it is part of none."""
    place = None if "vision" in name else _LAYER.search(name)
    return int(place[1]) if place else None


def _dropouts(policy: BuiltPolicy) -> dict[str, Any]:
    """Dropout of the backbone, and of the picture branch of the compact policy with its width."""
    network: Any = policy.policy
    if policy.spec.backbone != "compact":
        config = network.backbone.config.text_config
        return {"backbone_dropout": _one((config.dropout, config.attention_dropout))}
    branches: list[Any] = [
        each for name, each in network.named_modules() if hasattr(each, "film") and _is_trained(each)
    ]
    config = network.text.config
    return {
        "backbone_dropout": _one((config.hidden_dropout_prob, config.attention_probs_dropout_prob)),
        "visual_channels": _one(each.reduce.out_channels for each in branches),
        "feature_dropout": _one(each.hide.p for each in branches),
    }


def _cut(segments: Sequence[Segment], recipe: Recipe) -> dict[str, Any]:
    """How the items were cut: their windows, and whether chunks reach past the end of their episode."""
    by_episode: dict[str, list[Segment]] = {}
    for segment in segments:
        by_episode.setdefault(segment.episode.sequence.episode_id, []).append(segment)
    # An episode in one piece says only that no more would have fitted in.
    whole = [len(parts[0].labels) for parts in by_episode.values() if len(parts) > 1]
    longest = max(len(segment.labels) for segment in segments)
    found: dict[str, Any] = {
        "window_size": _one(segment.windows.shape[1] for segment in segments),
        "chunk_size": _one(segment.labels.shape[1] for segment in segments),
        "windows_per_item": _one(whole) if whole else max(longest, recipe.windows_per_item),
    }
    long_enough = [
        parts for parts in by_episode.values() if parts[0].episode.sequence.num_frames >= recipe.window.unpadded_frames
    ]
    if recipe.chunk_size > 1 and long_enough:
        cut = any(not bool(torch.all(segment.mask)) for parts in long_enough for segment in parts)
        found["chunk_ends"] = "mask" if cut else "drop"
    return found


def _is_trained(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def _one(values: Iterable[Any]) -> Any:
    """Return the value that all have; where they differ or there is none, a tuple, which no recipe asks for."""
    different = sorted(set(values))
    return different[0] if len(different) == 1 else tuple(different)
