"""Usual claims of a training report: the briefing's own figures are reproduced, and what does not hold is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mvla_core.evaluation.losses import analyse_losses
from mvla_core.layout import DataRoot
from mvla_core.reports.claims import CODES, RUN_CODES, Claim, check_published, check_run, published
from mvla_core.reports.stored import read_stored

GOLDEN_AUDIT = Path(__file__).parents[1] / "golden" / "audit_briefing_replica.json"


@pytest.fixture(scope="module")
def briefing() -> dict[str, Claim]:
    return {claim.code: claim for claim in check_published()}


def test_the_briefings_nine_epochs_give_its_figures(briefing: dict[str, Claim]) -> None:
    """84.9 %, 83.8 %, 0.0004, 0.0052: the mean gap of its nine epochs is 0.0052, not the 0.0054 that it claims."""
    assert tuple(briefing) == CODES
    assert round(briefing["train_fall"].found or 0, 3) == 0.849
    assert round(briefing["val_fall"].found or 0, 3) == 0.838
    assert round(briefing["last_gap"].found or 0, 4) == 0.0004
    assert round(briefing["mean_gap"].found or 0, 4) == 0.0052
    assert briefing["mean_gap"].claimed == 0.0054


def test_which_of_its_claims_hold(briefing: dict[str, Claim]) -> None:
    holds = {code for code, claim in briefing.items() if claim.holds}
    assert holds == {"train_fall", "val_fall", "last_gap", "diversity"}
    assert all(claim.holds is not None for claim in briefing.values())


def test_no_negative_improvement_fails_at_epoch_8(briefing: dict[str, Claim]) -> None:
    claim = briefing["no_negative"]
    assert claim.values["train_epochs"] == [8, 19]
    assert claim.values["val_epochs"] == []
    epochs = {row["epoch"]: row for row in analyse_losses(published()["epochs"])["epochs"]}
    assert epochs[8]["train_improvement"] == pytest.approx((0.0289 - 0.0349) / 0.0289)


def test_its_rmse_is_the_root_of_a_huber_loss(briefing: dict[str, Claim]) -> None:
    claim = briefing["rmse_root"]
    assert claim.claimed == round(claim.found or 0, 2) == 0.14
    assert claim.found == pytest.approx(0.0198**0.5)


def test_its_ratio_and_its_clock_are_what_the_audit_gives(briefing: dict[str, Claim]) -> None:
    audit = json.loads(GOLDEN_AUDIT.read_text(encoding="utf-8"))
    known = published()["recomputed"]
    assert round(audit["clock"]["explained"]["value"], 2) == known["clock_explained"]
    assert (audit["frames"], audit["unique_actions"]) == (known["frames"], known["unique_actions"])
    assert briefing["samples_per_parameter"].found == pytest.approx(45 / 33_572_884)


def test_its_parameters_are_those_of_the_preset(briefing: dict[str, Claim]) -> None:
    from mvla_core.training.preset_size import preset_size

    assert preset_size("briefing").of(2) == published()["recomputed"]["trainable_parameters"]


@pytest.mark.shared
def test_the_epochs_are_those_that_were_recorded(shared_data: Path) -> None:
    recorded = json.loads((shared_data / "real_robot_trajectories.json").read_text(encoding="utf-8"))
    table = recorded["briefing_loss_by_epoch"]["epochs"]
    stated = {str(row["epoch"]): [row["train_loss"], row["val_loss"]] for row in published()["epochs"]}
    assert stated == table


def test_a_run_is_checked_on_the_same_claims(evaluated: DataRoot, written: dict[str, Path]) -> None:
    stored = read_stored(evaluated, "planted")
    claims = {claim.code: claim for claim in check_run(stored.results, stored.audit, 1000)}
    assert tuple(claims) == RUN_CODES
    assert claims["beats_clock"].holds is True
    assert claims["no_negative"].holds is True
    assert claims["samples_per_parameter"].found == stored.audit["windows"]["parts"]["train"] / 1000
    assert claims["samples_per_parameter"].holds is False
    worse: dict[str, Any] = json.loads(json.dumps(stored.results))
    rows = [{**row, "val_loss": row["val_loss"] * (2 if row["epoch"] == 5 else 1)} for row in worse["losses"]["epochs"]]
    worse["losses"] = analyse_losses(rows)
    again = {claim.code: claim for claim in check_run(worse, stored.audit, None)}
    assert again["no_negative"].holds is False
    assert again["no_negative"].values["val_epochs"] == [5]
    assert again["samples_per_parameter"].holds is None


def test_without_losses_nothing_is_claimed_of_them(evaluated: DataRoot, written: dict[str, Path]) -> None:
    stored = read_stored(evaluated, "planted")
    results = {**stored.results, "losses": analyse_losses([])}
    claims = {claim.code: claim.holds for claim in check_run(results, stored.audit, None)}
    assert {
        claims[code] for code in ("train_fall", "val_fall", "mean_gap", "last_gap", "no_negative", "rmse_root")
    } == {None}
