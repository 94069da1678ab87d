"""`ready` and `verify` as scripts use them: JSON contracts, files, exit codes."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from mvla_core.__main__ import main
from mvla_core.datasets.windows import WindowSpec
from mvla_core.evaluation.assess import assess
from mvla_core.layout import DataRoot

RUN = "planted"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """A small evaluated run with an adapter."""
    path = Path(__file__).parent.parent / "evaluation" / "planted_worlds.py"
    spec = importlib.util.spec_from_file_location("planted_worlds_of_ready", path)
    assert spec is not None
    assert spec.loader is not None
    worlds = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = worlds
    spec.loader.exec_module(worlds)
    root = DataRoot(tmp_path_factory.mktemp("ready_command"))
    worlds.record(root, "corridor", worlds.varied_keys, 10)
    run = worlds.prepare(root, "corridor")
    assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec())
    run.adapter.mkdir()
    (run.adapter / "adapter_model.safetensors").write_bytes(b"weights")
    return root


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_ready_prints_one_object(planted: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "ready", RUN, "--json", "--data-root", str(planted.path))
    value: dict[str, Any] = json.loads(out)
    assert (code, err) == (0, "")
    assert value["may_drive"] is False
    assert value["files"] == []
    assert len(value["gates"]) == sum(value["counts"].values()) == 29
    keys = {
        "name",
        "level",
        "comparison",
        "threshold",
        "uses",
        "source",
        "reason",
        "status",
        "evidence",
        "next",
        "command",
    }
    assert all(keys <= gate.keys() for gate in value["gates"])


def test_ready_speaks_both_languages(planted: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    english = call(capsys, "ready", RUN, "--data-root", str(planted.path))[1]
    korean = call(capsys, "ready", RUN, "--lang", "ko", "--data-root", str(planted.path))[1]
    assert english.startswith("No: ")
    assert korean.startswith("아니요.")
    assert english.count("\n") == korean.count("\n")


def test_write_then_verify_then_tamper(
    planted: DataRoot, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(planted.path)
    code, out, _ = call(capsys, "ready", RUN, "--write", "--json", "--data-root", root)
    record, card = json.loads(out)["files"]
    assert code == 0
    assert Path(card).name == "README.md"
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(capsys, "verify", record)
    assert code == 0, "a record in its place tells its data root"
    assert out.startswith("Unchanged")
    shutil.copy(record, tmp_path / "kept.json")
    (planted.run(RUN).adapter / "adapter_model.safetensors").write_bytes(b"weightz")
    code, out, _ = call(capsys, "verify", "kept.json", "--json", "--data-root", root)
    value = json.loads(out)
    assert code == 1
    assert value["changes"] == [
        {"part": "adapter", "what": "adapter/adapter_model.safetensors", "how": "has other bytes"}
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [(["ready", "plantet"], 5, "Did you mean 'planted'"), (["verify", "nowhere.json"], 1, "nowhere.json")],
)
def test_a_mistake_is_one_sentence(
    planted: DataRoot, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    found, out, err = call(capsys, *arguments, "--data-root", str(planted.path))
    assert (found, out) == (code, "")
    assert says in err
