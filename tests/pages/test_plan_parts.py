"""The plan on a page: what is missing, targets that are kept when edited, files to take along."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.plan_parts import coverage_figure
from mvla_core.audit.audit import audit_dataset
from mvla_core.audit.plan import make_plan
from mvla_core.audit.plan_wording import PlanWords
from mvla_core.audit.targets import Targets, load_targets, save_targets
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot
from mvla_core.schema import ActionSpace

TIMEOUT_S = 60


def page(dataset: str, language: str) -> None:
    from app.cached import audit
    from app.plan_parts import show_plan

    show_plan(dataset, audit(dataset), language)  # type: ignore[arg-type]


def opened(dataset: str, language: str = "en") -> AppTest:
    shown = AppTest.from_function(page, args=(dataset, language), default_timeout=TIMEOUT_S).run()
    assert not shown.exception
    return shown


def texts(shown: AppTest) -> str:
    return " ".join(element.value for element in [*shown.markdown, *shown.caption, *shown.info, *shown.success])


def to_record(shown: AppTest) -> int:
    """The number of episodes that the summary tells."""
    (line,) = [element.value for element in shown.caption if "episodes to record" in element.value]
    return int(line.split()[0])


def write(root: DataRoot, dataset: str, name: str, number: int, side: float) -> None:
    actions = np.zeros((18, 2), dtype=np.float32)
    actions[1:, 0] = 0.5 + number / 40
    actions[2 + number % 11 :, 1] = side
    frames = np.zeros((18, 8, 8, 3), dtype=np.uint8)
    write_episode(root.dataset(dataset) / name, frames, actions, action_space=ActionSpace.default(2), instruction="")


@pytest.fixture
def lab(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """Six episodes of one cell; a data set of which nothing is known; and one without a usable episode."""
    for number in range(6):
        write(root, "lab", f"episode_20251106_1400{number:02d}_1box_hori_left_core_far.h5", number, 0.6)
        write(root, "bare", f"take_{number}.h5", number, 0.6 if number % 2 else -0.6)
    root.dataset("none").mkdir()
    (root.dataset("none") / "broken.h5").write_bytes(b"\0" * 64)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(root.path))
    return root


def kept(root: DataRoot) -> Targets:
    return load_targets(root, named_dataset(root, "lab"))


def test_it_says_what_to_record(lab: DataRoot) -> None:
    shown = opened("lab")
    assert "1\\. 1box, hori, right" in texts(shown).replace("**1.", "**1\\.")
    assert to_record(shown) == 14
    assert len(shown.get("plotly_chart")) == 1
    assert [button.label for button in shown.get("download_button")] == ["Checklist (Markdown)", "Matrix (CSV)"]


def test_it_speaks_korean(lab: DataRoot) -> None:
    shown = opened("lab", "ko")
    assert shown.subheader[0].value == "다음에 수집할 것"
    assert "박스 1개, 가로, 오른쪽" in texts(shown)
    assert "수집할 에피소드 14개" in texts(shown)


def test_targets_are_edited_kept_and_restored(lab: DataRoot) -> None:
    shown = opened("lab")
    assert shown.button(key="plan_restore_lab").disabled
    shown.number_input(key="plan_default_lab").set_value(3).run()
    assert kept(lab).default == 3
    assert to_record(shown) == 3
    shown.multiselect(key="plan_values_time_of_day_lab").set_value(["evening", "night"]).run()
    assert kept(lab).values == {"time_of_day": ("evening", "night")}
    assert to_record(shown) == 9
    shown.multiselect(key="plan_axes_lab").set_value(["side"]).run()
    assert kept(lab).axes == ("side",)
    shown.button(key="plan_restore_lab").click().run()
    assert kept(lab) == Targets()
    assert not (lab.path / "plans" / "lab.json").exists()
    assert shown.number_input(key="plan_default_lab").value == 10
    assert to_record(shown) == 14


def test_choosing_the_usual_values_again_pins_nothing(lab: DataRoot) -> None:
    shown = opened("lab")
    box = shown.multiselect(key="plan_values_side_lab")
    assert box.value == ["left", "right"], "the mirror of the side that was seen is wanted"
    box.set_value(["left"]).run()
    assert kept(lab).values == {"side": ("left",)}
    shown.multiselect(key="plan_values_side_lab").set_value(["left", "right"]).run()
    assert kept(lab) == Targets()


def test_a_target_set_elsewhere_is_shown(lab: DataRoot) -> None:
    shown = opened("lab")
    save_targets(lab, named_dataset(lab, "lab"), Targets(default=4))
    shown.run()
    assert shown.number_input(key="plan_default_lab").value == 4


def test_a_cell_is_edited_in_the_table(lab: DataRoot) -> None:
    shown = opened("lab")
    editor = shown.data_editor[0]
    assert editor.value["target"].tolist() == [10, 10]
    right = make_plan(audit_dataset(lab, "lab")).cells[1].count.cell
    save_targets(lab, named_dataset(lab, "lab"), kept(lab).with_cell(right, 0))
    shown.run()
    assert shown.data_editor[0].value["target"].tolist() == [10, 0]
    assert to_record(shown) == 4


def test_a_mistake_is_told_and_nothing_is_kept(lab: DataRoot) -> None:
    shown = opened("lab")
    shown.multiselect(key="plan_values_time_of_day_lab").set_value(["evenning"]).run()
    assert not shown.exception
    assert "Did you mean" in shown.error[0].value
    assert kept(lab) == Targets()


def test_where_nothing_is_known_there_is_no_matrix(lab: DataRoot) -> None:
    shown = opened("bare")
    assert "Nothing is known" in texts(shown)
    assert not shown.get("plotly_chart")
    assert "any kind\\: 4 episodes" in texts(shown)
    assert "further episodes of any kind\\: 10 episodes" in texts(shown)


def test_without_a_usable_episode_it_says_so(lab: DataRoot) -> None:
    shown = opened("none")
    assert "Import or record" in texts(shown)
    assert not shown.get("plotly_chart")


def test_a_matrix_that_would_be_too_large_can_be_made_smaller(lab: DataRoot) -> None:
    values = {"values": {axis: [f"v{n}" for n in range(90)] for axis in ("pattern", "distance")}}
    path = lab.path / "plans" / "lab.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"format": 1, **values}), encoding="utf-8")
    shown = opened("lab")
    assert "choose fewer axes" in shown.error[0].value
    shown.multiselect(key="plan_axes_lab").set_value(["side"]).run()
    assert not shown.error
    assert len(shown.get("plotly_chart")) == 1


def test_the_colour_is_the_share_reached(lab: DataRoot) -> None:
    plan = make_plan(audit_dataset(lab, "lab"))
    figure = coverage_figure(plan, PlanWords("en"))
    heat = figure.data[0]
    assert [row[0] for row in heat.z] == pytest.approx([0.6, 0.0])
    assert [row[0] for row in figure.data[0].text] == ["6/10", "0/10"]
    assert "have 6, target 10" in heat.customdata[0][0]


def test_nothing_of_a_recording_is_read_as_markup(root: DataRoot, tmp_path: Path) -> None:
    write(root, "odd", "x.h5", 1, 0.5)
    plan = make_plan(audit_dataset(root, "odd"), Targets(values={"pattern": ("<b>a", "b")}, axes=("pattern",)))
    ticks = coverage_figure(plan, PlanWords("en")).layout.xaxis.ticktext
    assert ticks == ("&lt;b>a", "b")
