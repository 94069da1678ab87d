"""A frame's vector is the last token's: the shortened last layer gives what the whole published model gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mvla_core.policies.build import BuiltPolicy, build_policy
from mvla_core.policies.kosmos import KosmosPolicy, PixelEncoder
from mvla_core.policies.spec import PolicySpec

INSTRUCTIONS = ["Go left.", "Go past the two boxes on the right.", "Stop."]
INDEX = torch.tensor([0, 0, 1, 1, 1, 2, 2])


def whole_model(policy: KosmosPolicy, ids: torch.Tensor, mask: torch.Tensor, **pictures: Any) -> torch.Tensor:
    """The last token's state of the model as transformers runs it, (F, D)."""
    slots = torch.zeros_like(mask)
    slots[:, 2 : 2 + policy.picture_slots] = 1
    states = policy.backbone(
        **pictures, input_ids=ids, attention_mask=mask, image_embeds_position_mask=slots, use_cache=False
    ).last_hidden_state
    vectors: torch.Tensor = states[torch.arange(len(ids)), mask.sum(1) - 1]
    return vectors


def shaken(built: BuiltPolicy) -> BuiltPolicy:
    generator = torch.Generator().manual_seed(4)
    for parameter in built.network.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return built


@pytest.mark.parametrize("targets", ["text_qv", "text_all", "all"])
def test_vectors_and_gradients_are_those_of_the_whole_model(
    tiny_spec: PolicySpec, frames: npt.NDArray[np.uint8], targets: Literal["text_qv", "text_all", "all"]
) -> None:
    built = shaken(build_policy(replace(tiny_spec, lora_targets=targets), seed=1))
    policy = built.policy
    assert isinstance(policy, KosmosPolicy)
    features = torch.from_numpy(built.encoder.encode(frames))
    assert isinstance(built.encoder, PixelEncoder) == (targets == "all")
    ids, mask = built.encode_instructions(INSTRUCTIONS)
    assert len(set(mask.sum(1).tolist())) == 3, "the sequences are of three lengths"
    pictures = (
        {"pixel_values": policy.normalised_pixels(features)} if targets == "all" else {"image_embeds": features.clone()}
    )
    built.network.train()
    target = torch.randn(7, policy.backbone.config.text_config.embed_dim, generator=torch.Generator().manual_seed(2))
    gradients, vectors = [], []
    for short in (False, True):
        built.network.zero_grad()
        given = (
            policy.encode_frames(features, (ids, mask), INDEX)
            if short
            else whole_model(policy, ids[INDEX], mask[INDEX], **pictures)
        )
        (given * target).mean().backward()
        vectors.append(given.detach())
        gradients.append({name: p.grad for name, p in policy.named_parameters() if p.grad is not None})
    assert torch.allclose(vectors[0], vectors[1], atol=1e-6)
    assert gradients[0].keys() == gradients[1].keys()
    assert any("layers.1." in name and "v_proj" in name for name in gradients[0])
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], atol=1e-6), name


def test_the_last_layer_costs_less(tiny_spec: PolicySpec, frames: npt.NDArray[np.uint8]) -> None:
    built = build_policy(tiny_spec, seed=1)
    policy = built.policy
    assert isinstance(policy, KosmosPolicy)
    features = torch.from_numpy(built.encoder.encode(frames))
    ids, mask = (tensor[INDEX] for tensor in built.encode_instructions(INSTRUCTIONS))
    with torch.no_grad(), FlopCounterMode(display=False) as whole:
        whole_model(policy, ids, mask, image_embeds=features)
    with torch.no_grad(), FlopCounterMode(display=False) as short:
        policy.encode_frames(features, (ids, mask), torch.arange(7))
    assert short.get_total_flops() < 0.75 * whole.get_total_flops(), "one of two layers, nearly"
