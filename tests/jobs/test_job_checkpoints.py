"""A run that is resumed reads files of its folder: pickles and code that somebody put there are never run."""

from __future__ import annotations

import ast
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvla_core.episodes.writer import write_episode
from mvla_core.errors import PolicyError, Stopped
from mvla_core.layout import DataRoot
from mvla_core.progress import Progress
from mvla_core.schema import ActionSpace

os.environ["HF_HUB_OFFLINE"] = "1"


class StopAtOnce(Progress):
    """Asks to stop after the second step."""

    steps = 0

    def emit(self, event: str, **values: Any) -> None:
        self.steps += event == "step"

    @property
    def stop_requested(self) -> bool:
        return self.steps > 1


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_pickles_in_a_checkpoint_or_an_adapter_are_never_run(root: DataRoot, tmp_path: Path) -> None:
    from mvla_core.policies.adapter import load_policy
    from mvla_core.training.checkpoints import newest_checkpoint, write_mark
    from mvla_core.training.launch import prepare_run
    from mvla_core.training.train import train_run

    generator = np.random.default_rng(0)
    for number in range(10):
        write_episode(
            root.dataset("colours") / f"episode_{number:02}.h5",
            generator.integers(0, 256, (7, 32, 32, 3), dtype=np.uint8),
            generator.normal(size=(7, 2)).astype(np.float32),
            action_space=ActionSpace.default(2),
            instruction="Go.",
        )
    run = prepare_run(root, "colours", "tiny", {"window_size": 3, "chunk_size": 4, "epochs": 3, "batch_size": 2})
    with pytest.raises(Stopped):
        train_run(root, run, StopAtOnce())
    checkpoint = newest_checkpoint(run)
    assert checkpoint is not None
    struck = tmp_path / "struck"
    loaded = [path for path in checkpoint.iterdir() if path.suffix in (".pt", ".pth")]
    assert len(loaded) >= 2
    for path in loaded:
        kept = path.read_bytes()
        path.write_bytes(pickle.dumps(Bomb(struck)))
        write_mark(checkpoint, 1)  # whoever plants a bomb can compute its checksum
        with pytest.raises(Exception, match=r"(?i)weights.only|unsupported|pickle"):
            train_run(root, run, Progress())
        assert not struck.exists(), path.name
        path.write_bytes(kept)
    (run.adapter_last / "adapter_model.safetensors").unlink()
    (run.adapter_last / "adapter_model.bin").write_bytes(pickle.dumps(Bomb(struck)))
    with pytest.raises(PolicyError, match="no policy"):
        load_policy(run.adapter_last)
    assert not struck.exists()
    pickle.loads(pickle.dumps(Bomb(struck)))  # the bomb itself works
    assert struck.exists()


FORBIDDEN = re.compile(
    r"trust_remote_code|allow_pickle=True|weights_only=False|shell=True|os\.system|\beval\(|\bexec\("
)


def test_program_has_no_way_to_run_foreign_code(repository: Path) -> None:
    """No module loads pickles, remote code or a shell; every `torch.load` names `weights_only`."""
    for folder in ("mvla_core", "app", "pages"):
        for path in (repository / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            found = FORBIDDEN.search(re.sub(r"\.eval\(", "", text))
            assert found is None, f"{path.relative_to(repository)}: {found[0] if found else ''}"
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                    assert not {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"} & set(names), path
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                    assert "weights_only=True" in ast.unparse(node), path
