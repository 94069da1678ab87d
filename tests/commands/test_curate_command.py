"""`curate`, as scripts use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvla_core.__main__ import main
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace


@pytest.fixture
def lab(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """Three episodes of eight frames, the second with two idle frames at either end."""
    monkeypatch.setenv("MVLA_DATA_ROOT", str(root.path))
    root.dataset("lab").mkdir(parents=True)
    for number in range(3):
        actions = np.ones((8, 2))
        if number == 1:
            actions[:3] = actions[6:] = 0
        write_episode(
            root.dataset("lab") / f"e{number}.h5",
            np.zeros((8, 4, 4, 3), np.uint8),
            actions,
            action_space=ActionSpace.default(2),
            instruction="Go.",
        )
    return root


def curate(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["curate", "lab", *arguments, "--json"]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return value


def test_the_curation_is_shown_without_an_option(lab: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    value = curate(capsys)
    assert (value["dataset"], value["version"], value["episodes"], value["frames"]) == ("lab", 0, 3, 24)
    assert (value["excluded"], value["trimmed"], value["notes"], value["color_order"]) == ([], [], {}, None)
    assert not lab.annotations("lab").exists()


def test_each_option_is_one_step_that_undo_takes_back(lab: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    start = curate(capsys)
    value = curate(capsys, "--exclude", "e0", "e2", "--reason", "hand in the picture")
    assert value["excluded"] == [{"episode_id": name, "reason": "hand in the picture"} for name in ("e0", "e2")]
    assert (value["episodes"], value["undo"]) == (1, "Exclude 2 episodes")
    assert curate(capsys, "--include", "e2")["episodes"] == 2
    assert curate(capsys, "--undo")["episodes"] == 1
    assert curate(capsys, "--redo")["episodes"] == 2
    assert curate(capsys, "--tag", "night", "e1", "e2")["notes"]["e1"] == {"tags": ["night"]}
    assert "tags" not in curate(capsys, "--untag", "night", "e2")["notes"].get("e2", {})
    assert curate(capsys, "--rate", "e1", "4")["notes"]["e1"]["rating"] == 4
    assert curate(capsys, "--note", "e1", "The box was moved.")["notes"]["e1"]["note"] == "The box was moved."
    assert curate(capsys, "--relabel", "e2", "Stop.")["notes"]["e2"] == {"instruction": "Stop."}
    assert curate(capsys, "--unlabel", "e2")["notes"].keys() == {"e0", "e1"}
    assert curate(capsys, "--trim", "e2", "1", "4")["trimmed"] == [{"episode_id": "e2", "first": 1, "last": 4}]
    assert curate(capsys, "--untrim", "e2")["trimmed"] == []
    assert curate(capsys, "--auto-trim")["trimmed"] == [{"episode_id": "e1", "first": 2, "last": 6}]
    value = curate(capsys, "--color-order", "bgr")
    assert value["color_order"] == "bgr"
    assert curate(capsys, "--color-order", "file")["color_order"] is None
    while (value := curate(capsys, "--undo"))["undo"]:
        pass
    assert {**value, "version": 0, "redo": None} == start


def test_versions_and_exports(lab: DataRoot, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    curate(capsys, "--tag", "night", "e1")
    assert curate(capsys, "--snapshot", "before the fair")["snapshot"]["number"] == 1
    out = tmp_path / "curation.json"
    assert curate(capsys, "--export", str(out))["exported"] == str(out)
    assert json.loads(out.read_text())["episodes"] == {"e1": {"tags": ["night"]}}
    assert main(["curate", "lab", "--snapshot", "again"]) == 0
    assert "Kept as data set v2 (again)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "nothing"),
        (["lab", "--exclude", "e0"], "say why"),
        (["lab", "--reason", "dark"], "name the episodes"),
        (["lab", "--exclude", "e9", "--reason", "dark"], "'e9' is not in the data set"),
        (["lab", "--trim", "e0", "0", "8"], "within 0 to 7"),
        (["lab", "--trim", "e0", "one", "2"], "not a whole number"),
        (["lab", "--rate", "e0", "6"], "from 1 to 5"),
        (["lab", "--tag", "night"], "needs episodes"),
        (["lab", "--undo"], "nothing to undo"),
        (["lab", "--undo", "--redo"], "not allowed with"),
    ],
)
def test_a_mistake_gets_one_sentence_and_changes_nothing(
    lab: DataRoot, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    try:
        code = main(["curate", *arguments])
    except SystemExit as ended:  # How argparse refuses options.
        code = int(ended.code or 0)
    assert code == 2
    assert says in capsys.readouterr().err
    assert not lab.annotations("lab").exists()


def test_versions_are_listed_compared_and_gone_back_to(lab: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    curate(capsys, "--exclude", "e0", "--reason", "dark")
    curate(capsys, "--snapshot", "one")
    curate(capsys, "--relabel", "e1", "Stop.")
    assert curate(capsys, "--diff", "v1")["difference"]["relabelled"] == ["e1"]
    curate(capsys, "--snapshot", "two")
    versions = curate(capsys, "--versions")["versions"]
    assert [(each["number"], each["changed"]) for each in versions] == [(1, ""), (2, "1 relabelled")]
    found = curate(capsys, "--diff", "v2", "v1")["difference"]
    assert (found["from"], found["to"], found["summary"]) == ("v2", "v1", "1 relabelled")
    value = curate(capsys, "--restore", "v1")
    assert value["undo"] == "Go back to version v1"
    assert "e1" not in value["notes"]
    assert curate(capsys, "--undo")["notes"]["e1"] == {"instruction": "Stop."}
    assert main(["curate", "lab", "--versions"]) == 0
    assert "v2 two (2 episodes, 1 excluded): 1 relabelled" in capsys.readouterr().out
    for wrong in (["--restore", "v9"], ["--diff", "v1", "v2", "v1"], ["--restore", "first"]):
        assert main(["curate", "lab", *wrong]) == 2
        capsys.readouterr()
