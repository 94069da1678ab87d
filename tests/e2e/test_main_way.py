"""The whole way in a real browser: import, look, launch, watch the curve move, evaluate, see the overlay, download."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot

from .conftest import Server, start_server
from .waiting import eventually

pytestmark = pytest.mark.browser

TRAINING_LIMIT_MS = 240_000


@pytest.fixture
def server(repository: Path, tmp_path: Path) -> Iterator[Server]:
    server = start_server(repository, DataRoot(tmp_path / "data"), tmp_path / "server.log")
    yield server
    server.kill()


def wait_until_drawn(page: Page, canvas: str, pixels: int) -> None:
    """Wait until more than so many pixels of a canvas differ from its first one, as they do once something is drawn."""
    script = """canvas => { const p = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let n = 0; for (let i = 4; i < p.length; i += 4) if (p[i] != p[0] || p[i+1] != p[1] || p[i+2] != p[2]) n++; return n }"""
    drawn = page.locator(canvas).first
    eventually(page, lambda: drawn.evaluate(script) > pixels, f"nothing was drawn on {canvas}")


def points_of(page: Page) -> int:
    return int(page.locator("section.curves canvas.chart").first.get_attribute("data-points") or 0)


def test_the_main_way(server: Server, page: Page, recordings: Path, repository: Path, tmp_path: Path) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    # Import: with no data the overview offers two ways in.
    page.goto(server.url)
    expect(page.get_by_text("There are no recordings yet")).to_be_visible()
    expect(page.get_by_role("button", name="Make demo episodes")).to_be_visible()
    page.get_by_label("Folder or archive on this machine").fill(str(recordings))
    page.get_by_placeholder("my-robot").fill("lab")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("8 episodes").first).to_be_visible()

    # Look at a frame, and step with the keyboard.
    page.get_by_role("link", name="Episodes").first.click()
    player = page.locator("section.player")
    expect(player.locator("output.where")).to_contain_text("frame 1 of")
    wait_until_drawn(page, "section.player canvas.view", pixels=1000)
    player.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(player.locator("output.where")).to_contain_text("frame 3 of")
    expect(page).to_have_url(re.compile("frame=2"))
    page.reload()
    expect(page.locator("section.player output.where")).to_contain_text("frame 3 of")

    # Audit.
    page.get_by_role("link", name="Data set").first.click()
    expect(page.get_by_text(re.compile("clock", re.IGNORECASE)).first).to_be_visible()

    # Launch a short training; the curve moves while the page is open.
    page.get_by_role("link", name="Train").first.click()
    epochs = page.get_by_role("spinbutton", name="Epochs", exact=True)
    epochs.fill("8")
    epochs.press("Enter")
    expect(page.get_by_text(re.compile(r"Changed from the recipe:.*epochs"))).to_be_visible()
    page.get_by_role("button", name="Launch training").click()
    chart = page.locator("section.curves canvas.chart")
    expect(chart).to_have_attribute("data-points", re.compile("[1-9]"), timeout=TRAINING_LIMIT_MS)
    points = points_of(page)

    # The server dies in the middle; the training does not notice, and the next server shows it. On a fast machine it is over.
    job = next(job for job in JobQueue(server.root).list() if job.kind == "train")
    server.kill()
    again = start_server(repository, server.root, tmp_path / "server.log")
    try:
        page.goto(f"{again.url}/runs?run={job.folder.path.name}")
        finished = page.get_by_role("link", name="Evaluate this run").or_(
            page.get_by_role("button", name="Evaluate this run")
        )
        expect(finished.first).to_be_visible(timeout=TRAINING_LIMIT_MS)
        eventually(page, lambda: points_of(page) >= points, f"the curve shows fewer than the {points} points it had")
        wait_until_drawn(page, "section.curves canvas.chart", pixels=200)
        assert JobQueue(server.root).get(job.id).status == "succeeded"

        # Evaluate: a verdict, the baselines, and predicted over true velocities.
        page.goto(f"{again.url}/evaluate?run={job.folder.path.name}")
        page.get_by_role("button", name="Evaluate", exact=True).click()
        expect(page.get_by_role("tab", name="Why", exact=True)).to_be_visible(timeout=TRAINING_LIMIT_MS)
        expect(page.locator("section.overlay .legend")).to_contain_text(job.folder.path.name)
        wait_until_drawn(page, "section.player canvas.chart", pixels=200)

        # Report: written, read, downloaded.
        page.get_by_role("link", name="Report").first.click()
        page.get_by_role("button", name="Write the report").click()
        to_keep = page.get_by_role("link", name="HTML, one file")
        expect(to_keep).to_be_visible(timeout=TRAINING_LIMIT_MS)
        with page.expect_download() as download:
            to_keep.click()
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert job.folder.path.name in text
        assert "<script src" not in text, "the report needs nothing from outside"
    finally:
        again.kill()
    assert complaints == []
