"""The direction head: cross-entropy of the nearest class by hand, physical actions out, the same interface as the other head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from mvla_core.errors import PolicyError
from mvla_core.policies.adapter import load_policy, save_policy
from mvla_core.policies.build import build_policy
from mvla_core.policies.head import DirectionHead, HeadShape, count_targets
from mvla_core.policies.spec import ADDED_LATER, PolicySpec

CLASSES = ((-0.5, 0.0), (0.0, 0.0), (0.5, 0.0), (0.5, 0.25))


@pytest.fixture
def direction_spec(tiny_spec: PolicySpec) -> PolicySpec:
    return replace(tiny_spec, action_head="directions", action_classes=CLASSES)


def test_loss_is_the_hand_computed_cross_entropy() -> None:
    head = DirectionHead(6, torch.tensor(CLASSES), HeadShape(3, 8, 1, 0.0))
    outputs = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1))
    right = np.array([[0, 3, 1], [2, 2, 0]])
    labels = torch.tensor(CLASSES)[torch.from_numpy(right)] + 0.05
    mask = torch.tensor([[True, True, True], [True, False, False]])
    scores = outputs.numpy().astype(np.float64)
    logarithms = np.log(np.exp(scores).sum(-1)) - np.take_along_axis(scores, right[..., None], -1)[..., 0]
    by_hand = logarithms[mask.numpy()].mean()
    mean = head.loss_sum(outputs, labels, mask) / count_targets(mask, 2)
    assert float(mean) == pytest.approx(by_hand, rel=1e-6)


def test_predictions_are_physical_actions_of_classes(
    direction_spec: PolicySpec, frames: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    policy = build_policy(direction_spec, seed=1)
    for parameter in policy.network.parameters():
        if parameter.requires_grad:
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(9))
    save_policy(policy, tmp_path / "adapter", {})
    loaded = load_policy(tmp_path / "adapter", "cpu")
    assert loaded.spec == direction_spec
    predicted = loaded.predict_frames(frames, "Go left.", np.array([2, 4, 6]))
    assert predicted.shape == (3, 4, 2)
    distances = np.abs(predicted[..., None, :] - np.array(CLASSES)).max(-1).min(-1)
    assert distances.max() < 1e-6
    assert len(np.unique(predicted.reshape(-1, 2), axis=0)) > 1


def test_the_head_learns_its_labels_by_heart() -> None:
    generator = torch.Generator().manual_seed(3)
    head = DirectionHead(16, torch.tensor(CLASSES), HeadShape(2, 32, 1, 0.0))
    vectors = torch.randn(12, 16, generator=generator)
    windows = torch.arange(12).view(4, 3)
    labels = torch.tensor(CLASSES)[torch.tensor([[0, 1], [3, 3], [2, 0], [1, 2]])]
    mask = torch.ones(4, 2, dtype=torch.bool)
    optimiser = torch.optim.AdamW(head.parameters(), lr=2e-2)
    for _ in range(60):
        loss = head.loss_sum(head(vectors, windows), labels, mask) / count_targets(mask, 2)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    assert loss.item() < 0.1
    assert torch.equal(head.actions(head(vectors, windows)), labels)


def test_policies_stored_before_the_head_could_be_chosen_still_load(tiny_spec: PolicySpec) -> None:
    old = {name: value for name, value in tiny_spec.to_json().items() if name not in ADDED_LATER}
    assert PolicySpec.from_json(old) == tiny_spec
    with pytest.raises(PolicyError, match=r"missing keys \['window_size'\]"):
        PolicySpec.from_json({name: value for name, value in old.items() if name != "window_size"})


@pytest.mark.parametrize(
    "changes", [{"action_head": "directions"}, {"action_classes": CLASSES}, {"action_classes": ((1.0,), (2.0,))}]
)
def test_classes_that_do_not_fit_the_head_are_refused(tiny_spec: PolicySpec, changes: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match="does not fit its"):
        replace(tiny_spec, **changes)  # type: ignore[arg-type]
