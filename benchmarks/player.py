"""How fast frames are on the screen: the player against a slider with `st.image`, in a real Chromium, in the same run.

    python benchmarks/player.py [--frames 18 600] [--steps 60]

Every figure is taken in the page: from the key or pointer event to the end of the screen refresh after the picture was drawn.
The episodes are 1280x720, gzip-compressed with one frame a chunk, as recorders write them. Keys and seeks ask for full width
(two device pixels a CSS pixel); playback is at width 640 and 30 frames a second.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace, Frame

REPOSITORY = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT, FPS = 1280, 720, 30.0
STEP_PAUSE_S = 0.15
HELD_INTERVAL_S = 0.1
NAIVE = """
import os
from pathlib import Path
import streamlit as st
from mvla_core.episodes.reader import open_episode
path = Path(os.environ["MVLA_DATA_ROOT"]) / "episodes" / "bench" / (st.query_params["episode"] + ".h5")
with open_episode(path, "bench") as episode:
    index = st.slider("Frame", 0, episode.info.num_frames - 1, 0)
    st.image(episode.frame(index))
    st.html(f"<i id='shown' data-frame='{index}'></i>")
"""
RECORDER = """() => {
  window.shown = []; window.asked = null; window.taken = [];
  const done = (frame) => requestAnimationFrame(() => setTimeout(() => {
    const now = performance.now();
    if (window.shown.length && window.shown.at(-1)[0] === frame) return;
    window.shown.push([frame, now]);
    if (window.asked !== null) { window.taken.push(now - window.asked); window.asked = null; }
  }, 0));
  const ask = () => { window.asked = performance.now(); };
  document.addEventListener("keydown", ask, true);
  document.addEventListener("pointerdown", ask, true);
  document.addEventListener("painted", (event) => done(event.detail), true);
  document.addEventListener("load", (event) => { if (event.target.tagName === "IMG") done(event.target.src); }, true);
}"""


def pictures(count: int) -> Iterator[Frame]:
    """A textured scene that moves, with the number of the frame: neither flat nor noise, so it compresses as rooms do."""
    generator = np.random.default_rng(1)
    small = generator.integers(40, 220, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    scene = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    for index in range(count):
        frame = np.roll(scene, index * 6, axis=1)
        cv2.putText(frame, str(index), (60, 160), cv2.FONT_HERSHEY_SIMPLEX, 5, (255, 255, 255), 12)
        yield np.asarray(frame, np.uint8)


def record(root: DataRoot, frames: int) -> str:
    """Write an episode and return its id."""
    actions = np.zeros((frames, 2), np.float32)
    actions[1:-1, 0] = 1.15
    name = f"episode_20260101_12{frames // 60:02d}{frames % 60:02d}"
    write_episode(
        root.dataset("bench") / f"{name}.h5",
        pictures(frames),
        actions,
        action_space=ActionSpace.default(2),
        instruction="Drive on.",
        attributes={"frame_rate_hz": FPS},
    )
    return name


@contextmanager
def served(script: Path, root: DataRoot) -> Iterator[str]:
    """Serve a Streamlit script on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}"]
    options = ["--server.headless=true", "--server.fileWatcherType=none", "--server.address=127.0.0.1"]
    environment = {**os.environ, "MVLA_DATA_ROOT": str(root.path), "PYTHONPATH": str(REPOSITORY)}
    with open(root.path / f"{script.stem}.log", "wb") as log:
        process = subprocess.Popen(
            command + options, cwd=REPOSITORY, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def opened(browser: Browser, address: str, ready: str, pixels: int) -> Page:
    page = browser.new_context(viewport={"width": 640, "height": 1000}, device_scale_factor=pixels).new_page()
    page.goto(address)
    page.locator(ready).first.wait_for(timeout=60_000)
    time.sleep(2.5)
    page.evaluate(RECORDER)
    return page


def latencies(page: Page, act: list[tuple[str, float]], pause: float) -> list[float]:
    """Milliseconds from each event to the picture; an event without a picture within 3 s counts as 3,000."""
    taken = []
    for kind, value in act:
        page.evaluate("() => { window.taken = []; window.asked = null; }")
        if kind == "key":
            page.keyboard.press("ArrowRight" if value > 0 else "ArrowLeft")
        else:
            box = page.locator(kind).first.bounding_box()
            assert box is not None
            page.mouse.click(box["x"] + value * box["width"], box["y"] + box["height"] / 2)
        try:
            page.wait_for_function("() => window.taken.length", timeout=3000)
            taken.append(float(page.evaluate("() => window.taken[0]")))
        except PlaywrightTimeout:
            taken.append(3000.0)
        time.sleep(pause)
    return taken


def held(page: Page, presses: int) -> tuple[int, float]:
    """Pictures shown while a key is pressed ten times a second, and the seconds until the last one."""
    page.evaluate("() => { window.shown = []; }")
    began = time.monotonic()
    for number in range(presses):
        page.keyboard.press("ArrowRight")
        time.sleep(max(0.0, began + (number + 1) * HELD_INTERVAL_S - time.monotonic()))
    took = time.monotonic() - began
    return len(page.evaluate("() => window.shown")), took


def p(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1] if len(values) > 1 else values[0]


def measure(page: Page, seek: str, focus: str, steps: int, frames: int) -> dict[str, float]:
    target = page.locator(focus).first
    target.focus()
    forward = min(steps, frames - 2)
    keys = [("key", 1.0)] * forward
    latencies(page, keys[:3], STEP_PAUSE_S)
    step = latencies(page, keys[3:], STEP_PAUSE_S)
    generator = random.Random(5)
    seeks = latencies(page, [(seek, 0.1 + 0.85 * generator.random()) for _ in range(30)], 0.3)
    page.locator(focus).first.focus()
    page.keyboard.press("Home")
    time.sleep(1)
    shown, took = held(page, min(50, frames - 2))
    presses = min(50, frames - 2)
    shares = {"p50": p(step, 50), "p95": p(step, 95), "seek p50": p(seeks, 50), "seek p95": p(seeks, 95)}
    return {**shares, "shown": shown / presses, "took": took}


def playback(page: Page, frames: int) -> str:
    page.locator("section.player").focus()
    page.keyboard.press("Home")
    time.sleep(1.5)
    page.evaluate("() => { window.shown = []; }")
    page.keyboard.press("Space")
    page.wait_for_function(f"() => window.shown.length && window.shown.at(-1)[0] === {frames - 1}", timeout=120_000)
    shown = page.evaluate("() => window.shown")
    indices = [int(frame) for frame, _ in shown]
    steps = np.diff(indices)
    seconds = (shown[-1][1] - shown[0][1]) / 1000
    rate = (len(shown) - 1) / seconds
    return (
        f"{rate:.1f} frames a second, {int((steps[steps > 1] - 1).sum())} skipped, {int((steps < 1).sum())} out of order, "
        f"{len(shown)} of {frames - 1} further frames shown"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[18, 600])
    parser.add_argument("--steps", type=int, default=60)
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "needs Chromium"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = DataRoot(Path(folder))
        naive = root.path / "naive.py"
        naive.write_text(NAIVE, encoding="utf-8")
        names = {frames: record(root, frames) for frames in given.frames}
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        slider, thumb = "[data-testid=stSlider]", "[data-testid=stSlider] [role=slider], [data-testid=stSlider] input"
        with served(REPOSITORY / "app" / "Home.py", root) as ours, served(naive, root) as theirs:
            for frames, name in names.items():
                page = opened(browser, f"{theirs}/?episode={name}", "[data-testid=stImage] img", 2)
                slow = measure(page, slider, thumb, min(given.steps, 20), frames)
                page.context.close()
                page = opened(browser, f"{ours}/episodes?dataset=bench&episode={name}", "section.player", 2)
                fast = measure(page, "section.player .chart", "section.player", given.steps, frames)
                page.context.close()
                page = opened(browser, f"{ours}/episodes?dataset=bench&episode={name}", "section.player", 1)
                played = playback(page, frames)
                page.context.close()
                print(f"\nload average {', '.join(f'{value:.1f}' for value in os.getloadavg())}")
                print(f"{frames} frames of {WIDTH}x{HEIGHT}        slider + st.image      player       ratio")
                for what in ("p50", "p95", "seek p50", "seek p95"):
                    title = f"key to picture, {what}" if what[0] == "p" else f"random {what.replace(' ', ', ')}"
                    print(f"  {title:28}{slow[what]:12.1f} ms{fast[what]:12.1f} ms{slow[what] / fast[what]:10.1f} x")
                print(f"  key held, 10 a second       {slow['shown']:11.0%} shown{fast['shown']:8.0%} shown")
                print(f"  playback at width 640: {played}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
