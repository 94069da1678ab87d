"""The experiments of a run on a page: the answer and its figure where there is one, and the button that starts the job."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.experiment_parts import scaling_figure
from mvla_core.experiments.store import write_result
from mvla_core.files import read_json, write_json
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot, RunFolder

RUN = "20260101-120000-lab-compact-0009"


def page() -> None:
    import os
    from pathlib import Path

    from app.experiment_parts import show_experiments
    from mvla_core.layout import DataRoot

    root = DataRoot(Path(os.environ["MVLA_DATA_ROOT"]))
    show_experiments(root, root.run("20260101-120000-lab-compact-0009"))


@pytest.fixture
def run(served: DataRoot) -> RunFolder:
    """A run on a data set that is there, with a simulated and another recorded one beside it."""
    from mvla_core.datasets.split import make_split
    from mvla_core.episodes.catalogue import scan
    from mvla_core.episodes.dataset import named_dataset
    from mvla_core.episodes.writer import write_episode
    from mvla_core.files import write_text
    from mvla_core.schema import ActionSpace
    from mvla_core.simulation.journal import FILE_NAME
    from mvla_core.training.recipe import Recipe

    for name in ("lab", "other", "worlds"):
        for number in range(12):
            write_episode(
                served.dataset(name) / f"e{number:02}.h5",
                np.zeros((8, 8, 8, 3), np.uint8),
                np.zeros((8, 2)),
                action_space=ActionSpace.default(2),
            )
    write_text(served.dataset("worlds") / FILE_NAME, "{}\n")
    ref = named_dataset(served, "lab")
    folder = served.run(RUN)
    write_json(
        folder.config,
        {"run_id": RUN, "dataset": "lab", "dataset_folder": str(ref.folder), "recipe": Recipe().to_json(), "seed": 0},
    )
    write_json(folder.split, make_split(scan(served, ref).episodes).to_json())
    folder.adapter.mkdir()
    return folder


def scaling_result() -> dict[str, Any]:
    value = {"value": 0.3, "low": 0.2, "high": 0.4}
    return {
        "run_id": RUN,
        "unit": "m/s",
        "held_out": 9,
        "trainings": [
            {
                "share": n / 60,
                "episodes": n,
                "seed": 0,
                "rmse": 0.4 - n / 300,
                "rmse_low": 0.1,
                "rmse_high": 0.5,
                "seconds": 9.0,
            }
            for n in (15, 30, 60)
        ],
        "fit": {
            "form": "rmse = a + b * episodes ^ -c",
            **dict.fromkeys("abc", value),
            "training_noise": 0.01,
            "curve": [{"episodes": n, **value} for n in (15, 60, 240)],
        },
        "clock": {"baseline": "frame_index", "rmse": 0.5},
        "answer": {"code": "more", "text": "To reach 0.2 m/s: 60 to 140 episodes more.", "target": 0.2},
        "gain": {"value": 0.1, "low": 0.05, "high": 0.15},
    }


def test_the_curve_is_shown_with_its_sentence(run: RunFolder) -> None:
    write_result(run, "scaling", scaling_result())
    shown = AppTest.from_function(page, default_timeout=60).run()
    assert not shown.exception
    assert shown.info[0].value.replace("\\", "") == "To reach 0.2 m/s: 60 to 140 episodes more."
    assert len(shown.get("plotly_chart")) == 1
    assert "+10.0% (+5.0% to +15.0%)" in " ".join(each.value for each in shown.caption).replace("\\", "")
    assert shown.button(key="experiment_scaling").label == "Measure again"


def test_the_button_queues_one_job_with_what_was_chosen(served: DataRoot, run: RunFolder) -> None:
    shown = AppTest.from_function(page, default_timeout=60).run()
    assert not shown.exception
    assert "training" in " ".join(each.value for each in shown.caption)
    shown.number_input(key="experiment_seeds").set_value(3)
    shown.number_input(key="experiment_target").set_value(0.2)
    shown.button(key="experiment_scaling").click().run()
    assert not shown.exception
    (job,) = JobQueue(served).active()
    config = read_json(job.folder.config)
    assert (job.kind, config["experiment"], config["run_id"]) == ("experiment", "scaling", RUN)
    assert (config["seeds"], config["target"]) == (3, 0.2)
    assert not [button for button in shown.button if button.key == "experiment_scaling"]


def test_a_mix_asks_for_the_other_data_set_and_tells_differences(run: RunFolder) -> None:
    value = {"value": 0.3, "low": 0.2, "high": None}
    row = {"share": 0.5, "simulated": 7, "real": 7, "rmse": value, "difference": value, "gain": value}
    write_result(
        run,
        "mixing",
        {
            "unit": "m/s",
            "held_out": 1,
            "without": value,
            "mixes": [row],
            "gain": value,
            "answer": {"code": "cannot_tell", "text": "No."},
        },
    )
    shown = AppTest.from_function(page, default_timeout=60).run()
    shown.segmented_control(key="experiment_kind").set_value("mixing").run()
    assert not shown.exception
    assert shown.selectbox(key="experiment_simulation").options == ["worlds"]
    assert list(shown.dataframe[0].value["trained on"]) == ["7 real", "7 real, 7 simulated (50%)"]
    shown.segmented_control(key="experiment_kind").set_value("curriculum").run()
    assert not shown.exception
    assert not shown.info
    assert shown.button(key="experiment_curriculum").label == "Measure"


def test_what_another_version_made_is_told_and_measured_again(run: RunFolder) -> None:
    write_json(run.evaluation / "scaling.json", {"format": 0})
    shown = AppTest.from_function(page, default_timeout=60).run()
    assert not shown.exception
    assert "make it again" in shown.error[0].value.replace("\\", "")


def test_the_band_encloses_the_curve() -> None:
    figure = scaling_figure(scaling_result())
    band, line = figure.data[0], figure.data[1]
    assert max(band.y) >= max(line.y)
    assert min(band.y) <= min(line.y)
