"""A training that is killed without warning goes on from its last checkpoint as if nothing had happened."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mvla_core.layout import DataRoot, RunFolder
from mvla_core.progress import SILENT
from mvla_core.training.checkpoints import newest_checkpoint
from mvla_core.training.launch import prepare_run
from mvla_core.training.train import train_run

SETTINGS: dict[str, Any] = {
    "window_size": 3,
    "chunk_size": 4,
    "epochs": 4,
    "batch_size": 2,
    "head_dropout": 0.2,
    "ema_decay": 0.9,
    "curriculum": "simple_first",
    "lora_top_layers": 1,
    "action_head": "directions",
}
KILLED_IN_A_STEP = """
import os, signal, sys
from pathlib import Path
from mvla_core.layout import DataRoot
from mvla_core.progress import Progress
from mvla_core.training import run_callback, train

run_callback.CHECKPOINT_INTERVAL_S = 0.0  # after each step
run_callback.WRITING_SHARE = float("inf")

class Killer(Progress):
    def emit(self, event, **values):
        if event == "step" and values["step"] == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

root = DataRoot(Path(sys.argv[1]))
train.train_run(root, root.run(sys.argv[2]), Killer())
"""


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    folders: tuple[Path, ...] = (run.adapter, run.adapter_last)
    return {f"{each.name} {name}": value for each in folders for name, value in _of(each).items()}


def _of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.parametrize(
    ("step", "changes"),
    [(7, {}), (9, {"batch_size": 1, "gradient_accumulation": 2})],
    ids=["at the end of an epoch", "within an epoch"],
)
def test_killed_and_continued_equals_uninterrupted(
    root: DataRoot, colours: str, step: int, changes: dict[str, Any]
) -> None:
    """Three steps make an epoch; a step is told before its checkpoint is written."""
    whole, run = (prepare_run(root, colours, "tiny", {**SETTINGS, **changes}, seed=2) for _ in range(2))
    expected = train_run(root, whole, SILENT)
    command = [sys.executable, "-c", KILLED_IN_A_STEP, str(root.path), run.run_id, str(step)]
    ended = subprocess.run(command, check=False, timeout=300, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr[-2000:]
    checkpoint = newest_checkpoint(run)
    assert checkpoint is not None
    assert checkpoint.name == f"checkpoint-{step - 1}"
    result = train_run(root, run, SILENT)
    assert result["val_loss"] == pytest.approx(expected["val_loss"], abs=1e-6)
    assert result["train_loss"] == pytest.approx(expected["train_loss"], abs=1e-6)
    there, here = weights(whole), weights(run)
    assert there.keys() == here.keys()
    assert all(torch.allclose(there[name], here[name], atol=1e-6) for name in there)
