"""Uploading recordings from the browser: several at once, with progress and cancel; see `app/upload_routes.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from app.upload_routes import upload_limit_bytes
from mvla_core.episodes.uploads import UPLOADED_SUFFIXES

_FOLDER = Path(__file__).parent
_MOUNT = st.components.v2.component(
    "mvla_upload",
    html=(_FOLDER / "upload.html").read_text(encoding="utf-8"),
    css=(_FOLDER / "upload.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "upload.js").read_text(encoding="utf-8"),
)


def upload_form(*, key: str, on_queued: Callable[[], None]) -> None:
    """Let the user choose files, name the data set that they go to, and upload them.

    Args:
        key: The element's key; what was queued is then `st.session_state[key]["queued"]`, as `{"jobs": [id]}`.
        on_queued: Called when the import was queued.
    """
    _MOUNT(
        key=key, data={"limit": upload_limit_bytes(), "endings": list(UPLOADED_SUFFIXES)}, on_queued_change=on_queued
    )
