"""Curves in a real browser while their file grows: zoom and hover stay, a NaN is told; comparison, delete and restore."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from mvla_core.files import append_json_line, write_json
from mvla_core.jobs.launch import take_runner_lock
from mvla_core.jobs.queue import JobQueue
from mvla_core.jobs.run_bin import list_bin
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.runs.predictions import WatchedEpisode, write_epoch, write_watched
from mvla_core.training.recipe import Recipe

from .conftest import Server, start_server
from .waiting import repeat_until, steady

pytestmark = pytest.mark.browser

LIVE, DONE, MORE = "20260103-000000-lab-tiny-live", "20260102-000000-lab-tiny-done", "20260101-000000-lab-tiny-more"
STEPS = 10


def prepare(root: DataRoot, run_id: str, epochs: int, ended: bool = True) -> RunFolder:
    run = root.run(run_id)
    created = f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}T00:00:00+00:00"
    config = {"run_id": run_id, "dataset": "lab", "preset": "tiny", "recipe": Recipe().to_json(), "seed": 0}
    write_json(run.config, {**config, "created": created})
    write_json(run.split, {"train": ["a"], "validation": ["b"], "test": ["c"]})
    driven = np.stack([np.linspace(-1, 1, 12), np.ones(12)], axis=1)
    write_watched(run, ("linear_x", "linear_y"), ("m/s", "m/s"), [WatchedEpisode("b", np.arange(12), driven)])
    for epoch in range(1, epochs + 1):
        train_epoch(run, epoch)
    if ended:
        write_json(run.result, {"status": "succeeded", "best_epoch": 1})
    return run


def train_epoch(run: RunFolder, epoch: int, diverged: bool = False) -> None:
    """Write what one epoch of a training writes; the predictions of the second one are constant."""
    for step in range(STEPS * (epoch - 1) + 1, STEPS * epoch + 1):
        loss = None if diverged and step == STEPS * epoch else 1 / step
        values = {"train_loss": loss, "learning_rate": 1e-3, "grad_norm": 1.0, "windows_per_second": 100.0}
        event = {"event": "step", "time": 1000.0 + step, "step": step, "epoch": step / STEPS, **values}
        append_json_line(run.progress, {**event, "memory_bytes": 10**9})
    losses = {"train_loss": 0.5 / epoch, "val_loss": 0.6 / epoch, "val_rmse": 0.7, "best_epoch": epoch}
    event = {"event": "epoch", "time": 1000.0 + STEPS * epoch, "epoch": epoch, "epochs": 20, "step": STEPS * epoch}
    append_json_line(run.progress, {**event, **losses, "eta_seconds": 60.0})
    write_epoch(run, epoch, [np.stack([np.linspace(-1, 1, 12) * (epoch != 2), np.ones(12)], axis=1)])


@pytest.fixture
def server(repository: Path, tmp_path: Path) -> Iterator[Server]:
    """Two finished runs, and one that waits in the queue for ever: the test writes what its training would."""
    root = DataRoot(tmp_path / "data")
    prepare(root, DONE, 6)
    prepare(root, MORE, 4)
    live = prepare(root, LIVE, 0, ended=False)
    lock = take_runner_lock(root)
    assert lock is not None
    JobQueue(root).submit("train", live, None, title="live")
    train_epoch(live, 1)
    train_epoch(live, 2)
    server = start_server(repository, root, tmp_path / "server.log")
    yield server
    server.kill()
    os.close(lock)


def drag(page: Page, canvas: Locator, begin: float, end: float) -> None:
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + begin * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], middle, steps=6)
    page.mouse.up()


def low_and_high(page: Page, curves: Locator) -> tuple[float, float]:
    """The zoom, once it has come to rest."""
    low, high = steady(page, lambda: curves.get_attribute("data-zoom") or "").split()
    return float(low), float(high)


def drag_to_zoom(page: Page, curves: Locator, begin: float, end: float) -> None:
    """Drag over the chart until that has zoomed: it may move under the pointer while the page is drawn."""
    chart = curves.locator("canvas.chart")
    before = curves.get_attribute("data-zoom") or ""

    def zoomed() -> bool:
        return (curves.get_attribute("data-zoom") or "") not in ("", before)

    repeat_until(page, lambda: drag(page, chart, begin, end), zoomed, "dragging does not zoom")


def test_curves_stream_and_the_zoom_stays(server: Server, page: Page) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    run = server.root.run(LIVE)
    page.goto(f"{server.url}/runs?run={LIVE}")
    curves = page.locator("section.curves:not(.predictions)")
    chart = curves.locator("canvas.chart")
    expect(chart).to_have_attribute("data-points", str(2 * STEPS + 4))
    expect(curves.locator(".status")).to_contain_text("Epoch 2 of 20")
    expect(curves.locator("canvas.plot")).to_have_count(4)

    # A zoom by dragging, and what streams in afterwards does not move it.
    drag_to_zoom(page, curves, 0.5, 0.8)
    expect(curves.get_by_role("button", name="Reset zoom")).to_be_visible()
    before = low_and_high(page, curves)
    train_epoch(run, 3)
    expect(chart).to_have_attribute("data-points", str(3 * STEPS + 6))
    assert low_and_high(page, curves) == before
    # Shift and drag move it by what was dragged; a double click shows everything again.
    page.keyboard.down("Shift")
    drag_to_zoom(page, curves, 0.5, 0.7)
    page.keyboard.up("Shift")
    moved = low_and_high(page, curves)
    assert moved[0] < before[0]
    assert moved[1] - moved[0] == pytest.approx(before[1] - before[0], abs=2e-3)
    chart.dblclick()
    expect(curves).to_have_attribute("data-zoom", "")

    # Hovering over one panel tells the values of all.
    legends = curves.locator(".panel .legend")

    def hover() -> None:
        page.mouse.move(1, 1)
        chart.hover(position={"x": chart.evaluate("canvas => canvas.clientWidth") - 14, "y": 60})

    def told() -> bool:
        return all(re.search(r"\d", text) for text in legends.all_inner_texts())

    repeat_until(page, hover, told, "hovering over one panel does not tell the values of all")
    # The same with keys alone.
    page.mouse.move(1, 1)
    chart.focus()
    page.keyboard.press("ArrowLeft")
    expect(curves.locator(".readout")).to_contain_text("epoch 3")
    page.keyboard.press("+")
    expect(curves.get_by_role("button", name="Reset zoom")).to_be_visible()
    page.keyboard.press("0")
    expect(curves).to_have_attribute("data-zoom", "")

    # Another axis; smoothing; then a loss that is no number is told in words.
    curves.get_by_role("button", name="step", exact=True).click()
    drag_to_zoom(page, curves, 0.4, 0.9)
    assert low_and_high(page, curves)[1] > 20
    curves.locator(".smooth input").fill("0.6")
    expect(curves.locator(".warn")).to_be_hidden()
    train_epoch(run, 4, diverged=True)
    expect(curves.locator(".warn")).to_contain_text("not a number once, first at step 40")
    curves.get_by_role("tab", name="Optimiser and machine").click()
    expect(curves.locator("canvas.plot")).to_have_count(5)
    assert complaints == []


def test_a_collapse_is_seen_in_its_epoch(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/runs?run={LIVE}")
    shown = page.locator("section.predictions")
    expect(shown).to_have_attribute("data-epoch", "2")
    expect(shown.locator(".warn")).to_contain_text("Collapsed: after epoch 2 the predicted linear_x hardly varies")
    train_epoch(server.root.run(LIVE), 3)
    expect(shown).to_have_attribute("data-epoch", "3")
    expect(shown.locator(".warn")).to_be_hidden()
    shown.locator(".epoch input").focus()
    page.keyboard.press("ArrowLeft")
    expect(shown).to_have_attribute("data-epoch", "2")
    train_epoch(server.root.run(LIVE), 4)
    expect(shown.locator(".epoch output")).to_have_text("2 of 4")


def test_compare_delete_and_restore(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/runs?compare={DONE},{MORE}&run={MORE}")
    overlay = page.locator("section.overlay")
    expect(overlay.locator("canvas.chart")).to_have_attribute("data-points", "10")
    expect(overlay.locator(".legend")).to_contain_text(DONE)
    page.get_by_text("time", exact=True).first.click()
    expect(overlay.locator("canvas.chart")).to_have_attribute("data-points", "10")

    page.get_by_text("Tags, note, archive, delete").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Move this run to the bin?")).to_be_visible()
    assert server.root.run(MORE).path.is_dir()
    page.get_by_role("button", name="Move to the bin").click()
    expect(page.get_by_text("Bin: 1 deleted run")).to_be_visible()
    assert [run.run_id for run in list_bin(server.root)] == [MORE]
    expect(overlay).to_have_count(0)
    page.get_by_text("Bin: 1 deleted run").click()
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.get_by_text("Bin: 1 deleted run")).to_have_count(0)
    expect(page).to_have_url(re.compile(f"run={MORE}"))
    assert server.root.run(MORE).path.is_dir()
    # On a page of its own, where what was opened before is closed again.
    page.goto(f"{server.url}/runs?run={MORE}")
    page.get_by_text("Tags, note, archive, delete").click()
    link = page.get_by_role("link", name="Metrics as CSV")
    expect(link).to_be_visible()
    answer = page.request.get(f"{server.url}{link.get_attribute('href')}")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.text().count("\n") == 4 * STEPS + 4 + 1
