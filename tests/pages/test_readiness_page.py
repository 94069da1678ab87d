"""The page "May it drive?": the sentence, every gate, the record, in both languages."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mvla_core.files import read_json, write_json
from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot
from mvla_core.readiness.assess import assess
from mvla_core.readiness.gates import own_gates_file
from mvla_core.readiness.record import list_records
from mvla_core.readiness.verify import verify_record
from mvla_core.readiness.wording import worded_gate

RUN = "20260101-120000-lab-compact-0001"


@pytest.fixture
def own_root(recorded_root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """A copy of the recorded data root, served and free to change."""
    shutil.copytree(recorded_root.path, tmp_path / "own")
    root = DataRoot(tmp_path / "own")
    for run in root.runs.iterdir():
        config = read_json(run / "config.json")
        write_json(run / "config.json", {**config, "dataset_folder": str(root.dataset("lab"))})
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(root.path))
    return root


def shown(page: AppTest) -> str:
    elements = [*page.markdown, *page.caption, *page.error, *page.warning, *page.success]
    return " ".join(element.value for element in elements).replace("\\", "")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_gate_is_shown_with_its_evidence(open_page, recorded: DataRoot, language: str) -> None:
    page = open_page("readiness", run=RUN, lang=language)
    assert not page.exception
    readiness = assess(recorded, RUN)
    assert page.error[0].value.replace("\\", "") == readiness.sentence(language)  # type: ignore[arg-type]
    text = shown(page)
    for result in readiness.gates:
        words = worded_gate(result, readiness, language)  # type: ignore[arg-type]
        assert words.name in text
        assert words.found in text
        assert words.next in text
        assert words.command in text


def test_gates_can_be_filtered(open_page, recorded: DataRoot) -> None:
    page = open_page("readiness", run=RUN)
    page.segmented_control(key="gate_statuses").set_value(["not_met"]).run()
    signs = [element.value for element in page.markdown if element.value.startswith(":")]
    assert signs
    assert all(sign.startswith(":red") for sign in signs)


def test_the_record_is_written_and_holds(open_page, own_root: DataRoot) -> None:
    page = open_page("readiness", run=RUN)
    assert "No record yet" in shown(page)
    page.button(key="write_record").click().run()
    assert not page.exception
    (record,) = list_records(own_root.run(RUN))
    assert verify_record(record.path, own_root).unchanged
    assert (own_root.run(RUN).adapter / "README.md").is_file()
    assert page.get("plotly_chart")
    assert len(page.dataframe[0].value) == 1
    assert str(record.path) in page.code[0].value


def test_own_gates_are_seen_at_once_and_damaged_ones_are_told(open_page, own_root: DataRoot) -> None:
    page = open_page("readiness", run=RUN)
    assert "wanted: at least 130" in shown(page)
    own_gates_file(own_root).write_text("format: 1\ngates: {episodes: {threshold: 12}}\n")
    assert "wanted: at least 12 " in shown(page.run()).replace("]", " ")
    own_gates_file(own_root).write_text("format: 1\ngates: {episods: {threshold: 12}}\n")
    page.run()
    assert not page.exception
    assert "Did you mean 'episodes'?" in shown(page)


def test_a_run_without_evaluation_leads_there(open_page, own_root: DataRoot) -> None:
    shutil.rmtree(own_root.run(RUN).evaluation)
    page = open_page("readiness", run=RUN)
    assert not page.exception
    assert "not evaluated" in shown(page)
    assert page.button(key="write_record").disabled
    page.button(key="to_evaluate").click().run()
    assert page.title[0].value == "Evaluate"


def test_without_a_run_it_leads_to_training(open_page, served: DataRoot) -> None:
    page = open_page("readiness")
    page.button(key="empty_state").click().run()
    assert page.title[0].value == "Train"
