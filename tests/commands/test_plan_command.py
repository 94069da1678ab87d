"""`plan` as scripts use it: a JSON contract, a target that is kept, and files to take along."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvla_core.__main__ import main
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace

SPACE = ActionSpace.default(2)


def record(root: DataRoot, numbers: range, side: str = "left") -> None:
    """Write episodes past a box, each with a speed and a turn of its own."""
    for number in numbers:
        actions = np.zeros((18, 2), dtype=np.float32)
        actions[1:, 0] = 0.5 + number / 40
        turn = 2 + number % 11
        actions[turn : turn + 4, 1] = 0.6 if side == "left" else -0.6
        frames = np.zeros((18, 8, 8, 3), dtype=np.uint8)
        name = f"episode_20251106_1400{number:02d}_1box_hori_{side}_core_far.h5"
        write_episode(root.dataset("lab") / name, frames, actions, action_space=SPACE, instruction=f"Go {side}.")


@pytest.fixture
def lab(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    record(root, range(6))
    monkeypatch.setenv("MVLA_DATA_ROOT", str(root.path))
    return root


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["plan", "lab", *arguments, "--json"]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return value


def test_the_json_contract(lab: DataRoot, repository: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "mvla_core", "plan", "lab", "--json"],
        cwd=repository,
        env={**os.environ, "MVLA_DATA_ROOT": str(lab.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    value = json.loads(finished.stdout)
    assert set(value) >= {"dataset", "targets", "coverage", "cells", "items", "advice", "progress", "episodes", "files"}
    assert value["coverage"]["axes"] == ["boxes", "layout", "side", "pattern", "distance", "time_of_day"]
    assert [(cell["cell"]["side"], cell["have"], cell["target"]) for cell in value["cells"]] == [
        ("left", 6, 10),
        ("right", 0, 10),
    ]
    first = value["items"][0]
    assert first["what"] == "1box, hori, right, core, far, evening"
    assert first["episodes"] == 10
    assert value["targets_kept"] is None
    assert not (lab.path / "plans").exists(), "asking changes nothing"


def test_progress_follows_the_folder(lab: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    before = planned(capsys)
    record(lab, range(20, 25), "right")
    after = planned(capsys)
    assert (before["episodes"] - after["episodes"], after["reached"] - before["reached"]) == (5, 5)
    assert after["progress"] > before["progress"]


def test_a_target_is_kept_and_told(lab: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    kept = planned(capsys, "--target", "3")["targets_kept"]
    assert Path(kept) == lab.path / "plans" / "lab.json"
    assert [cell["target"] for cell in planned(capsys)["cells"]] == [3, 3]
    assert main(["plan", "lab", "--target", "4"]) == 0
    assert "The target of 4 episodes a cell is kept in" in capsys.readouterr().out
    assert main(["plan", "lab", "--target", "-4"]) == 2
    assert "from 0 to 1000" in capsys.readouterr().err
    assert planned(capsys)["targets"]["default_target"] == 4


def test_it_writes_a_checklist_and_a_matrix(lab: DataRoot, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {ending: tmp_path / "lists" / f"plan{ending}" for ending in (".md", ".csv", ".json")}
    for path in names.values():
        value = planned(capsys, "--out", str(path), "--lang", "ko")
        assert value["files"] == [str(path)]
    assert names[".md"].read_text(encoding="utf-8").count("- [ ] ") == len(value["items"])
    with open(names[".csv"], encoding="utf-8-sig", newline="") as file:
        assert [row["보유"] for row in csv.DictReader(file)] == ["6", "0"]
    assert json.loads(names[".json"].read_text(encoding="utf-8"))["episodes"] == value["episodes"]


def test_another_ending_is_refused_before_anything_is_done(lab: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "lab", "--target", "3", "--out", "plan.cvs"]) == 2
    assert "Did you mean '.csv'?" in capsys.readouterr().err
    assert not (lab.path / "plans").exists()


def test_a_damaged_file_of_targets_is_one_sentence(lab: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    path = lab.path / "plans" / "lab.json"
    path.parent.mkdir()
    path.write_text('{"format": 1, "axis": []}', encoding="utf-8")
    assert main(["plan", "lab"]) == 2
    error = capsys.readouterr().err
    assert str(path) in error
    assert "Did you mean 'axes'?" in error


def test_the_reader_gets_the_list(lab: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "lab", "--lang", "ko"]) == 0
    text = capsys.readouterr().out
    assert "1. 박스 1개, 가로, 오른쪽, 기본, 원거리, 오후: 에피소드 10개" in text
