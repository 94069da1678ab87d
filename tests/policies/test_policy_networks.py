"""The networks: shapes, gradients, the masked loss, and that sharing frames changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from mvla_core.policies.build import BuiltPolicy, build_policy
from mvla_core.policies.spec import PolicySpec

WINDOWS = torch.tensor([[0, 1, 2], [1, 2, 3], [2, 3, 4], [4, 5, 6]])
INSTRUCTIONS = ["Go left.", "Go past the box on the right."]


def arguments(policy: BuiltPolicy, frames: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """All frames once, four windows, two instructions."""
    ids, mask = policy.encode_instructions(INSTRUCTIONS)
    generator = torch.Generator().manual_seed(5)
    labels_mask = torch.ones(4, 4, dtype=torch.bool)
    labels_mask[3, 2:] = False
    return {
        "features": torch.from_numpy(policy.encoder.encode(frames)),
        "instruction_ids": ids,
        "instruction_mask": mask,
        "instruction_index": torch.tensor([0, 0, 0, 0, 1, 1, 1]),
        "window_index": WINDOWS,
        "labels": torch.randn(4, 4, 2, generator=generator) * 2,
        "labels_mask": labels_mask,
    }


@pytest.fixture(params=["compact", "tiny"])
def policy(request: pytest.FixtureRequest, compact_spec: PolicySpec, tiny_spec: PolicySpec) -> BuiltPolicy:
    return build_policy(compact_spec if request.param == "compact" else tiny_spec, seed=1)


def test_predictions_have_the_shape_of_the_labels_and_every_trained_part_gets_a_gradient(
    policy: BuiltPolicy, frames: npt.NDArray[np.uint8]
) -> None:
    policy.network.train()
    output = policy.network(**arguments(policy, frames))
    assert output.logits.shape == (4, 4, 2)
    output.loss.backward()
    for name, parameter in policy.network.named_parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None, name
        elif "lora_A" in name:  # zero at the start, as lora_B begins at zero
            assert parameter.grad is not None, name
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_loss_is_the_hand_computed_masked_huber(policy: BuiltPolicy, frames: npt.NDArray[np.uint8]) -> None:
    given = arguments(policy, frames)
    output = policy.network.eval()(**given)
    error = (output.logits.detach() - given["labels"]).abs().numpy().astype(np.float64)
    huber = np.where(error < 1.0, 0.5 * error**2, error - 0.5)
    by_hand = huber[given["labels_mask"].numpy()].mean()
    assert float(output.loss.detach()) == pytest.approx(by_hand, rel=1e-6)


def test_masked_targets_do_not_matter(policy: BuiltPolicy, frames: npt.NDArray[np.uint8]) -> None:
    given = arguments(policy, frames)
    changed = {**given, "labels": torch.where(given["labels_mask"][..., None], given["labels"], torch.tensor(1e6))}
    network = policy.network.eval()
    assert torch.equal(network(**given).loss, network(**changed).loss)


def test_shared_frames_give_the_gradient_of_separate_windows(
    policy: BuiltPolicy, frames: npt.NDArray[np.uint8]
) -> None:
    """Dropout off: one pass over shared frames equals the sum of one pass a window that encodes its own frames."""
    network = policy.network.eval()
    given = arguments(policy, frames)
    network(**given).loss.backward()
    shared = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    network.zero_grad()
    counted = int(given["labels_mask"].sum()) * 2
    for row in range(len(WINDOWS)):
        own = WINDOWS[row]
        alone = {
            **given,
            "features": given["features"][own],
            "instruction_index": given["instruction_index"][own],
            "window_index": torch.arange(3)[None],
            "labels": given["labels"][row : row + 1],
            "labels_mask": given["labels_mask"][row : row + 1],
        }
        network(**alone, num_items_in_batch=counted).loss.backward()
    for name, parameter in network.named_parameters():
        if name in shared:
            assert torch.allclose(parameter.grad, shared[name], atol=1e-6, rtol=1e-4), name


def test_instruction_changes_the_prediction(policy: BuiltPolicy, frames: npt.NDArray[np.uint8]) -> None:
    given = arguments(policy, frames)
    network = policy.network.eval()
    swapped = {**given, "instruction_index": 1 - given["instruction_index"]}
    assert not torch.allclose(network(**given).logits, network(**swapped).logits)


def test_same_seed_same_network(compact_spec: PolicySpec) -> None:
    first, second, other = (build_policy(compact_spec, seed).network.state_dict() for seed in (4, 4, 5))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_gradient_checkpointing_leaves_the_gradient_as_it_is(
    tiny_spec: PolicySpec, frames: npt.NDArray[np.uint8]
) -> None:
    gradients = []
    for checkpointing in (False, True):
        policy = build_policy(replace(tiny_spec, lora_targets="all"), seed=1)
        policy.network.train()
        if checkpointing:
            policy.network.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
        policy.network(**arguments(policy, frames)).loss.backward()
        gradients.append({n: p.grad for n, p in policy.network.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])


def test_cached_vision_equals_vision_computed_in_the_network(
    tiny_spec: PolicySpec, frames: npt.NDArray[np.uint8]
) -> None:
    cached = build_policy(tiny_spec, seed=1)
    given = arguments(cached, frames)
    pixels = build_policy(replace(tiny_spec, lora_targets="all"), seed=1).encoder.encode(frames)
    assert pixels.dtype == np.uint8
    network = cached.network.eval()
    uncached = network(**{**given, "features": torch.from_numpy(pixels)})
    assert torch.allclose(network(**given).logits, uncached.logits, atol=1e-6)


def test_compact_learns_by_heart_what_is_little_enough(compact_spec: PolicySpec, frames: npt.NDArray[np.uint8]) -> None:
    policy = build_policy(replace(compact_spec, head_hidden=32), seed=1)
    policy.network.train()
    given = arguments(policy, frames)
    trained = [parameter for parameter in policy.network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=5e-3)
    losses = []
    for _ in range(60):
        loss = policy.network(**given).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]
