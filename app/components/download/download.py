"""A link that looks like a button and gives a file. It is a plain link to an address of its own, so no rerun can take it away."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_FOLDER = Path(__file__).parent
_MOUNT = st.components.v2.component(
    "mvla_download",
    html=(_FOLDER / "download.html").read_text(encoding="utf-8"),
    css=(_FOLDER / "download.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "download.js").read_text(encoding="utf-8"),
)


def download_link(label: str, url: str, name: str, *, key: str) -> None:
    """Offer a file.

    Args:
        label: What it is.
        url: Where it lies on this server.
        name: Under which it is kept.
        key: The element's key.
    """
    _MOUNT(key=key, data={"label": label, "url": url, "name": name}, width="content")
