"""Golden reports: fixed results give the same report, word for word. `tests.golden.report_regenerate` writes them anew."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from mvla_core.layout import DataRoot
from mvla_core.wording import Language
from tests.golden.report_regenerate import HERE, place, report


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_report_is_as_it_was(lang: Language, tmp_path: Path) -> None:
    """Figures are labelled in English where no Korean font is installed; their titles are not part of the comparison."""
    kept = (HERE / f"report_{lang}.md").read_text(encoding="utf-8").splitlines()
    now = report(place(DataRoot(tmp_path)), lang).splitlines()
    old, new = ([line for line in lines if not line.startswith("![")] for lines in (kept, now))
    changed = list(difflib.unified_diff(old, new, "kept", "now", n=0, lineterm=""))
    assert not changed, "\n".join(changed[:40])


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_golden_report_speaks_of_no_machine(lang: str) -> None:
    text = (HERE / f"report_{lang}.md").read_text(encoding="utf-8")
    assert "/tmp" not in text
    assert "/home" not in text
