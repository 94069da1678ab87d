"""Overview, Episodes and Data set on real recordings, two of them broken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mvla_core.layout import DataRoot


def player_data(page: Any) -> dict[str, Any]:
    states = [json.loads(element.proto.json) for element in page.get("bidi_component")]
    (state,) = [state for state in states if "frames" in state]
    return state


def test_overview_shows_the_way(open_page, recorded: DataRoot) -> None:
    page = open_page("overview")
    assert not page.exception
    text = " ".join(element.value for element in page.markdown)
    assert "15 episodes with 270 frames; 2 files cannot be used" in text
    assert "run 20260101\\-120000\\-lab\\-compact\\-0001" in text
    page.button(key="way_5").click().run()
    assert page.title[0].value == "Report"
    assert page.query_params["run"] == "20260101-120000-lab-compact-0001"


def test_player_gets_the_episode(open_page, recorded: DataRoot) -> None:
    page = open_page("episodes")
    assert not page.exception
    data = player_data(page)
    assert data["episode"] == "lab/episode_20260101_120000"
    assert data["frames"] == 18
    assert data["start"] == 0
    assert (data["fps"], data["fpsKnown"]) == (5.0, True)
    assert [dim["unit"] for dim in data["dims"]] == ["m/s", "m/s"]
    assert max(data["dims"][0]["values"]) == pytest.approx(1.15)
    assert all(len(dim["values"]) == 18 for dim in data["dims"])
    assert data["link"] == {"dataset": "lab", "episode": "episode_20260101_120000"}
    assert dict(page.query_params) == {}, "the address changes only when the user chooses"


def test_a_link_opens_that_frame(open_page, recorded: DataRoot) -> None:
    page = open_page("episodes", dataset="lab", episode="episode_20260101_120500", frame="7")
    data = player_data(page)
    assert data["episode"] == "lab/episode_20260101_120500"
    assert data["start"] == 7
    assert page.query_params["frame"] == "7"


@pytest.mark.parametrize("frame", ["-3", "999", "seven", "", "9" * 5000])
def test_a_frame_that_is_not_there_does_no_harm(open_page, recorded: DataRoot, frame: str) -> None:
    page = open_page("episodes", episode="episode_20260101_120500", frame=frame)
    assert not page.exception
    assert 0 <= player_data(page)["start"] < 18


def test_unknown_names_in_a_link_are_told(open_page, recorded: DataRoot) -> None:
    page = open_page("episodes", dataset="../../etc", episode="nobody")
    assert not page.exception
    assert "There is no data set named" in page.warning[0].value
    assert player_data(page)["episode"] == "lab/episode_20260101_120000"


def test_choosing_another_episode_forgets_the_frame(open_page, recorded: DataRoot) -> None:
    page = open_page("episodes", episode="episode_20260101_120500", frame="7")
    page.query_params["episode"] = "episode_20260101_120300"
    page.run()
    assert player_data(page)["episode"] == "lab/episode_20260101_120300"


def test_broken_files_are_findings(open_page, recorded: DataRoot) -> None:
    page = open_page("episodes")
    text = " ".join(element.value for element in page.markdown)
    assert page.expander[0].label == "2 files with a finding"
    assert "pointer\\.h5" in text
    assert "note\\_\\*x\\*\\.h5" in text, "a file's name is shown as it is, not as Markdown"


def test_audit_says_whether_a_clock_would_do(open_page, recorded: DataRoot) -> None:
    page = open_page("dataset")
    assert not page.exception
    headlines = [element.value for element in (*page.error, *page.warning, *page.info, *page.success)]
    assert any("explain" in headline for headline in headlines)
    assert any("have not been looked at" in headline for headline in headlines)
    values = {metric.label: metric.value for metric in page.metric}
    assert values["Episodes"] == "15"
    assert values["Frames"] == "270"


def test_audit_follows_the_window(open_page, recorded: DataRoot) -> None:
    page = open_page("dataset")
    before = {metric.label: metric.value for metric in page.metric}["Training windows"]
    page.number_input(key="audit_window").set_value(8).run()
    after = {metric.label: metric.value for metric in page.metric}["Training windows"]
    assert not page.exception
    assert int(after) < int(before)


def test_a_data_set_without_a_usable_file(open_page, served: DataRoot) -> None:
    folder = served.dataset("empty")
    folder.mkdir(parents=True)
    (folder / "broken.h5").write_bytes(b"\x00" * 64)
    for name in ("overview", "episodes", "dataset", "train"):
        page = open_page(name)
        assert not page.exception, name
    page = open_page("episodes")
    assert page.subheader[0].value == "No usable episode"
    assert page.expander[0].label == "1 file with a finding"
