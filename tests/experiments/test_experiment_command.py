"""The verb `experiment`: its options, its text, and what it refuses before anything is queued."""

from __future__ import annotations

import pytest

from mvla_core.__main__ import main
from mvla_core.commands.experiment_command import describe
from mvla_core.layout import DataRoot


def test_options_of_another_experiment_are_refused(root: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--data-root", str(root.path)]
    assert main(["experiment", "curriculum", "some-run", "--target", "0.2", *where]) == 2
    assert "has no option --target" in capsys.readouterr().err
    assert main(["experiment", "mixing", "some-run", *where]) == 2
    assert "add --simulation DATASET" in capsys.readouterr().err
    assert main(["experiment", "scaling", "nobody", *where]) == 2
    assert "nobody" in capsys.readouterr().err
    assert not root.jobs_database.exists()


def test_the_text_tells_figures_with_their_intervals() -> None:
    value, alone = {"value": 0.3, "low": 0.2, "high": 0.4}, {"value": 0.3, "low": None, "high": None}
    common = {"unit": "m/s", "held_out": 4, "gain": alone, "answer": {"text": "Cannot tell."}}
    row = {"simulated": 6, "share": 0.5, "rmse": value, "difference": alone}
    text = describe("mixing", {**common, "without": value, "mixes": [row]})
    assert text.splitlines() == [
        "Cannot tell.",
        "  real alone: RMSE 0.300 (0.200 to 0.400) m/s",
        "  with 6 simulated (50%): RMSE 0.300 (0.200 to 0.400) m/s, difference 0.300 (no interval)",
        "  skill over the clock: 0.300 (no interval), 4 held-out episodes",
    ]
    assert "without: RMSE" in describe("curriculum", {**common, "without": value, "with": value})
