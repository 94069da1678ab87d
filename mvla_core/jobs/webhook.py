"""Telling an address of the user's how a job ended: one POST of JSON, tried once, in a thread of its own.

No redirect is followed and no proxy is asked: the address that the user wrote down is the only one that learns anything.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from mvla_core.jobs.model import Job

WEBHOOK_TIMEOUT_S = 5.0


def webhook_body(job: Job) -> dict[str, str | int]:
    """Return what the address is told: nothing of the data, no path, no configuration."""
    return {"job_id": job.id, "kind": job.kind, "title": job.title, "status": job.status, "message": job.message}


def post(url: str, body: dict[str, str | int], timeout_s: float = WEBHOOK_TIMEOUT_S) -> str:
    """Send it once.

    Returns:
        "" where the address took it (a status of 200 to 299), else why not, in a few words.
    """
    from http.client import HTTPConnection, HTTPException, HTTPSConnection  # a runner without a webhook stays small

    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
        try:
            headers = {"Content-Type": "application/json", "Connection": "close"}
            connection.request("POST", path, json.dumps(body).encode(), headers)
            status = connection.getresponse().status
        finally:
            connection.close()
    except TimeoutError:
        return f"it did not answer within {timeout_s:g} s"
    except (OSError, HTTPException, ValueError) as error:
        return str(error)[:200] or type(error).__name__
    return "" if 200 <= status < 300 else f"it answered with status {status}"


class Teller:
    """Sends endings without keeping the runner waiting; what goes wrong is handed to `complain`."""

    def __init__(self, complain: Callable[[Job, str], None]) -> None:
        self._complain = complain
        self._threads: list[threading.Thread] = []

    def tell(self, url: str, job: Job) -> None:
        thread = threading.Thread(target=self._send, args=(url, job), name=f"webhook-{job.id}", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _send(self, url: str, job: Job) -> None:
        if trouble := post(url, webhook_body(job)):
            self._complain(job, f"The webhook was not told of the ending: {trouble}.")

    def finish(self) -> None:
        """Wait for what is on its way, at most as long as one attempt takes."""
        for thread in self._threads:
            thread.join(2 * WEBHOOK_TIMEOUT_S)
