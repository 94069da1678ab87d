"""A report computes nothing: each raw value that it writes is, to the last bit, one that is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mvla_core import wording
from mvla_core.files import read_json
from mvla_core.layout import DataRoot
from mvla_core.reports.background import background_path
from mvla_core.reports.claims import published
from mvla_core.reports.grading import rules
from mvla_core.reports.language import Words
from mvla_core.reports.write import read_document


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_each_written_value_is_stored(
    evaluated: DataRoot, written: dict[str, Path], monkeypatch: pytest.MonkeyPatch, lang: wording.Language
) -> None:
    run = evaluated.run("planted")
    files = (run.evaluation_results, run.evaluation / "audit.json", background_path(run), run.config, run.result)
    stored = {number for path in files for number in numbers(read_json(path))}
    stored |= set(numbers([rules("grades"), rules("checklist"), published()]))
    said: list[float] = []

    def watch(owner: Any, name: str, place: int) -> None:
        original = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            if isinstance(args[place], int | float):
                said.append(float(args[place]))
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, watched)

    for name in ("percent", "real", "amount"):
        watch(Words, name, 1)
    watch(wording._Words, "format_field", 1)
    read_document(evaluated, "planted", lang)
    assert len(said) > 300
    # Lists are counted: sections, runs, episodes of a part.
    assert [value for value in said if value not in stored and not (value.is_integer() and value < 100)] == []
