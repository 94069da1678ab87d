"""An evaluated run for every test of readiness: a planted world, evaluated once; tests that change something get a copy."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mvla_core.datasets.windows import WindowSpec
from mvla_core.evaluation.assess import assess
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot

RUN = "planted"


@pytest.fixture(scope="session")
def worlds() -> ModuleType:
    """`tests/evaluation/planted_worlds.py`, which is no package."""
    path = Path(__file__).parent.parent / "evaluation" / "planted_worlds.py"
    spec = importlib.util.spec_from_file_location("planted_worlds_of_readiness", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Dataclasses look their module up by name.
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory, worlds: ModuleType) -> DataRoot:
    """A data root with the run "planted" of a policy that has learned, with an adapter; not to be changed."""
    root = DataRoot(tmp_path_factory.mktemp("ready"))
    worlds.record(root, "corridor", worlds.varied_keys, 40)
    run = worlds.prepare(root, "corridor")
    assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec())
    run.adapter.mkdir()
    (run.adapter / "adapter_model.safetensors").write_bytes(b"weights")
    write_json(run.adapter / "adapter_config.json", {"r": 8})
    return root


@pytest.fixture
def changeable(evaluated: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of that root, free to change."""
    shutil.copytree(evaluated.path, tmp_path / "copy")
    root = DataRoot(tmp_path / "copy")
    config = read_json(root.run(RUN).config)
    write_json(root.run(RUN).config, {**config, "dataset_folder": str(root.dataset("corridor"))})
    return root
