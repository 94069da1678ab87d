"""One job of the queue as a card: running, waiting or ended."""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st

from app.job_controls import ended_controls, running_controls, waiting_controls
from app.job_progress import LogTail, read_log_on
from app.job_view import reading_of, status_badge
from app.text import duration, moment, plain
from mvla_core.jobs.devices import DeviceUse, Unmeasured, gpu_of, measure
from mvla_core.jobs.diagnosis import ADVICE
from mvla_core.jobs.model import Job
from mvla_core.jobs.processes import Usage, machine_memory, members, usage

PLACE = "queue"
DEVICE_TTL_S = 2.0
LOG_HEIGHT_PX = 260


@st.cache_data(ttl=DEVICE_TTL_S, show_spinner=False)
def _measured(device: str) -> DeviceUse | Unmeasured:
    """One question to the driver for all open pages, and a short one: a page must not wait for a driver that hangs."""
    return measure(device, timeout_s=1.0)


@dataclass(frozen=True)
class _Look:
    """What a job's processes used at one moment of the monotonic clock."""

    at: float
    used: Usage


def _head(job: Job, *facts: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(job.title or job.kind)}**", width="content")
        status_badge(job.status)
    words = [f"job {job.id}", job.kind, job.device, *facts]
    if job.attempt > 1:
        words.append(f"attempt {job.attempt}")
    st.caption(" · ".join(plain(word) for word in words if word))


def running_card(job: Job) -> None:
    """What a job does, how far it is and when it ends, what it uses, its log, and the buttons."""
    reading = reading_of(job)
    with st.container(border=True):
        started = "" if job.started is None else f"started {moment(job.started)}"
        left = reading.left_s
        _head(job, started, f"about {duration(left)} left" if left is not None and job.status == "running" else "")
        st.progress(reading.share or 0.0, text=plain(reading.text) or "Starting.")
        if job.message:
            st.markdown(f":orange[:material/info:] {plain(job.message)}")
        if job.note:
            st.caption(plain(job.note))
        st.caption(plain(" · ".join(_use(job))))
        running_controls(job, PLACE)
        _show_log(job)


def _use(job: Job) -> list[str]:
    """Memory and use of the device and of the job's own processes, in words."""
    words = []
    if gpu_of(job.device) is not None:
        found = _measured(job.device)
        if isinstance(found, Unmeasured):
            words.append(f"the memory of {job.device} cannot be measured ({found.reason})")
        else:
            busy = "" if found.busy is None else f", busy {found.busy:.0%}"
            words.append(f"{found.name}: {found.used_mib / 1024:.1f} of {found.total_mib / 1024:.1f} GiB in use{busy}")
    if job.nonce is not None:
        looks: dict[int, _Look] = st.session_state.setdefault("job_looks", {})
        now = _Look(time.monotonic(), usage(members(job.nonce, job.pid)))
        before = looks.get(job.id)
        looks[job.id] = now
        words.append(f"its processes: {now.used.memory_bytes / 2**20:,.0f} MiB")
        if before is not None and now.at - before.at > 0.2 and now.used.cpu_s >= before.used.cpu_s:
            words[-1] += f", {(now.used.cpu_s - before.used.cpu_s) / (now.at - before.at):.1f} cores"
    if memory := machine_memory():
        free, total = memory
        words.append(f"machine: {free / 2**30:.1f} of {total / 2**30:.1f} GiB free")
    return words


def _show_log(job: Job) -> None:
    """The end of the log, read only while it is open, and only what is new; shown as plain text."""
    opened = st.expander("Log", icon=":material/terminal:", on_change="rerun", key=f"{PLACE}_log_{job.id}")
    if not opened.open:
        return
    tails: dict[int, LogTail] = st.session_state.setdefault("log_tails", {})
    tails[job.id] = read_log_on(job.folder.log, tails.get(job.id, LogTail()))
    with opened:
        if tails[job.id].text:
            st.code(tails[job.id].text, language=None, height=LOG_HEIGHT_PX)
        else:
            st.caption("The log is empty.")


def waiting_card(job: Job, *, first: bool, last: bool) -> None:
    """A waiting job with its place in the queue."""
    with st.container(border=True, gap="xsmall"):
        _head(job, f"since {moment(job.created)}")
        if job.message:
            st.markdown(f":orange[:material/hourglass_top:] {plain(job.message)}")
        waiting_controls(job, PLACE, first=first, last=last)


def ended_card(job: Job) -> None:
    """How a job ended, why, what to do about it, and the buttons for that."""
    with st.container(border=True, gap="xsmall"):
        took = f"took {duration(job.finished - job.started)}" if job.finished and job.started else ""
        _head(job, f"ended {moment(job.finished)}", took)
        if job.message and job.status != "succeeded":
            st.markdown(plain(job.message))
        advice = ADVICE.get(job.diagnosis, "")
        if advice and advice not in job.message:
            st.markdown(f":material/arrow_forward: {plain(advice)}")
        if job.note:
            st.caption(plain(job.note))
        ended_controls(job, PLACE)
