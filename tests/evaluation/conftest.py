"""The planted worlds, for every test of the evaluation."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def worlds() -> ModuleType:
    """`planted_worlds.py`, which lies beside this file and is no package."""
    spec = importlib.util.spec_from_file_location("planted_worlds", Path(__file__).with_name("planted_worlds.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Dataclasses look their module up by name.
    spec.loader.exec_module(module)
    return module
