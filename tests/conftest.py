"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mvla_core.layout import DataRoot

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="also run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--run-slow"):
        return
    skip = pytest.mark.skip(reason="takes minutes; run with --run-slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """An empty data root of its own."""
    return DataRoot(tmp_path / "data")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared recordings: MVLA_SHARED_DATA, else `shared/data` beside the repository."""
    folder = Path(os.environ.get("MVLA_SHARED_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"the shared recordings are not at {folder}")
    return folder
