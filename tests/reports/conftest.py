"""An evaluated run for every test of the reports: a planted world, evaluated once."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mvla_core.datasets.windows import WindowSpec
from mvla_core.evaluation.assess import assess
from mvla_core.layout import DataRoot


@pytest.fixture(scope="session")
def worlds() -> ModuleType:
    """`tests/evaluation/planted_worlds.py`, which is no package."""
    path = Path(__file__).parent.parent / "evaluation" / "planted_worlds.py"
    spec = importlib.util.spec_from_file_location("planted_worlds_of_reports", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Dataclasses look their module up by name.
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory, worlds: ModuleType) -> DataRoot:
    """A data root with the run "planted" of a policy that has learned; not to be changed."""
    root = DataRoot(tmp_path_factory.mktemp("evaluated"))
    worlds.record(root, "corridor", worlds.varied_keys, 40)
    assess(root, worlds.prepare(root, "corridor"), worlds.sighted(), worlds.SPACE, WindowSpec())
    return root


@pytest.fixture(scope="session")
def written(evaluated: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of the written report in each language."""
    from mvla_core.reports.write import write_report

    folders = {}
    for lang in ("en", "ko"):
        folders[lang] = tmp_path_factory.mktemp(f"report_{lang}")
        write_report(evaluated, "planted", lang=lang, out=folders[lang])  # type: ignore[arg-type]
    return folders
