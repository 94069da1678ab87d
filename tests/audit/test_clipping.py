"""What a normalisation would cut, and what the held-out part commands beyond the training part."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mvla_core.audit.result import AuditResult

Audit = Callable[..., AuditResult]
Varied = Callable[..., list[Any]]


def the(result: AuditResult, code: str) -> Any:
    return next(finding for finding in result.findings if finding.code == code)


def test_the_clipped_share_of_each_axis(audit: Audit, recordings: Any) -> None:
    sequences = recordings.briefing()
    found = the(audit(sequences), "clipped_actions")
    beyond = np.abs(np.concatenate([sequence.actions for sequence in sequences])) > 1.0
    assert found.details["share"] == pytest.approx(beyond.any(axis=1).mean())
    assert found.details["axes"] == pytest.approx(dict(zip(("linear_x", "linear_y"), beyond.mean(axis=0), strict=True)))
    assert "linear_x 84 %, linear_y 45 %" in found.message


@pytest.mark.parametrize(("factor", "level"), [(1.0005, None), (1.2, "warning")])
def test_held_out_values_beyond_the_training_part(
    audit: Audit, varied: Varied, factor: float, level: str | None
) -> None:
    sequences = varied(24)
    split = audit(sequences).split
    assert split is not None
    held_out = {*split.validation, *split.test}
    faster = [
        dataclasses.replace(s, actions=(s.actions * [factor, 1.0]).astype(np.float32))
        if s.episode_id in held_out
        else s
        for s in sequences
    ]
    result = audit(faster)
    found = [finding for finding in result.findings if finding.code == "outside_train_range"]
    assert [finding.level for finding in found] == ([level] if level else [])
    if found:
        own = np.concatenate([s.actions for s in faster if s.episode_id in held_out])
        beyond = np.abs(own[:, 0]) > 1.16
        assert found[0].details["axes"] == {"linear_x": pytest.approx(beyond.mean()), "linear_y": 0.0}


def test_a_few_tails_are_told_and_do_not_warn(audit: Audit, varied: Varied) -> None:
    sequences = varied(24)
    split = audit(sequences).split
    assert split is not None
    one = next(sequence for sequence in sequences if sequence.episode_id in split.test)
    one.actions[3, 0] = 2.0
    assert the(audit(sequences), "outside_train_range").level == "info"
