"""Uploads in a real Chromium: several files, one too large, one cancelled, and how little of it the server holds in memory."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from mvla_core.episodes.uploads import uploads_folder
from mvla_core.layout import DataRoot

from .conftest import Server, start_server
from .test_episodes_player import NAMES, record
from .waiting import eventually, settled

pytestmark = pytest.mark.browser

LIMIT_MB = 3
GROWTH_LIMIT_MB = 50
LARGE_LIMIT_S = 180.0
SLOW_BYTES_PER_S = 15_000
"""So slow that the page can be left and come back to meanwhile on a busy machine too."""


@pytest.fixture
def server(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", str(LIMIT_MB))
    server = start_server(repository, DataRoot(tmp_path / "data"), tmp_path / "server.log")
    yield server
    server.kill()


@pytest.fixture
def recorded(tmp_path: Path) -> list[Path]:
    elsewhere = DataRoot(tmp_path / "laptop")
    record(elsewhere)
    return [elsewhere.dataset("lab") / f"{name}.h5" for name in NAMES]


def left(root: DataRoot) -> list[Path]:
    return [path for path in uploads_folder(root).rglob("*") if path.is_file()]


def open_form(server: Server, page: Page) -> None:
    page.goto(server.url)
    page.get_by_role("tab", name="Upload").click()
    expect(page.get_by_text(f"up to {LIMIT_MB}.0 MB each")).to_be_visible()


def test_several_files_are_uploaded_and_imported(server: Server, page: Page, recorded: list[Path]) -> None:
    open_form(server, page)
    upload = page.get_by_role("button", name="Upload and import")
    upload.click()
    expect(page.get_by_role("alert").filter(has_text="Choose one or more files")).to_be_visible()
    page.get_by_label("Files to upload").set_input_files(recorded)
    page.get_by_label("Name of the data set").fill("../evil")
    upload.click()
    expect(page.get_by_role("alert").filter(has_text="cannot be used")).to_be_visible()
    page.get_by_label("Name of the data set").fill("robot")
    upload.click()
    expect(page.get_by_text("2 episodes").first).to_be_visible()
    imported = settled(page, lambda: sorted(path.stem for path in server.root.dataset("robot").glob("*.h5")), NAMES)
    assert imported == NAMES
    assert settled(page, lambda: left(server.root), []) == []


def test_a_file_over_the_limit_is_not_sent(server: Server, page: Page, tmp_path: Path, recorded: list[Path]) -> None:
    large = tmp_path / "large.zip"
    with open(large, "wb") as file:
        file.truncate(LIMIT_MB * 1_000_000 + 1)
    open_form(server, page)
    page.get_by_label("Files to upload").set_input_files([large, recorded[0]])
    expect(page.get_by_text("import it by its path")).to_be_visible()
    page.get_by_label("Name of the data set").fill("robot")
    page.get_by_role("button", name="Upload and import").click()
    expect(page.get_by_role("alert").filter(has_text="without the files marked")).to_be_visible()
    # Whoever leaves the page's own look aside is refused by the server.
    answer = page.evaluate(
        """async (bytes) => {
            const { batch } = await (await fetch("/mvla/uploads?dataset=robot", { method: "POST" })).json();
            const sent = await fetch(`/mvla/uploads/${batch}?name=a.zip`, { method: "POST", body: new Uint8Array(bytes) });
            return [sent.status, await sent.text()];
        }""",
        LIMIT_MB * 1_000_000 + 1,
    )
    assert answer[0] == 413
    assert "larger than" in answer[1]
    assert settled(page, lambda: left(server.root), []) == []


def test_a_cancelled_upload_leaves_nothing(server: Server, page: Page, tmp_path: Path) -> None:
    slow = tmp_path / "slow.zip"
    slow.write_bytes(os.urandom(2_500_000))
    open_form(server, page)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SLOW_BYTES_PER_S}
    network.send("Network.emulateNetworkConditions", limits)
    page.get_by_label("Files to upload").set_input_files(slow)
    page.get_by_label("Name of the data set").fill("robot")
    page.get_by_role("button", name="Upload and import").click()
    expect(page.get_by_role("progressbar", name="Upload")).to_be_visible()
    eventually(page, lambda: len(left(server.root)) == 1, "nothing is put on disk as it arrives")
    # The page may be left and come back to meanwhile.
    page.get_by_role("link", name="Runs").first.click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    page.get_by_role("link", name="Overview").first.click()
    page.get_by_role("tab", name="Upload").click()
    expect(page.get_by_role("progressbar", name="Upload")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled; nothing was kept.")).to_be_visible()
    assert settled(page, lambda: left(server.root), []) == []


@pytest.mark.slow
def test_a_large_upload_passes_the_memory_by(
    repository: Path, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "large.zip"
    block = os.urandom(1 << 20)
    with open(large, "wb") as file:
        for _ in range(200):
            file.write(block)
    monkeypatch.setenv("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", "500")
    server = start_server(repository, DataRoot(tmp_path / "data"), tmp_path / "server.log")
    try:
        page.goto(server.url)
        page.get_by_role("tab", name="Upload").click()
        page.get_by_label("Files to upload").set_input_files(large)
        page.get_by_label("Name of the data set").fill("robot")
        process = psutil.Process(server.process.pid)
        before = most = process.memory_info().rss
        page.get_by_role("button", name="Upload and import").click()
        said = page.locator("form.upload .said")
        end = time.monotonic() + LARGE_LIMIT_S
        while "Uploaded" not in said.inner_text():
            most = max(most, process.memory_info().rss)
            assert time.monotonic() < end, f"not uploaded in {LARGE_LIMIT_S:g} s: {said.inner_text()}"
            page.wait_for_timeout(50)
        assert (most - before) / 1e6 < GROWTH_LIMIT_MB, f"grew by {(most - before) / 1e6:.0f} MB"
        print(f"grew by {(most - before) / 1e6:.1f} MB while 210 MB arrived")
    finally:
        server.kill()
