"""The readiness record: what it holds, and that verification names each single thing that changed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mvla_core.errors import MvlaError, RunError
from mvla_core.files import read_json, sha256_file, write_json
from mvla_core.layout import DataRoot
from mvla_core.readiness.assess import assess
from mvla_core.readiness.gates import own_gates_file
from mvla_core.readiness.kept import kept_file
from mvla_core.readiness.model_card import write_model_card
from mvla_core.readiness.record import list_records, read_record, write_record
from mvla_core.readiness.verify import verify_record

RUN = "planted"


@pytest.fixture
def record(changeable: DataRoot) -> Path:
    return write_record(changeable, RUN)


def flip(path: Path) -> None:
    """Change one byte and leave size and time as they were."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def changes(path: Path, root: DataRoot, **options: Path) -> set[tuple[str, str]]:
    found = verify_record(path, root, **options)
    assert found.unchanged == (not found.changes)
    return {(change.part, change.what) for change in found.changes}


def test_a_record_holds_what_it_stands_on(changeable: DataRoot, record: Path) -> None:
    value = read_record(record)
    run = changeable.run(RUN)
    assert record.parent == run.path / "readiness"
    assert value["adapter"] == {
        f"adapter/{name}": sha256_file(run.adapter / name)
        for name in ("adapter_config.json", "adapter_model.safetensors")
    }
    assert value["evaluation"]["evaluation/results.json"] == sha256_file(run.evaluation_results)
    assert len(value["data"]["episodes"]) == 40
    assert {entry["part"] for entry in value["data"]["episodes"].values()} == {"train", "validation", "test"}
    assert value["data"]["split"] == read_json(run.split)
    assert value["readiness"]["gates"]
    assert value["environment"]["packages"]["numpy"]
    assert value["environment"]["hardware"]["cores"] >= 1
    assert "mvla_core/readiness/record.py" in value["code"]["files"]
    assert (
        value["reproduce"]["command"]
        == f"python -m mvla_core evaluate {RUN} && python -m mvla_core ready {RUN} --write"
    )
    assert "--seed 0 --window-size 4" in value["reproduce"]["train_again"]


def test_nothing_changed_is_said(changeable: DataRoot, record: Path) -> None:
    found = verify_record(record, changeable)
    assert found.changes == ()
    assert found.checked > 100
    assert write_record(changeable, RUN) != record, "each record is a file of its own"
    assert [summary.run_id for summary in list_records(changeable.run(RUN))] == [RUN, RUN]


TAMPERED: dict[str, tuple[Callable[[DataRoot], object], tuple[str, str]]] = {
    "a recording": (
        lambda root: flip(sorted(root.dataset("corridor").glob("*.h5"))[3]),
        ("data", "episode_20251106_100003.h5"),
    ),
    "a recording is gone": (
        lambda root: sorted(root.dataset("corridor").glob("*.h5"))[0].unlink(),
        ("data", "episode_20251106_100000.h5"),
    ),
    "weights": (
        lambda root: flip(root.run(RUN).adapter / "adapter_model.safetensors"),
        ("adapter", "adapter/adapter_model.safetensors"),
    ),
    "another file of weights": (
        lambda root: (root.run(RUN).adapter / "extra.safetensors").write_bytes(b"x"),
        ("adapter", "adapter/extra.safetensors"),
    ),
    "the adapter is gone": (
        lambda root: shutil.rmtree(root.run(RUN).adapter),
        ("adapter", "adapter/adapter_config.json"),
    ),
    "results": (
        lambda root: write_json(
            root.run(RUN).evaluation_results, {**read_json(root.run(RUN).evaluation_results), "episodes": 80}
        ),
        ("evaluation", "evaluation/results.json"),
    ),
    "the audit": (
        lambda root: write_json(root.run(RUN).evaluation / "audit.json", {"frames": 20000}),
        ("evaluation", "evaluation/audit.json"),
    ),
    "the split": (
        lambda root: write_json(root.run(RUN).split, {**read_json(root.run(RUN).split), "seed": 9}),
        ("run", "split.json"),
    ),
    "the recipe": (
        lambda root: write_json(root.run(RUN).config, {**read_json(root.run(RUN).config), "seed": 9}),
        ("run", "config.json"),
    ),
    "a gate": (
        lambda root: own_gates_file(root).write_text("format: 1\ngates: {test_episodes: {threshold: 8}}\n"),
        ("gates", "test_episodes"),
    ),
    "the robot": (
        lambda root: own_gates_file(root).write_text("format: 1\nrobot: {max_speed: 9}\n"),
        ("gates", "robot"),
    ),
}


@pytest.mark.parametrize("what", list(TAMPERED))
def test_each_single_change_is_named(changeable: DataRoot, record: Path, what: str) -> None:
    tamper, named = TAMPERED[what]
    tamper(changeable)
    found = changes(record, changeable)
    assert named in found
    parts = {part for part, _ in found}
    assert parts <= {named[0], "readiness", "gates"}, "nothing else is accused"


def test_a_gate_that_decides_otherwise_is_named(changeable: DataRoot, record: Path) -> None:
    TAMPERED["a gate"][0](changeable)
    assert ("readiness", "test_episodes") in changes(record, changeable)


@pytest.mark.parametrize(
    ("keys", "value", "named"),
    [
        (("environment", "packages", "numpy"), "1.0", ("environment", "numpy")),
        (("environment", "python"), "2.7", ("environment", "python")),
        (("code", "commit"), "0" * 40, ("code", "commit")),
        (("readiness", "passed"), "deploy", ("record", "the record itself")),
    ],
)
def test_a_record_of_another_environment_or_edited(
    changeable: DataRoot, record: Path, keys: tuple[str, ...], value: str, named: tuple[str, str]
) -> None:
    content = read_json(record)
    node = content
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    write_json(record, content)
    found = changes(record, changeable)
    assert named in found
    assert ("record", "the record itself") in found, "editing is seen by the digest too"


def test_changed_code_is_named(changeable: DataRoot, record: Path, repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository / "mvla_core", tmp_path / "mvla_core", ignore=shutil.ignore_patterns("__pycache__"))
    flip(tmp_path / "mvla_core" / "metrics" / "errors.py")
    (tmp_path / "mvla_core" / "new.py").write_text("")
    found = changes(record, changeable, checkout=tmp_path)
    assert {("code", "mvla_core/metrics/errors.py"), ("code", "mvla_core/new.py")} <= found
    assert {what for part, what in found if part == "code"} == {
        "mvla_core/metrics/errors.py",
        "mvla_core/new.py",
        "commit",
    }


def test_other_hardware_is_told_and_is_no_change(changeable: DataRoot, record: Path) -> None:
    from mvla_core.readiness.record import digest

    content = read_json(record)
    content["environment"]["hardware"]["cores"] = 512
    content["sha256"] = digest(content)
    write_json(record, content)
    found = verify_record(record, changeable)
    assert found.unchanged
    assert any("512" in difference for difference in found.other_hardware)


def test_a_forged_cache_is_no_evidence(changeable: DataRoot) -> None:
    before = assess(changeable, RUN)
    run = changeable.run(RUN)
    held = read_json(kept_file(changeable, run))
    held["evidence"]["speed_limit"]["value"] = 0.1
    write_json(kept_file(changeable, run), held)
    record = write_record(changeable, RUN)
    entry = next(gate for gate in read_record(record)["readiness"]["gates"] if gate["name"] == "speed_limit")
    assert (
        entry["evidence"]["value"] == next(g for g in before.gates if g.gate.name == "speed_limit").evidence.value > 1
    )
    assert verify_record(record, changeable).unchanged


def test_what_is_no_record_is_refused(changeable: DataRoot, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for content, says in (
        ("{}", "no readiness record"),
        ("[", "cannot be read"),
        ('{"run_id": "r", "readiness": {}}', "format"),
    ):
        path.write_text(content)
        with pytest.raises(MvlaError, match=says):
            verify_record(path, changeable)


def test_a_damaged_record_does_not_hide_the_others(changeable: DataRoot, record: Path) -> None:
    (record.parent / "record-20200101T000000Z.json").write_text("{")
    assert [summary.path for summary in list_records(changeable.run(RUN))] == [record]


def test_a_run_that_is_not_evaluated_cannot_be_recorded(changeable: DataRoot) -> None:
    changeable.run(RUN).evaluation_results.unlink()
    with pytest.raises(RunError, match="not evaluated"):
        write_record(changeable, RUN)


def test_the_card_tells_figures_and_limits(changeable: DataRoot, record: Path) -> None:
    path = write_model_card(changeable, RUN)
    assert path == changeable.run(RUN).adapter / "README.md"
    assert verify_record(record, changeable).unchanged, "the card is no part of the record"
    _, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    header = yaml.safe_load(front)
    assert header["library_name"] == "peft"
    assert header["datasets"] == ["corridor"]
    assert header["base_model"]
    results = read_json(changeable.run(RUN).evaluation_results)
    metrics = {metric["type"]: metric["value"] for metric in header["model-index"][0]["results"][0]["metrics"]}
    assert metrics["rmse"] == results["metrics"]["rmse"]
    assert metrics["skill_over_instruction_clock"] == results["baselines"]["instruction_clock"]["skill"]
    assert results["verdict"]["sentence"] in body
    assert "May it drive?" in body
    assert "Never measured" in body
    assert record.name in body
    assert json.dumps(header)
