"""The player and the comparison, driven by keys alone in a real Chromium, on real recordings of which one frame is damaged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace

from .conftest import Server, start_server
from .waiting import repeat_until

pytestmark = pytest.mark.browser

LENGTHS = (40, 24)
DAMAGED = 12
NAMES = [f"episode_20260101_12{number:02d}00" for number in range(len(LENGTHS))]


def record(root: DataRoot) -> None:
    """Episodes that stand, drive with a turn, and stand again; each frame is a grey level of its own."""
    for name, length in zip(NAMES, LENGTHS, strict=True):
        frames = np.zeros((length, 48, 64, 3), np.uint8)
        frames += (5 * np.arange(length) + 20).astype(np.uint8)[:, None, None, None]
        frames[:, :24, :32] = (200, 40, 20)
        actions = np.zeros((length, 3), np.float32)
        actions[5:-5, 0] = 1.0
        actions[10:15, 2] = 0.8
        path = root.dataset("lab") / f"{name}.h5"
        write_episode(
            path,
            frames,
            actions,
            action_space=ActionSpace.default(3),
            instruction="Drive around the box.",
            attributes={"frame_rate_hz": 10.0},
        )
        with h5py.File(path, "r+") as file:
            kinds = [b"start_action" if 5 <= k < length - 5 else b"stop_action" for k in range(length)]
            file["action_event_types"] = np.array(kinds)
            chunk = file["images"].id.get_chunk_info(DAMAGED)
        if name == NAMES[0]:
            with open(path, "r+b") as raw:
                raw.seek(chunk.byte_offset + 10)
                raw.write(b"\xff" * (chunk.size - 20))


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("player")
    root = DataRoot(folder / "data")
    record(root)
    server = start_server(repository, root, folder / "server.log")
    yield server
    server.kill()


@pytest.fixture
def player(server: Server, page: Page) -> Locator:
    page.goto(f"{server.url}/episodes?dataset=lab&episode={NAMES[0]}")
    player = page.locator("section.player")
    expect(player.locator("output.where")).to_contain_text("frame 1 of 40")
    expect(player).to_have_attribute("data-frame", "0")
    return player


def at(player: Locator, number: int) -> None:
    """The frame of this number, from 1, is told and painted."""
    expect(player.locator("output.where")).to_contain_text(f"frame {number} of 40")
    expect(player).to_have_attribute("data-frame", str(number - 1))


def test_keys_work_without_a_click(player: Locator, page: Page) -> None:
    for key, number in [
        ("ArrowRight", 2),
        ("ArrowRight", 3),
        ("ArrowLeft", 2),
        ("Shift+ArrowRight", 12),
        ("PageUp", 22),
        ("PageDown", 12),
        ("End", 40),
        ("ArrowRight", 40),
        ("Home", 1),
    ]:
        page.keyboard.press(key)
        at(player, number)
    page.keyboard.press("Shift+ArrowRight")
    expect(page).to_have_url(re.compile("frame=10"))
    page.reload()
    at(player, 11)


def test_playing_looping_and_speed(player: Locator, page: Page) -> None:
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("l")
    for _ in range(2):
        page.keyboard.press(".")
    expect(player.locator(".speed select")).to_have_value("4")
    page.keyboard.press("Space")
    expect(player.locator("button.play")).to_have_attribute("aria-label", "Pause")
    # The loop has begun again: the position is before where it was.
    expect(player.locator("output.where")).to_contain_text(re.compile(r"frame ([2-9]|[12]\d) of 40"))
    page.keyboard.press("l")
    expect(player.locator("button.play")).to_have_attribute("aria-label", "Play")
    at(player, 40)


def test_help_tells_the_keys(player: Locator, page: Page) -> None:
    expect(player.locator(".help")).to_be_hidden()
    page.keyboard.press("?")
    expect(player.get_by_role("dialog", name="Keys")).to_contain_text("exclude with a reason")
    page.keyboard.press("Escape")
    expect(player.locator(".help")).to_be_hidden()
    player.get_by_role("button", name="Keys").click()
    expect(player.locator(".help")).to_be_visible()


@pytest.mark.parametrize("part", [".chart", ".strip"])
def test_dragging_scrubs(player: Locator, page: Page, part: str) -> None:
    canvas, where = player.locator(part), player.locator("output.where")

    def drag() -> None:
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 0.3 * box["width"], middle)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.7 * box["width"], middle, steps=5)
        page.mouse.move(box["x"] + box["width"] - 1, middle, steps=5)
        page.mouse.up()

    repeat_until(page, drag, lambda: "frame 40 of 40" in where.inner_text(), "dragging does not scrub to the end")
    at(player, 40)


def test_a_damaged_frame_tells_why_and_the_rest_stays(player: Locator, page: Page) -> None:
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    at(player, DAMAGED + 1)
    expect(player.locator(".fault")).to_contain_text("damaged")
    page.keyboard.press("ArrowRight")
    at(player, DAMAGED + 2)
    expect(player.locator(".fault")).to_be_hidden()


def test_events_path_and_strip_are_shown(player: Locator) -> None:
    expect(player.locator(".legend")).to_contain_text("driver starts")
    expect(player.locator("figcaption")).to_contain_text("Path that the commands make")
    expect(player.locator(".strip")).to_have_attribute("data-pictures", re.compile(r"[1-9]"))


def test_four_episodes_on_one_scrubber(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/compare?ids=lab/{NAMES[0]},lab/{NAMES[1]}")
    compare = page.locator("section.compare")
    expect(compare).to_have_attribute("data-frames", "0 0")
    page.keyboard.press("Shift+ArrowRight")
    expect(compare).to_have_attribute("data-frames", "10 10")
    page.keyboard.press("End")
    expect(compare).to_have_attribute("data-frames", "39 23")
    expect(compare.locator(".pane.ended")).to_have_count(1)
    compare.get_by_label("share of length").check()
    page.keyboard.press("Home")
    compare.focus()
    page.keyboard.press("Home")
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    # Step 20 of 39 is half of each.
    expect(compare).to_have_attribute("data-frames", "20 12")
    expect(page).to_have_url(re.compile("frame=20.*align=share"))
    page.reload()
    expect(page.locator("section.compare")).to_have_attribute("data-frames", "20 12")
