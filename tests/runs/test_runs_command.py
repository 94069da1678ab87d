"""The verb `runs` does what the page does, and asks before it deletes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mvla_core.__main__ import main
from mvla_core.layout import DataRoot


@pytest.fixture
def runs(root: DataRoot, make_run, capsys: pytest.CaptureFixture[str]):
    make_run("r1", losses=(1.0,), val_losses=(0.5,), seed=0, result={"best_epoch": 1})
    make_run("r2", losses=(1.0,), val_losses=(0.4,), seed=1, result={"best_epoch": 1})

    def runs(*arguments: str) -> tuple[int, str, str]:
        code = main(["runs", *arguments, "--data-root", str(root.path)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return runs


def test_list_tag_and_archive(runs) -> None:
    assert runs("tag", "r1", "--add", "good one", "--note", "why")[0] == 0
    code, out, _ = runs()
    assert code == 0
    assert "#good one" in out
    assert runs("archive", "r1")[0] == 0
    assert [row["run_id"] for row in json.loads(runs("--json")[1])["runs"]] == ["r2"]
    assert [row["note"] for row in json.loads(runs("list", "--all", "--json")[1])["runs"]] == ["", "why"]
    runs("archive", "r1", "--undo")
    assert "r1" in runs()[1]


def test_compare_tells_settings_data_and_seeds(runs) -> None:
    found = json.loads(runs("compare", "r1", "r2", "--json")[1])
    assert found["settings"] == {"seed": ["0", "1"]}
    assert found["data"]["r2"]["same"] is True
    spread = {"count": 2, "mean": 0.45, "deviation": pytest.approx(0.0707, abs=1e-4), "low": 0.4, "high": 0.5}
    assert found["seeds"][0]["best_val_loss"] == spread
    assert "0.4500 (0.4000 to 0.5000)" in runs("compare", "r1", "r2")[1]
    assert runs("compare", "r1")[0] == 2
    assert runs("compare", "r1", "r3")[0] == 5


def test_delete_asks_restores_and_purges(runs, root: DataRoot) -> None:
    code, _, err = runs("delete", "r1")
    assert (code, root.run("r1").path.is_dir()) == (2, True)
    assert "--yes" in err
    assert runs("delete", "r1", "--yes")[0] == 0
    assert "r1" in runs("bin")[1]
    assert runs("restore", "r1")[0] == 0
    runs("delete", "r1", "--yes")
    assert runs("purge", "r1", "--yes")[0] == 0
    assert runs("bin")[1].strip() == "The bin is empty."
    assert runs("restore", "r1")[0] == 5


def test_export(runs, root: DataRoot, tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    assert runs("--csv", str(file))[0] == 0
    assert len(file.read_text().splitlines()) == 5
    assert runs("export", "r1", "--csv", "-")[1].count("\n") == 3
    assert runs("export", "r1", "--tensorboard")[0] == 0
    assert list((root.run("r1").path / "tensorboard").glob("events.out.tfevents.*"))
    assert runs("export", "r1")[0] == 2
    assert runs("export")[0] == 2
