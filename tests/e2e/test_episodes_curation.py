"""Curation by keys in a real Chromium: what was said survives a reload and a killed server, and can still be undone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from mvla_core.episodes.annotations import load_annotations
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.notes import Annotations
from mvla_core.layout import DataRoot

from .conftest import Server, start_server
from .test_episodes_player import NAMES, record
from .waiting import settled

pytestmark = pytest.mark.browser


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    root = DataRoot(tmp_path / "data")
    record(root)
    return root


def said(root: DataRoot) -> Annotations:
    return load_annotations(root, named_dataset(root, "lab"))


def what_is_kept(root: DataRoot) -> tuple[object, ...]:
    note = said(root).of(NAMES[0])
    return note.note, note.instruction, note.rating, note.trim, note.tags


def open_player(server: Server, page: Page) -> Locator:
    page.goto(f"{server.url}/episodes?dataset=lab&episode={NAMES[0]}")
    player = page.locator("section.player")
    expect(player).to_have_attribute("data-frame", "0")
    return player


def test_keys_curate_and_it_survives(repository: Path, root: DataRoot, page: Page, tmp_path: Path) -> None:
    server = start_server(repository, root, tmp_path / "server.log")
    try:
        player = open_player(server, page)
        told, excluded = player.locator(".said"), player.locator(".excluded")
        page.keyboard.press("4")
        expect(told).to_contain_text("★★★★☆")
        page.keyboard.press("t")
        page.keyboard.type("night")
        page.keyboard.press("Enter")
        expect(told).to_contain_text("#night")
        page.keyboard.press("PageUp")
        page.keyboard.press("[")
        expect(told).to_contain_text("frames 11 to 40 kept")
        page.keyboard.press("PageUp")
        page.keyboard.press("]")
        expect(told).to_contain_text("frames 11 to 21 kept")
        page.keyboard.press("x")
        page.keyboard.type("hit the wall")
        page.keyboard.press("Enter")
        expect(excluded).to_have_text("Excluded: hit the wall")

        def written() -> tuple[object, ...]:
            note = said(root).of(NAMES[0])
            return note.rating, note.tags, note.trim, note.excluded_reason

        expected = (4, ("night",), (10, 20), "hit the wall")
        assert settled(page, written, expected) == expected

        page.reload()
        expect(excluded).to_have_text("Excluded: hit the wall")
        server.kill()
        server = start_server(repository, root, tmp_path / "server.log")
        open_player(server, page)
        expect(excluded).to_have_text("Excluded: hit the wall")
        expect(told).to_contain_text("★★★★☆ · #night · frames 11 to 21 kept")

        # What was done before the server died is undone after it, step by step, and done again.
        page.keyboard.press("u")
        expect(excluded).to_be_hidden()
        page.keyboard.press("u")
        expect(told).to_contain_text("frames 11 to 40 kept")
        page.keyboard.press("Shift+U")
        expect(told).to_contain_text("frames 11 to 21 kept")
        assert settled(page, lambda: said(root).of(NAMES[0]).excluded_reason, None) is None

        # The next episode, without the mouse; nothing was said of it.
        page.keyboard.press("j")
        expect(page).to_have_url(re.compile(NAMES[1]))
        expect(told).not_to_contain_text("night")
        page.keyboard.press("p")
        expect(told).to_contain_text("kept")
        assert settled(page, lambda: said(root).of(NAMES[1]).trim is not None, True)
    finally:
        server.kill()


def test_the_other_keys_and_a_filter_that_stays(repository: Path, root: DataRoot, page: Page, tmp_path: Path) -> None:
    server = start_server(repository, root, tmp_path / "server.log")
    try:
        player = open_player(server, page)
        told = player.locator(".said")
        page.keyboard.press("n")
        page.keyboard.type("wheel slipped")
        page.keyboard.press("Enter")
        expect(page.get_by_role("textbox", name="Note", exact=True).first).to_have_value("wheel slipped")
        page.keyboard.press("e")
        page.keyboard.press("Control+a")
        page.keyboard.type("Stop at the box.")
        page.keyboard.press("Enter")
        expect(page.get_by_text("The recording says: Drive around the box.")).to_be_visible()
        page.keyboard.press("2")
        expect(told).to_contain_text("★★☆☆☆")
        page.keyboard.press("0")
        expect(told).not_to_contain_text("★")
        page.keyboard.press("p")
        expect(told).to_contain_text("kept")
        page.keyboard.press("\\")
        expect(told).not_to_contain_text("kept")
        page.keyboard.press("a")
        expect(player.get_by_role("button", name="Arrow over the picture")).to_have_attribute("aria-pressed", "false")
        page.keyboard.press("t")
        page.keyboard.type("abandoned")
        page.keyboard.press("Escape")
        expected = ("wheel slipped", "Stop at the box.", None, None, ())
        assert settled(page, lambda: what_is_kept(root), expected) == expected
        page.keyboard.press("j")
        expect(page).to_have_url(re.compile(NAMES[1]))
        expect(player).to_have_attribute("data-frame", "0")
        page.keyboard.press("k")
        expect(page).to_have_url(re.compile(NAMES[0]))

        search = page.get_by_role("textbox", name="Search")
        search.fill("stop at")
        search.press("Enter")
        expect(page.get_by_text("1 of 2 episodes")).to_be_visible()
        expect(page).to_have_url(re.compile("find="))
        page.reload()
        expect(page.get_by_text("1 of 2 episodes")).to_be_visible()
        server.kill()
        server = start_server(repository, root, tmp_path / "server.log")
        page.goto(server.url + "/episodes?" + page.url.split("?", 1)[1])
        expect(page.get_by_text("1 of 2 episodes")).to_be_visible()
        expect(search).to_have_value("stop at")
    finally:
        server.kill()


def test_many_at_once_versions_and_export(repository: Path, root: DataRoot, page: Page, tmp_path: Path) -> None:
    server = start_server(repository, root, tmp_path / "server.log")
    try:
        open_player(server, page)
        page.get_by_text("Change all that are shown").click()
        page.get_by_role("textbox", name="Value").fill("too dark")
        page.get_by_role("textbox", name="Value").press("Enter")
        page.get_by_role("button", name="Apply to 2 episodes").click()
        expect(page.get_by_text("2 excluded")).to_be_visible()
        reasons = settled(page, lambda: {note.excluded_reason for note in said(root).notes.values()}, {"too dark"})
        assert reasons == {"too dark"}
        page.get_by_role("button", name="Undo", exact=True).click()
        expect(page.get_by_text("2 excluded")).to_be_hidden()
        assert settled(page, lambda: dict(said(root).notes), {}) == {}, "one undo takes back the whole step"

        page.get_by_role("textbox", name="Title of the version").fill("first look")
        page.get_by_role("textbox", name="Title of the version").press("Enter")
        page.get_by_role("button", name="Take snapshot").click()
        # At once, while the page is still being drawn: a download must not depend on the button that the last drawing left.
        with page.expect_download() as download:
            page.get_by_text("Kept as version v1").wait_for(state="attached")
            page.get_by_role("link", name="Export the curation").click()
        exported = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
        assert exported["dataset"] == "lab"
    finally:
        server.kill()


def test_a_new_recording_appears_while_watching(repository: Path, root: DataRoot, page: Page, tmp_path: Path) -> None:
    source = root.dataset("lab") / f"{NAMES[1]}.h5"
    content = source.read_bytes()
    source.unlink()
    server = start_server(repository, root, tmp_path / "server.log")
    try:
        open_player(server, page)
        expect(page.get_by_text("1 episode, 40 frames")).to_be_visible()
        page.get_by_text("Watch for new recordings").click()
        expect(page.get_by_text("looked at")).to_be_visible()
        part = source.with_name(f".{source.name}.part")
        part.write_bytes(content)
        part.rename(source)
        expect(page.get_by_text("2 episodes, 64 frames")).to_be_visible()
    finally:
        server.kill()
