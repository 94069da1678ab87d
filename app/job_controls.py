"""Buttons that change jobs: pause, stop, discard, move, start again. What ends something asks first; what discards it, twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import streamlit as st

from app.session import data_root
from app.text import plain
from mvla_core.errors import MvlaError
from mvla_core.jobs.again import Where
from mvla_core.jobs.model import Job
from mvla_core.jobs.queue import JobQueue

Question = Literal["stop", "discard", "discard_surely"]
QUESTIONS: dict[Question, tuple[str, str]] = {
    "stop": ("Stop it? What is finished is kept, and its checkpoint.", "Stop now"),
    "discard": ("Stop it and put all that it made into the bin?", "Discard"),
    "discard_surely": ("Really discard it? Its checkpoints and curves leave the list of runs.", "Yes, into the bin"),
}
TROUBLE_KEY = "job_trouble"


def tell_trouble() -> None:
    """Show what a button could not do, once."""
    if trouble := st.session_state.pop(TROUBLE_KEY, ""):
        st.error(plain(trouble), icon=":material/error:")


def attempt(action: Callable[[JobQueue], object]) -> None:
    """Do something to the queue; what is refused is told by `tell_trouble`. For callbacks, whose errors no page catches."""
    try:
        action(JobQueue(data_root()))
    except MvlaError as error:
        st.session_state[TROUBLE_KEY] = str(error)


def key_of(place: str, name: str, job_id: int) -> str:
    """The key of a widget that belongs to a job; `place` tells two such widgets on one page apart."""
    return f"{place}_{name}_{job_id}" if place else f"{name}_{job_id}"


def _ask(job_id: int, place: str, question: Question | None) -> None:
    st.session_state[key_of(place, "asking", job_id)] = question


def _answer(job: Job, place: str, question: Question) -> None:
    if question == "discard":
        _ask(job.id, place, "discard_surely")
        return
    _ask(job.id, place, None)
    if question == "stop":
        attempt(lambda queue: queue.request_stop(job.id))
    elif job.active:
        attempt(lambda queue: queue.request_stop(job.id, discard=True))
    else:
        attempt(lambda queue: queue.discard(job.id))


def _asked(job: Job, place: str) -> bool:
    """Show the question that is open for a job, with its two answers."""
    question: Question | None = st.session_state.get(key_of(place, "asking", job.id))
    if question is None:
        return False
    words, yes = QUESTIONS[question]
    if question == "discard" and not job.active:
        words = "Put all that it made into the bin?"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(words, width="content")
        st.button(
            yes,
            key=key_of(place, f"{question}_now", job.id),
            type="primary",
            icon=":material/stop_circle:" if question == "stop" else ":material/delete:",
            on_click=_answer,
            args=(job, place, question),
        )
        keep = "Keep running" if job.active else "Keep it"
        st.button(keep, key=key_of(place, "keep", job.id), on_click=_ask, args=(job.id, place, None))
    return True


def running_controls(job: Job, place: str) -> None:
    """Pause, stop, and stop and discard, for a job that runs or is paused; stop alone for one that waits.

    Args:
        job: The job.
        place: Where on the page; the same job may be shown twice.
    """
    if job.status == "stopping" or _asked(job, place):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if job.status == "running":
            st.button(
                "Pause",
                key=key_of(place, "pause", job.id),
                icon=":material/pause:",
                disabled=job.pause_wish is not None,
                help="It stands still and keeps its device and memory. To free them, stop it and resume it later.",
                on_click=attempt,
                args=(lambda queue: queue.pause(job.id),),
            )
        elif job.status == "paused":
            st.button(
                "Continue",
                key=key_of(place, "continue", job.id),
                icon=":material/play_arrow:",
                type="primary",
                disabled=job.pause_wish is not None,
                on_click=attempt,
                args=(lambda queue: queue.unpause(job.id),),
            )
        st.button(
            "Stop",
            key=key_of(place, "stop", job.id),
            icon=":material/stop_circle:",
            on_click=_ask,
            args=(job.id, place, "stop"),
        )
        if job.status == "queued":
            return
        st.button(
            "Stop and discard",
            key=key_of(place, "discard", job.id),
            icon=":material/delete:",
            type="tertiary",
            on_click=_ask,
            args=(job.id, place, "discard"),
        )


def waiting_controls(job: Job, place: str, *, first: bool, last: bool) -> None:
    """Move a waiting job, change its priority, or cancel it."""
    moves: tuple[tuple[Where, str, str, bool], ...] = (
        ("first", ":material/vertical_align_top:", "To the front", first),
        ("up", ":material/arrow_upward:", "One place up", first),
        ("down", ":material/arrow_downward:", "One place down", last),
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        for where, icon, words, disabled in moves:
            st.button(
                "",
                key=key_of(place, where, job.id),
                icon=icon,
                help=words,
                disabled=disabled,
                on_click=attempt,
                args=(lambda queue, where=where: queue.move(job.id, where),),
            )
        with st.popover(f"Priority {job.priority}", key=key_of(place, "priority_of", job.id), type="tertiary"):
            key = f"{place}_priority_{job.id}_{job.priority}"
            st.number_input(
                "Priority, -100 to 100; higher runs earlier",
                -100,
                100,
                job.priority,
                key=key,
                on_change=lambda: attempt(lambda queue: queue.set_priority(job.id, int(st.session_state[key]))),
            )
        st.button(
            "Cancel",
            key=key_of(place, "cancel", job.id),
            icon=":material/close:",
            type="tertiary",
            on_click=attempt,
            args=(lambda queue: queue.request_stop(job.id),),
        )


def ended_controls(job: Job, place: str) -> None:
    """Resume, start again, or discard, for a job that has ended; restore for one in the bin."""
    if job.in_bin:
        st.button(
            "Restore",
            key=key_of(place, "restore", job.id),
            icon=":material/restore_from_trash:",
            on_click=attempt,
            args=(lambda queue: queue.restore(job.id),),
        )
        return
    if _asked(job, place):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if job.resumable:
            st.button(
                "Resume",
                key=key_of(place, "resume", job.id),
                icon=":material/resume:",
                help="In the same folder; a training goes on from its newest checkpoint.",
                on_click=attempt,
                args=(lambda queue: queue.resume(job.id),),
            )
        st.button(
            "Start again",
            key=key_of(place, "again", job.id),
            icon=":material/replay:",
            help="From the beginning, with the same settings, in a folder of its own.",
            on_click=attempt,
            args=(lambda queue: queue.retry(job.id),),
        )
        st.button(
            "Discard",
            key=key_of(place, "discard", job.id),
            icon=":material/delete:",
            type="tertiary",
            on_click=_ask,
            args=(job.id, place, "discard"),
        )
