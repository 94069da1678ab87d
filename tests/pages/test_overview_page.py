"""The Overview as a cockpit: what changed, what to do next and why, the best run by an honest figure, and its gates."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.visits import VISIT_S, news
from mvla_core.files import read_json, write_json
from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot
from mvla_core.readiness.gates import own_gates_file
from mvla_core.readiness.record import write_record
from mvla_core.runs.listing import list_runs

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
    elements = [*page.markdown, *page.caption, *page.error, *page.warning, *page.success, *page.info]
    return " ".join(element.value for element in elements).replace("\\", "")


def copy_run(root: DataRoot, name: str, lower: float, loss: float) -> str:
    """Add an evaluated run whose skill is lower and whose loss is something else."""
    run_id = f"20260101-13000{name}-lab-compact-000{name}"
    shutil.copytree(root.run(RUN).path, root.run(run_id).path)
    config = read_json(root.run(run_id).config)
    write_json(root.run(run_id).config, {**config, "run_id": run_id, "created": f"2026-01-01T13:0{name}:00+00:00"})
    results = read_json(root.run(run_id).evaluation_results)
    for baseline in results["baselines"].values():
        baseline["skill_low"] = (baseline["skill_low"] or 0.0) - lower
    write_json(root.run(run_id).evaluation_results, {**results, "run_id": run_id})
    lines = root.run(run_id).progress.read_text().replace('"val_loss": 0.1', f'"val_loss": {loss}')
    root.run(run_id).progress.write_text(lines)
    return run_id


def test_next_actions_come_with_a_reason_and_lead_there(open_page, recorded: DataRoot) -> None:
    page = open_page("overview")
    assert not page.exception
    assert len([button for button in page.button if str(button.key).startswith("action_")]) == 3
    assert shown(page).count("Because: ") == 3
    page.button(key="action_1").click().run()
    assert not page.exception
    assert page.title[0].value != "Overview"


def test_the_best_run_is_chosen_by_its_skill_not_by_its_loss(open_page, own_root: DataRoot) -> None:
    worse = copy_run(own_root, "7", lower=0.4, loss=0.00001)
    page = open_page("overview")
    page.button(key="best_run").click().run()
    assert page.query_params["run"] == RUN
    for run in own_root.runs.iterdir():
        if run.name != worse:
            shutil.rmtree(run)
    page = open_page("overview")
    page.button(key="best_run").click().run()
    assert page.query_params["run"] == worse


def test_gates_at_a_glance(open_page, recorded: DataRoot) -> None:
    page = open_page("overview")
    text = shown(page)
    assert "Do not let it move the robot" in text
    signs = sum(text.count(f":material/{name}:]") for name in ("check_circle", "cancel", "help"))
    assert signs == 29
    page.button(key="gates").click().run()
    assert page.title[0].value == "May it drive?"


def test_in_korean(open_page, recorded: DataRoot) -> None:
    page = open_page("overview", lang="ko")
    assert not page.exception
    assert page.title[0].value == "개요"
    assert "에피소드 15개, 프레임 270개" in shown(page)
    assert "로봇을 움직이게 하지 마십시오" in shown(page)


def test_what_changed_is_told_until_the_visit_ends(own_root: DataRoot) -> None:
    def look(episodes: int, now: float) -> tuple[int, list[str], list[str]] | None:
        found = news(own_root, "lab", episodes, list_runs(own_root), now)
        return None if found is None else (found.episodes, [run for run, _ in found.ended], list(found.evaluated))

    (own_root.cache / "visits" / "lab.json").unlink(missing_ok=True)
    begin = 1e9
    assert look(15, begin) is None, "nothing is news at the first visit"
    assert look(15, begin + 60) is None
    added = copy_run(own_root, "7", lower=0.4, loss=1.0)
    later = begin + VISIT_S + 120
    assert look(18, later) == (3, [added], [added])
    assert look(18, later + 60) == (3, [added], [added]), "reloading does not lose the news"
    assert look(18, later + 60 + VISIT_S + 1) == (0, [], [])
    assert look(10, later + 120 + VISIT_S) == (-8, [], [])
    (own_root.cache / "visits" / "lab.json").write_text('{"before": 3, "current": {"time": "x"}}')
    assert look(10, later) is None, "a damaged file is begun anew"


def test_new_episodes_are_told_on_the_page(open_page, own_root: DataRoot) -> None:
    state = {"time": time.time() - 2 * VISIT_S, "episodes": 12, "ended": [], "evaluated": []}
    write_json(own_root.cache / "visits" / "lab.json", {"before": None, "current": state})
    text = shown(open_page("overview"))
    assert "3 new episodes." in text
    assert f"Run {RUN} has ended: finished; it was evaluated." in text


def test_history_grows_with_each_record(open_page, own_root: DataRoot) -> None:
    assert not open_page("overview").get("plotly_chart")
    write_record(own_root, RUN)
    write_record(own_root, RUN)
    page = open_page("overview")
    assert not page.exception
    assert page.get("plotly_chart")


def test_damage_does_not_hide_the_project(open_page, own_root: DataRoot) -> None:
    own_gates_file(own_root).write_text("format: 1\ngates: {episods: {threshold: 12}}\n")
    page = open_page("overview")
    assert not page.exception
    assert "Did you mean 'episodes'?" in shown(page)
    assert page.button(key="way_5")
    own_gates_file(own_root).unlink()
    own_root.run(RUN).evaluation_results.write_text("{")
    page = open_page("overview")
    assert not page.exception
    assert page.button(key="way_5")


def test_it_opens_in_a_second_with_many_runs(open_page, own_root: DataRoot) -> None:
    for number in range(8):
        copy_run(own_root, str(number + 1) if number < 9 else "9", lower=0.1, loss=1.0)
    page = open_page("overview")
    shutil.copytree(own_root.run(RUN).path, own_root.run("20260101-150000-lab-compact-0009").path)
    began = time.perf_counter()
    page.run()
    assert time.perf_counter() - began < 1.0, "a new run is seen without reading the others again"
    assert not page.exception
