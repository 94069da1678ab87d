"""The layers of docs/architecture.md, enforced; and the proof that browsing, auditing and supervising never load torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "peft", "accelerate")


def run_python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(cwd)}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


def test_import_contracts_hold(repository: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize(
    "modules",
    [
        "app.shell, app.routes, app.cached, app.session",
        "mvla_core.jobs.queue, mvla_core.jobs.runner, mvla_core.jobs.worker, mvla_core.runs.listing, mvla_core.runs.curves",
        "mvla_core.audit.audit, mvla_core.episodes.catalogue, mvla_core.episodes.importers, mvla_core.simulation.record",
        "mvla_core.training.recipe, mvla_core.training.launch, mvla_core.reports.write, mvla_core.evaluation.results",
        "mvla_core.readiness.assess, mvla_core.readiness.verify",
        "mvla_core.__main__",
    ],
)
def test_torch_is_never_loaded_by(modules: str, repository: Path) -> None:
    code = f"import sys, {modules}; print([name for name in {HEAVY!r} if name in sys.modules])"
    finished = run_python(code, repository)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == "[]"


def test_pages_import_neither_torch_nor_hdf5(repository: Path) -> None:
    pages = sorted((repository / "pages").glob("*_page.py"))
    assert pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for name in (*HEAVY, "h5py"):
            assert f"import {name}" not in text, f"{page.name} imports {name}"
            assert f"from {name}" not in text, f"{page.name} imports {name}"


def test_modules_stay_small(repository: Path) -> None:
    """A module near 200 lines can be read at one sitting; at 400 it is split or says why at its top."""
    for folder in ("mvla_core", "app", "pages"):
        for path in (repository / folder).rglob("*.py"):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            assert lines <= 400, f"{path.relative_to(repository)} has {lines} lines"
