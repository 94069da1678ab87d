"""The queue on a page: what runs, what waits, what ended, the bin, and what the user chose for all of it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.job_controls import attempt, tell_trouble
from app.queue_cards import ended_card, running_card, waiting_card
from app.session import data_root
from app.text import count, plain
from mvla_core.errors import MvlaError
from mvla_core.jobs.model import STARTED, Job
from mvla_core.jobs.preferences import QueuePreferences, read_preferences, write_preferences
from mvla_core.jobs.queue import JobQueue

QUEUE_INTERVAL_S = 2.0
ENDED_SHOWN = 6
ENDED_READ = 200


@st.fragment(run_every=QUEUE_INTERVAL_S)
def show_queue() -> None:
    """All jobs of this data root, drawn again every two seconds; nothing is written by looking."""
    root = data_root()
    tell_trouble()
    if not root.jobs_database.exists():
        st.caption(":material/inbox: Nothing has been queued yet. Trainings, evaluations and imports appear here.")
        return
    queue = JobQueue(root)
    queue.attend()
    active = queue.active()
    _show_running([job for job in active if job.status in STARTED])
    _show_waiting([job for job in active if job.status == "queued"])
    ended = [job for job in queue.list(ENDED_READ) if not job.active]
    _show_ended(sorted((job for job in ended if not job.in_bin), key=lambda job: -(job.finished or 0.0)))
    _show_bin([job for job in ended if job.in_bin])
    with st.container(horizontal=True, vertical_alignment="center"):
        _show_preferences()
    for _, notice in queue.notices()[-1:]:
        st.caption(f":material/healing: {plain(notice)}")


def _show_running(jobs: Sequence[Job]) -> None:
    st.subheader("Running", anchor=False)
    if not jobs:
        st.caption(":material/bedtime: Nothing is running.")
    for job in jobs:
        running_card(job)


def _show_waiting(jobs: Sequence[Job]) -> None:
    if not jobs:
        return
    st.subheader(f"Waiting, {count(len(jobs), 'job')}", anchor=False)
    for place, job in enumerate(jobs):
        waiting_card(job, first=place == 0, last=place == len(jobs) - 1)


def _show_ended(jobs: Sequence[Job]) -> None:
    if not jobs:
        return
    st.subheader("Ended", anchor=False)
    shown = st.session_state.get("ended_shown", ENDED_SHOWN)
    for job in jobs[:shown]:
        ended_card(job)
    if len(jobs) > shown:
        st.button(
            f"Show {min(ENDED_SHOWN, len(jobs) - shown)} more of {len(jobs)}",
            key="ended_more",
            on_click=lambda: st.session_state.update(ended_shown=shown + ENDED_SHOWN),
        )


def _show_bin(jobs: Sequence[Job]) -> None:
    if not jobs:
        return
    with st.expander(f"Bin, {count(len(jobs), 'job')}", icon=":material/delete:", key="queue_bin"):
        st.caption("Their folders lie in runs/.bin and jobs/.bin until they are restored here, or removed for good.")
        for job in jobs:
            ended_card(job)


def _show_preferences() -> None:
    with st.popover("Settings of the queue", icon=":material/settings:", key="queue_settings"):
        try:
            chosen = read_preferences(data_root())
        except MvlaError as error:
            st.error(plain(str(error)), icon=":material/error:")
            chosen = QueuePreferences()
        st.toggle(
            "Resume what a restart of the machine interrupted",
            chosen.resume_interrupted,
            key="queue_resume",
            help="As soon as this workbench is opened again. Trainings go on from their newest checkpoint.",
            on_change=_keep,
        )
        st.text_input(
            "Webhook, told of every ending",
            chosen.webhook,
            key="queue_webhook",
            placeholder="https://...",
            help="An http or https address that gets a small JSON object by POST; empty for none. It is tried once.",
            on_change=_keep,
        )


def _keep() -> None:
    preferences = QueuePreferences(
        resume_interrupted=bool(st.session_state["queue_resume"]),
        webhook=str(st.session_state["queue_webhook"]).strip(),
    )
    attempt(lambda queue: write_preferences(queue.root, preferences))
