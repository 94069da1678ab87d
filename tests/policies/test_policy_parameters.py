"""Parameter counts: the torch-free formula against real networks, and the published figures of the real Kosmos-2."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import Kosmos2Config, Kosmos2Model

from mvla_core.policies import parameters
from mvla_core.policies.build import OfflinePeftModel, build_policy, lora_config, trainable_parameters
from mvla_core.policies.kosmos import Kosmos2Base, KosmosPolicy
from mvla_core.policies.spec import LORA_TARGETS, LoraTargets, PolicySpec
from mvla_core.policies.tiny import tiny_processor


@pytest.fixture(scope="module")
def real_config() -> Kosmos2Config:
    return Kosmos2Config()


def real_kosmos2(config: Kosmos2Config, spec: PolicySpec) -> OfflinePeftModel:
    """Build the policy around the real configuration without its weights: everything lies on the meta device."""
    with torch.device("meta"):
        policy = KosmosPolicy(spec, Kosmos2Base(Kosmos2Model(config), tiny_processor(), "meta"))
    return OfflinePeftModel(policy, lora_config(spec, policy.text_layers), low_cpu_mem_usage=True)


@pytest.mark.parametrize(
    ("targets", "lora_millions"), [("text_qv", 6.29), ("text_all", 28.31), ("text_vision", 42.47), ("all", 43.09)]
)
def test_counts_of_the_real_kosmos2_on_the_meta_device(
    real_config: Kosmos2Config, tiny_spec: PolicySpec, targets: LoraTargets, lora_millions: float
) -> None:
    spec = replace(tiny_spec, lora_targets=targets, lora_rank=32, head_hidden=512, head_layers=2, chunk_size=10)
    counted = trainable_parameters(real_kosmos2(real_config, spec))
    assert round(counted["lora"] / 1e6, 2) == lora_millions
    assert counted["lora"] == parameters.lora_parameters(parameters.KOSMOS2, 32, targets)
    assert counted["head"] == parameters.head_parameters(2048, 512, 2, 20)
    if targets == "all":  # the briefing's "about 50 M"
        assert round(counted["total"] / 1e6, 2) == 50.45


@pytest.mark.parametrize(("layers", "lora_millions"), [(8, 9.44), (4, 4.72), (24, 28.31)])
def test_counts_of_the_top_layers_alone(
    real_config: Kosmos2Config, tiny_spec: PolicySpec, layers: int, lora_millions: float
) -> None:
    spec = replace(tiny_spec, lora_rank=32, lora_top_layers=layers)
    counted = trainable_parameters(real_kosmos2(real_config, spec))
    assert round(counted["lora"] / 1e6, 2) == lora_millions
    assert counted["lora"] == parameters.lora_parameters(parameters.KOSMOS2, 32, "text_all", layers)


def test_every_weight_of_the_real_kosmos2(real_config: Kosmos2Config, tiny_spec: PolicySpec) -> None:
    with torch.device("meta"):
        policy = KosmosPolicy(tiny_spec, Kosmos2Base(Kosmos2Model(real_config), tiny_processor(), "meta"))
    counted = trainable_parameters(policy)
    parts = parameters.full_parameters(parameters.KOSMOS2)
    assert parts == {part: counted[part] for part in ("text", "vision", "projector")}
    assert sum(parts.values()) == pytest.approx(parameters.TOTAL_KOSMOS2, rel=1e-3)


@pytest.mark.parametrize("changes", [{"tuning": "full"}, {"lora_top_layers": 1}])
def test_formula_is_exact_for_the_other_ways_to_tune(tiny_spec: PolicySpec, changes: dict[str, object]) -> None:
    spec = replace(tiny_spec, **changes)  # type: ignore[arg-type]
    assert _formula(spec) == trainable_parameters(build_policy(spec, 0).network)


def test_formula_is_exact_for_the_direction_head(tiny_spec: PolicySpec) -> None:
    spec = replace(tiny_spec, action_head="directions", action_classes=((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)))
    assert _formula(spec) == trainable_parameters(build_policy(spec, 0).network)


@pytest.mark.parametrize("targets", list(LORA_TARGETS))
def test_formula_is_exact_for_the_tiny_policy(tiny_spec: PolicySpec, targets: LoraTargets) -> None:
    spec = replace(tiny_spec, lora_targets=targets, head_layers=2)
    assert _formula(spec) == trainable_parameters(build_policy(spec, 0).network)


@pytest.mark.parametrize("targets", ["text_qv", "text_all"])
def test_formula_is_exact_for_the_compact_policy(compact_spec: PolicySpec, targets: LoraTargets) -> None:
    spec = replace(compact_spec, lora_targets=targets)
    assert _formula(spec) == trainable_parameters(build_policy(spec, 0).network)


def _formula(spec: PolicySpec) -> dict[str, int]:
    return parameters.trainable_parameters(
        spec.backbone,
        rank=spec.lora_rank,
        targets=spec.lora_targets,
        head_hidden=spec.head_hidden,
        head_layers=spec.head_layers,
        outputs=spec.chunk_outputs,
        visual_channels=spec.visual_channels,
        tuning=spec.tuning,
        top_layers=spec.lora_top_layers,
    )
