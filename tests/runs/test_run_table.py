"""What differs between runs, which are seeds of one configuration, and lists that no damaged file can break."""

from __future__ import annotations

import pytest

from mvla_core.files import write_json
from mvla_core.layout import DataRoot
from mvla_core.runs.listing import read_run
from mvla_core.runs.table import RunRecord, config_differences, data_difference, run_record, seed_groups


def record(root: DataRoot, run_id: str) -> RunRecord:
    return run_record(root, read_run(root, run_id))


def test_a_record_has_what_the_files_tell(root: DataRoot, make_run) -> None:
    run = make_run(
        val_losses=(0.5,),
        result={"val_rmse": 0.2, "seconds": 12.5, "trainable_parameters": {"lora": 3, "total": 7}, "best_epoch": 1},
    )
    baselines = {"frame_clock": {"skill": 0.3, "skill_low": 0.1}}
    write_json(
        run.evaluation_results,
        {"verdict": {"label": "learned"}, "clock": {"baseline": "frame_clock"}, "baselines": baselines},
    )
    found = record(root, "r1")
    assert (found.val_rmse, found.seconds, found.parameters) == (0.2, 12.5, 7)
    assert (found.verdict, found.skill, found.skill_low) == ("learned", 0.3, 0.1)
    assert (found.seed, found.data["snapshot"], found.split["train"]) == (0, 1, ("a", "b"))
    assert found.problems == ()


@pytest.mark.parametrize(
    "name", ["config.json", "result.json", "split.json", "provenance.json", "labels.json", "receipt.json"]
)
@pytest.mark.parametrize("content", ["", "{", "[]", '{"data": 3, "verdict": [], "tags": 1}', "null"])
def test_damaged_files_leave_gaps_and_are_told(root: DataRoot, make_run, name: str, content: str) -> None:
    run = make_run(val_losses=(0.5,), result={})
    (run.path / name).write_text(content)
    found = record(root, "r1")
    assert found.run_id == "r1"
    found.to_json()
    if content in ("", "{"):
        assert name in found.problems[0]


def test_only_what_differs_is_listed(root: DataRoot, make_run) -> None:
    make_run("r1", learning_rate=1e-3, epochs=20)
    make_run("r2", learning_rate=3e-4, epochs=20, schedule="cosine")
    rows = config_differences([record(root, "r1"), record(root, "r2")])
    assert {row.setting: row.values for row in rows} == {
        "learning_rate": ("0.001", "0.0003"),
        "schedule": ("-", "cosine"),
    }
    assert config_differences([record(root, "r1")] * 2) == []


def test_data_that_was_added_removed_and_moved(root: DataRoot, make_run) -> None:
    make_run("r1", split={"train": ["a", "b"], "validation": ["c"], "test": ["d"]})
    make_run(
        "r2", split={"train": ["a", "c"], "validation": ["e"], "test": ["d"]}, data={"snapshot": 2, "sha256": "1" * 64}
    )
    found = data_difference(record(root, "r1"), record(root, "r2"))
    assert found.added == {"validation": ("e",)}
    assert found.removed == {"train": ("b",)}
    assert found.moved == (("c", "validation", "train"),)
    assert ("version of the data set", "1", "2") in found.facts
    assert data_difference(record(root, "r1"), record(root, "r1")).same


def test_seeds_of_one_configuration_are_grouped_with_their_spread(root: DataRoot, make_run) -> None:
    for number, (seed, loss) in enumerate([(0, 0.2), (1, 0.4), (2, 0.3)]):
        make_run(f"s{number}", val_losses=(loss,), seed=seed, result={"best_epoch": 1})
    make_run("other", val_losses=(0.9,), learning_rate=1.0)
    make_run("newer-data", data={"snapshot": 2, "sha256": "1" * 64})
    names = ["s0", "s1", "s2", "other", "newer-data"]
    groups = seed_groups([record(root, name) for name in names])
    assert [[found.run_id for found in group.records] for group in groups] == [
        ["s0", "s1", "s2"],
        ["other"],
        ["newer-data"],
    ]
    spread = groups[0].spread(lambda found: found.summary.best_val_loss)
    assert spread is not None
    assert (spread.count, spread.low, spread.high) == (3, 0.2, 0.4)
    assert spread.mean == pytest.approx(0.3)
    assert spread.deviation == pytest.approx(0.1)
    assert groups[0].spread(lambda found: found.skill) is None


def test_a_repeated_seed_is_no_further_seed(root: DataRoot, make_run) -> None:
    for name, loss in (("s0", 0.2), ("s0-retry2", 0.8)):
        make_run(name, val_losses=(loss,), seed=0, result={"best_epoch": 1, "val_rmse": loss})
    make_run("s1", val_losses=(0.4,), seed=1, result={"best_epoch": 1, "val_rmse": 0.4})
    (group,) = seed_groups([record(root, name) for name in ("s0", "s0-retry2", "s1")])
    assert len(group.records) == 3
    spread = group.spread(lambda found: found.summary.best_val_loss)
    assert spread is not None
    assert (spread.count, spread.low, spread.high) == (2, 0.4, 0.8)
