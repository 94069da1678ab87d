"""From a `PolicySpec` to a network with LoRA, its frame encoder and its tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from peft import LoraConfig, PeftModel
from torch import Tensor, nn
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from mvla_core.episodes.frame_features import FrameEncoder
from mvla_core.errors import PolicyError
from mvla_core.policies.base import ActionPolicy, base_name
from mvla_core.policies.instructions import to_english
from mvla_core.policies.parameters import SHAPES
from mvla_core.policies.spec import PolicySpec
from mvla_core.policies.threads import set_threads
from mvla_core.policies.weights import base_fingerprint, minilm_folder

if TYPE_CHECKING:
    from mvla_core.policies.kosmos import Kosmos2Base

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
        network: The policy under PEFT, or the policy itself where every weight is tuned.
        encoder: Frames to features, frozen.
        tokenise: Instructions (English) to ids and mask, int64 (U, L).
        base_fingerprint: Names the base weights it was built on.
    """

    spec: PolicySpec
    network: PeftModel | ActionPolicy
    encoder: FrameEncoder
    tokenise: Tokenise
    base_fingerprint: str

    @property
    def policy(self) -> ActionPolicy:
        """The policy with its low-rank updates, without what PEFT wraps around it."""
        inner = self.network.get_base_model() if isinstance(self.network, PeftModel) else self.network
        return cast(ActionPolicy, inner)

    def encode_instructions(self, instructions: list[str]) -> tuple[Tensor, Tensor]:
        """Return ids and mask, int64 (U, L), of instructions in Korean or English."""
        return self.tokenise([to_english(text) for text in instructions])

    def training_encoder(self, instruction: str) -> FrameEncoder:
        """Return what computes the frozen features of an episode with this instruction, for training and its validation.

        It is `encoder`, which every policy has for predictions; where the lower layers are frozen too, it also runs those.
        """
        if not self.spec.lower_layers_are_frozen:
            return self.encoder
        from mvla_core.policies.kosmos import KosmosPolicy, KosmosVisionEncoder
        from mvla_core.policies.lower_layers import LowerLayersEncoder

        assert isinstance(self.policy, KosmosPolicy)
        assert isinstance(self.encoder, KosmosVisionEncoder)
        return LowerLayersEncoder(self.encoder, self.policy, *self.encode_instructions([instruction]))


def lora_config(spec: PolicySpec, text_layers: int | None = None) -> LoraConfig:
    """Return the PEFT configuration of a policy: LoRA on the chosen layers, everything new saved in full.

    Args:
        spec: What is built.
        text_layers: Layers of its language model; None takes the published one's.

    Raises:
        PolicyError: More layers are asked for than there are.
    """
    compact = spec.backbone == "compact"
    targets = (COMPACT_TARGETS if compact else KOSMOS_TARGETS)[spec.lora_targets]
    layers = SHAPES[spec.backbone].text_layers if text_layers is None else text_layers
    if spec.lora_top_layers > layers:
        raise PolicyError(
            f"lora_top_layers {spec.lora_top_layers} is more than the {layers} layers of the language model of the backbone "
            f"{spec.backbone!r}; choose 1 to {layers}, or 0 for all."
        )
    if spec.lora_top_layers:
        chosen = range(layers - spec.lora_top_layers, layers)
        targets = targets.replace(r"\d+", f"({'|'.join(map(str, chosen))})")
    return LoraConfig(
        r=spec.lora_rank,
        lora_alpha=spec.lora_alpha,
        lora_dropout=spec.lora_dropout,
        target_modules=targets,
        modules_to_save=["fusion", "action_head"] if compact else ["action_head"],
        base_model_name_or_path=base_name(spec),
    )


def build_base(spec: PolicySpec, tuned: Path | None = None) -> tuple[ActionPolicy, FrameEncoder, Tokenise]:
    """Build a policy without LoRA: pretrained backbone, fresh head from torch's global generator.

    Args:
        spec: What to build.
        tuned: A folder of Kosmos-2 weights in place of those the spec names: of a policy that was stored whole.

    Raises:
        PolicyError: Base weights are not on this machine.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    set_threads(spec.backbone)
    if spec.backbone == "compact":
        from mvla_core.policies.compact import CompactPolicy, EfficientNetEncoder

        return CompactPolicy(spec), EfficientNetEncoder(), _minilm_tokens()
    from mvla_core.policies.kosmos import load_kosmos2
    from mvla_core.policies.tiny import tiny_base

    if tuned is not None:
        base = load_kosmos2(replace(spec, base_model=str(tuned)))
    else:
        base = load_kosmos2(spec) if spec.backbone == "kosmos2" else tiny_base(spec)
    return _around(spec, base)


def _around(spec: PolicySpec, base: Kosmos2Base) -> tuple[ActionPolicy, FrameEncoder, Tokenise]:
    from mvla_core.policies.kosmos import KosmosInstructions, KosmosPolicy, KosmosVisionEncoder, PixelEncoder

    policy = KosmosPolicy(spec, base)
    encoder = KosmosVisionEncoder(base, policy) if spec.vision_is_frozen else PixelEncoder(base)
    return policy, encoder, KosmosInstructions(base)


def build_policy(spec: PolicySpec, seed: int) -> BuiltPolicy:
    """Build a policy with fresh LoRA and head, or with a fresh head and every weight free where it is tuned in full.

    Args:
        spec: What to build.
        seed: Of the fresh weights; sets torch's global generator.

    Raises:
        PolicyError: Base weights are not on this machine.
    """
    torch.manual_seed(seed)
    return _trainable(spec, *build_base(spec), base_fingerprint(spec.backbone, spec.base_model))


def build_on_base(spec: PolicySpec, base: Kosmos2Base, seed: int) -> BuiltPolicy:
    """Build a policy on a Kosmos-2 in memory, for measurements at real size with random weights; else as `build_policy`.

    Its fingerprint is the base's name. Nothing checks that the base is the one the spec describes.
    """
    torch.manual_seed(seed)
    return _trainable(spec, *_around(spec, base), base.name)


def _trainable(
    spec: PolicySpec, policy: ActionPolicy, encoder: FrameEncoder, tokenise: Tokenise, fingerprint: str
) -> BuiltPolicy:
    if spec.tuning == "full":
        return BuiltPolicy(spec, policy, encoder, tokenise, fingerprint)
    adapted = OfflinePeftModel(policy, lora_config(spec, policy.text_layers))
    return BuiltPolicy(spec, adapted, encoder, tokenise, fingerprint)


_PARTS = (
    ("lora_", "lora"),
    ("action_head", "head"),
    ("image_to_text_projection", "projector"),
    ("vision_model", "vision"),
    ("text_model", "text"),
    ("fusion", "fusion"),
)


def trainable_parameters(network: nn.Module) -> dict[str, int]:
    """Count trainable parameters by part, and in "total": "lora", "head", "fusion" (compact only); tuned in full "text",
    "vision", "projector" in place of "lora"."""
    counts: dict[str, int] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            part = next(part for piece, part in _PARTS if piece in name)
            counts[part] = counts.get(part, 0) + parameter.numel()
    return {**counts, "total": sum(counts.values())}


def _minilm_tokens() -> Tokenise:
    tokenizer: Any = AutoTokenizer.from_pretrained(minilm_folder(), local_files_only=True)

    def tokenise(instructions: list[str]) -> tuple[Tensor, Tensor]:
        encoded = tokenizer(instructions, padding=True, truncation=True, max_length=128, return_tensors="pt")
        return encoded.input_ids, encoded.attention_mask

    return tokenise
