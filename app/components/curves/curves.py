"""Curves of training runs, drawn in the browser, which asks the metrics routes for what is new."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from app.components.player.scrubber import read_parts
from app.metrics_routes import overlay_url, run_url

_FOLDER = Path(__file__).parent
_SHARED_SCRIPTS = ("series.js", "panel.js", "shared_view.js")
_MOUNT = st.components.v2.component(
    "mvla_curves",
    html=read_parts(_FOLDER, ["curves.html"]),
    css=read_parts(_FOLDER, ["curves.css"]),
    js=read_parts(_FOLDER, [*_SHARED_SCRIPTS, "feed.js", "curves.js"]),
)
_MOUNT_OVERLAY = st.components.v2.component(
    "mvla_overlay",
    html=read_parts(_FOLDER, ["overlay.html"]),
    css=read_parts(_FOLDER, ["curves.css"]),
    js=read_parts(_FOLDER, [*_SHARED_SCRIPTS, "overlay.js"]),
)
_MOUNT_PREDICTIONS = st.components.v2.component(
    "mvla_epoch_predictions",
    html=read_parts(_FOLDER, ["predictions.html"]),
    css=read_parts(_FOLDER, ["curves.css"]),
    js=read_parts(_FOLDER, [*_SHARED_SCRIPTS, "predictions.js"]),
)


def show_curves(run_id: str, *, live: bool, status: str = "", key: str = "curves") -> None:
    """Mount the curves of a run.

    Args:
        run_id: The run.
        live: The run still writes; False reads its file to the end once.
        status: How it ended, for the line above the curves.
        key: The element's key.
    """
    _MOUNT(key=key, data={"run": run_id, "url": run_url(run_id), "live": live, "status": status})


def show_overlay(
    run_ids: Sequence[str], metric: str, title: str, axis: str, *, live: bool, key: str = "overlay"
) -> None:
    """Mount one metric of several runs; a run keeps its colour by its place in `run_ids`.

    Args:
        run_ids: At most `mvla_core.runs.curves.MAX_RUNS`.
        metric: One of `mvla_core.runs.curves.OVERLAYS`.
        title: What it is, for the reader.
        axis: "epoch", "step" or "time".
        live: One of the runs still writes.
        key: The element's key.
    """
    data = {
        "url": overlay_url(run_ids, metric, axis),
        "names": list(run_ids),
        "axis": axis,
        "title": title,
        "live": live,
    }
    _MOUNT_OVERLAY(key=key, data=data)


def show_epoch_predictions(run_id: str, *, live: bool, key: str = "epoch_predictions") -> None:
    """Mount what a run predicted for its watched validation episodes after each epoch; see `mvla_core.runs.predictions`."""
    _MOUNT_PREDICTIONS(key=key, data={"run": run_id, "url": run_url(run_id), "live": live})
