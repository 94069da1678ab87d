"""`audit`: the ratio to a preset's parameters, and the limits that hold."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mvla_core.__main__ import main
from mvla_core.audit.thresholds import own_file
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace
from mvla_core.training.preset_size import preset_size


@pytest.fixture
def recorded(root: DataRoot) -> DataRoot:
    generator = np.random.default_rng(0)
    folder = root.dataset("few")
    folder.mkdir(parents=True)
    for number in range(6):
        frames = generator.integers(0, 256, (18, 4, 6, 3), dtype=np.uint8)
        actions = generator.choice([-1.15, 0.0, 1.15], (18, 2))
        write_episode(folder / f"episode_{number}.h5", frames, actions, action_space=ActionSpace.default(2))
    return root


def audited(root: DataRoot, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, object]:
    assert main(["audit", "few", "--data-root", str(root.path), "--json", *options]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_a_preset_divides_the_windows_it_would_train_on(recorded: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    plain = audited(recorded, capsys)
    assert plain["samples_per_parameter"] is None
    for name, windows_of_an_episode in (("compact", 15), ("briefing", 5)):
        found = audited(recorded, capsys, "--preset", name)["samples_per_parameter"]
        parameters = preset_size(name).of(2)
        assert isinstance(found, dict)
        assert found["trainable_parameters"] == parameters
        assert found["train_windows"] % windows_of_an_episode == 0
        assert found["ratio"] == found["train_windows"] / parameters


def test_an_unknown_preset_is_refused(recorded: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "few", "--data-root", str(recorded.path), "--preset", "breifing"]) == 2
    assert "Did you mean 'briefing'" in capsys.readouterr().err


def test_the_json_tells_which_limits_are_the_users(recorded: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    own_file(recorded).write_text("[episodes]\nlimit = 5\n", encoding="utf-8")
    thresholds = audited(recorded, capsys)["thresholds"]
    assert isinstance(thresholds, dict)
    assert [name for name, threshold in thresholds.items() if threshold["own"]] == ["episodes"]
    assert thresholds["episodes"]["source"] == "yours"


def test_a_damaged_limits_file_is_one_sentence(recorded: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    own_file(recorded).write_text("[episodes\n", encoding="utf-8")
    assert main(["audit", "few", "--data-root", str(recorded.path)]) == 2
    said = capsys.readouterr().err.strip()
    assert "thresholds.toml cannot be read" in said
    assert "Traceback" not in said


def test_pictures_are_looked_at_in_a_job_and_joined(recorded: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    before = audited(recorded, capsys)["pictures"]
    assert isinstance(before, dict)
    assert (before["looked_at"], before["vision"], before["baselines"]) == (0, None, {})
    found = audited(recorded, capsys, "--pictures", "--splits")
    pictures, splits = found["pictures"], found["splits"]
    assert isinstance(pictures, dict)
    assert (pictures["looked_at"], pictures["episodes"]) == (6, 6)
    assert pictures["vision"]["predictors"].keys() >= {"constant", "frame_index", "repeat_last", "nearest_picture"}
    assert pictures["baselines"].keys() == {"nearest_picture", "nearest_picture_instruction"}
    assert isinstance(splits, list)
    assert [option["by"] for option in splits] == ["episode", "session", "scenario", "time"]
    assert [option["possible"] for option in splits] == [True, False, False, False]
    assert main(["audit", "few", "--data-root", str(recorded.path), "--splits", "--lang", "ko"]) == 0
    assert "분할 방법" in capsys.readouterr().out
