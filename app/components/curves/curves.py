"""Live curves of a training run: drawn in the browser, which asks the progress route for what is new."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.routes import progress_url

_FOLDER = Path(__file__).parent
_MOUNT = st.components.v2.component(
    "mvla_curves",
    html=(_FOLDER / "curves.html").read_text(encoding="utf-8"),
    css=(_FOLDER / "curves.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "curves.js").read_text(encoding="utf-8"),
)


def show_curves(run_id: str, *, live: bool, key: str = "curves") -> None:
    """Mount the curves of a run.

    Args:
        run_id: The run.
        live: The run still writes; False reads its file to the end once.
        key: The element's key.
    """
    _MOUNT(key=key, data={"run": run_id, "url": progress_url(run_id), "live": live})
