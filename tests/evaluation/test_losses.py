"""The loss analysis, with the nine epochs that the briefing published as input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mvla_core.evaluation.losses import analyse_losses, read_losses
from mvla_core.files import append_json_line
from mvla_core.layout import DataRoot


@pytest.mark.shared
def test_the_briefings_own_epochs_give_its_published_figures(shared_data: Path) -> None:
    told = json.loads((shared_data / "real_robot_trajectories.json").read_text(encoding="utf-8"))
    rows = [
        {"epoch": int(epoch), "train_loss": train, "val_loss": val}
        for epoch, (train, val) in told["briefing_loss_by_epoch"]["epochs"].items()
    ]
    found = analyse_losses(rows)
    assert found["train_reduction"] == pytest.approx(0.849, abs=0.003)
    assert found["val_reduction"] == pytest.approx(0.838, abs=0.0005)
    assert found["last_gap"] == pytest.approx(0.0004)
    assert found["mean_gap"] == pytest.approx(0.0052, abs=0.00005)
    assert found["best_epoch"] == 19
    # "No negative improvement" does not hold: the training loss rises from epoch 5 to 8.
    by_epoch = {row["epoch"]: row for row in found["epochs"]}
    assert by_epoch[8]["train_improvement"] < 0


def test_improvement_is_relative_to_the_epoch_before() -> None:
    found = analyse_losses(
        [
            {"epoch": 1, "train_loss": 0.4, "val_loss": 0.5},
            {"epoch": 2, "train_loss": 0.2, "val_loss": 0.25},
            {"epoch": 3, "train_loss": 0.1, "val_loss": 0.5},
        ]
    )
    assert [row["val_improvement"] for row in found["epochs"]] == [None, 0.5, -1.0]
    assert [row["gap"] for row in found["epochs"]] == pytest.approx([0.1, 0.05, 0.4])
    assert (found["best_epoch"], found["worse_epochs"]) == (2, 1)
    assert found["train_reduction"] == pytest.approx(0.75)


def test_a_run_that_was_resumed_and_one_that_diverged(root: DataRoot) -> None:
    run = root.run("resumed")
    run.path.mkdir(parents=True)
    for epoch, loss in ((1, 0.9), (2, 0.8), (2, 0.7), (3, None)):
        append_json_line(run.progress, {"event": "epoch", "epoch": epoch, "train_loss": loss, "val_loss": loss})
        append_json_line(run.progress, {"event": "step", "step": epoch, "train_loss": loss})
    found = read_losses(run)
    assert [row["val_loss"] for row in found["epochs"]] == [0.9, 0.7, None]
    assert found["epochs"][2]["val_improvement"] is None
    assert found["best_epoch"] == 2


def test_a_run_without_an_epoch_has_no_losses(root: DataRoot) -> None:
    found = read_losses(root.run("new"))
    assert found["epochs"] == []
    assert found["best_epoch"] is None
