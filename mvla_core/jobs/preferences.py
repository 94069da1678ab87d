"""What the user chose for a queue: a file of its own beside it, so that a queue that has to be rebuilt keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mvla_core.errors import JobError, MvlaError
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot

MAX_URL_LENGTH = 2000


@dataclass(frozen=True)
class QueuePreferences:
    """All of it is off by default."""

    resume_interrupted: bool = False
    """Jobs that a restart of the machine interrupted are queued again by themselves, where their kind can go on."""
    webhook: str = ""
    """An http or https address that is told of each ending; "" tells nobody."""


def preferences_file(root: DataRoot) -> Path:
    return root.path / "queue.json"


def read_preferences(root: DataRoot) -> QueuePreferences:
    """Read what the user chose; a file that is not there chose nothing.

    Raises:
        JobError: The file holds something else than it should.
    """
    path = preferences_file(root)
    if not path.exists():
        return QueuePreferences()
    try:
        return _checked(read_json(path))
    except MvlaError as error:
        raise JobError(
            f"The settings of the queue in {path} cannot be used: {error} Correct or delete the file."
        ) from error


def write_preferences(root: DataRoot, preferences: QueuePreferences) -> None:
    """Keep what the user chose.

    Raises:
        JobError: The webhook is no address that can be used, or the file cannot be written.
    """
    check_webhook(preferences.webhook)
    try:
        write_json(preferences_file(root), asdict(preferences))
    except OSError as error:
        raise JobError(f"The settings of the queue cannot be written ({error.strerror}).") from error


def check_webhook(url: str) -> None:
    """Refuse a webhook that is not a plain http or https address.

    Raises:
        JobError: It has another scheme, no host, a password, or characters that no address has.
    """
    if url == "":
        return
    fault = ""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
        if parts.scheme not in ("http", "https"):
            fault = "expected http:// or https://"
        elif not parts.hostname:
            fault = "it names no host"
        elif parts.username is not None or parts.password is not None:
            fault = "it holds a user name or password, which would be shown in logs"
    except ValueError as error:
        fault = str(error)
    if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        fault = f"expected at most {MAX_URL_LENGTH} printable ASCII characters without blanks"
    if fault:
        raise JobError(f"The webhook {url[:80]!r} cannot be used: {fault}.")


def _checked(value: Any) -> QueuePreferences:
    types = {field.name: type(field.default) for field in fields(QueuePreferences)}
    if not isinstance(value, dict) or any(type(value[name]) is not types.get(name) for name in value):
        expected = ", ".join(f"{name}: {kind.__name__}" for name, kind in types.items())
        raise JobError(f"Expected an object with {expected}.")
    preferences = QueuePreferences(**value)
    check_webhook(preferences.webhook)
    return preferences
