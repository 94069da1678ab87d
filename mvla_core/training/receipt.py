"""The receipt of a training: what the trainer really uses is compared with what was asked for, before the first step."""

from __future__ import annotations

from typing import Any

from peft import PeftModel
from transformers import TrainingArguments

from mvla_core.errors import RecipeError
from mvla_core.policies.build import BuiltPolicy
from mvla_core.training.recipe import Recipe

_SPEC = (
    *("backbone", "window_size", "chunk_size", "head_hidden", "head_layers", "head_dropout", "action_head", "tuning"),
    *(
        "visual_channels",
        "feature_dropout",
        "backbone_dropout",
        "huber_delta",
        "lora_rank",
        "lora_alpha",
        "lora_dropout",
    ),
    *("lora_targets", "lora_top_layers"),
)
"""Settings that the policy holds under the same name."""
_SCHEDULES = {"cosine": "cosine", "constant_with_warmup": "constant"}


def effective_settings(policy: BuiltPolicy, arguments: TrainingArguments) -> dict[str, Any]:
    """Return the settings as the built policy and the configured trainer have them, by the recipe's names.

    Read from what will compute, not from the recipe: LoRA's from PEFT's own configuration, the optimiser's from Trainer's.
    """
    spec = policy.spec
    found: dict[str, Any] = {name: getattr(spec, name) for name in _SPEC}
    if isinstance(policy.network, PeftModel):
        lora = policy.network.peft_config["default"]
        found |= {"lora_rank": lora.r, "lora_alpha": lora.lora_alpha, "lora_dropout": lora.lora_dropout}
    schedule = str(getattr(arguments.lr_scheduler_type, "value", arguments.lr_scheduler_type))
    return found | {
        "base_model": spec.base_model or "",
        "normaliser": spec.normaliser.kind,
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


def check_receipt(recipe: Recipe, policy: BuiltPolicy, arguments: TrainingArguments) -> None:
    """Refuse to train with anything else than what was asked for.

    Raises:
        RecipeError: A setting that takes effect differs from the recipe's; the sentence names all that do.
    """
    asked = recipe.to_json()
    found = effective_settings(policy, arguments)
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
