"""The bell: the browser tells how a job ended, also while another window is in front. Off until the user clicks it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from mvla_core.jobs.model import Job

_FOLDER = Path(__file__).parent / "components" / "bell"
_MOUNT = st.components.v2.component(
    "mvla_bell",
    html=(_FOLDER / "bell.html").read_text(encoding="utf-8"),
    css=(_FOLDER / "bell.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "bell.js").read_text(encoding="utf-8"),
)
TOLD = 8
ENDED_KEY = "bell_ended"
"""Not the key of the component: that is its own state."""


def ring_for(jobs: Sequence[Job]) -> None:
    """Hand jobs that have just ended to the bell; it rings for each once, in however many tabs this page is open."""
    waiting: list[dict[str, str]] = st.session_state.setdefault(ENDED_KEY, [])
    for job in jobs:
        # The number alone would be that of another job in another data root on the same address.
        identity = f"{job.id}.{int(job.created)}.{job.attempt}"
        waiting.append({"id": identity, "title": job.title or job.kind, "status": job.status, "message": job.message})
    del waiting[:-TOLD]


def show_bell() -> None:
    """The switch for notifications and sound. The permission is asked for by a click and by nothing else."""
    _MOUNT(key="bell", data={"ended": list(st.session_state.get(ENDED_KEY, []))})
