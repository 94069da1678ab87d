"""The webhook: told once of each ending by a real request; what goes wrong is noted and keeps nobody waiting."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from mvla_core.errors import JobError
from mvla_core.jobs.preferences import QueuePreferences, check_webhook, read_preferences, write_preferences
from mvla_core.jobs.webhook import post

if TYPE_CHECKING:
    from mvla_core.layout import DataRoot
    from tests.jobs.conftest import Bench


class Listener:
    """A server on the loopback address that keeps what it is told."""

    def __init__(self, status: int = 204) -> None:
        heard: list[tuple[str, str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heard.append((self.path, self.headers["Content-Type"], json.loads(body)))
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.heard = heard
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?who=me"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


def test_webhook_is_told_of_every_ending(bench: Bench, listener: Listener) -> None:
    write_preferences(bench.root, QueuePreferences(webhook=listener.url))
    done, failed = bench.finished(bench.submit("succeed")), bench.finished(bench.submit("fail"))
    end = time.monotonic() + 10
    while len(listener.heard) < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    told = {body["job_id"]: (path, kind, body) for path, kind, body in listener.heard}
    assert told[done.id] == (
        "/hook?who=me",
        "application/json",
        {"job_id": done.id, "kind": "simulate", "title": "succeed", "status": "succeeded", "message": "All is well."},
    )
    assert told[failed.id][2]["status"] == "failed"
    assert bench.queue.get(done.id).note == ""


def test_webhook_that_does_not_work_is_noted_once_and_keeps_nobody_waiting(bench: Bench) -> None:
    with socket.socket() as deaf:  # takes the connection and never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        write_preferences(bench.root, QueuePreferences(webhook=f"http://127.0.0.1:{deaf.getsockname()[1]}/"))
        began = time.monotonic()
        first = bench.finished(bench.submit("succeed"))
        assert bench.finished(bench.submit("succeed")).status == "succeeded"
        assert time.monotonic() - began < 4.5
        noted = bench.until(first, lambda found: bool(found.note))
    assert noted.note == "The webhook was not told of the ending: it did not answer within 5 s."
    assert noted.status == "succeeded"


@pytest.mark.parametrize(("status", "words"), [(500, "status 500"), (302, "status 302")])
def test_answers_that_are_no_success_are_told_and_redirects_not_followed(status: int, words: str) -> None:
    listener = Listener(status)
    try:
        assert words in post(listener.url, {"job_id": 1})
        assert len(listener.heard) == 1
    finally:
        listener.close()
    assert "refused" in post(listener.url, {"job_id": 1})


def test_nobody_is_told_by_default(root: DataRoot) -> None:
    assert read_preferences(root) == QueuePreferences(resume_interrupted=False, webhook="")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/x",
        "javascript:alert(1)",
        "http://",
        "http://user:secret@example.org/",
        "http://example.org:port/",
        "http://example.org/a b",
        "http://example.org/\r\nHost: evil.example",
        "//example.org/x",
        "http://exämple.org/",
        "http://e/" + "x" * 2100,
    ],
)
def test_addresses_that_no_webhook_has_are_refused(root: DataRoot, url: str) -> None:
    with pytest.raises(JobError, match="cannot be used"):
        check_webhook(url)
    with pytest.raises(JobError):
        write_preferences(root, QueuePreferences(webhook=url))
    assert read_preferences(root).webhook == ""
