"""What a reader chooses: sections, a foreword, several runs; and that figures of an earlier report do not stay."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from mvla_core.errors import RunError, UserInputError
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot
from mvla_core.reports.background import background_path, gather_background, load_background
from mvla_core.reports.choice import LONGEST_FOREWORD, SECTIONS, ReportChoice
from mvla_core.reports.language import Words
from mvla_core.reports.write import read_document, render_html, render_markdown, run_report_job, write_report

HTML_LIMIT_BYTES = 8_000_000

BRIEFING = {
    "loss analysis": "losses",
    "data-set analysis": "data",
    "action distribution": "actions",
    "comparison with RoboVLMs": "comparison",
    "learning or memorisation": "evidence",
    "problems and risks": "risks",
    "training efficiency": "efficiency",
    "conclusions": "conclusions",
    "recommendations": "next",
    "checklist": "checklist",
    "technical summary": "technical",
    "one-sentence summary, grades": "summary",
    "gates": "readiness",
}
"""Section of the briefing -> ours."""


@pytest.fixture
def own(evaluated: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of the evaluated run, twice, to be changed."""
    root = DataRoot(tmp_path / "data")
    shutil.copytree(evaluated.episodes, root.episodes)
    for name in ("planted", "second"):
        shutil.copytree(evaluated.run("planted").path, root.run(name).path)
        run = root.run(name)
        for path in (run.config, run.evaluation_results):
            write_json(path, {**read_json(path), "run_id": name})
    config = read_json(root.run("second").config)
    folder = str(root.dataset("corridor"))
    for name in ("planted", "second"):
        write_json(root.run(name).config, {**config, "run_id": name, "dataset_folder": folder})
    return root


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_each_section_of_the_briefing_has_its_place(written: dict[str, Path], lang: str) -> None:
    html = (written[lang] / "report.html").read_text(encoding="utf-8")
    for ours in BRIEFING.values():
        part = re.search(rf'<section id="{ours}" class="part">(.*?)</section>', html, flags=re.DOTALL)
        assert part is not None, ours
        assert len(re.sub(r"<[^>]+>|\s+", "", part[1])) > 80, f"{ours} says something"
    assert (written[lang] / "figures" / "losses.png").stat().st_size > 10_000


def test_chosen_sections_stand_in_the_reports_order(evaluated: DataRoot, written: dict[str, Path]) -> None:
    choice = ReportChoice(("summary", "losses"), "For the professor.\n\n<b>One</b> question.")
    document = read_document(evaluated, "planted", "en", choice)
    assert [section.anchor for section in document.sections] == ["losses", "summary"]
    page, text = render_html(document), render_markdown(document)
    assert "<p>For the professor.</p><p>&lt;b&gt;One&lt;/b&gt; question.</p>" in page
    assert "For the professor." in text
    assert "<b>" not in text


def test_without_a_foreword_there_is_none(evaluated: DataRoot, written: dict[str, Path]) -> None:
    assert 'class="foreword"' not in (written["en"] / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"sections": ["loses"]}, "losses"),
        ({"sections": []}, "at least one"),
        ({"foreword": "x" * (LONGEST_FOREWORD + 1)}, "at most 20,000"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(choice: dict[str, Any], said: str) -> None:
    with pytest.raises(UserInputError, match=said):
        ReportChoice.from_json(choice)


def test_a_choice_survives_json() -> None:
    for choice in (ReportChoice(), ReportChoice(("data",), "x")):
        assert ReportChoice.from_json(choice.to_json()) == choice


def test_figures_of_an_earlier_report_go(own: DataRoot, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_report(own, "planted", lang="en", out=out)
    files = write_report(own, "planted", lang="en", out=out, choice=ReportChoice(("losses",)))
    assert [file.name for file in files] == ["report.html", "report.md", "losses.png"]
    assert [path.name for path in (out / "figures").iterdir()] == ["losses.png"]


def test_several_runs_stand_side_by_side(own: DataRoot, tmp_path: Path) -> None:
    files = write_report(own, ["planted", "second"], lang="ko", out=tmp_path, choice=ReportChoice(("runs", "summary")))
    text = files[1].read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| 항목"))
    assert row.split("|")[2:4] == [" planted ", " second "]
    assert Words("ko").say("runs.same_episodes") in text
    assert (tmp_path / "figures" / "runs.png").is_file()
    # A report of one run has no such section, also where it is chosen.
    assert [s.anchor for s in read_document(own, "planted", "ko").sections] == [
        name for name in SECTIONS if name != "runs"
    ]


def test_runs_on_other_episodes_are_not_subtracted(own: DataRoot) -> None:
    run = own.run("second")
    results = read_json(run.evaluation_results)
    results["split"]["test"] = results["split"]["test"][1:]
    write_json(run.evaluation_results, results)
    for name in ("planted", "second"):
        gather_background(own, name)
    text = render_markdown(read_document(own, ["planted", "second"], "en", ReportChoice(("runs",))))
    assert "cannot be subtracted" in text


@pytest.mark.parametrize(("names", "said"), [(["planted", "planted"], "named twice"), ([], "1 to 6 runs")])
def test_runs_are_named_once(own: DataRoot, tmp_path: Path, names: list[str], said: str) -> None:
    with pytest.raises(UserInputError, match=said):
        write_report(own, names, lang="en", out=tmp_path)


def test_the_job_writes_into_the_runs_own_folder(own: DataRoot) -> None:
    config = {
        "run_id": "planted",
        "lang": "ko",
        "others": ["second"],
        "sections": ["runs"],
        "foreword": "머리말입니다.",
    }
    result = run_report_job(own, config)
    assert [Path(file).name for file in result["files"]] == ["report.html", "report.md", "runs.png"]
    page = own.run("planted").report / "ko" / "report.html"
    assert "머리말입니다." in page.read_text(encoding="utf-8")


def test_an_expected_gain_is_told_where_it_was_measured(own: DataRoot, tmp_path: Path) -> None:
    path = own.run("planted").evaluation / "gains.json"
    write_json(path, {"more_data": {"value": 0.12, "low": 0.03, "high": 0.2, "how": "skill over the clock"}})
    text = write_report(own, "planted", lang="en", out=tmp_path, choice=ReportChoice(("next",)))[1].read_text()
    row = next(line for line in text.splitlines() if line.startswith("| A. More data"))
    assert "12 % (3.0 to 20 %): skill over the clock" in row
    assert sum("| not measured |" in line for line in text.splitlines()) == 2
    write_json(path, {"magic": {"value": 1.0}})
    with pytest.raises(RunError, match="more_data, curriculum, simulation"):
        gather_background(own, "planted")


def test_what_was_gathered_belongs_to_one_evaluation(own: DataRoot) -> None:
    run = own.run("planted")
    gather_background(own, "planted")
    assert load_background(run) is not None
    write_json(run.evaluation_results, {**read_json(run.evaluation_results), "evaluated": "2030-01-01T00:00:00+00:00"})
    assert load_background(run) is None
    with pytest.raises(RunError, match="order one"):
        read_document(own, "planted", "en")


def test_a_data_set_that_is_gone_leaves_the_report_possible(own: DataRoot, tmp_path: Path) -> None:
    shutil.rmtree(own.episodes)
    files = write_report(own, "planted", lang="en", out=tmp_path)
    text = files[1].read_text(encoding="utf-8")
    assert Words("en").say("next.no_plan") in text
    assert Words("en").say("comparison.no_data") in text
    assert read_json(background_path(own.run("planted")))["data"]["measured"] is False


def test_a_report_of_twenty_episodes_is_one_small_file(own: DataRoot, tmp_path: Path) -> None:
    files = write_report(own, "planted", lang="ko", out=tmp_path)
    assert files[0].stat().st_size < HTML_LIMIT_BYTES
