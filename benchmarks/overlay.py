"""How fast the overlay of an evaluated run opens, how it steps, and how fast the policy answers another instruction.

    python -m benchmarks.overlay [--frames 20 300] [--episodes 20] [--asks 12] [--ask-root DATA_ROOT --ask-run RUN]

"opens" is taken in the page: from the click on "Evaluate" in the navigation, on a page of the app that is open already, until the
predictions are drawn over the picture; and from the request of the whole address, with a warm browser. The evaluation is a stored
one of a stand-in policy (the driver plus noise): what is measured is the page, not a policy. Answers need a run with a real policy:
they are measured where `--ask-run` names one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from benchmarks.player import REPOSITORY, p, served
from mvla_core.datasets.split import make_split
from mvla_core.datasets.windows import WindowSpec, chunk_targets
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.reader import open_episode
from mvla_core.episodes.writer import write_episode
from mvla_core.evaluation.assess import assess
from mvla_core.evaluation.questions import Question, ask
from mvla_core.files import write_json
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace, EpisodeInfo
from mvla_core.training.recipe import Recipe

SPACE = ActionSpace.default(3)
WINDOW = WindowSpec(4, 10)
LOST_MS = 3000.0
DRAWN = "section.overlay[data-runs='1'][data-frame]"


@dataclass(frozen=True)
class NoisyDriver:
    """What the driver did, with noise: a stand-in for a policy."""

    noise: float

    def predict_episode(
        self, root: DataRoot, info: EpisodeInfo, last_frames: npt.NDArray[np.int64], instruction: str | None = None
    ) -> npt.NDArray[np.float32]:
        with open_episode(info.path, info.dataset) as episode:
            targets, _ = chunk_targets(episode.actions(), last_frames, WINDOW.chunk_size)
        noise = np.random.default_rng(len(last_frames)).normal(scale=self.noise, size=targets.shape)
        return (targets + noise).astype(np.float32)

    def predict_frames(
        self, frames: npt.NDArray[np.uint8], instruction: str, last_frames: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        return np.zeros((len(last_frames), WINDOW.chunk_size, len(SPACE)), dtype=np.float32)


def record(root: DataRoot, dataset: str, episodes: int, frames: int) -> None:
    generator = np.random.default_rng(1)
    for number in range(episodes):
        actions = np.zeros((frames, 3), np.float32)
        actions[2:-2, 0] = 1.15
        actions[frames // 3 + number % 3 : frames // 2, 2] = 0.6 if number % 2 else -0.6
        pictures = np.zeros((frames, 224, 224, 3), np.uint8)
        pictures[:] = generator.integers(30, 220, (224, 224, 3), dtype=np.uint8)
        pictures[:, :, :, 0] += (np.arange(frames) % 30).astype(np.uint8)[:, None, None]
        write_episode(
            root.dataset(dataset) / f"episode_20260101_{number // 60:02d}{number % 60:02d}00.h5",
            pictures,
            actions,
            action_space=SPACE,
            instruction=f"Drive to the {'left' if number % 2 else 'right'}.",
            attributes={"frame_rate_hz": 10.0},
        )


def evaluated(root: DataRoot, dataset: str, run_id: str) -> None:
    run, ref = root.run(run_id), named_dataset(root, dataset)
    config = {"run_id": run_id, "dataset": dataset, "dataset_folder": str(ref.folder), "preset": "compact"}
    write_json(run.config, config | {"recipe": Recipe().to_json(), "seed": 0, "created": "2026-01-01T12:00:00+00:00"})
    write_json(run.split, make_split(scan(root, ref).episodes, seed=0).to_json())
    write_json(run.provenance, {"python": "3.11", "packages": {}, "episodes": []})
    write_json(run.result, {"status": "succeeded", "message": "", "best_epoch": 1})
    run.adapter.mkdir()
    assess(root, run, NoisyDriver(0.2), SPACE, WINDOW)


def opens(browser: Browser, url: str, run_id: str, times: int) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds from a click in the navigation, and from the request of the address, until the overlay is drawn.

    The third list is the same click to the page Compare, until its panes are there: what a page costs on this machine now.
    """
    page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.set_default_timeout(60_000)
    clicked, requested, reference = [], [], []
    for number in range(times + 1):
        page.goto(f"{url}/runs?run={run_id}")
        page.get_by_role("heading", name="Runs").first.wait_for()
        time.sleep(1.5)
        began = time.perf_counter()
        page.get_by_role("link", name="Evaluate").first.click()
        page.locator(DRAWN).wait_for()
        took = 1000 * (time.perf_counter() - began)
        began = time.perf_counter()
        page.get_by_role("link", name="Compare").first.click()
        page.locator("section.compare .pane").first.wait_for()
        other = 1000 * (time.perf_counter() - began)
        began = time.perf_counter()
        page.goto(f"{url}/evaluate?run={run_id}")
        page.locator(DRAWN).wait_for()
        if number:  # the first one fills the caches of browser and server
            clicked.append(took)
            reference.append(other)
            requested.append(1000 * (time.perf_counter() - began))
    page.context.close()
    return clicked, requested, reference


def steps(browser: Browser, url: str, run_id: str, count: int) -> list[float]:
    """Milliseconds from each key to the picture and lines of its frame; a key without them within 3 s counts as 3,000.

    A key is pressed only once the one before it was answered, so that no painting is taken for that of another key.
    """
    page: Page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{url}/evaluate?run={run_id}")
    box = page.locator(DRAWN)
    box.wait_for()
    time.sleep(2)
    page.evaluate(
        """() => {
          window.taken = []; window.asked = null;
          document.addEventListener("keydown", () => { window.asked = performance.now(); }, true);
          document.addEventListener("painted", () => requestAnimationFrame(() => setTimeout(() => {
            if (window.asked !== null) { window.taken.push(performance.now() - window.asked); window.asked = null; }
          }, 0)), true);
        }"""
    )
    box.focus()
    taken = []
    for number in range(count):
        page.evaluate("() => { window.taken = []; window.asked = null; }")
        page.keyboard.press("ArrowRight" if number % 20 < 10 else "ArrowLeft")
        try:
            page.wait_for_function("() => window.taken.length", timeout=LOST_MS)
            taken.append(float(page.evaluate("() => window.taken[0]")))
        except PlaywrightTimeout:
            taken.append(LOST_MS)
        time.sleep(0.15)
    page.context.close()
    return taken


def answers(root: DataRoot, run_id: str, count: int) -> None:
    from mvla_core.evaluation.stored_episode import stored_episode, stored_episodes

    run = root.run(run_id)
    episode = stored_episode(run, stored_episodes(run)[0])
    frame = int(episode.last_frames[0])

    def took(question: Question) -> float:
        began = time.perf_counter()
        ask(root, question)
        return 1000 * (time.perf_counter() - began)

    first = took(Question(run_id, episode.episode_id, frame, "Turn left."))
    same = [took(Question(run_id, episode.episode_id, frame, f"Turn left, number {k}.")) for k in range(count)]
    fewest = min(count, episode.num_windows - 1)
    moved = [took(Question(run_id, episode.episode_id, frame + 1 + k, "Turn left.")) for k in range(fewest)]
    print(
        f"first answer, with loading the policy     {first / 1000:8.1f} s (0 s of loading where the worker ran already)"
    )
    print(f"another sentence on the same frame, p50   {p(same, 50):8.0f} ms, p95 {p(same, 95):.0f} ms")
    print(f"the same sentence on the next frame, p50  {p(moved, 50):8.0f} ms, p95 {p(moved, 95):.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[20, 300])
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--asks", type=int, default=12)
    parser.add_argument("--ask-root", type=Path)
    parser.add_argument("--ask-run")
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "needs Chromium"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = DataRoot(Path(folder))
        for frames in given.frames:
            record(root, f"bench{frames}", given.episodes, frames)
            print(f"recorded {frames}", flush=True)
            evaluated(root, f"bench{frames}", f"20260101-120000-bench{frames}-compact-0001")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        with served(REPOSITORY / "app" / "Home.py", root) as url:
            for frames in given.frames:
                run_id = f"20260101-120000-bench{frames}-compact-0001"
                clicked, requested, reference = opens(browser, url, run_id, 3)
                stepped = steps(browser, url, run_id, 40)
                print(f"\n{given.episodes} episodes of {frames} frames, load average {os.getloadavg()[0]:.1f}")
                ways = {"from the navigation": clicked, "from its address": requested, "(page Compare)": reference}
                for what, values in ways.items():
                    every = ", ".join(f"{value:.0f}" for value in values)
                    print(f"  opens {what:20} median {statistics.median(values):6.0f} ms; all: {every}")
                lost = sum(value >= LOST_MS for value in stepped)
                print(
                    f"  key to picture and lines   p50 {p(stepped, 50):.0f} ms, p95 {p(stepped, 95):.0f} ms; "
                    f"{lost} of {len(stepped)} keys unanswered in {LOST_MS / 1000:.0f} s",
                    flush=True,
                )
        browser.close()
    if given.ask_run:
        answers(DataRoot.resolve(given.ask_root), given.ask_run, given.asks)


if __name__ == "__main__":
    main()
