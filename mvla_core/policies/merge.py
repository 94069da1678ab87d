"""Folding low-rank updates into the weights they belong to: a policy that needs neither PEFT nor the base weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from peft import PeftModel
from torch import Tensor

from mvla_core.errors import PolicyError, UserInputError
from mvla_core.policies.adapter import is_whole, load_network, read_description, save_policy
from mvla_core.policies.build import BuiltPolicy
from mvla_core.policies.spec import PolicySpec

_ALLOWED = 1e-3
"""A larger difference, in the head's outputs, means that the merge went wrong."""


@dataclass(frozen=True)
class Merged:
    """What a merge gave.

    Attributes:
        folder: Where it lies.
        largest_difference: Between the head's outputs before and after, on random pictures, both in float32.
        size_bytes: Of all files.
    """

    folder: str
    largest_difference: float
    size_bytes: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def merge_policy(folder: Path, out: Path) -> Merged:
    """Write a policy with its low-rank updates folded into float32 weights.

    Args:
        folder: A policy with an adapter, as `save_policy` wrote it.
        out: A folder that does not exist yet, or is empty.

    Raises:
        UserInputError: The folder to write to is not empty.
        PolicyError: The policy cannot be loaded, or has no low-rank updates.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserInputError(f"The folder {out} is not empty; name one that does not exist yet.")
    description = read_description(folder)
    if is_whole(description):
        raise PolicyError(
            f"The policy in {folder} has no low-rank updates to merge: all its weights lie there; copy the folder."
        )
    spec = PolicySpec.from_json(description["spec"])
    loaded = load_network(folder, spec, description)
    # 16-bit weights are widened first: the sum of weight and update would be rounded away.
    network = loaded.network.eval().float()
    assert isinstance(network, PeftModel)
    before = _outputs_on_noise(loaded)
    merged = BuiltPolicy(
        replace(spec, base_dtype="float32"),
        network.merge_and_unload(),
        loaded.encoder,
        loaded.tokenise,
        loaded.base_fingerprint,
    )
    difference = float((_outputs_on_noise(merged) - before).abs().max())
    if not difference <= _ALLOWED:
        raise PolicyError(
            f"The merged policy of {folder} differs from the adapter by {difference:g} in the head's outputs; expected at most "
            f"{_ALLOWED:g}; nothing was written."
        )
    if out.exists():
        out.rmdir()
    save_policy(merged, out, {**description["extra"], "merged": True})
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return Merged(str(out), difference, size)


def _outputs_on_noise(policy: BuiltPolicy) -> Tensor:
    generator = np.random.default_rng(0)
    frames = policy.spec.window_size + 2
    shape = (frames, *policy.encoder.shape)
    features: npt.NDArray[Any]
    if policy.encoder.dtype == np.uint8:
        features = generator.integers(0, 256, shape, dtype=np.uint8)
    else:
        features = generator.normal(size=shape).astype(np.float32)
    windows = torch.arange(policy.spec.window_size)[None] + torch.arange(3)[:, None]
    instructions = policy.policy.read(*policy.encode_instructions(["Go to the left."]))
    return policy.policy.predict_outputs(features, instructions, windows)
