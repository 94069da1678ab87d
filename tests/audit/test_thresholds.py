"""The thresholds file: complete, explained, and refused with a sentence where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvla_core.audit.thresholds import DEFAULT_FILE, default_thresholds, load_thresholds
from mvla_core.errors import UserInputError


def test_every_threshold_has_a_source_and_a_reason() -> None:
    for threshold in default_thresholds().values():
        assert threshold.source in ("briefing", "robot project", "ours")
        assert threshold.reason.endswith(".")
        both = threshold.recommended is not None and threshold.limit is not None
        assert bool(threshold.limit_reason) == both


def test_the_status_tells_a_goal_from_a_need() -> None:
    episodes = default_thresholds()["episodes"]
    assert [episodes.status(value) for value in (100, 99, 20, 19)] == ["ok", "info", "info", "warning"]
    forward = default_thresholds()["forward_share"]
    assert [forward.status(value) for value in (0.6, 0.61)] == ["ok", "warning"]
    assert episodes.shown == 100
    assert forward.shown == forward.needed == 0.6


def test_a_copy_can_be_edited(tmp_path: Path) -> None:
    copy = tmp_path / "mine.toml"
    copy.write_text(DEFAULT_FILE.read_text(encoding="utf-8").replace("limit = 20", "limit = 50", 1), encoding="utf-8")
    assert load_thresholds(copy)["episodes"].needed == 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[episodes", "cannot be read"),
        ("", "lacks"),
        ('[episodes]\nsense = "at_least"\nlimit = 1\nsource = "ours"', "must hold"),
        ('[episodes]\nsense = "at_least"\nlimit = 1\nsource = "ours"\nreason = "r"\nlimits = 2', "must hold"),
        ('[episodes]\nsense = "more"\nlimit = 1\nsource = "ours"\nreason = "r"', "'at_least' or 'at_most'"),
        ('[episodes]\nsense = "at_least"\nlimit = "1"\nsource = "ours"\nreason = "r"', "needs numbers"),
        ('[episodes]\nsense = "at_least"\nsource = "ours"\nreason = "r"', "neither"),
        ("episodes = 3", "must hold"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserInputError, match=message):
        load_thresholds(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match=r"gone\.toml cannot be read"):
        load_thresholds(tmp_path / "gone.toml")
