"""`audit --lang` and `audit --compare`, as they are typed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mvla_core.__main__ import main
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSequence, ActionSpace

HANGUL = re.compile(r"[가-힣]")


@pytest.fixture
def recorded(root: DataRoot, recordings: Any, varied: Callable[..., list[ActionSequence]]) -> DataRoot:
    for dataset, sequences in (("briefing", recordings.briefing()), ("varied", varied(8))):
        root.dataset(dataset).mkdir(parents=True)
        for sequence in sequences:
            frames = np.full((sequence.num_frames, 8, 12, 3), 90, dtype=np.uint8)
            path = root.dataset(dataset) / f"{sequence.episode_id}.h5"
            write_episode(path, frames, sequence.actions, action_space=ActionSpace.default(2))
    return root


def typed(capsys: pytest.CaptureFixture[str], root: DataRoot, *words: str) -> str:
    assert main(["audit", "briefing", "--data-root", str(root.path), *words]) == 0
    return capsys.readouterr().out


def test_the_text_is_korean_where_it_is_asked_for(capsys: pytest.CaptureFixture[str], recorded: DataRoot) -> None:
    english, korean = typed(capsys, recorded), typed(capsys, recorded, "--lang", "ko")
    assert english.startswith("13 episodes, 218 frames, mean length 16.8, 60 complete windows\n5 unique actions")
    assert "error: briefing: A clock explains" in english
    assert not HANGUL.search(english)
    assert korean.startswith("에피소드 13개, 프레임 218개, 평균 길이 16.8프레임, 온전한 윈도우 60개\n")
    assert "심각: briefing: 시계만으로 충분한 데이터입니다." in korean
    assert "  linear_x   평균 +0.97  표준편차 0.42  범위 +0.00 ~ +1.15 m/s" in korean
    findings = [line for line in korean.splitlines() if line.startswith(("심각", "주의", "참고", "양호", "    ->"))]
    assert all(HANGUL.search(line) for line in findings)


def test_the_json_says_findings_and_table_in_korean(capsys: pytest.CaptureFixture[str], recorded: DataRoot) -> None:
    english = json.loads(typed(capsys, recorded, "--json"))
    korean = json.loads(typed(capsys, recorded, "--json", "--lang", "ko"))
    assert "comparison" not in korean
    for ours, theirs in zip(korean["findings"], english["findings"], strict=True):
        assert HANGUL.search(ours["message"]), theirs["code"]
        assert {**ours, "message": "", "next": ""} == {**theirs, "message": "", "next": ""}
    rows = {row["name"]: row for row in korean["table"]}
    assert rows["train_windows"]["label"] == "학습 윈도우 수"
    assert HANGUL.search(rows["train_windows"]["reason"])
    rest = {"findings", "table"}
    assert {key: value for key, value in korean.items() if key not in rest} == {
        key: value for key, value in english.items() if key not in rest
    }


def test_others_are_put_beside_it(capsys: pytest.CaptureFixture[str], recorded: DataRoot) -> None:
    found = json.loads(typed(capsys, recorded, "--json", "--compare", "varied"))["comparison"]
    assert [figures["dataset"] for figures in found["datasets"]] == ["briefing", "varied"]
    text = typed(capsys, recorded, "--compare", "varied", "--lang", "ko")
    header = next(line for line in text.splitlines() if line.startswith("  항목"))
    assert re.split(r"\s{2,}", header.strip())[:4] == ["항목", "briefing", "varied", "CALVIN"]
    assert "\n출처\n" in text


def test_the_chosen_preset_stands_for_ours(capsys: pytest.CaptureFixture[str], recorded: DataRoot) -> None:
    found = json.loads(typed(capsys, recorded, "--json", "--compare", "varied", "--preset", "briefing"))
    settings = found["comparison"]["settings"]
    assert found["comparison"]["preset"] == "briefing"
    assert (settings["backbone"], settings["learning_rate"], settings["precision"]) == ("kosmos2", 1e-4, "fp16")
    assert settings["trainable_parameters"] == found["samples_per_parameter"]["trainable_parameters"]


def test_a_data_set_beside_itself_is_refused(capsys: pytest.CaptureFixture[str], recorded: DataRoot) -> None:
    assert main(["audit", "briefing", "--data-root", str(recorded.path), "--compare", "briefing"]) == 2
    assert "named twice" in capsys.readouterr().err
