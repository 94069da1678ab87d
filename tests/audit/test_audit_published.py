"""The briefing's published figures come out of its episodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvla_core.audit.result import AuditResult
from mvla_core.audit.table import PresetSize
from mvla_core.datasets.windows import complete_windows
from mvla_core.schema import ActionSequence, Scenario

Audit = Callable[..., AuditResult]


@pytest.fixture(scope="module")
def result(audit: Audit, recordings: Any) -> AuditResult:
    return audit(recordings.briefing(), info={"scenario": Scenario(boxes=1, layout="hori", side="left")})


def test_every_published_figure(result: AuditResult, recordings: Any) -> None:
    published, found = recordings.table["briefing"]["published"], result.to_json()
    assert {key: found[key] for key in ("episodes", "frames", "mean_length", "unique_actions")} == {
        key: published[key] for key in ("episodes", "frames", "mean_length", "unique_actions")
    }
    assert round(found["diversity"], 3) == published["diversity"]
    assert found["diversity"] == 5 / 218
    for axis in ("linear_x", "linear_y"):
        assert {key: round(found["actions"][axis][key], 2) for key in published[axis]} == published[axis]
        assert found["actions"][axis]["unit"] == "m/s"
    assert found["windows"]["total"] == 60


def test_the_briefings_own_split_has_45_and_15_windows(result: AuditResult) -> None:
    windows = [complete_windows(info.num_frames, result.window) for info in result.episodes]
    assert (sum(windows[:10]), sum(windows[10:])) == (45, 15)


def test_the_json_holds_the_contract(result: AuditResult) -> None:
    value = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert value["windows"] | {"total": 60} == value["windows"]
    assert (value["windows"]["window_size"], value["windows"]["chunk_size"]) == (4, 10)
    assert value["unique_sequences"] == 6
    assert set(value["determinism"]) == {"mean", "max"}
    assert value["determinism"]["max"] == 1.0
    for name in ("constant", "frame_index", "instruction_clock", "repeat_last"):
        assert {"rmse", "huber"} <= value["baselines"][name].keys()
    assert value["baselines"]["constant"]["explained"] == 0.0
    for finding in value["findings"]:
        assert {"level", "code", "where", "message", "next"} <= finding.keys()
        assert finding["message"].endswith(".")


def test_the_table_sets_each_figure_beside_what_is_recommended(result: AuditResult) -> None:
    rows = {row.name: row for row in result.table}
    assert (rows["episodes"].value, rows["episodes"].recommended, rows["episodes"].source) == (13, 100, "briefing")
    assert rows["episodes"].status == "warning"
    assert rows["unique_actions"].status == "info"
    assert rows["determinism"].status == "warning"
    assert rows["clock_explained"].status == "error"
    assert rows["linear_x_mean"].status == "none"
    assert all(row.reason for row in result.table if row.recommended is not None)


def test_the_findings_of_the_briefings_data(result: AuditResult) -> None:
    found = {(finding.level, finding.code) for finding in result.findings}
    assert {
        ("error", "clock_suffices"),
        ("warning", "one_script"),
        ("warning", "short_episode"),
        ("warning", "few_episodes"),
        ("warning", "unbalanced_side"),
        ("info", "few_unique_actions"),
        ("info", "clipped_actions"),
    } <= found
    assert result.findings[0].code == "clock_suffices"
    stub = next(finding for finding in result.findings if finding.code == "short_episode")
    assert stub.where == "b09"


def test_samples_per_parameter_say_what_is_divided(audit: Audit, recordings: Any) -> None:
    result = audit(recordings.briefing(), preset=PresetSize("briefing", (50_450_000, 50_460_000)))
    rows = {row.name: row for row in result.table}
    assert rows["samples_per_parameter"].value == rows["train_windows"].value / 50_450_000  # type: ignore[operator]
    assert rows["samples_per_parameter"].status == "info"
    windows = result.part_windows["train"]
    assert rows["samples_per_parameter"].reason.startswith(
        f"{windows:,} training windows / 50,450,000 trainable parameters of the preset briefing; epochs are not counted."
    )
    assert result.to_json()["samples_per_parameter"] == {
        "preset": "briefing",
        "train_windows": windows,
        "trainable_parameters": 50_450_000,
        "ratio": windows / 50_450_000,
    }
    assert audit(recordings.briefing()).to_json()["samples_per_parameter"] is None


@pytest.mark.shared
def test_the_fixture_is_the_shared_recording(recordings: Any, shared_data: Path) -> None:
    replica = json.loads((shared_data / "briefing_replica.json").read_text(encoding="utf-8"))
    assert [episode["keys"] for episode in replica["episodes"]] == recordings.table["briefing"]["keys"]
    assert replica["published"] == recordings.table["briefing"]["published"]
    trajectories = json.loads((shared_data / "real_robot_trajectories.json").read_text(encoding="utf-8"))
    assert trajectories["trajectories_1box_hori_left_core_medium"] == recordings.table["one_box_left"]
    assert np.sum(list(recordings.table["one_box_left"].values())) == 89


@pytest.mark.parametrize("name", ["briefing", "one_box_left"])
def test_an_independent_script_finds_the_same(audit: Audit, recordings: Any, name: str) -> None:
    """From the keys alone: nothing of the audit is used but its split into ten folds."""
    kept = recordings.table[name]
    drives = kept["keys"] if name == "briefing" else [keys for keys, count in kept.items() for _ in range(count)]
    found = audit([ActionSequence(f"e{n:02d}", recordings.actions(keys)) for n, keys in enumerate(drives)])

    assert found.unique_sequences == len(set(drives))
    held = [[keys[index] for keys in drives if index < len(keys)] for index in range(18)]
    shares = [max(keys.count(key) for key in set(keys)) / len(keys) for keys in held]
    assert found.determinism.mean == pytest.approx(np.mean(shares))
    assert found.determinism.max == pytest.approx(max(shares))

    usable = [recordings.actions(keys).astype(float) for keys in drives if len(keys) >= 4]
    fold = np.random.default_rng(0).permutation(len(usable)) % 10
    clock = constant = huber = steps = 0.0
    for number in range(10):
        train = np.array([rows for rows, own in zip(usable, fold, strict=True) if own != number])
        for rows in (rows for rows, own in zip(usable, fold, strict=True) if own == number):
            for last in range(3, 18):
                off = np.abs(train.mean(axis=0) - rows)[last : last + 10]
                clock += np.sum(off**2)
                huber += np.sum(np.where(off <= 1, off**2 / 2, off - 0.5))
                steps += off.size
                constant += np.sum((train.mean(axis=(0, 1)) - rows)[last : last + 10] ** 2)
    assert found.clock is not None
    assert found.clock.explained.value == pytest.approx(1 - clock / constant, rel=1e-5)
    assert found.clock.huber == pytest.approx(huber / steps, rel=1e-5)
