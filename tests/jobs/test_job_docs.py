"""The fault table of docs/jobs.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_fault_has_its_test(repository: Path) -> None:
    text = (repository / "docs" / "jobs.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    tests = repository / "tests"
    files = [*(tests / "jobs").glob("test_*.py"), *(tests / "e2e").glob("test_*.py"), tests / "test_runs.py"]
    defined = {name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    assert len(named) > 50
    assert not named - defined
