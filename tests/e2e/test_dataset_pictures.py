"""Looking at the pictures from the Data set page in a real Chromium: the job, what it finds, and the pairs as pictures."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace

from .conftest import start_server

pytestmark = pytest.mark.browser
FRAMES = 12
LOOKING_LIMIT_MS = 240_000


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """Five walks along five walls, and two of them once more, driven the other way."""
    root = DataRoot(tmp_path / "data")
    folder = root.dataset("lab")
    folder.mkdir(parents=True)
    for number in range(7):
        coarse = np.random.default_rng(number % 5).integers(0, 256, (6, 30, 3), dtype=np.uint8)
        wall = np.asarray(cv2.resize(coarse, (480, 96), interpolation=cv2.INTER_CUBIC), np.uint8)
        side = 1.0 if (number % 2 == 0) == (number < 5) else -1.0
        frames = np.stack([wall[:, 20 * step : 20 * step + 128] for step in range(FRAMES)])
        actions = np.stack([np.ones(FRAMES), np.full(FRAMES, side)], axis=1)
        write_episode(folder / f"walk_{number}.h5", frames, actions, action_space=ActionSpace.default(2))
    return root


def test_looking_at_the_pictures(repository: Path, root: DataRoot, page: Page, tmp_path: Path) -> None:
    server = start_server(repository, root, tmp_path / "server.log")
    try:
        page.goto(f"{server.url}/dataset?dataset=lab")
        expect(page.get_by_text("Nobody has looked yet")).to_be_visible()
        page.get_by_role("radio", name="Pictures").click()
        page.get_by_role("button", name="Look at the pictures").click()
        expect(page.get_by_text("Same view, opposite commands")).to_be_visible(timeout=LOOKING_LIMIT_MS)
        expect(page).to_have_url(re.compile("part=pictures"))
        pair = page.locator("figure img").first
        expect(pair).to_be_visible()
        expect(pair).to_have_js_property("complete", True)
        expect(pair).not_to_have_js_property("naturalWidth", 0)
        expect(page.get_by_text("driven left").first).to_be_visible()
        page.get_by_role("link", name="frame").first.click()
        expect(page.locator("section.player")).to_be_visible()

        # A link opens the same part, in Korean too.
        page.goto(f"{server.url}/dataset?dataset=lab&part=pictures&lang=ko")
        expect(page.get_by_text("같은 장면, 반대 명령")).to_be_visible()
    finally:
        server.kill()
