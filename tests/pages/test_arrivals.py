"""How recordings come in: what the forms queue, and what they refuse in one sentence."""

from __future__ import annotations

from pathlib import Path

from mvla_core.files import read_json
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot

MAKE, IMPORT = 0, 1


def test_one_click_queues_the_demo_episodes(open_page, served: DataRoot) -> None:
    page = open_page("overview")
    page.form_submit_button[MAKE].click().run()
    assert not page.exception
    (job,) = JobQueue(served).active()
    assert job.kind == "simulate"
    assert read_json(job.folder.config) == {"dataset": "demo", "count": 24, "seed": 0}
    assert page.progress, "the card shows how far the job is"
    page.run()
    assert any("Simulate 24 episodes" in text.value for text in page.sidebar.markdown), "and so does the badge"


def test_simulation_name_is_checked(open_page, served: DataRoot) -> None:
    page = open_page("overview")
    page.text_input(key="simulate_dataset").set_value("../evil")
    page.form_submit_button[MAKE].click().run()
    assert "cannot be used" in page.error[0].value
    assert JobQueue(served).active() == []


def test_a_folder_on_this_machine_is_imported(open_page, served: DataRoot, tmp_path: Path) -> None:
    page = open_page("overview")
    page.text_input(key="import_source").set_value(str(tmp_path))
    page.text_input(key="import_dataset").set_value("robot")
    page.number_input(key="import_length").set_value(30)
    page.form_submit_button[IMPORT].click().run()
    (job,) = JobQueue(served).active()
    assert job.kind == "import"
    assert read_json(job.folder.config) == {"source": str(tmp_path), "dataset": "robot", "episode_length": 30}


def test_what_cannot_be_imported_is_told(open_page, served: DataRoot) -> None:
    page = open_page("overview")
    page.text_input(key="import_dataset").set_value("robot")
    page.form_submit_button[IMPORT].click().run()
    assert "Nothing to import yet" in page.error[0].value
    page.text_input(key="import_source").set_value("/no/such/place")
    page.form_submit_button[IMPORT].click().run()
    assert "There is nothing at /no/such/place" in page.error[0].value
    page.text_input(key="import_source").set_value(str(served.path))
    page.text_input(key="import_dataset").set_value("")
    page.form_submit_button[IMPORT].click().run()
    assert "data set name" in page.error[0].value
    assert JobQueue(served).active() == []
