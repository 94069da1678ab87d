"""Overlay, what-if panel and comparison in a real Chromium, on a run that was really trained (the tiny policy, one epoch)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from mvla_core.evaluation.results import load_predictions, load_results, save_predictions
from mvla_core.files import read_json, write_json
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot
from mvla_core.simulation.record import simulate_episodes

from .conftest import Server, start_server
from .waiting import steady, whole

pytestmark = pytest.mark.browser

ANSWER_LIMIT_MS = 240_000
"""Of the first answer, for which a worker loads the policy."""


def work(repository: Path, root: DataRoot, *arguments: str) -> None:
    """Run a verb to its end, as a user does."""
    environment = {**os.environ, "MVLA_DATA_ROOT": str(root.path), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "mvla_core", *arguments]
    done = subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, timeout=420, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A trained and evaluated run, and a copy of it whose predictions err more."""
    folder = tmp_path_factory.mktemp("overlay")
    root = DataRoot(folder / "data")
    simulate_episodes(root, "lab", count=20, seed=3, image_size=64)
    work(repository, root, "train", "lab", "--preset", "tiny", "--epochs", "1")
    (run_id,) = [path.name for path in root.runs.iterdir() if not path.name.startswith(".")]
    work(repository, root, "evaluate", run_id)
    worse = root.run(f"{run_id}-worse")
    shutil.copytree(root.run(run_id).path, worse.path)
    (worse.path / "job.json").unlink()
    write_json(worse.config, {**read_json(worse.config), "run_id": worse.run_id})
    write_json(worse.evaluation_results, {**read_json(worse.evaluation_results), "run_id": worse.run_id})
    episodes = load_predictions(worse)
    for episode in episodes:
        episode.predicted[:] += np.float32(0.6)
    save_predictions(worse.predictions, episodes)
    server = start_server(repository, root, folder / "server.log")
    yield server
    server.kill()
    queue = JobQueue(root)
    for job in queue.active():
        queue.request_stop(job.id)
        queue.wait(job.id, timeout_s=120)


@pytest.fixture
def run_id(server: Server) -> str:
    return min(path.name for path in server.root.runs.iterdir() if not path.name.startswith("."))


@pytest.fixture
def overlay(server: Server, run_id: str, page: Page) -> Locator:
    page.goto(f"{server.url}/evaluate?run={run_id}")
    overlay = page.locator("section.overlay")
    expect(overlay).to_have_attribute("data-runs", "1")
    expect(overlay).to_have_attribute("data-frame", re.compile(r"\d+"))
    return overlay


def frame_of(overlay: Locator) -> int:
    return int(overlay.get_attribute("data-frame") or "-1")


def test_keys_lead_to_the_worst_moments_and_the_address_keeps_the_frame(
    overlay: Locator, page: Page, server: Server
) -> None:
    buttons = overlay.locator(".worst button")
    expect(buttons.first).to_contain_text(re.compile(r"frame \d+ · \d"))
    worst = [int(text.split()[1]) - 1 for text in steady(page, buttons.all_text_contents)]
    overlay.focus()
    page.keyboard.press("n")
    expect(overlay).to_have_attribute("data-frame", str(worst[0]))
    expect(buttons.first).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("n")
    expect(overlay).to_have_attribute("data-frame", str(worst[1 % len(worst)]))
    page.keyboard.press("p")
    expect(overlay).to_have_attribute("data-frame", str(worst[0]))
    expect(page).to_have_url(re.compile(f"frame={worst[0]}"))
    page.reload()
    expect(overlay).to_have_attribute("data-frame", str(worst[0]))
    page.keyboard.press("ArrowRight")
    expect(overlay).to_have_attribute("data-frame", str(worst[0] + 1))


def test_numbers_and_switches(overlay: Locator, page: Page, server: Server, run_id: str) -> None:
    results = load_results(server.root.run(run_id))
    worst = max(results["per_episode"], key=lambda row: row["rmse"])["episode_id"]
    found = next(each for each in load_predictions(server.root.run(run_id)) if each.episode_id == worst)
    overlay.focus()
    page.keyboard.press("End")
    last = int(found.last_frames[-1])
    expect(overlay).to_have_attribute("data-frame", str(last))
    cells = overlay.locator(".values tbody tr").first.locator("td")
    expect(cells.nth(0)).to_have_text(f"{found.target[-1, 0, 0]:.2f}")
    expect(cells.nth(1)).to_have_text(f"{found.predicted[-1, 0, 0]:.2f}")
    page.keyboard.press("s")
    expect(overlay.locator(".step select")).to_have_value("2")
    expect(cells.nth(1)).to_have_text(f"{found.predicted[-2, 1, 0]:.2f}")
    for key, name in (("f", "fans"), ("b", "band"), ("a", "arrow"), ("l", "loop")):
        before = steady(page, lambda name=name: overlay.locator(f"[data-act={name}]").get_attribute("aria-pressed"))
        page.keyboard.press(key)
        expect(overlay.locator(f"[data-act={name}]")).to_have_attribute(
            "aria-pressed", "false" if before == "true" else "true"
        )
    expect(overlay.locator(".floor figcaption")).to_contain_text(re.compile(r"ends \d+\.\d\d m from the driver"))
    page.keyboard.press("?")
    expect(overlay.get_by_role("dialog", name="Keys")).to_contain_text("worst moments")
    page.keyboard.press("Escape")
    expect(overlay.locator(".help")).to_be_hidden()


def test_two_runs_share_the_scrubber(overlay: Locator, page: Page, run_id: str) -> None:
    whole(page)
    page.get_by_test_id("stMultiSelect").locator("input").first.click()
    page.get_by_role("option").first.click()
    expect(overlay).to_have_attribute("data-runs", "2")
    expect(overlay.locator(".legend")).to_contain_text(f"{run_id}-worse")
    expect(overlay.locator(".values thead th")).to_have_count(5)
    expect(overlay.locator(".floor figcaption .end")).to_have_count(3)


def test_another_instruction_is_asked_and_follows_the_frames(overlay: Locator, page: Page) -> None:
    swap = overlay.locator(".swap")
    swap.locator(".chips button").first.click()
    expect(swap.locator(".swap-said")).to_contain_text(
        "The other instruction changes linear_x by", timeout=ANSWER_LIMIT_MS
    )
    expect(swap.locator(".swap-shown figure")).to_have_count(3)
    expect(swap.locator("figcaption").nth(2)).to_contain_text("m apart")
    began = steady(page, lambda: frame_of(overlay))
    overlay.focus()
    page.keyboard.press("ArrowRight")
    expect(swap).to_have_attribute("data-frame", str(began + 1))
    swap.locator("input").fill("Turn round at once.")
    swap.locator("input").press("Enter")
    expect(swap.locator("figcaption").nth(1)).to_contain_text("Turn round at once.")
    overlay.focus()
    page.keyboard.press("Home")
    expect(swap.locator(".swap-said")).to_contain_text("The policy sees")
    swap.get_by_role("button", name="Stop asking").click()
    expect(swap.locator(".swap-shown")).to_be_hidden()
    expect(page.get_by_text("Answer what-if questions").first).to_be_visible()


def test_the_comparison_names_the_better_run(overlay: Locator, page: Page) -> None:
    page.get_by_role("tab", name="Other runs").click()
    expect(page.get_by_text(re.compile(r"This run is better than .* m/s \(\d+ episodes"))).to_be_visible()


def test_compare_page_tells_its_keys(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/compare")
    compare = page.locator("section.compare")
    expect(compare.locator(".pane")).to_have_count(2)
    page.keyboard.press("?")
    expect(compare.get_by_role("dialog", name="Keys")).to_contain_text("slower, faster")
    page.keyboard.press("Escape")
    expect(compare.locator(".help")).to_be_hidden()
    compare.get_by_role("button", name="Keys").click()
    expect(compare.locator(".help")).to_be_visible()
