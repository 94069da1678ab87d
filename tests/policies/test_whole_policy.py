"""Policies that hold all their weights: tuned in full, or merged. They need no base weights and predict the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from mvla_core.errors import PolicyError, UserInputError
from mvla_core.policies.adapter import load_policy, save_policy
from mvla_core.policies.build import BuiltPolicy, build_policy, trainable_parameters
from mvla_core.policies.merge import merge_policy
from mvla_core.policies.spec import PolicySpec

LAST = np.array([2, 4, 6])
NEW_PROCESS = """
import sys
from pathlib import Path
import numpy as np
from mvla_core.policies.adapter import load_policy
folder = Path(sys.argv[1])
policy = load_policy(folder, device="cpu")
predicted = policy.predict_frames(np.load(folder.parent / "frames.npy"), "Go left.", np.array([2, 4, 6]))
np.save(folder.parent / "predicted.npy", predicted)
"""


def shaken(policy: BuiltPolicy, size: float = 0.05) -> BuiltPolicy:
    generator = torch.Generator().manual_seed(9)
    for parameter in policy.network.parameters():
        if parameter.requires_grad:
            parameter.data += size * torch.randn(parameter.shape, generator=generator)
    policy.network.eval()
    return policy


def test_every_weight_is_trained_and_gets_a_gradient(tiny_spec: PolicySpec, frames: npt.NDArray[np.uint8]) -> None:
    policy = build_policy(replace(tiny_spec, tuning="full"), seed=1)
    counted = trainable_parameters(policy.network)
    assert counted["total"] == sum(p.numel() for p in policy.network.parameters())
    assert set(counted) == {"text", "vision", "projector", "head", "total"}
    ids, mask = policy.encode_instructions(["Go left."])
    pixels = torch.from_numpy(policy.encoder.encode(frames))
    assert pixels.dtype == torch.uint8
    policy.network(
        features=pixels,
        instruction_ids=ids,
        instruction_mask=mask,
        instruction_index=torch.zeros(7, dtype=torch.int64),
        window_index=torch.tensor([[0, 1, 2], [4, 5, 6]]),
        labels=torch.ones(2, 4, 2),
    ).loss.backward()
    without = [name for name, p in policy.network.named_parameters() if p.grad is None]
    assert without == []


@pytest.mark.parametrize("backbone", ["tiny", "kosmos2"])
def test_a_new_process_predicts_the_same_bits_from_the_folder_alone(
    backbone: str,
    tiny_spec: PolicySpec,
    tiny_kosmos_folder: Callable[[], Path],
    frames: npt.NDArray[np.uint8],
    tmp_path: Path,
) -> None:
    spec = replace(tiny_spec, tuning="full")
    if backbone == "kosmos2":
        spec = replace(spec, backbone="kosmos2", base_model=str(tiny_kosmos_folder()))
    policy = shaken(build_policy(spec, seed=1))
    folder = tmp_path / "run" / "adapter"
    save_policy(policy, folder, {"epoch": 3})
    if spec.base_model:
        shutil.rmtree(spec.base_model)
    here = load_policy(folder, device="cpu")
    assert here.spec == spec
    assert here.extra == {"epoch": 3}
    assert not list(folder.rglob("*.bin"))
    expected = here.predict_frames(frames, "Go left.", LAST)
    ids, mask = policy.encode_instructions(["Go left."])
    windows = torch.tensor([[0, 1, 2], [2, 3, 4], [4, 5, 6]])
    trained = policy.policy.predict(policy.encoder.encode(frames), policy.policy.read(ids, mask), windows)
    assert np.array_equal(expected, spec.normaliser.invert(trained.numpy()))
    np.save(folder.parent / "frames.npy", frames)
    subprocess.run([sys.executable, "-W", "error", "-c", NEW_PROCESS, str(folder)], check=True, timeout=120)
    assert np.array_equal(np.load(folder.parent / "predicted.npy"), expected)


@pytest.mark.parametrize("changes", [{}, {"lora_targets": "all"}, {"lora_top_layers": 1}, {"base_dtype": "bfloat16"}])
def test_a_merged_policy_predicts_what_its_adapter_does(
    tiny_spec: PolicySpec, frames: npt.NDArray[np.uint8], tmp_path: Path, changes: dict[str, object]
) -> None:
    spec = replace(tiny_spec, **changes)  # type: ignore[arg-type]
    save_policy(shaken(build_policy(spec, seed=1)), tmp_path / "adapter", {"run_id": "r"})
    merged = merge_policy(tmp_path / "adapter", tmp_path / "out" / "merged")
    assert 0 < merged.largest_difference < 1e-5
    assert not list(Path(merged.folder).glob("adapter*"))
    alone = load_policy(Path(merged.folder), "cpu")
    assert alone.extra == {"run_id": "r", "merged": True}
    predicted = alone.predict_frames(frames, "Go left.", LAST)
    adapter = load_policy(tmp_path / "adapter", "cpu").predict_frames(frames, "Go left.", LAST)
    # A 16-bit base rounds each of its sums; the merged weights are kept in 32 bits.
    assert np.abs(predicted - adapter).max() < (1e-5 if spec.base_dtype == "float32" else 0.03)
    with pytest.raises(PolicyError, match="no low-rank updates to merge"):
        merge_policy(Path(merged.folder), tmp_path / "again")
    with pytest.raises(UserInputError, match="is not empty"):
        merge_policy(tmp_path / "adapter", Path(merged.folder))


def test_compact_merges_too(compact_spec: PolicySpec, frames: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    save_policy(shaken(build_policy(compact_spec, seed=1), 0.01), tmp_path / "adapter", {})
    merged = merge_policy(tmp_path / "adapter", tmp_path / "merged")
    assert merged.largest_difference < 1e-5
    both = [
        load_policy(folder, "cpu").predict_frames(frames, "Go left.", LAST)
        for folder in (tmp_path / "adapter", tmp_path / "merged")
    ]
    assert np.abs(both[0] - both[1]).max() < 1e-5


def test_a_merged_model_serves_as_base_of_another_training(tiny_spec: PolicySpec, tmp_path: Path) -> None:
    """And its weights are other base weights than those it came from: no cache and no adapter is shared."""
    folders = []
    for number, size in enumerate((0.05, 0.06)):
        save_policy(shaken(build_policy(tiny_spec, seed=1), size), tmp_path / f"adapter{number}", {})
        folders.append(Path(merge_policy(tmp_path / f"adapter{number}", tmp_path / f"merged{number}").folder) / "base")
    specs = [replace(tiny_spec, backbone="kosmos2", base_model=str(folder)) for folder in folders]
    first, second = (build_policy(spec, seed=1) for spec in specs)
    assert first.base_fingerprint != second.base_fingerprint
    assert first.encoder.key != second.encoder.key


def test_weights_that_do_not_fit_are_refused(tiny_spec: PolicySpec, tmp_path: Path) -> None:
    save_policy(build_policy(replace(tiny_spec, tuning="full"), seed=1), tmp_path / "policy", {})
    path = tmp_path / "policy" / "policy.json"
    description = json.loads(path.read_text())
    description["spec"]["head_layers"] = 2
    path.write_text(json.dumps(description))
    with pytest.raises(PolicyError, match="do not fit the policy beside them: missing"):
        load_policy(tmp_path / "policy", "cpu")
    (tmp_path / "policy" / "model.safetensors").unlink()
    with pytest.raises(PolicyError, match=r"model\.safetensors is missing"):
        load_policy(tmp_path / "policy", "cpu")
