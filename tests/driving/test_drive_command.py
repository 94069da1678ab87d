"""The verb `drive`: what it refuses, and what it says."""

from __future__ import annotations

import shutil

import pytest

from mvla_core.__main__ import main
from mvla_core.commands.drive_command import describe, describe_comparison
from mvla_core.driving.comparison import compare_driven
from mvla_core.driving.drive import drive_run
from mvla_core.driving.settings import DriveSettings
from mvla_core.jobs.model import KINDS, RESUMABLE
from mvla_core.layout import DataRoot
from tests.driving.conftest import RUN


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (["drive", "nobody"], 5, "nobody"),
        (["drive", RUN, "--suite", "simlar"], 2, "similar"),
        (["drive", RUN, "--trials", "0"], 2, "trials"),
        (["drive", RUN, "--against", RUN], 5, "was not driven"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    given: list[str], code: int, said: str, driven_root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(driven_root.run(RUN).evaluation, ignore_errors=True)
    assert main([*given, "--data-root", str(driven_root.path)]) == code
    assert said in capsys.readouterr().err


def test_results_and_comparisons_are_told(driven_root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvla_core.driving.safety.DRIVES", 1)
    monkeypatch.setattr("mvla_core.driving.trials.FEWEST_FRAMES", 3)
    monkeypatch.setattr("mvla_core.driving.trials.TIMES_THE_EXPERT", 0.1)
    results = drive_run(driven_root, RUN, DriveSettings(trials=2), workers=1)
    text = describe(results)
    assert "of 2 succeeded" in text
    assert "stop 0" in text
    assert "stale_command       provoked 1 times, held 1" in text
    assert "+0 points" in describe_comparison("other", compare_driven(results, results))
    told = describe_comparison("other", compare_driven(results, results), "They were not driven alike: so and so.")
    assert told.endswith("\nThey were not driven alike: so and so.")
    assert "none of these worlds" in describe_comparison("other", {})


def test_a_drive_is_a_job_that_can_go_on() -> None:
    assert "drive" in KINDS
    assert "drive" in RESUMABLE
