"""From a `PolicySpec` to a network with LoRA, its frame encoder and its tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from torch import Tensor, nn
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from mvla_core.episodes.frame_features import FrameEncoder
from mvla_core.policies.base import ActionPolicy, base_name
from mvla_core.policies.instructions import to_english
from mvla_core.policies.spec import PolicySpec
from mvla_core.policies.threads import set_threads
from mvla_core.policies.weights import base_fingerprint, minilm_folder

_TEXT = r"text_model\.model\.layers\.\d+\."
_VISION = r"vision_model\.model\.encoder\.layers\.\d+\."
_ATTENTION = r"self_attn\.(q|k|v|out)_proj"
_TEXT_ALL = rf"{_TEXT}({_ATTENTION}|ffn\.fc[12])"
_VISION_ALL = rf"{_VISION}({_ATTENTION}|mlp\.fc[12])"
_PROJECTOR = r"image_to_text_projection\.(dense|x_attn\.(q|k|v|out)_proj)"

KOSMOS_TARGETS = {
    "text_qv": rf"(.*\.)?{_TEXT}self_attn\.(q|v)_proj",
    "text_all": rf"(.*\.)?{_TEXT_ALL}",
    "text_vision": rf"(.*\.)?({_TEXT_ALL}|{_VISION_ALL})",
    "all": rf"(.*\.)?({_TEXT_ALL}|{_VISION_ALL}|{_PROJECTOR})",
}
"""Regular expressions of the layers that get a low-rank update, one for each of `LORA_TARGETS`."""

COMPACT_TARGETS = {
    "text_qv": r"text\.encoder\.layer\.\d+\.attention\.self\.(query|value)",
    "text_all": (
        r"text\.encoder\.layer\.\d+\.(attention\.self\.(query|key|value)|attention\.output\.dense"
        r"|intermediate\.dense|output\.dense)"
    ),
}


class OfflinePeftModel(PeftModel):  # type: ignore[misc]
    """A `PeftModel` that never asks the hub. PEFT's default, which Trainer uses for checkpoints, looks there whether the base
    vocabulary was changed; no adapter of ours touches embeddings.
    """

    def save_pretrained(self, save_directory: str, **options: Any) -> None:
        super().save_pretrained(save_directory, **{**options, "save_embedding_layers": False})


Tokenise = Callable[[list[str]], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class BuiltPolicy:
    """A policy ready to train or to receive an adapter.

    Attributes:
        spec: What it was built from.
        network: `ActionPolicy` under PEFT.
        encoder: Frames to features, frozen.
        tokenise: Instructions (English) to ids and mask, int64 (U, L).
        base_fingerprint: Names the base weights it was built on.
    """

    spec: PolicySpec
    network: PeftModel
    encoder: FrameEncoder
    tokenise: Tokenise
    base_fingerprint: str

    def encode_instructions(self, instructions: list[str]) -> tuple[Tensor, Tensor]:
        """Return ids and mask, int64 (U, L), of instructions in Korean or English."""
        return self.tokenise([to_english(text) for text in instructions])


def lora_config(spec: PolicySpec) -> LoraConfig:
    """Return the PEFT configuration of a policy: LoRA on the chosen layers, everything new saved in full."""
    compact = spec.backbone == "compact"
    return LoraConfig(
        r=spec.lora_rank,
        lora_alpha=spec.lora_alpha,
        lora_dropout=spec.lora_dropout,
        target_modules=(COMPACT_TARGETS if compact else KOSMOS_TARGETS)[spec.lora_targets],
        modules_to_save=["fusion", "action_head"] if compact else ["action_head"],
        base_model_name_or_path=base_name(spec),
    )


def build_base(spec: PolicySpec) -> tuple[ActionPolicy, FrameEncoder, Tokenise]:
    """Build a policy without LoRA: pretrained backbone, fresh head from torch's global generator.

    Raises:
        PolicyError: Base weights are not on this machine.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    set_threads(spec.backbone)
    if spec.backbone == "compact":
        from mvla_core.policies.compact import CompactPolicy, EfficientNetEncoder

        return CompactPolicy(spec), EfficientNetEncoder(), _minilm_tokens()
    from mvla_core.policies.kosmos import (
        KosmosInstructions,
        KosmosPolicy,
        KosmosVisionEncoder,
        PixelEncoder,
        load_kosmos2,
    )
    from mvla_core.policies.tiny import tiny_base

    base = load_kosmos2(spec) if spec.backbone == "kosmos2" else tiny_base(spec)
    policy = KosmosPolicy(spec, base)
    encoder = KosmosVisionEncoder(base, policy) if spec.vision_is_frozen else PixelEncoder(base)
    return policy, encoder, KosmosInstructions(base)


def build_policy(spec: PolicySpec, seed: int) -> BuiltPolicy:
    """Build a policy with fresh LoRA and head.

    Args:
        spec: What to build.
        seed: Of the fresh weights; sets torch's global generator.

    Raises:
        PolicyError: Base weights are not on this machine.
    """
    torch.manual_seed(seed)
    policy, encoder, tokenise = build_base(spec)
    fingerprint = base_fingerprint(spec.backbone, spec.base_model)
    return BuiltPolicy(spec, OfflinePeftModel(policy, lora_config(spec)), encoder, tokenise, fingerprint)


def trainable_parameters(network: nn.Module) -> dict[str, int]:
    """Count trainable parameters by part: "lora", "head", "fusion" (compact only) and "total"."""
    counts: dict[str, int] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            part = "lora" if "lora_" in name else "head" if "action_head" in name else "fusion"
            counts[part] = counts.get(part, 0) + parameter.numel()
    return {**counts, "total": sum(counts.values())}


def _minilm_tokens() -> Tokenise:
    tokenizer: Any = AutoTokenizer.from_pretrained(minilm_folder(), local_files_only=True)

    def tokenise(instructions: list[str]) -> tuple[Tensor, Tensor]:
        encoded = tokenizer(instructions, padding=True, truncation=True, max_length=128, return_tensors="pt")
        return encoded.input_ids, encoded.attention_mask

    return tokenise
