"""The clock's figures are kept, are the same, and are made anew as soon as anything they rest on changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvla_core.audit.clock_store import ClockStore
from mvla_core.audit.result import AuditResult
from mvla_core.datasets.windows import WindowSpec
from mvla_core.progress import Progress

Audit = Callable[..., AuditResult]


class Notes(Progress):
    """Remembers what was noted."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def note(self, message: str, level: str = "info") -> None:
        self.said.append(message)


def kept(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.json")}


def test_what_is_kept_is_what_was_measured(audit: Audit, recordings: Any, tmp_path: Path) -> None:
    store = ClockStore(tmp_path / "audit")
    fresh = audit(recordings.briefing()).to_json()
    assert audit(recordings.briefing(), store=store).to_json() == fresh
    assert len(kept(store.folder)) == 1
    assert audit(recordings.briefing(), store=store).to_json() == fresh
    assert len(kept(store.folder)) == 1


def test_anything_that_counts_gives_another_entry(audit: Audit, recordings: Any, tmp_path: Path) -> None:
    store = ClockStore(tmp_path / "audit")
    sequences = recordings.briefing()
    audit(sequences, store=store)
    other = [dataclasses.replace(s, actions=s.actions.copy()) for s in sequences]
    other[3].actions[5, 0] += np.float32(1e-6)
    told = [dataclasses.replace(s, instruction="go") for s in sequences]
    for keywords in ({"seed": 1}, {"window": WindowSpec(3, 10)}):
        audit(sequences, store=store, **keywords)
    audit(other, store=store)
    audit(told, store=store)
    assert len(kept(store.folder)) == 5


def test_without_a_split_the_seed_still_deals_the_folds(audit: Audit, varied: Any, tmp_path: Path) -> None:
    store = ClockStore(tmp_path / "audit")
    for seed in (0, 1):
        assert audit(varied(6), {"recording_id": "one"}, store=store, seed=seed).split is None
    assert len(kept(store.folder)) == 2


def test_a_damaged_entry_is_told_and_made_anew(audit: Audit, recordings: Any, tmp_path: Path) -> None:
    notes = Notes()
    store = ClockStore(tmp_path / "audit", notes)
    fresh = audit(recordings.briefing(), store=store).to_json()
    (path,) = store.folder.iterdir()
    for text in ("{", "[]", '{"baselines": null}', '{"baselines": null, "evidence": {"predictor": 1}}'):
        path.write_text(text, encoding="utf-8")
        assert audit(recordings.briefing(), store=store).to_json() == fresh
    assert len(notes.said) == 4
    assert "made anew" in notes.said[0]


def test_a_cache_that_cannot_be_written_is_told(audit: Audit, recordings: Any, tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file, not a folder", encoding="utf-8")
    notes = Notes()
    audit(recordings.briefing(), store=ClockStore(tmp_path / "audit", notes))
    assert any("cannot be kept" in said for said in notes.said)


def test_old_entries_are_deleted(
    audit: Audit, recordings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mvla_core.audit.clock_store._KEPT", 3)
    store = ClockStore(tmp_path / "audit")
    for seed in range(5):
        audit(recordings.briefing(), store=store, seed=seed)
    assert len(kept(store.folder)) == 3
