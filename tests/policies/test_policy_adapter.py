"""Policies on the disk: a new process predicts the same bits; what does not fit is refused in one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from mvla_core.errors import PolicyError
from mvla_core.policies.adapter import load_policy, save_policy
from mvla_core.policies.build import BuiltPolicy, build_policy
from mvla_core.policies.spec import PolicySpec

LAST = np.array([2, 4, 6])

NEW_PROCESS = """
import socket, sys
from pathlib import Path
import numpy as np

def refuse(*given, **options):
    raise AssertionError("a policy went to the network")

socket.socket.connect = refuse
socket.getaddrinfo = refuse
folder = Path(sys.argv[1])
from mvla_core.policies.adapter import load_policy
policy = load_policy(folder, device="cpu")
predicted = policy.predict_frames(np.load(folder.parent / "frames.npy"), "Go left.", np.array([2, 4, 6]))
np.save(folder.parent / "predicted.npy", predicted)
"""


def shaken(policy: BuiltPolicy) -> BuiltPolicy:
    """Move every trained weight away from its start, so that a part that is not saved shows."""
    generator = torch.Generator().manual_seed(9)
    for parameter in policy.network.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    policy.network.eval()
    return policy


def predict_in_a_new_process(folder: Path, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    np.save(folder.parent / "frames.npy", frames)
    subprocess.run([sys.executable, "-W", "error", "-c", NEW_PROCESS, str(folder)], check=True, timeout=120)
    predicted: npt.NDArray[np.float32] = np.load(folder.parent / "predicted.npy")
    return predicted


@pytest.mark.parametrize("backbone", ["compact", "tiny", "kosmos2"])
def test_a_new_process_predicts_the_same_bits_without_the_network(
    backbone: str,
    compact_spec: PolicySpec,
    tiny_spec: PolicySpec,
    tiny_kosmos_folder: Callable[[], Path],
    frames: npt.NDArray[np.uint8],
    tmp_path: Path,
) -> None:
    spec = compact_spec if backbone == "compact" else tiny_spec
    if backbone == "kosmos2":
        spec = replace(spec, backbone="kosmos2", base_model=str(tiny_kosmos_folder()), lora_targets="all")
    policy = shaken(build_policy(spec, seed=1))
    folder = tmp_path / "run" / "adapter"
    save_policy(policy, folder, {"epoch": 3})
    here = load_policy(folder, device="cpu")
    assert here.spec == spec
    assert here.extra == {"epoch": 3}
    predicted = here.predict_frames(frames, "Go left.", LAST)
    assert predicted.shape == (3, 4, 2)
    network = policy.network.get_base_model()
    windows = torch.from_numpy(LAST[:, None] + np.arange(-2, 1))
    read = network.read(*policy.encode_instructions(["Go left."]))
    in_training = network.predict(policy.encoder.encode(frames), read, windows)
    assert np.array_equal(predicted, spec.normaliser.invert(in_training.numpy()))
    assert np.array_equal(predicted, predict_in_a_new_process(folder, frames))
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["README.md", "adapter_config.json", "adapter_model.safetensors", "policy.json"]
    assert sorted(path.name for path in folder.parent.iterdir() if path.is_dir()) == ["adapter"]


def test_the_base_weights_are_not_in_the_adapter(compact_spec: PolicySpec, tmp_path: Path) -> None:
    policy = build_policy(compact_spec, seed=1)
    save_policy(policy, tmp_path / "adapter", {})
    trained = sum(p.numel() for p in policy.network.parameters() if p.requires_grad)
    assert (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size < 4 * trained + 50_000


def test_saving_again_replaces_the_folder(tiny_spec: PolicySpec, tmp_path: Path) -> None:
    policy = build_policy(tiny_spec, seed=1)
    save_policy(policy, tmp_path / "adapter", {"epoch": 1})
    save_policy(policy, tmp_path / "adapter", {"epoch": 2})
    assert load_policy(tmp_path / "adapter", "cpu").extra == {"epoch": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_other_base_weights_are_refused(tiny_spec: PolicySpec, tmp_path: Path) -> None:
    save_policy(build_policy(tiny_spec, seed=1), tmp_path / "adapter", {})
    path = tmp_path / "adapter" / "policy.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps({**description, "base_fingerprint": "tiny:0"}))
    with pytest.raises(PolicyError, match="trained on other base weights"):
        load_policy(tmp_path / "adapter", "cpu")


def test_an_incomplete_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"policy\.json is missing"):
        load_policy(tmp_path)


def test_windows_before_the_first_frame_are_refused(
    tiny_spec: PolicySpec, frames: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    save_policy(build_policy(tiny_spec, seed=1), tmp_path / "adapter", {})
    policy = load_policy(tmp_path / "adapter", "cpu")
    with pytest.raises(PolicyError, match="must lie within 2 and 6; found 1 to 3"):
        policy.predict_frames(frames, "", np.array([1, 3]))
    assert policy.predict_frames(frames, "", np.array([], dtype=np.int64)).shape == (0, 4, 2)


def test_a_float16_base_is_float32_on_the_cpu(
    tiny_spec: PolicySpec, frames: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    save_policy(build_policy(replace(tiny_spec, base_dtype="float16"), seed=1), tmp_path / "half", {})
    save_policy(build_policy(tiny_spec, seed=1), tmp_path / "full", {})
    half, full = (load_policy(tmp_path / name, "cpu").predict_frames(frames, "", LAST) for name in ("half", "full"))
    assert np.array_equal(half, full)


def test_a_bfloat16_base_predicts_with_a_float32_head(
    tiny_spec: PolicySpec, frames: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    policy = build_policy(replace(tiny_spec, base_dtype="bfloat16"), seed=1)
    assert all(p.dtype == torch.float32 for p in policy.network.parameters() if p.requires_grad)
    save_policy(policy, tmp_path / "adapter", {})
    predicted = load_policy(tmp_path / "adapter", "cpu").predict_frames(frames, "", LAST)
    assert predicted.dtype == np.float32
    assert np.isfinite(predicted).all()
