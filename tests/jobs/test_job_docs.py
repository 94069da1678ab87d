"""The fault table of docs/jobs.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_fault_has_its_test(repository: Path) -> None:
    text = (repository / "docs" / "jobs.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    files = [*(repository / "tests" / "jobs").glob("test_*.py"), repository / "tests" / "test_runs.py"]
    defined = {name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    assert len(named) > 30
    assert not named - defined
