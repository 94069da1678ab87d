"""A real server and a real Chromium. The app is started with the README's own command, on a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from mvla_core.layout import DataRoot
from mvla_core.simulation.record import simulate_episodes

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STARTUP_LIMIT_S = 60


@dataclass(frozen=True)
class Server:
    """A running app."""

    url: str
    root: DataRoot
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Kill the server's whole process group, as a crash or a closed terminal would."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def start_server(repository: Path, root: DataRoot, log: Path) -> Server:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "MVLA_DATA_ROOT": str(root.path)}
    command = [sys.executable, "-m", "streamlit", "run", "app/Home.py"]
    options = [f"--server.port={port}", "--server.headless=true", "--server.fileWatcherType=none"]
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command + options,
            cwd=repository,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", root, process)
    deadline = time.monotonic() + STARTUP_LIMIT_S
    while True:
        try:
            with urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return server
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the app did not start:\n{log.read_text()[-3000:]}") from None
            time.sleep(0.2)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small real HDF5 recordings, as a user would bring it, outside any data root."""
    elsewhere = DataRoot(tmp_path_factory.mktemp("recorder"))
    simulate_episodes(elsewhere, "lab", count=8, seed=3, image_size=96)
    return elsewhere.dataset("lab")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        assert not os.environ.get("CI"), "CI must have a Chromium: .ci/run installs one"
        pytest.skip("no Chromium on this machine")
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()
