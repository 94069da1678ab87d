"""What the audit compares with: complete and explained, and what a user may put over it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mvla_core.audit.audit import audit_dataset
from mvla_core.audit.thresholds import default_thresholds, load_thresholds, own_file
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import UserInputError
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace

GREY = np.full((4, 4, 3), 128, dtype=np.uint8)


def write_own(root: DataRoot, text: str) -> Path:
    path = own_file(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_every_threshold_has_a_source_and_a_reason() -> None:
    for threshold in default_thresholds().values():
        assert threshold.source in ("briefing", "robot project", "ours")
        assert threshold.reason.endswith(".")
        assert not threshold.own
        both = threshold.recommended is not None and threshold.limit is not None
        assert bool(threshold.limit_reason) == both


def test_the_status_tells_a_goal_from_a_need() -> None:
    episodes = default_thresholds()["episodes"]
    assert [episodes.status(value) for value in (100, 99, 20, 19)] == ["ok", "info", "info", "warning"]
    forward = default_thresholds()["forward_share"]
    assert [forward.status(value) for value in (0.6, 0.61)] == ["ok", "warning"]
    assert episodes.shown == 100
    assert forward.shown == forward.needed == 0.6


def test_without_a_file_of_the_user_the_defaults_hold(root: DataRoot) -> None:
    assert load_thresholds(root) == default_thresholds()


def test_the_users_file_changes_only_what_it_names(root: DataRoot) -> None:
    write_own(root, '[episodes]\nlimit = 50\nreason = "Our professor asks for it."\n[forward_share]\nlimit = 0.7\n')
    found = load_thresholds(root)
    assert {name for name, threshold in found.items() if threshold.own} == {"episodes", "forward_share"}
    episodes = found["episodes"]
    assert (episodes.recommended, episodes.limit, episodes.source) == (100, 50, "yours")
    assert episodes.reason == "Our professor asks for it."
    assert found["forward_share"].reason == "Set in the data root's thresholds.toml."
    rest = found.keys() - {"episodes", "forward_share"}
    assert {name: found[name] for name in rest} == {name: default_thresholds()[name] for name in rest}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[episodes", "cannot be read"),
        ("episodes = 3", "must be a table"),
        ("[episodes]", "must be a table that gives a limit"),
        ('[episodes]\nreason = "Because."', "must be a table that gives a limit"),
        ("[epsodes]\nlimit = 3", r"no figure of the audit\. Did you mean 'episodes'\?"),
        ("[episodes]\nlimit = 3\nlimits = 4", r"has a key 'limits'.*Did you mean 'limit'\?"),
        ('[episodes]\nlimit = 3\nsense = "at_most"', "has a key 'sense'"),
        ('[episodes]\nlimit = "3"', "needs numbers"),
        ("[episodes]\nlimit = true", "needs numbers"),
        ("[episodes]\nlimit = nan", "needs numbers"),
        ('[episodes]\nlimit = 3\nreason = ""', "write a sentence"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(root: DataRoot, text: str, message: str) -> None:
    path = write_own(root, text)
    with pytest.raises(UserInputError, match=message) as caught:
        load_thresholds(root)
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_text_is_refused(root: DataRoot) -> None:
    write_own(root, "").write_bytes(b"\xff\xfe")
    with pytest.raises(UserInputError, match="cannot be read"):
        load_thresholds(root)


def test_the_audit_uses_the_users_limits_and_says_so(root: DataRoot) -> None:
    for number in range(4):
        path = root.dataset("few") / f"episode_{number}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_episode(path, [GREY] * 6, [[1.0, float(number)]] * 6, action_space=ActionSpace.default(2))
    before = audit_dataset(root, "few")
    assert "few_episodes" in {finding.code for finding in before.findings if finding.level == "warning"}
    write_own(root, "[episodes]\nlimit = 3\nrecommended = 4\n[clock_episodes]\nlimit = 4\n")
    after = audit_dataset(root, "few")
    assert "few_episodes" not in {finding.code for finding in after.findings}
    stored = after.to_json()["thresholds"]
    assert (stored["episodes"]["own"], stored["episodes"]["limit"], stored["frames"]["own"]) == (True, 3, False)
    assert next(row for row in after.table if row.name == "episodes").source == "yours"
    # The clock's figures come from the cache now; its verdict does not.
    assert before.clock is not None
    assert after.clock is not None
    assert (before.clock.verdict, after.clock.verdict) != ("undecided", "undecided")
    assert before.clock.verdict == "undecided"
