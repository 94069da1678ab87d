"""The figures of an audit's distributions hold the audit's numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from app.dataset_figures import balance, determinism_by_index, episode_lengths, times_of_day, transition_shares
from mvla_core.audit.analysis import audit_episodes
from mvla_core.audit.balance import Group, by_scenario
from mvla_core.audit.result import AuditResult
from mvla_core.audit.thresholds import default_thresholds
from tests.golden.regenerate import sets


@pytest.fixture(scope="module")
def replica() -> AuditResult:
    limits = dict(default_thresholds())
    limits["determinism"] = dataclasses.replace(limits["determinism"], limit=0.7)
    return audit_episodes("replica", *sets()["briefing_replica"], thresholds=limits)


def test_transitions_are_shares_of_each_row(replica: AuditResult) -> None:
    figure = transition_shares(replica)
    assert figure is not None
    (heat,) = figure.data
    rows = np.nansum(np.asarray(heat.z, dtype=float), axis=1)
    assert rows[: len(heat.y) - 1] == pytest.approx(100)
    assert np.asarray(heat.customdata).sum() == 205


def test_lengths_and_their_classes(replica: AuditResult) -> None:
    figure = episode_lengths(replica)
    assert sorted(figure.data[0].x) == [2] + [18] * 12
    assert [note.text for note in figure.layout.annotations] == ["medium"]


def test_times_and_groups(replica: AuditResult) -> None:
    assert dict(zip(times_of_day(replica).data[0].x, times_of_day(replica).data[0].y, strict=True))["unknown"] == 13
    figure = balance(by_scenario(replica.episodes))
    assert list(figure.data[0].x) == [13]
    many = [Group(f"{number:02d}" + "x" * 50, number, number, 0.0) for number in range(20, 0, -1)]
    bars = balance(many, most=5).data[0]
    assert list(bars.x) == [20, 19, 18, 17, 16, sum(range(1, 16))]
    assert bars.customdata[-1] == "15 others"


def test_the_limit_is_the_one_that_the_audit_used(replica: AuditResult) -> None:
    assert determinism_by_index(replica).layout.shapes[0].y0 == 70


def test_nothing_to_draw_is_no_fault() -> None:
    empty = audit_episodes("empty", [], [])
    assert transition_shares(empty) is None
    assert len(episode_lengths(empty).data[0].x) == 0
    assert sum(times_of_day(empty).data[0].y) == 0
