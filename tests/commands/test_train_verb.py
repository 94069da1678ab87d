"""`train` as scripts use it: check, seeds, extension, prepare. Real jobs of the miniature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mvla_core.__main__ import main
from mvla_core.files import read_json
from mvla_core.layout import DataRoot
from mvla_core.simulation.record import simulate_episodes

SHORT = ["--preset", "tiny", "--epochs", "2", "--chunk-size", "4"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    root = DataRoot(tmp_path_factory.mktemp("train") / "data")
    simulate_episodes(root, "lab", count=8, seed=1, image_size=32, workers=1)
    return root


def ask(capsys: pytest.CaptureFixture[str], root: DataRoot, *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--data-root", str(root.path), "--json"]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return value


@pytest.mark.slow
def test_check_then_seeds_then_extension(recorded: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    checked = ask(capsys, recorded, "train", "lab", *SHORT, "--check")
    assert checked["forecast"]["measured"]
    assert checked["forecast"]["seconds"] > 0
    assert checked["warm_up"]["steps"] > 0
    assert not recorded.runs.exists(), "a check trains nothing"

    trained = ask(capsys, recorded, "train", "lab", *SHORT, "--seeds", "2", "--seed", "3")
    assert [run["status"] for run in trained["runs"]] == ["succeeded", "succeeded"]
    assert trained["seeds"] == [3, 4]
    assert trained["val_rmse"]["count"] == 2
    assert trained["val_rmse"]["low"] <= trained["val_rmse"]["mean"] <= trained["val_rmse"]["high"]
    check = trained["runs"][0]["forecast_check"]
    assert check["measured"], "the warm-up of the check was used"
    assert check["seconds"] > 0
    listed = ask(capsys, recorded, "runs")
    assert [group["group"] for group in listed["groups"]] == [trained["group"]]
    assert all(run["forecast_check"] for run in listed["runs"])

    parent = trained["runs"][0]["run_id"]
    longer = ask(capsys, recorded, "train", "--extend", parent, "--epochs", "1")
    assert longer["status"] == "succeeded"
    config = read_json(recorded.run(longer["run_id"]).config)
    assert config["extends"]["run_id"] == parent
    assert config["recipe"]["epochs"] == 1


def test_prepare_prints_the_command_of_torchrun(recorded: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    prepared = ask(capsys, recorded, "train", "lab", *SHORT, "--prepare", "--processes", "2")
    (run,) = prepared["runs"]
    command = run["command"]
    assert command[command.index("--nproc-per-node") + 1] == "2"
    assert command[command.index("-m", 2) :][0] == "-m"
    assert Path(command[command.index("--folder") + 1]).name == run["run_id"]
    assert recorded.run(run["run_id"]).config.is_file()
    assert not recorded.run(run["run_id"]).record.exists(), "the queue knows nothing of it"
