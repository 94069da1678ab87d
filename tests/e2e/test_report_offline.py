"""The HTML report in a real browser: offline, with its pointer and switches, in both themes, on a phone, and on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from mvla_core.layout import DataRoot
from mvla_core.reports.choice import ReportChoice
from mvla_core.reports.write import read_document, render_html
from mvla_core.wording import Language
from tests.golden.report_regenerate import FOREWORD, RUN, place

A4_POINTS = (595, 842)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The golden report as one HTML file in each language, alone in its folder."""
    root = place(DataRoot(tmp_path_factory.mktemp("root")))
    languages: tuple[Language, ...] = ("en", "ko")
    found = {}
    for lang in languages:
        found[lang] = tmp_path_factory.mktemp(f"alone_{lang}") / "report.html"
        found[lang].write_text(
            render_html(read_document(root, RUN, lang, ReportChoice(foreword=FOREWORD))), encoding="utf-8"
        )
    return found


@pytest.fixture
def requests() -> list[str]:
    return []


@pytest.fixture
def offline(browser: Browser, requests: list[str]) -> Iterator[Page]:
    """A page without a network that notes every request and every complaint of the browser."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, offline=True)
    page = context.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: requests.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: requests.append(f"error: {error}"))
    yield page
    context.close()


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_no_request_leaves_the_machine(offline: Page, requests: list[str], files: dict[str, Path], lang: str) -> None:
    offline.goto(files[lang].as_uri())
    for figure in offline.locator("svg[data-marks]").all():
        figure.scroll_into_view_if_needed()
        figure.hover()
    offline.emulate_media(media="print")
    assert requests == [files[lang].as_uri()]
    assert files[lang].stat().st_size < 8_000_000


def test_a_pointer_reads_the_stored_loss(offline: Page, files: dict[str, Path]) -> None:
    offline.goto(files["en"].as_uri())
    figure = offline.locator("#figure-loss")
    figure.scroll_into_view_if_needed()
    tip = figure.locator("xpath=..").locator(".tip")
    expect(tip).to_be_hidden()
    figure.focus()
    figure.press("ArrowRight")
    expect(tip).to_have_text("Epoch 1 · training: 0.348")
    figure.press("ArrowDown")
    expect(tip).to_have_text("Epoch 1 · validation: 0.364")
    figure.press("ArrowRight")
    expect(tip).to_have_text("Epoch 2 · validation: 0.310")
    figure.press("Escape")
    expect(tip).to_be_hidden()
    figure.hover()
    expect(tip).to_have_text(re.compile(r"^Epoch \d+ · (training|validation): 0\.\d+$"))


def test_a_series_can_be_hidden_and_shown(offline: Page, files: dict[str, Path]) -> None:
    offline.goto(files["en"].as_uri())
    panel = offline.locator("#figure-loss").locator("xpath=..")
    line = offline.locator("#figure-loss-series-0-0")
    button = panel.get_by_role("button", name="training")
    expect(line).to_be_visible()
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(line).to_be_hidden()
    button.click()
    expect(line).to_be_visible()


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 390)])
def test_nothing_is_wider_than_the_window(
    browser: Browser, files: dict[str, Path], lang: str, scheme: Any, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(files[lang].as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in re.findall(r"\d+", ground)[:3]) < 200) is (scheme == "dark")
    context.close()


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_it_prints_on_a4_in_full(offline: Page, files: dict[str, Path], tmp_path: Path, lang: str) -> None:
    offline.goto(files[lang].as_uri())
    offline.emulate_media(media="print", color_scheme="dark")
    assert offline.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)", "paper is white"
    expect(offline.locator("nav")).to_be_hidden()
    expect(offline.locator(".tools")).to_be_hidden()
    offline.emulate_media(media="null")
    pdf = offline.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    pages = re.findall(rb"/Type\s*/Page\b", pdf)
    sizes = {tuple(float(part) for part in box.split()[2:]) for box in re.findall(rb"/MediaBox\s*\[([^\]]+)\]", pdf)}
    assert 8 <= len(pages) <= 26
    assert all(abs(size[0] - A4_POINTS[0]) < 2 and abs(size[1] - A4_POINTS[1]) < 2 for size in sizes)
