"""The table of episodes: filter, groups, all data sets, many rows; and curation by its widgets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from app.episode_filter import EpisodeFilter, group_counts
from app.episode_table import plain_rows, with_notes
from mvla_core.episodes.annotations import change, load_annotations
from mvla_core.episodes.catalogue import Catalogue, scan
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.notes import Annotations, Change
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace

FIRST, SECOND = "episode_20260101_120000_1box_vert_left_core_far", "episode_20260101_120100_2box_hori_right_core_close"


def write(root: DataRoot, dataset: str) -> None:
    for name, lateral in ((FIRST, 0.0), (SECOND, -1.0)):
        actions = np.zeros((12, 2), np.float32)
        actions[2:-2] = (1.0, lateral)
        frames = np.zeros((12, 12, 16, 3), np.uint8)
        attributes = {"frame_rate_hz": 5.0}
        path = root.dataset(dataset) / f"{name}.h5"
        write_episode(path, frames, actions, action_space=ActionSpace.default(2), attributes=attributes)


@pytest.fixture
def lab(served: DataRoot) -> DataRoot:
    write(served, "lab")
    return served


def said(root: DataRoot) -> Annotations:
    return load_annotations(root, named_dataset(root, "lab"))


def rows_of(root: DataRoot) -> pd.DataFrame:
    ref = named_dataset(root, "lab")
    changes = {
        FIRST: Change(add_tags=("night", "slow"), rating=4),
        SECOND: Change(excluded_reason="hit the wall", trim=(2, 9), add_tags=("night",)),
    }
    return with_notes(plain_rows(scan(root, ref)), change(root, ref, changes, "test"))


def test_rows_tell_what_is_known_and_said(lab: DataRoot) -> None:
    rows = rows_of(lab)
    assert rows.loc[FIRST, "direction"] == "forward"
    assert rows.loc[SECOND, "direction"] == "forward-right"
    assert rows.loc[SECOND, "kept"] == 8
    assert rows.loc[FIRST, "side"] == "left"
    assert rows.loc[FIRST, "pictures"].startswith("/mvla/strips/lab/")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (EpisodeFilter(), [FIRST, SECOND]),
        (EpisodeFilter(words="WALL hori"), [SECOND]),
        (EpisodeFilter(words="(["), []),
        (EpisodeFilter(values={"side": ["left"]}), [FIRST]),
        (EpisodeFilter(values={"boxes": ["1", "2"]}), [FIRST, SECOND]),
        (EpisodeFilter(tags=("slow",)), [FIRST]),
        (EpisodeFilter(state="excluded"), [SECOND]),
        (EpisodeFilter(state="in use"), [FIRST]),
        (EpisodeFilter(least_rating=4), [FIRST]),
        (EpisodeFilter(with_findings=True), []),
        (EpisodeFilter(words="box", values={"direction": ["forward"]}, least_rating=1), [FIRST]),
    ],
)
def test_filters(lab: DataRoot, wanted: EpisodeFilter, found: list[str]) -> None:
    assert wanted.apply(rows_of(lab)).index.tolist() == found


@pytest.mark.parametrize(
    ("by", "first"), [("tags", ("night", 2)), ("side", ("left", 1)), ("excluded", ("hit the wall", 1))]
)
def test_groups_count_episodes(lab: DataRoot, by: str, first: tuple[str, int]) -> None:
    counted = group_counts(rows_of(lab), by)
    assert counted.loc[first[0], "episodes"] == first[1]


def test_no_episode_is_a_table_too() -> None:
    rows = with_notes(plain_rows(Catalogue("lab", Path(), (), ())), Annotations())
    assert len(EpisodeFilter(words="x", tags=("y",)).apply(rows)) == 0


def player_state(page: Any) -> dict[str, Any]:
    states = [json.loads(element.proto.json) for element in page.get("bidi_component")]
    (state,) = [state for state in states if "episode" in state or "episodes" in state]
    return state


def test_the_filter_is_in_the_url_and_comes_back_from_it(open_page, lab: DataRoot) -> None:
    change(lab, named_dataset(lab, "lab"), {SECOND: Change(add_tags=("night",))}, "test")
    page = open_page("episodes")
    page.text_input(key="find_words").set_value("box").run()
    page.multiselect(key="find_tags").set_value(["night"]).run()
    page.selectbox(key="count_by").set_value("side").run()
    assert not page.exception
    kept = page.query_params["find"]
    kept = kept if isinstance(kept, str) else kept[0]
    assert json.loads(kept) == {"words": "box", "tags": ["night"], "count_by": "side"}
    again = open_page("episodes", find=kept)
    assert not again.exception
    assert again.text_input(key="find_words").value == "box"
    assert again.multiselect(key="find_tags").value == ["night"]
    assert player_state(again)["episode"] == f"lab/{SECOND}"
    page.switch_page("../pages/dataset_page.py").run()
    page.switch_page("../pages/episodes_page.py").run()
    assert page.text_input(key="find_words").value == "box", "it is still there on the way back from another page"
    page.text_input(key="find_words").set_value("").run()
    page.multiselect(key="find_tags").set_value([]).run()
    page.selectbox(key="count_by").set_value(None).run()
    assert "find" not in page.query_params


def test_the_order_of_many_rows_outlives_a_filter_that_shows_none(
    open_page, lab: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.episode_choice.PAGE_ROWS", 1)
    page = open_page("episodes")
    page.selectbox(key="sort_by").set_value("frames").run()
    page.toggle(key="sort_down").set_value(True).run()
    page.text_input(key="find_words").set_value("no such words").run()
    assert any("No episode fits" in text.value for text in page.info)
    page.text_input(key="find_words").set_value("").run()
    assert not page.exception
    assert page.selectbox(key="sort_by").value == "frames"
    assert page.toggle(key="sort_down").value is True
    again = open_page("episodes", find=json.dumps({"sort_by": "frames"}))
    assert again.selectbox(key="sort_by").value == "frames", "a link brings the order along"


@pytest.mark.parametrize(
    "find",
    [
        "{",
        "[]",
        "3",
        '{"words":3,"state":"gone","tags":["no such"],"rating":9,"findings":"x","count_by":"x","side":[1]}',
        "x" * 5000,
    ],
)
def test_a_filter_that_cannot_be_is_none(open_page, lab: DataRoot, find: str) -> None:
    page = open_page("episodes", find=find)
    assert not page.exception
    assert any("2 episodes" in text.value for text in page.caption)


def test_widgets_curate_and_undo(open_page, lab: DataRoot) -> None:
    page = open_page("episodes")
    key = f"lab/{FIRST}"
    page.text_area(key=f"curate_note_{key}_''").set_value("wheel slipped").run()
    assert not page.exception
    assert said(lab).of(FIRST).note == "wheel slipped"
    page.slider(key=f"curate_trim_{key}_None").set_value((3, 9)).run()
    assert said(lab).of(FIRST).trim == (2, 8)
    page.button(key=f"curate_exclude_{key}_''").click().run()
    assert said(lab).of(FIRST).excluded_reason == "not as instructed"
    assert player_state(page)["curation"]["excluded"] == "not as instructed"
    for _ in range(3):
        page.button(key="curation_undo").click().run()
    assert not said(lab).notes
    page.button(key="curation_redo").click().run()
    assert said(lab).of(FIRST).note == "wheel slipped"


def test_one_step_for_all_that_are_shown(open_page, lab: DataRoot) -> None:
    page = open_page("episodes")
    page.selectbox(key="bulk_what").set_value("Trim idle ends").run()
    page.button(key="bulk_apply").click().run()
    assert not page.exception
    assert [said(lab).of(name).trim for name in (FIRST, SECOND)] == [(1, 10), (1, 10)]
    page.button(key="curation_undo").click().run()
    assert not said(lab).notes


def test_a_reason_entered_right_before_the_click_is_the_one_that_is_kept(open_page, lab: DataRoot) -> None:
    """Both reach the server in one message: no drawing of the page lies between them."""
    page = open_page("episodes")
    page.text_input(key="bulk_value_because").set_value(" too dark ")
    page.button(key="bulk_apply").click().run()
    assert {note.excluded_reason for note in said(lab).notes.values()} == {"too dark"}
    page.button(key="curation_undo").click().run()
    key = f"lab/{FIRST}"
    page.text_input(key=f"curate_reason_{key}_'not as instructed'").set_value("blurred")
    page.button(key=f"curate_exclude_{key}_''").click().run()
    assert said(lab).of(FIRST).excluded_reason == "blurred"


def test_a_value_that_cannot_be_is_told(open_page, lab: DataRoot) -> None:
    page = open_page("episodes")
    page.selectbox(key="bulk_what").set_value("Rate").run()
    page.text_input(key="bulk_value_1 to 5").set_value("many").run()
    page.button(key="bulk_apply").click().run()
    assert not page.exception
    assert not said(lab).notes
    assert "rating" in page.toast[0].value


def test_colours_are_put_right(open_page, lab: DataRoot) -> None:
    page = open_page("episodes")
    before = player_state(page)["url"]
    page.segmented_control(key="color_order_lab_None").set_value("BGR").run()
    assert said(lab).dataset_settings.color_order == "bgr"
    assert player_state(page)["url"] != before, "the browser must not keep the old pictures"


def test_a_version_is_looked_at_and_gone_back_to(open_page, lab: DataRoot) -> None:
    ref = named_dataset(lab, "lab")
    change(lab, ref, {FIRST: Change(excluded_reason="dark")}, "test")
    page = open_page("episodes")
    page.text_input(key="snapshot_title").set_value("first look").run()
    page.button(key="take_snapshot").click().run()
    assert not page.exception
    change(lab, ref, {FIRST: Change(excluded_reason=None), SECOND: Change(trim=(2, 9))}, "test")
    page.selectbox(key="version_lab").set_value(1).run()
    assert not page.exception
    assert any("1 taken back in, 1 trimmed otherwise" in text.value for text in page.markdown)
    page.button(key="restore_1").click().run()
    assert not page.exception
    assert said(lab).of(FIRST).excluded_reason == "dark"
    assert said(lab).of(SECOND).trim is None
    assert any("nothing differs" in text.value for text in page.markdown)
    page.button(key="curation_undo").click().run()
    assert said(lab).of(SECOND).trim == (2, 9)


def test_all_data_sets_in_one_table(open_page, lab: DataRoot) -> None:
    write(lab, "hall")
    page = open_page("episodes", all="1", entry=f"lab/{SECOND}")
    assert not page.exception
    state = player_state(page)
    assert state["episode"] == f"lab/{SECOND}"
    assert state["link"] == {"all": "1", "entry": f"lab/{SECOND}"}


def test_compare_by_link(open_page, lab: DataRoot) -> None:
    page = open_page("compare", ids=f"lab/{SECOND},lab/{FIRST},lab/nobody", frame="3", align="share")
    assert not page.exception
    assert "nobody" in page.warning[0].value
    state = player_state(page)
    assert [episode["name"] for episode in state["episodes"]] == [f"lab/{SECOND}", f"lab/{FIRST}"]
    assert (state["align"], state["start"]) == ("share", 3)
