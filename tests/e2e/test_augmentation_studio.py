"""An augmentation from its first slider to its use, in a real Chromium: made, looked at, saved, offered to a training, compared."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from mvla_core.datasets.augmentation.store import load_augmentation
from mvla_core.layout import DataRoot
from mvla_core.simulation.record import simulate_episodes

from .conftest import Server, start_server
from .waiting import eventually, steady, whole

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("studio")
    root = DataRoot(folder / "data")
    simulate_episodes(root, "lab", count=6, seed=3, image_size=96)
    server = start_server(repository, root, folder / "server.log")
    yield server
    server.kill()


def sources(page: Page) -> list[str]:
    """The addresses of the pictures before and after, in turn."""
    return [str(each.get_attribute("src")) for each in page.locator(".augmentation-pairs img").all()]


def choose(page: Page, label: str, option: str) -> None:
    """Choose in a box by what is typed into it, once the page is whole: what is drawn again closes an open list."""
    whole(page)
    box = page.get_by_role("combobox", name=label)
    box.scroll_into_view_if_needed()
    box.focus()
    box.press_sequentially(option)
    expect(page.get_by_role("option", name=option, exact=True)).to_be_visible()
    box.press("Enter")


def test_from_a_ready_recipe_to_a_comparison(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/dataset?dataset=lab&part=augmentation")
    page.locator(".st-key-augmentation_begin_mirror button").click()
    pictures = page.locator(".augmentation-pairs img")
    expect(pictures).to_have_count(6)
    expect(page.get_by_text("Not saved yet").first).to_be_visible()
    expect(page.locator(".st-key-augmentation_actions .js-plotly-plot").first).to_be_visible()
    whole(page)
    before, after = steady(page, lambda: sources(page)[:2])
    assert before != after

    # A second step, whose slider is moved by keys: the copies change, the recorded frames stay.
    choose(page, "Add a step", "Light")
    slider = page.get_by_role("slider", name="Brightness").first
    expect(slider).to_be_visible()
    expect(pictures.nth(1)).not_to_have_attribute("src", after)
    whole(page)
    with_light = steady(page, lambda: sources(page)[1])
    slider.press("End")
    expect(pictures.nth(1)).not_to_have_attribute("src", with_light)
    expect(pictures.nth(0)).to_have_attribute("src", before)

    page.get_by_role("button", name="Save", exact=True).first.click()
    expect(page.get_by_text("Saved. Training can use it.").first).to_be_visible()
    recipe = load_augmentation(server.root, "mirror")
    assert [step.transform.name for step in recipe.steps] == ["mirror", "light"]
    assert recipe.steps[1].transform.settings_json()["brightness_percent"] == 60

    # The comparison is another page, with this recipe, episode and copy in its address.
    page.get_by_role("button", name="Play the whole episode before and after").click()
    expect(page).to_have_url(re.compile(r"/compare\?.*augmentation=mirror"))
    panes = page.locator(".pane")
    expect(panes).to_have_count(2)
    expect(page.locator(".compare")).to_have_attribute("data-frames", "0 0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".compare")).to_have_attribute("data-frames", "2 2")
    expect(page).to_have_url(re.compile(r"frame=2"))

    def sides_told() -> bool:
        told = panes.locator(".told").all_inner_texts()
        return told[0] != told[1] and {"left", "right"} <= set(re.findall("left|right", " ".join(told)))

    eventually(page, sides_told, "one pane drives left and its mirror right")
    page.goto(page.url)
    expect(page.locator(".compare")).to_have_attribute("data-frames", "2 2")

    def light_differs() -> bool:
        one, other = (
            np.asarray(Image.open(io.BytesIO(each.screenshot()))) for each in page.locator(".pane .view").all()
        )
        return bool(one.std() > 5 and np.abs(one.astype(int).mean() - other.mean()) > 5)

    eventually(page, light_differs, "a picture is drawn in both panes, and the light differs")

    # The training form offers it and says what it adds.
    page.goto(f"{server.url}/train?dataset=lab")
    choose(page, "Augmentation", "mirror")
    expect(page.get_by_text(re.compile(r"Adds 1 .*augmented episodes.*: Mirror, Light"))).to_be_visible()
    page.get_by_role("link", name="Augmentation studio").click()
    expect(pictures).to_have_count(6)
    expect(page).to_have_url(re.compile(r"part=augmentation.*augmentation=mirror"))
