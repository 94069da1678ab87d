"""The command line as scripts use it: `--help`, exit codes, and the JSON that is extended but never broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mvla_core.__main__ import VERBS
from mvla_core.layout import DataRoot
from mvla_core.simulation.record import simulate_episodes

LIMIT_S = 300


def run(repository: Path, root: DataRoot, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mvla_core", *arguments],
        cwd=repository,
        env={**os.environ, "MVLA_DATA_ROOT": str(root.path)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


def result_of(repository: Path, root: DataRoot, *arguments: str) -> dict[str, Any]:
    """Run a verb with --json; stdout must be that one object and nothing else."""
    finished = run(repository, root, *arguments, "--json")
    assert finished.returncode == 0, finished.stderr
    value: dict[str, Any] = json.loads(finished.stdout)
    return value


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_explains_itself(verb: str, repository: Path, root: DataRoot) -> None:
    finished = run(repository, root, verb, "--help")
    assert finished.returncode == 0
    assert "--json" in finished.stdout
    assert "Exit codes" in finished.stdout
    assert finished.stderr == ""


def test_the_training_help_comes_from_the_recipes_one_definition(repository: Path, root: DataRoot) -> None:
    from mvla_core.training.recipe import recipe_fields

    text = " ".join(run(repository, root, "train", "--help").stdout.split())
    for field in recipe_fields():
        assert f"--{field.name.replace('_', '-')}" in text


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["audit", "nothing"], 2, "nothing"),
        (["import", "no/such/folder", "--dataset", "x"], 2, "no/such/folder"),
        (["import", ".", "--dataset", "../x"], 2, "data set name"),
        (["evaluate", "no-run"], 5, "no-run"),
        (["report", "no-run", "--lang", "en"], 5, "no-run"),
        (["train", "nothing", "--preset", "compact"], 2, "nothing"),
        (["train", "nothing", "--epochs", "many"], 2, "many"),
        (["simulate", "--count", "0"], 2, "0"),
        (["jobs", "--stop", "7"], 5, "7"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_a_mistake_gets_one_sentence_and_its_exit_code(
    arguments: list[str], code: int, says: str, repository: Path, root: DataRoot
) -> None:
    finished = run(repository, root, *arguments)
    assert finished.returncode == code, finished.stderr
    assert finished.stdout == ""
    assert says in finished.stderr
    assert "Traceback" not in finished.stderr


def test_doctor_says_what_this_machine_can_do(repository: Path, root: DataRoot) -> None:
    value = result_of(repository, root, "doctor")
    assert value["ready"] is True
    checks = {check["name"]: check for check in value["checks"]}
    assert {"Python", "torch", "memory", "data root", "Kosmos-2 weights", "renderer"} <= set(checks)
    assert all(check["fix"] for check in checks.values() if check["status"] == "missing")


def test_no_job_yet(repository: Path, root: DataRoot) -> None:
    assert result_of(repository, root, "jobs") == {"jobs": []}


def test_the_json_contract_along_the_whole_way(
    repository: Path, root: DataRoot, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    recorder = DataRoot(tmp_path_factory.mktemp("recorder"))
    simulate_episodes(recorder, "lab", count=8, seed=5, image_size=64)
    folder = recorder.dataset("lab")
    (folder / "pointer.h5").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")

    imported = result_of(repository, root, "import", str(folder), "--dataset", "lab")
    assert set(imported) >= {"dataset", "episodes", "frames", "skipped"}
    assert (imported["dataset"], imported["episodes"]) == ("lab", 8)
    assert [Path(skipped["file"]).name for skipped in imported["skipped"]] == ["pointer.h5"]
    assert "pointer" in imported["skipped"][0]["reason"].lower()

    audit = result_of(repository, root, "audit", "lab")
    assert audit["episodes"] == 8
    assert audit["frames"] == imported["frames"]
    assert set(audit["windows"]) >= {"window_size", "chunk_size", "total"}
    assert set(audit["determinism"]) >= {"mean", "max"}
    assert set(audit["actions"]["linear_x"]) >= {"unit", "mean", "std", "min", "max"}
    for name in ("constant", "frame_index", "repeat_last"):
        assert set(audit["baselines"][name]) >= {"rmse", "huber"}
    for finding in audit["findings"]:
        assert set(finding) >= {"level", "code", "where", "message", "next"}

    trained = result_of(repository, root, "train", "lab", "--preset", "tiny", "--epochs", "2", "--seed", "1")
    assert set(trained) >= {"run_id", "status", "best_epoch", "train_loss", "val_loss"}
    assert trained["status"] == "succeeded"
    assert trained["best_epoch"] in (1, 2)

    evaluated = result_of(repository, root, "evaluate", trained["run_id"])
    assert set(evaluated["metrics"]) >= {"rmse", "mae", "huber", "direction_accuracy", "per_axis"}
    for name in ("constant", "frame_index", "repeat_last", "instruction_clock"):
        assert set(evaluated["baselines"][name]) >= {"rmse", "skill", "skill_low", "skill_high"}
    assert set(evaluated["verdict"]) >= {"label", "sentence", "evidence"}
    assert evaluated["verdict"]["label"] != "learned", "two epochs of a random network teach nothing"

    for language in ("en", "ko"):
        out = tmp_path / "reports" / language
        written = result_of(repository, root, "report", trained["run_id"], "--lang", language, "--out", str(out))
        assert {Path(file).suffix for file in written["files"]} >= {".html", ".md", ".png"}
        assert all(Path(file).is_file() for file in written["files"])

    jobs = result_of(repository, root, "jobs")["jobs"]
    assert [job["kind"] for job in jobs] == ["evaluate", "train", "preflight"]
    assert {job["status"] for job in jobs} == {"succeeded"}


@pytest.mark.slow
def test_the_demo_goes_the_whole_way(repository: Path, root: DataRoot) -> None:
    value = result_of(repository, root, "demo", "--count", "8", "--epochs", "2")
    assert value["verdict"]["sentence"]
    assert any(file.endswith(".html") and Path(file).is_file() for file in value["files"])
