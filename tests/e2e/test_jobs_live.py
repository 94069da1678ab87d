"""Jobs beside a real server and a real browser: what a closed browser leaves alone, when the bell rings, and who is refused."""

from __future__ import annotations

import base64
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.model import Job
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot

from .conftest import Server, start_server
from .waiting import eventually, whole

PATIENCE_S = 300.0
STAND_IN = """
window.rung = []; window.asked = 0;
window.Notification = class {
  static permission = localStorage.getItem("granted") ? "granted" : "default";
  static async requestPermission() { window.asked++; localStorage.setItem("granted", "1"); return this.permission = "granted"; }
  constructor(title, options) { window.rung.push([title, options.body, options.tag]); }
};
"""
"""What a person would answer and see, in place of the browser's own bubble, which a headless one does not have."""


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("live")
    server = start_server(repository, DataRoot(folder / "data"), folder / "server.log")
    yield server
    server.kill()


def doomed(server: Server, title: str) -> Job:
    """A job that fails by itself after a second or two: a report on a run that there is not."""
    config = {"run_id": f"nowhere-{time.time_ns()}", "lang": "en"}
    return JobQueue(server.root).submit("report", new_job_folder(server.root, "report"), config, title=title)


def heard(page: Page, job: Job) -> bool:
    """Whether the bell of a page was told that a job ended, whether or not it rang."""
    seen = page.evaluate("[...(window[Symbol.for('mvla.bell')]?.seen ?? [])]")
    return any(identity.startswith(f"{job.id}.") for identity in seen)


@pytest.mark.browser
def test_closed_browser_leaves_the_job_alone(server: Server, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("button", name="Make demo episodes").click()
    queue = JobQueue(server.root)
    end = time.monotonic() + PATIENCE_S
    while not (started := [job for job in queue.active() if job.pid is not None]):
        assert time.monotonic() < end
        time.sleep(0.1)
    context.close()
    job = queue.wait(started[0].id, PATIENCE_S)
    assert job.status == "succeeded", job.message
    assert list(server.root.episodes.rglob("*.h5"))


@pytest.mark.browser
def test_bell_asks_by_a_click_only_and_rings_once_in_two_tabs(server: Server, browser: Browser) -> None:
    JobQueue(server.root).wait(doomed(server, "before").id, PATIENCE_S)
    context = browser.new_context()
    context.add_init_script(STAND_IN)
    complaints: list[str] = []
    pages = [context.new_page(), context.new_page()]
    for page in pages:
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(server.url)
        expect(page.get_by_role("button", name="Tell me when a job ends")).to_be_visible()
        whole(page)
    unheard = JobQueue(server.root).wait(doomed(server, "unheard").id, PATIENCE_S)
    for page in pages:
        eventually(page, lambda page=page: heard(page, unheard), "the page was not told that the job ended", PATIENCE_S)
    assert [page.evaluate("window.asked + window.rung.length") for page in pages] == [0, 0]
    pages[0].get_by_role("button", name="Tell me when a job ends").click()
    expect(pages[0].get_by_role("button", name="Told when a job ends")).to_have_attribute("aria-pressed", "true")
    assert pages[0].evaluate("window.asked") == 1
    pages[0].get_by_label("Sound").check()
    pages[1].reload()
    expect(pages[1].get_by_role("button", name="Told when a job ends")).to_be_visible()
    pages[0].reload()
    expect(pages[0].get_by_role("button", name="Told when a job ends")).to_be_visible()
    for page in pages:
        whole(page)
    title = "<img src=x onerror=alert(1)>"
    job = JobQueue(server.root).wait(doomed(server, title).id, PATIENCE_S)
    for page in pages:
        eventually(page, lambda page=page: heard(page, job), "the page was not told that the job ended", PATIENCE_S)
    rung = [ring for page in pages for ring in page.evaluate("window.rung")]
    assert [ring[0] for ring in rung] == [f"{title}: failed"]
    assert "nowhere" in rung[0][1]
    assert complaints == []
    context.close()


def answer(server: Server, request: str) -> str:
    """Send a raw request and return the first line of the answer."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        return connection.recv(4096).decode("latin-1").partition("\r\n")[0]


def handshake(server: Server, host: str, origin: str | None) -> str:
    key = base64.b64encode(os.urandom(16)).decode()
    told = f"Origin: {origin}\n" if origin is not None else ""
    return answer(
        server,
        f"GET /_stcore/stream HTTP/1.1\nHost: {host}\nUpgrade: websocket\nConnection: Upgrade\n{told}"
        f"Sec-WebSocket-Key: {key}\nSec-WebSocket-Version: 13\n\n",
    )


def test_websocket_takes_our_own_pages_and_no_other_site(server: Server) -> None:
    host = urlsplit(server.url).netloc
    assert " 101 " in handshake(server, host, f"http://{host}") + " "
    for origin in ("http://evil.example", "https://localhost.evil.example", "null", "file://"):
        assert " 101 " not in handshake(server, host, origin) + " ", origin


def test_names_of_other_sites_for_this_machine_get_nothing(server: Server) -> None:
    """DNS rebinding: the address is right, the name is another site's."""
    port = urlsplit(server.url).port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.nip.io"):
        assert " 101 " not in handshake(server, host, f"http://{host}") + " ", host
        for path in ("/", "/runs", "/mvla/runs/x/progress", "/_stcore/health"):
            assert " 400 " in answer(server, f"GET {path} HTTP/1.1\nHost: {host}\nConnection: close\n\n") + " ", (
                host,
                path,
            )


def test_other_sites_cannot_use_the_servers_own_addresses(server: Server) -> None:
    """Streamlit's upload address takes no file from another site, by any verb."""
    host = urlsplit(server.url).netloc
    for verb in ("POST", "PUT", "DELETE", "PATCH"):
        line = answer(
            server,
            f"{verb} /_stcore/upload_file/a/b HTTP/1.1\nHost: {host}\nOrigin: http://evil.example\nSec-Fetch-Site: cross-site\n"
            "Content-Length: 1\nConnection: close\n\nx",
        )
        assert line.split()[1] in ("400", "403", "404", "405"), (verb, line)


def test_addresses_with_orders_in_them_change_nothing(server: Server) -> None:
    """A link can show something, and nothing more: no address stops, starts or discards."""
    host = urlsplit(server.url).netloc
    before = JobQueue(server.root).list()
    for query in ("?stop=1", "?discard=1&run=../../etc", "?run=%3Cscript%3E", "?action=retry&job=1"):
        assert " 200 " in answer(server, f"GET /runs{query} HTTP/1.1\nHost: {host}\nConnection: close\n\n") + " "
    assert JobQueue(server.root).list() == before
