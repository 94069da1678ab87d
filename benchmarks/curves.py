"""What curves cost: a live one against `st.plotly_chart` in a fragment, ten long runs laid over each other, a logged step.

    python benchmarks/curves.py [--points 100000] [--seconds 20] [--long 1000000] [--runs 10]

All parts are measured in the same run, with the load average beside them. The live curves are open in a real Chromium while two
steps a second are logged; what counts is the processor time of the Streamlit server. The long runs share one progress file by hard
links, and what was indexed of it: reading it once is timed apart.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import Browser, sync_playwright

from mvla_core.files import append_json_line, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.runs.curves import overlay, run_curves

REPOSITORY = Path(__file__).resolve().parents[1]
RUN = "bench"
LOGGED_A_SECOND = 2
SETTLE_S = 6
OURS = """
from app.components.curves.curves import show_curves
show_curves("bench", live=True)
"""
PLOTLY = """
import numpy as np
import plotly.graph_objects as go
import streamlit as st
from app.session import data_root
from mvla_core.runs.curves import run_curves
from mvla_core.runs.columns import read_columns
@st.fragment(run_every=1.0)
def chart():
    root = data_root()
    if {thinned}:
        steps = run_curves(root, root.run("bench"), points=4000)["steps"]
        x, y = np.array(steps["epoch"]), np.array(steps["train_loss"], dtype=float)
    else:
        columns = read_columns(root, root.run("bench")).columns
        x, y = columns["epoch"], columns["train_loss"]
    st.plotly_chart(go.Figure(go.Scattergl(x=x, y=y)), key="chart")
chart()
"""


def step_line(step: int, loss: float) -> str:
    return (
        f'{{"event": "step", "time": {1e9 + step * 0.1:.3f}, "step": {step}, "epoch": {step / 5000:.4f}, "train_loss": {loss:.6f}, '
        '"learning_rate": 0.0001, "grad_norm": 1.2345, "windows_per_second": 120.5, "memory_bytes": 512000000}\n'
    )


def log_steps(run: RunFolder, count: int) -> None:
    run.path.mkdir(parents=True)
    write_json(run.config, {"run_id": run.run_id, "dataset": "bench", "preset": "tiny"})
    losses = 2 * np.exp(-np.arange(count) / (count / 5)) + np.random.default_rng(0).normal(0, 0.05, count)
    with open(run.progress, "w", encoding="utf-8") as file:
        file.writelines(step_line(step, loss) for step, loss in enumerate(losses.tolist(), 1))


def index_whole(root: DataRoot, run: RunFolder) -> float:
    began = time.perf_counter()
    while run_curves(root, run)["unread"]:
        pass
    return time.perf_counter() - began


@contextmanager
def served(page: str, folder: Path, root: DataRoot) -> Iterator[tuple[str, psutil.Process]]:
    """Start a server with one page and the app's routes; yield its address and its process."""
    home = (REPOSITORY / "app" / "Home.py").read_text(encoding="utf-8")
    script = folder / "page.py"
    script.write_text(page, encoding="utf-8")
    entry = folder / "Home.py"
    entry.write_text(home.replace('"shell.py"', '"page.py"'), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(entry), f"--server.port={port}"]
    process = subprocess.Popen(
        [*command, "--server.headless=true", "--server.fileWatcherType=none"],
        cwd=REPOSITORY,
        env={**os.environ, "MVLA_DATA_ROOT": str(root.path), "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                    break
            except OSError:
                time.sleep(0.2)
        yield url, psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def processor_ms_a_second(browser: Browser, page: str, drawn: str, root: DataRoot, seconds: float) -> float:
    """Processor time of the server for each second that the page is open while steps are logged."""
    with tempfile.TemporaryDirectory() as folder, served(page, Path(folder), root) as (url, process):
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        shown = context.new_page()
        shown.goto(url)
        shown.wait_for_selector(drawn, timeout=60_000)
        time.sleep(SETTLE_S)
        done = threading.Event()
        writer = threading.Thread(target=keep_logging, args=(root.run(RUN), done))
        writer.start()
        before = process.cpu_times()
        time.sleep(seconds)
        after = process.cpu_times()
        done.set()
        writer.join()
        context.close()
    return 1000 * (after.user + after.system - before.user - before.system) / seconds


def keep_logging(run: RunFolder, done: threading.Event) -> None:
    step = run.progress.read_bytes().count(b"\n")
    while not done.wait(1 / LOGGED_A_SECOND):
        step += 1
        append_json_line(run.progress, json.loads(step_line(step, 0.1)))


def live_curve(points: int, seconds: float) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "needs Chromium"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = DataRoot(Path(folder))
        log_steps(root.run(RUN), points)
        index_whole(root, root.run(RUN))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        plot = "[data-testid=stPlotlyChart] canvas, [data-testid=stPlotlyChart] svg"
        ours = processor_ms_a_second(browser, OURS, "canvas.chart[data-points]", root, seconds)
        thinned = processor_ms_a_second(browser, PLOTLY.format(thinned=True), plot, root, seconds)
        whole = processor_ms_a_second(browser, PLOTLY.format(thinned=False), plot, root, seconds)
        idle = processor_ms_a_second(browser, "import streamlit as st\nst.write('idle')", "text=idle", root, seconds)
        browser.close()
    print(f"\nA live curve of {points:,} points, processor time of the server a second of watching:")
    print(f"  a page with nothing on it         {idle:8.1f} ms")
    for name, value in (
        ("curves", ours),
        ("plotly in a fragment, thinned", thinned),
        ("plotly in a fragment, all", whole),
    ):
        above = value - idle
        print(f"  {name:33} {value:8.1f} ms   {above:8.1f} ms above it, {above / max(ours - idle, 0.1):6.1f} x")


def long_runs(points: int, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = DataRoot(Path(folder))
        first = root.run("long0")
        log_steps(first, points)
        took = index_whole(root, first)
        runs = [first]
        for number in range(1, count):
            run = root.run(f"long{number}")
            run.path.mkdir(parents=True)
            os.link(first.progress, run.progress)
            shutil.copytree(root.cache / "curves" / "long0", root.cache / "curves" / run.run_id)
            runs.append(run)
        measured = subprocess.run(
            [sys.executable, __file__, "--refresh", folder, str(count)],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(measured.stdout)
    print(f"\n{count} runs of {points:,} points each, one metric of all laid over each other:")
    print(f"  reading a progress file, once     {took:8.1f} s    in parts of at most 50 ms")
    print(f"  refresh, median and slowest       {found['median']:8.1f} ms   {found['slowest']:.1f} ms")
    print(f"  sent                              {found['bytes'] / 1e6:8.3f} MB")
    print(f"  memory of the process, peak     {found['memory'] / 1e6:8.0f} MB   {found['before'] / 1e6:.0f} MB before")


def refresh(folder: str, count: int) -> None:
    """The part of `long_runs` that runs in a fresh process, whose memory is measured."""
    root = DataRoot(Path(folder))
    runs = [root.run(f"long{number}") for number in range(count)]
    process, took, sent = psutil.Process(), [], 0
    before = process.memory_info().rss
    for number in range(15):
        append_json_line(runs[0].progress, json.loads(step_line(10**6 + number, 0.1)))
        began = time.perf_counter()
        text = json.dumps(overlay(root, runs, "step.train_loss", axis="step"))
        took.append(1000 * (time.perf_counter() - began))
        sent = len(text)
    kibibyte = 1 if sys.platform == "darwin" else 1024
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kibibyte
    print(
        json.dumps(
            {"median": statistics.median(took), "slowest": max(took), "bytes": sent, "memory": memory, "before": before}
        )
    )


def logged_step() -> None:
    """What a training pays for each logged step."""
    from transformers import TrainerControl, TrainerState

    from mvla_core.progress import JobProgress
    from mvla_core.runs.tensorboard import ScalarEvents
    from mvla_core.training.recipe import Recipe
    from mvla_core.training.trainer import RunCallback, training_arguments

    def cost(scalars: Callable[[RunFolder], ScalarEvents | None]) -> float:
        with tempfile.TemporaryDirectory() as folder:
            run = RunFolder(Path(folder) / "run")
            run.path.mkdir()
            callback = RunCallback(JobProgress(run.progress), 0, 10, lambda epoch, found: None, scalars=scalars(run))
            arguments = training_arguments(Recipe(), Path(folder), steps=1, use_cpu=True)
            state, control, took = TrainerState(), TrainerControl(), []
            callback.on_train_begin(arguments, state, control)
            state.max_steps = state.num_train_epochs = 1000
            for step in range(3000):
                state.global_step, state.epoch = step + 1, step / 100
                began = time.perf_counter()
                callback.on_log(arguments, state, control, logs={"loss": 0.5, "grad_norm": 1.0, "learning_rate": 1e-4})
                took.append(1000 * (time.perf_counter() - began))
        return statistics.median(took)

    print(f"\nA logged step: {cost(ScalarEvents):.3f} ms, without the event file {cost(lambda run: None):.3f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--long", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--only", choices=["step", "long", "live"], help="measure one part alone")
    parser.add_argument("--refresh", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.refresh:
        refresh(given.refresh[0], int(given.refresh[1]))
        return
    if given.only in (None, "step"):
        logged_step()
    if given.only in (None, "long"):
        long_runs(given.long, given.runs)
    if given.only in (None, "live"):
        live_curve(given.points, given.seconds)
    print(f"\nload average {', '.join(f'{value:.1f}' for value in os.getloadavg())}")


if __name__ == "__main__":
    main()
