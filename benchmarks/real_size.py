"""A Kosmos-2 of the published size with random weights, in a folder, as the hub would give it: for measuring speed and memory where
the real weights are not at hand. What it predicts means nothing."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPImageProcessorPil, Kosmos2Config, Kosmos2Model, Kosmos2Processor

from mvla_core.policies.tiny import tiny_tokenizer

WORDS = [
    "Drive",
    "around",
    "past",
    "between",
    "to",
    "the",
    "a",
    "box",
    "boxes",
    "on",
    "left",
    "right",
    "basket",
    "goal",
    "stop",
    "at",
    "and",
    "turn",
    "go",
    "straight",
    "in",
    "front",
    "of",
]
_SPREAD = 0.02
"""Standard deviation of the weights, about that of a fresh transformer."""
_BLOCK = 2**22
"""Random numbers drawn; the weights repeat them, which is nothing to the speed and spares a minute."""


def write_random_kosmos2(folder: Path, dtype: torch.dtype = torch.bfloat16) -> Path:
    """Write weights (3.3 GB in 16 bits), configuration and processor, so that `base_model` can name the folder.

    The configuration is the default of transformers' `Kosmos2Config`, which is that of the published model. The tokenizer is a
    small one: it reads the common words of instructions as one token each, as a vocabulary of 64,000 pieces does, so that
    sequences have the length that they have with the real one; other words it spells.
    """
    config = Kosmos2Config(dtype=dtype)
    with torch.device("meta"):
        shapes = Kosmos2Model(config).state_dict()
    block = torch.empty(_BLOCK, dtype=dtype).normal_(0.0, _SPREAD, generator=torch.Generator().manual_seed(0))
    weights = {name: _random(name, tensor, block) for name, tensor in shapes.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config.architectures = ["Kosmos2Model"]
    config.save_pretrained(folder)
    Kosmos2Processor(CLIPImageProcessorPil(), tiny_tokenizer(WORDS)).save_pretrained(folder)
    return folder


def _random(name: str, like: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
    if not like.is_floating_point():
        return torch.arange(like.numel()).view(like.shape)
    if like.dim() == 1:
        return (torch.ones if name.endswith(".weight") else torch.zeros)(like.shape, dtype=block.dtype)
    return block.repeat(-(-like.numel() // _BLOCK))[: like.numel()].view(like.shape).clone()
