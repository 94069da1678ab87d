"""The page Report: what is chosen goes into the order, and what was written is linked and shown."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.report_routes import REPORT_ROUTES, report_address
from mvla_core.files import read_json, write_json
from mvla_core.jobs.launch import take_runner_lock
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot
from mvla_core.reports.choice import SECTIONS
from mvla_core.wording import read_catalog

RUN = "20260101-120000-lab-compact-0001"
OTHER = "20260101-130000-lab-compact-0003"


@pytest.fixture
def own(recorded_root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataRoot]:
    """A copy of the recorded data root with two evaluated runs, in which jobs can be queued but never start."""
    root = DataRoot(tmp_path / "own")
    shutil.copytree(recorded_root.path, root.path)
    shutil.copytree(root.run(RUN).path, root.run(OTHER).path)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(root.path))
    lock = take_runner_lock(root)
    assert lock is not None
    yield root
    os.close(lock)


def write_files(root: DataRoot, lang: str) -> Path:
    folder = root.run(RUN).report / lang
    (folder / "figures").mkdir(parents=True)
    (folder / "report.html").write_text("<h1>Report</h1><script>alert(1)</script>", encoding="utf-8")
    (folder / "report.md").write_text("# Report", encoding="utf-8")
    (folder / "figures" / "losses.png").write_bytes(b"png")
    return folder


def links(page: Any) -> dict[str, dict[str, Any]]:
    """The download links by the names of their files."""
    parts = [json.loads(element.proto.json) for element in page.get("bidi_component")]
    return {part["name"]: part for part in parts if part.keys() == {"label", "url", "name"}}


def test_the_whole_report_is_ordered_with_one_click(open_page: Any, own: DataRoot) -> None:
    page = open_page("report", run=RUN)
    assert not page.exception
    page.button(key="write").click().run()
    assert not page.exception
    (job,) = JobQueue(own).active()
    assert job.kind == "report"
    assert read_json(job.folder.config) == {"run_id": RUN, "lang": "en"}
    assert page.button(key="write").disabled, "it is being written"


def test_what_is_chosen_goes_into_the_order(open_page: Any, own: DataRoot) -> None:
    page = open_page("report", run=RUN, lang="ko")
    page.multiselect(key="report_others").set_value([OTHER]).run()
    page.button_group(key="report_sections").set_value(["summary", "losses"]).run()
    page.text_area(key="report_foreword").set_value("교수님께 드립니다.").run()
    page.button(key="write").click().run()
    assert not page.exception
    (job,) = JobQueue(own).active()
    expected = {"run_id": RUN, "lang": "ko", "others": [OTHER], "sections": ["losses", "summary"]}
    assert read_json(job.folder.config) == {**expected, "foreword": "교수님께 드립니다."}


def test_no_section_is_no_report(open_page: Any, own: DataRoot) -> None:
    page = open_page("report", run=RUN)
    page.button_group(key="report_sections").set_value([]).run()
    assert page.button(key="write").disabled
    assert "at least one section" in page.warning[0].value


def test_every_section_has_its_title_in_both_languages(open_page: Any, own: DataRoot) -> None:
    for lang, first in (("en", "Loss analysis"), ("ko", "손실 분석")):
        page = open_page("report", run=RUN, lang=lang)
        assert len(page.button_group(key="report_sections").options) == len(SECTIONS)
        assert any(first in str(option) for option in page.button_group(key="report_sections").options)


def test_a_written_report_is_linked_and_shown(open_page: Any, own: DataRoot) -> None:
    write_files(own, "en")
    page = open_page("report", run=RUN)
    assert not page.exception
    found = links(page)
    assert set(found) == {f"{RUN}-en.html", f"{RUN}-en.zip"}
    assert found[f"{RUN}-en.html"]["url"].startswith(f"/mvla/runs/{RUN}/report/en/report.html?v=")
    (frame,) = page.get("iframe")
    assert frame.proto.src.startswith(f"/mvla/runs/{RUN}/report/en/page.html?v=")
    assert not page.warning


def test_a_report_of_an_earlier_evaluation_says_so(open_page: Any, own: DataRoot) -> None:
    write_files(own, "en")
    run = own.run(RUN)
    write_json(run.evaluation_results, read_json(run.evaluation_results))
    page = open_page("report", run=RUN)
    assert "evaluated again" in page.warning[0].value


def test_both_languages_of_the_page_hold_the_same_texts() -> None:
    english, korean = (read_catalog("app", f"report_{lang}")["report"] for lang in ("en", "ko"))
    assert english.keys() == korean.keys()


@pytest.fixture
def client(own: DataRoot) -> TestClient:
    return TestClient(Starlette(routes=REPORT_ROUTES), base_url="http://localhost:8501")


def test_only_the_reports_own_script_may_run(client: TestClient, own: DataRoot) -> None:
    write_files(own, "ko")
    answer = client.get(report_address(RUN, "ko", "page.html", 1))
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts allow-modals; default-src 'none';")
    assert "allow-same-origin" not in policy
    (scripts,) = [part for part in policy.split("; ") if part.startswith("script-src")]
    assert scripts.startswith("script-src 'sha256-")
    assert "unsafe" not in scripts


def test_the_files_are_sent_to_be_kept(client: TestClient, own: DataRoot) -> None:
    write_files(own, "en")
    page = client.get(report_address(RUN, "en", "report.html", 1))
    assert page.headers["content-disposition"] == f'attachment; filename="{RUN}-en.html"'
    packed = client.get(report_address(RUN, "en", "report.zip", 1))
    assert packed.content.startswith(b"PK")
    assert b"report.md" in packed.content
    assert b"figures/losses.png" in packed.content
    assert b"report.html" not in packed.content


@pytest.mark.parametrize("name", ["page.html", "report.html", "report.zip"])
@pytest.mark.parametrize(
    ("run", "lang", "status"), [(RUN, "de", 400), (RUN, "ko", 404), ("..", "en", 404), ("a b", "en", 400)]
)
def test_what_is_not_there_is_a_sentence(client: TestClient, name: str, run: str, lang: str, status: int) -> None:
    answer = client.get(f"/mvla/runs/{run}/report/{lang}/{name}")
    assert answer.status_code == status


def test_other_sites_get_nothing(client: TestClient, own: DataRoot) -> None:
    write_files(own, "en")
    address = report_address(RUN, "en", "page.html", 1)
    assert client.get(address, headers={"sec-fetch-site": "cross-site"}).status_code == 403
