"""Parts of the Runs page: the title of a run, how it ended, its log and its settings."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.job_view import status_badge
from app.session import data_root
from app.text import duration, moment, plain
from mvla_core.files import read_object
from mvla_core.jobs.diagnosis import ADVICE, last_lines
from mvla_core.jobs.model import Job
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import RunFolder
from mvla_core.runs.listing import RunSummary

LOG_LINES = 200
OTHER_JOBS = 50
LOG_INTERVAL_S = 2.0
LOG_HEIGHT_PX = 320


def show_other_jobs() -> None:
    """What else was done in the background, newest first: imports, simulations, evaluations, reports."""
    root = data_root()
    jobs = (
        [job for job in JobQueue(root).list(OTHER_JOBS) if job.kind != "train"] if root.jobs_database.exists() else []
    )
    if not jobs:
        return
    rows = [
        {
            "job": job.title or job.kind,
            "status": job.status,
            "submitted": pd.Timestamp.fromtimestamp(job.created),
            "took": duration(job.finished - job.started) if job.finished and job.started else "",
            "message": job.message,
        }
        for job in jobs
    ]
    times = {"submitted": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm")}
    with st.expander("Other jobs", icon=":material/list_alt:"):
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=times, alt="Other background jobs")


def show_title(run: RunSummary) -> None:
    """The name of the run with its state and what it was trained on."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(run.run_id), anchor=False, width="content")
        status_badge(run.status)
    facts = [f"data set {run.dataset}", f"recipe {run.preset}", f"created {moment(run.created)}"]
    st.caption(" · ".join(plain(fact) for fact in facts))


def show_ending(run: RunSummary, job: Job | None) -> None:
    """How a run ended: its losses, or what went wrong and what to do about it."""
    if run.status == "succeeded":
        took = job.finished - job.started if job is not None and job.finished and job.started else None
        with st.grid(4, min_column_width=150):
            st.metric("Best epoch", run.best_epoch or "-", border=True, height="stretch")
            st.metric("Validation loss, best", _loss(run.best_val_loss), border=True, height="stretch")
            st.metric("Train loss, last", _loss(run.train_loss), border=True, height="stretch")
            st.metric("Time", "-" if took is None else duration(took), border=True, height="stretch")
        return
    message = run.message or (job.message if job is not None else "") or "No ending was recorded for this run."
    advice = ADVICE.get(job.diagnosis, "") if job is not None else ""
    text = plain(message) + (f"\n\n**Next.** {plain(advice)}" if advice else "")
    show = st.error if run.status in ("failed", "lost", "unreadable") else st.warning
    show(text, title=run.status.capitalize(), icon=":material/error:")
    if job is not None:
        st.button(
            "Start again with the same settings", icon=":material/replay:", on_click=_retry, args=(job.id,), key="retry"
        )


def _retry(job_id: int) -> None:
    job = JobQueue(data_root()).retry(job_id)
    st.query_params["run"] = job.folder.path.name


def show_log(folder: RunFolder, live: bool) -> None:
    """The end of the log, as plain text. It is read only while it is open."""
    opened = st.expander("Log", icon=":material/terminal:", on_change="rerun", key="log")
    if opened.open:
        with opened:
            st.fragment(_log_tail, run_every=LOG_INTERVAL_S if live else None)(folder)


def _log_tail(folder: RunFolder) -> None:
    lines = last_lines(folder.log, LOG_LINES)
    if lines:
        st.code("\n".join(lines), language=None, height=LOG_HEIGHT_PX)
    else:
        st.caption("The log is empty.")


def show_settings(folder: RunFolder) -> None:
    """The recipe and the split that the run was frozen with."""
    with st.expander("Settings of this run", icon=":material/tune:"):
        config = read_object(folder.config)
        recipe = {name: str(value) for name, value in config["recipe"].items()}
        st.dataframe(
            pd.DataFrame({"setting": recipe.keys(), "value": recipe.values()}),
            hide_index=True,
            alt="Settings of the run",
        )


def _loss(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
