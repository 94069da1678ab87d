"""Background jobs as pages show them: a card with live progress and its buttons, and the badge in the sidebar."""

from __future__ import annotations

import shutil
from collections.abc import Set
from pathlib import Path
from typing import Any

import streamlit as st

from app.bell import ring_for, show_bell
from app.job_controls import running_controls, tell_trouble
from app.job_progress import JobReading, read_on
from app.places import EPISODES, RUNS
from app.session import DATASET_KEY, data_root, may_redraw
from app.text import count, duration, moment, plain
from mvla_core.errors import MvlaError
from mvla_core.files import read_json, read_object
from mvla_core.jobs.devices import slot_for
from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.model import Job
from mvla_core.jobs.queue import JobQueue
from mvla_core.training.machine import cuda_devices

BADGE_INTERVAL_S = 2.0
CARD_INTERVAL_S = 1.0
LATEST_LOOKED_AT = 20
SKIPPED_SHOWN = 3
STATUS_BADGES = {
    "queued": ("gray", ":material/schedule:"),
    "running": ("blue", ":material/progress_activity:"),
    "paused": ("orange", ":material/pause:"),
    "stopping": ("orange", ":material/front_hand:"),
    "succeeded": ("green", ":material/check:"),
    "failed": ("red", ":material/error:"),
    "stopped": ("orange", ":material/front_hand:"),
    "interrupted": ("orange", ":material/power_off:"),
    "lost": ("red", ":material/question_mark:"),
    "unfinished": ("gray", ":material/question_mark:"),
    "unreadable": ("red", ":material/broken_image:"),
}


def launch(kind: str, config: dict[str, Any], title: str) -> Job:
    """Queue a job other than a training, in a folder of its own, and remember it for this session."""
    root = data_root()
    queue = JobQueue(root)
    slot = slot_for(kind, len(cuda_devices()), queue.active())
    folder = new_job_folder(root, kind)
    try:
        job = queue.submit(kind, folder, config, title=title, device=slot)
    except MvlaError:
        if queue.for_folder(folder) is None:
            # Refused, for example because the same is at work already: nobody would ever open the folder.
            shutil.rmtree(folder.path, ignore_errors=True)
        raise
    st.session_state.setdefault("launched", {})[kind] = job.id
    _awaited().add(job.id)
    return job


def launched(kind: str) -> Job | None:
    """The job of this kind that this session launched last."""
    job_id = st.session_state.get("launched", {}).get(kind)
    return JobQueue(data_root()).get(job_id) if job_id is not None else None


def job_for_run(kind: str, run_id: str) -> Job | None:
    """The newest job of this kind that works on a run, whoever launched it."""
    root = data_root()
    if not root.jobs_database.exists():
        return None
    queue = JobQueue(root)
    newest = {job.id: job for job in [*queue.active(), *queue.list()] if job.kind == kind}
    return next((newest[job_id] for job_id in sorted(newest, reverse=True) if _run_of(newest[job_id]) == run_id), None)


def failed_since(job: Job | None, results: Path) -> bool:
    """Whether the job ended without success after these results were written, so that they are not its."""
    if job is None or job.active or job.status == "succeeded":
        return False
    return not results.exists() or (job.finished or 0.0) > results.stat().st_mtime


def _run_of(job: Job) -> Any:
    """The run that a job works on, or None: of a job whose configuration is damaged nobody knows it."""
    try:
        config = read_json(job.folder.config)
    except MvlaError:
        return None
    return config.get("run_id") if isinstance(config, dict) else None


def _awaited() -> set[int]:
    """Jobs whose ending this session has not shown yet."""
    awaited: set[int] = st.session_state.setdefault("awaited", set())
    return awaited


def active_jobs() -> list[Job]:
    """The jobs that wait or run; where their runner is gone, for example after a power cut, another one is started.

    Asking must not create a queue where there is none.
    """
    root = data_root()
    if not root.jobs_database.exists():
        return []
    queue = JobQueue(root)
    queue.attend()
    return queue.active()


def status_badge(status: str) -> None:
    color, icon = STATUS_BADGES[status]
    st.badge(status, icon=icon, color=color)  # type: ignore[arg-type]


def reading_of(job: Job) -> JobReading:
    """How far a job is, continuing where this session last read."""
    readings: dict[int, JobReading] = st.session_state.setdefault("readings", {})
    readings[job.id] = read_on(job.folder, readings.get(job.id, JobReading()))
    return readings[job.id]


@st.fragment(run_every=BADGE_INTERVAL_S)
def running_badge() -> None:
    """What runs now, on every page. When a job starts or ends, the page is drawn again to show it."""
    jobs = active_jobs()
    seen: dict[int, str] = st.session_state.get("seen_active", {})
    now = {job.id: job.status for job in jobs}
    st.session_state["seen_active"] = now
    if ended := _ended_since(seen.keys(), now.keys()):
        st.session_state["ended_jobs"] = ended
        ring_for(ended)
    # While the page is drawn this is its first part, so that all that follows shows the news anyway.
    if may_redraw() and (ended or any(now.get(job_id) != status for job_id, status in seen.items())):
        st.rerun()
    if not jobs:
        st.caption(":material/bedtime: Nothing is running.")
    else:
        _show_badge(jobs)
    if st.session_state["newest_job"]:
        show_bell()


def _ended_since(seen: Set[int], now: Set[int]) -> list[Job]:
    """The jobs that have ended since the last look, also those so short that no look ever met them."""
    root = data_root()
    if not root.jobs_database.exists():
        st.session_state["newest_job"] = 0
        return []
    latest = JobQueue(root).list(LATEST_LOOKED_AT)
    newest_before = st.session_state.get("newest_job")
    st.session_state["newest_job"] = max((job.id for job in latest), default=0)
    ended = {job_id: JobQueue(root).get(job_id) for job_id in seen - now}
    if newest_before is not None:
        ended |= {job.id: job for job in latest if job.id > newest_before and not job.active}
    return [ended[job_id] for job_id in sorted(ended)]


def _show_badge(jobs: list[Job]) -> None:
    for job in jobs[:2]:
        with st.container(border=True, gap="xsmall"):
            reading = reading_of(job)
            st.markdown(f"**{plain(job.title or job.kind)}**")
            if job.status == "queued":
                st.caption("waits in the queue")
            else:
                left = f" · about {duration(reading.left_s)} left" if reading.left_s is not None else ""
                words = plain(reading.stage or job.status) + left if job.status == "running" else job.status
                st.progress(reading.share or 0.0, text=words)
    if len(jobs) > 2:
        st.caption(f"and {len(jobs) - 2} more")
    st.page_link(RUNS.path, label="All jobs", icon=RUNS.icon)


def tell_ended() -> None:
    """Tell once, on whatever page is open, how jobs ended."""
    for job in st.session_state.pop("ended_jobs", []):
        title = plain(job.title or job.kind)
        if job.status == "succeeded":
            st.toast(f"Finished: {title}", icon=":material/check_circle:")
        else:
            st.toast(f"{title}: {job.status}. {plain(job.message)}", icon=":material/warning:")


@st.fragment(run_every=CARD_INTERVAL_S)
def job_card(job_id: int) -> None:
    """One job: what it does, how far it is, how it ended, and a stop button that asks once more."""
    job = JobQueue(data_root()).get(job_id)
    if job.active:
        _awaited().add(job_id)
    elif job_id in _awaited() and may_redraw():
        # It ended since the page was drawn, perhaps between two looks of the badge: the page has more to show now.
        _awaited().discard(job_id)
        st.rerun()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(job.title or job.kind)}**", width="content")
            status_badge(job.status)
        reading = reading_of(job)
        if job.active:
            st.progress(reading.share or 0.0, text=plain(reading.text) or _waiting(job))
            if job.message:
                st.caption(plain(job.message))
            running_controls(job, "")
            tell_trouble()
        elif job.status == "succeeded":
            took = duration(job.finished - job.started) if job.finished and job.started else "-"
            st.caption(f"Finished {moment(job.finished)} after {took}. {plain(_brought(job))}")
            if job.kind in ("simulate", "import"):
                dataset = str(read_object(job.folder.config)["dataset"])
                st.page_link(
                    EPISODES.path,
                    label=f"Look at {plain(dataset)}",
                    icon=EPISODES.icon,
                    query_params={DATASET_KEY: dataset},
                )
        else:
            st.error(
                plain(job.message or f"The job ended as {job.status}; its log says more."), icon=":material/error:"
            )
        for level, message in reading.notes[-3:]:
            st.caption(f":material/{'error' if level == 'error' else 'warning'}: {plain(message)}")


def _brought(job: Job) -> str:
    """What a job that made or imported recordings has brought, from its result."""
    result = read_object(job.folder.result) if job.folder.result.exists() else {}
    if "episodes" not in result:
        return ""
    sentence = f"{count(result['episodes'], 'episode')} with {count(result['frames'], 'frame')}"
    skipped = [f"{item['file']}: {item['reason']}" for item in result.get("skipped", [])]
    if not skipped:
        return sentence + "."
    more = f" and {len(skipped) - SKIPPED_SHOWN} more" if len(skipped) > SKIPPED_SHOWN else ""
    return f"{sentence}; {count(len(skipped), 'file')} skipped: {'; '.join(skipped[:SKIPPED_SHOWN])}{more}."


def _waiting(job: Job) -> str:
    return "Waits for the jobs before it." if job.status == "queued" else "Starting."
