"""The page Simulate: what it queues is what was chosen and previewed, and what cannot be recorded is one sentence."""

from __future__ import annotations

import json

import pytest

from mvla_core.files import read_json, write_json
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.record import simulate_episodes

DRAWN = {"image_size": 24, "image_width": None}


def small(page):  # type: ignore[no-untyped-def]
    """The page with frames that are drawn at once."""
    page.number_input(key="sim_height").set_value(24)
    page.number_input(key="sim_width").set_value(24)
    return page.run()


def test_what_is_chosen_is_queued(open_page, served: DataRoot) -> None:
    page = small(open_page("simulate"))
    assert not page.exception
    page.button_group(key="sim_scenarios").set_value(["2box_vert_left", "2box_hori_straight"])
    page.button_group(key="sim_distance").set_value("close")
    page.number_input(key="sim_count").set_value(7)
    page.button_group(key="sim_level").set_value("hard")
    page.run()
    page.slider(key="sim_hard_clutter").set_value(2)
    page.text_input(key="sim_dataset").set_value("mine")
    page.run()
    assert not page.exception
    page.button(key="sim_launch").click().run()
    assert not page.exception
    (job,) = JobQueue(served).active()
    assert job.kind == "simulate"
    config = read_json(job.folder.config)
    assert config["dataset"] == "mine"
    assert config["count"] == 7
    assert config["scenarios"] == [["2box_vert_left_close", 4], ["2box_hori_straight_close", 3]]
    assert (config["clutter"], config["dart"], config["image_size"]) == (2, 0.3, 24)
    del config["dataset"], config["workers"]
    SimulationConfig.from_settings(**config)
    assert page.progress, "the card shows how far the job is"


def test_each_scenario_can_have_a_number_of_its_own(open_page, served: DataRoot) -> None:
    page = small(open_page("simulate"))
    page.toggle(key="sim_own").set_value(True).run()
    page.number_input(key="sim_number_1box_vert_left").set_value(0)
    page.number_input(key="sim_number_1box_hori_right").set_value(9).run()
    page.button(key="sim_launch").click().run()
    (job,) = JobQueue(served).active()
    config = read_json(job.folder.config)
    assert config["scenarios"] == [["1box_vert_right", 6], ["1box_hori_left", 6], ["1box_hori_right", 9]]
    assert config["count"] == 21


def test_all_numbers_at_zero_record_nothing(open_page, served: DataRoot) -> None:
    page = small(open_page("simulate"))
    page.button_group(key="sim_scenarios").set_value(["2box_vert_left"])
    page.number_input(key="sim_count").set_value(20_000)
    page.toggle(key="sim_own").set_value(True).run()
    assert not page.exception
    assert page.number_input(key="sim_number_2box_vert_left").value == 20_000
    page.number_input(key="sim_number_2box_vert_left").set_value(0).run()
    assert not page.exception
    assert "nothing would be recorded" in page.error[0].value
    assert "sim_launch" not in [button.key for button in page.button]


def test_what_was_entered_is_there_after_another_page(open_page, served: DataRoot) -> None:
    page = small(open_page("simulate"))
    page.number_input(key="sim_count").set_value(77).run()
    page.switch_page("../pages/overview_page.py").run()
    page.switch_page("../pages/simulate_page.py").run()
    assert (page.number_input(key="sim_count").value, page.number_input(key="sim_height").value) == (77, 24)


def test_the_preview_is_the_scene_that_will_be_recorded(open_page, served: DataRoot) -> None:
    page = small(open_page("simulate"))
    page.number_input(key="sim_index").set_value(5).run()
    assert not page.exception
    chart = next(iter(page.get("plotly_chart")))
    figure = json.loads(chart.proto.spec)
    names = [trace.get("name") for trace in figure["data"]]
    assert {"box 1", "basket", "robot's start"} <= set(names)
    assert any("Drive past the box on the" in text.value for text in page.markdown)


def test_what_cannot_be_recorded_is_told(open_page, served: DataRoot) -> None:
    (served.dataset("real")).mkdir(parents=True)
    (served.dataset("real") / "episode_20251106_145248.h5").write_bytes(b"a recording")
    page = small(open_page("simulate"))
    page.text_input(key="sim_dataset").set_value("real").run()
    assert "already holds recordings that were not simulated" in page.error[0].value
    page.text_input(key="sim_dataset").set_value("../evil").run()
    assert "cannot be used" in page.error[0].value
    page.selectbox(key="sim_renderer").set_value("gl").run()
    if page.error:  # a machine with a GL library draws the preview with it
        assert "choose the renderer 'ray'" in page.error[0].value or "cannot be used" in page.error[0].value
    assert JobQueue(served).active() == []


def test_no_scenario_records_one_box(open_page, served: DataRoot) -> None:
    page = small(open_page("simulate"))
    page.button_group(key="sim_scenarios").set_value([]).run()
    assert "No scenario is chosen" in page.warning[0].value
    assert not page.exception


def test_a_real_data_set_is_matched(open_page, served: DataRoot, lab_copy: DataRoot) -> None:
    page = open_page("simulate")
    page.selectbox(key="sim_match").set_value("lab").run()
    assert not page.exception
    said = " ".join(text.value for text in page.markdown)
    assert "Frames of 32 x 24 pixels" in said
    page.button(key="sim_launch").click().run()
    (job,) = JobQueue(served).active()
    config = read_json(job.folder.config)
    assert (config["image_size"], config["image_width"]) == (24, 32)
    assert ["left", "Drive past the box on the left."] in config["instructions"]


@pytest.fixture
def lab_copy(served: DataRoot) -> DataRoot:
    from tests.pages.conftest import record

    record(served, "lab", 6)
    return served


def test_a_stopped_recording_can_go_on(open_page, served: DataRoot) -> None:
    simulate_episodes(served, "begun", count=2, workers=1, image_size=16)
    queue = JobQueue(served)
    folder = served.job("simulate-1")
    folder.path.mkdir(parents=True)
    job = queue.submit("simulate", folder, {"dataset": "begun", "count": 4, "image_size": 16}, title="Simulate begun")
    queue.request_stop(job.id)
    page = small(open_page("simulate"))
    page.button(key="sim_go_on").click().run()
    assert not page.exception
    (again,) = queue.active()
    assert again.retry_of == job.id
    assert read_json(again.folder.config)["dataset"] == "begun"


def test_a_finished_recording_leads_to_its_audit(open_page, served: DataRoot) -> None:
    queue = JobQueue(served)
    folder = served.job("simulate-2")
    folder.path.mkdir(parents=True)
    job = queue.submit("simulate", folder, {"dataset": "done", "count": 1, "image_size": 16}, title="Simulate done")
    write_json(folder.result, {"status": "succeeded", "episodes": 1, "frames": 9})
    # No runner may start here, so its word is written for it.
    queue._database.write(
        lambda connection: connection.execute("UPDATE job SET status = 'succeeded' WHERE job_id = ?", (job.id,))
    )
    page = small(open_page("simulate"))
    assert not page.exception
    assert page.button(key="next_step").label == "Audit it"
