"""LoRA on the last layers: the kept states of the frozen lower ones give the same loss and the same gradient."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from mvla_core.errors import PolicyError
from mvla_core.policies.build import BuiltPolicy, build_on_base, build_policy
from mvla_core.policies.spec import PolicySpec
from mvla_core.policies.tiny import tiny_base

INSTRUCTIONS = ["Go left.", "Go past the box on the right."]
INDEX = [0, 0, 0, 0, 1, 1, 1]


@pytest.fixture
def top_spec(tiny_spec: PolicySpec) -> PolicySpec:
    return replace(tiny_spec, lora_top_layers=1)


def shaken(policy: BuiltPolicy) -> BuiltPolicy:
    """Move the low-rank updates away from zero, so that every trained part has a gradient."""
    generator = torch.Generator().manual_seed(9)
    for parameter in policy.network.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return policy


def batch(policy: BuiltPolicy, features: torch.Tensor) -> dict[str, Any]:
    ids, mask = policy.encode_instructions(INSTRUCTIONS)
    return {
        "features": features,
        "instruction_ids": ids,
        "instruction_mask": mask,
        "instruction_index": torch.tensor(INDEX),
        "window_index": torch.tensor([[0, 1, 2], [1, 2, 3], [4, 5, 6]]),
        "labels": torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(5)),
    }


def kept_states(policy: BuiltPolicy, frames: npt.NDArray[np.uint8]) -> torch.Tensor:
    """The two episodes' states, the shorter sequences padded as a batch of both is."""
    parts = [
        torch.from_numpy(policy.training_encoder(text).encode(frames[np.array(INDEX) == place]))
        for place, text in enumerate(INSTRUCTIONS)
    ]
    joined = parts[0].new_zeros((7, max(part.shape[1] for part in parts), parts[0].shape[2]))
    joined[:4, : parts[0].shape[1]], joined[4:, : parts[1].shape[1]] = parts
    return joined


@pytest.mark.parametrize("layers", [1, 2])
def test_kept_lower_layers_equal_computed_ones(
    top_spec: PolicySpec, frames: npt.NDArray[np.uint8], layers: int
) -> None:
    policy = shaken(build_policy(replace(top_spec, lora_top_layers=layers), seed=1))
    network = policy.network.train()
    losses, gradients = [], []
    for features in (torch.from_numpy(policy.encoder.encode(frames)), kept_states(policy, frames)):
        network.zero_grad()
        output = network(**batch(policy, features))
        output.loss.backward()
        losses.append(output.loss.item())
        gradients.append({name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None})
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    lora = [name for name in gradients[0] if "lora_" in name]
    assert len(lora) == 2 * 6 * layers
    assert all("layers.0" not in name for name in lora) or layers == 2
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], atol=1e-6), name
    assert all(gradients[0][name].abs().sum() > 0 for name in lora)


def test_kept_states_name_instruction_layers_and_weights(top_spec: PolicySpec) -> None:
    policy = build_policy(top_spec, seed=1)
    keys = {policy.training_encoder(text).key for text in INSTRUCTIONS}
    keys.add(build_policy(replace(top_spec, lora_top_layers=2), seed=1).training_encoder(INSTRUCTIONS[0]).key)
    assert len(keys) == 3
    assert all(key.startswith(policy.encoder.key) for key in keys)
    assert all(character.isalnum() or character == "-" for key in keys for character in key)


def test_bfloat16_states_are_kept_bit_by_bit(top_spec: PolicySpec, frames: npt.NDArray[np.uint8]) -> None:
    policy = build_policy(replace(top_spec, base_dtype="bfloat16"), seed=1)
    encoder = policy.training_encoder(INSTRUCTIONS[0])
    states = torch.from_numpy(encoder.encode(frames))
    assert states.dtype == torch.uint16
    given = batch(policy, torch.from_numpy(policy.encoder.encode(frames)))
    alone = {
        **given,
        "instruction_index": torch.zeros(7, dtype=torch.int64),
        "instruction_ids": policy.encode_instructions(INSTRUCTIONS[:1])[0],
        "instruction_mask": policy.encode_instructions(INSTRUCTIONS[:1])[1],
    }
    network = policy.network.eval()
    with torch.no_grad():
        assert torch.equal(network(**alone).logits, network(**{**alone, "features": states}).logits)


def test_checkpointing_leaves_the_gradient_of_the_top_layers(
    top_spec: PolicySpec, frames: npt.NDArray[np.uint8]
) -> None:
    gradients = []
    for checkpointing in (False, True):
        policy = shaken(build_policy(top_spec, seed=1))
        policy.network.train()
        if checkpointing:
            policy.policy.activation_checkpointing_enable({"use_reentrant": False})
        policy.network(**batch(policy, kept_states(policy, frames))).loss.backward()
        gradients.append([p.grad for p in policy.network.parameters() if p.grad is not None])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_more_layers_than_there_are_are_refused(tiny_spec: PolicySpec) -> None:
    with pytest.raises(PolicyError, match="lora_top_layers 3 is more than the 2 layers"):
        build_policy(replace(tiny_spec, lora_top_layers=3), seed=1)


def test_compact_can_adapt_its_last_text_layers_alone(compact_spec: PolicySpec) -> None:
    policy = build_policy(replace(compact_spec, lora_top_layers=2), seed=1)
    adapted = {name for name, p in policy.network.named_parameters() if "lora_" in name and p.requires_grad}
    assert {name.split("encoder.layer.")[1][0] for name in adapted} == {"4", "5"}
    assert policy.training_encoder("Go left.") is policy.encoder


def test_a_base_in_memory_gives_the_same_policy(top_spec: PolicySpec, frames: npt.NDArray[np.uint8]) -> None:
    """What measurements at real size with random weights use."""
    loaded = build_policy(top_spec, seed=1)
    given = build_on_base(top_spec, tiny_base(top_spec), seed=1)
    assert given.base_fingerprint == "tiny-kosmos2-1-float32"
    states = [kept_states(policy, frames) for policy in (loaded, given)]
    assert torch.equal(states[0], states[1])
    outputs = [policy.network.eval()(**batch(policy, states[0])).loss.item() for policy in (loaded, given)]
    assert outputs[0] == outputs[1]
