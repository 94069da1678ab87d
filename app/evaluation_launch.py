"""Starting an evaluation: quick or full, and what each takes."""

from __future__ import annotations

import streamlit as st

from app.job_view import launch
from app.text import duration
from mvla_core.files import read_object
from mvla_core.jobs.model import Job

SUITES = {
    "quick": "Quick: metrics, baselines that never look, inputs taken away",
    "full": "Full: also blind copies of the policy, trained briefly, the shift ladder, and more pictures disturbed",
}
_SECONDS = {"quick": 60.0, "full": 600.0}
"""Typical of the compact policy on 20 episodes of 18 frames on two cores."""


def expected(suite: str, before_s: float | None) -> str:
    """How long a suite takes, in words.

    Args:
        suite: "quick" or "full".
        before_s: What the last evaluation of this run with this suite took; None where there was none.
    """
    if before_s is not None:
        return f"about {duration(before_s)}, as the last time"
    return (
        f"about {duration(_SECONDS[suite])} for the compact policy on 20 short episodes, longer for more or larger ones"
    )


def earlier_seconds(job: Job | None) -> dict[str, float]:
    """What the last evaluation of a run took, by its suite; empty where there was none."""
    if job is None or job.status != "succeeded" or job.started is None or job.finished is None:
        return {}
    suite = read_object(job.folder.config).get("suite")
    return {suite: job.finished - job.started} if suite in SUITES else {}


def launch_form(run_id: str, again: bool, took: dict[str, float]) -> None:
    """The choice of the suite and the button that starts it.

    Args:
        run_id: What is evaluated.
        again: Whether it was evaluated before.
        took: Seconds of earlier evaluations of this run, by suite.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        suite = st.segmented_control(
            "Suite",
            list(SUITES),
            default="quick",
            required=True,
            format_func=str.capitalize,
            key="suite",
            width="content",
        )
        started = st.button(
            "Evaluate again" if again else "Evaluate",
            type="secondary" if again else "primary",
            icon=":material/balance:",
            key="evaluate",
        )
    st.caption(f"{SUITES[suite]}. It takes {expected(suite, took.get(suite))}; it runs in the background.")
    if started:
        evaluate(run_id, suite)
        st.rerun()


def evaluate(run_id: str, suite: str) -> None:
    """Queue an evaluation."""
    launch("evaluate", {"run_id": run_id, "suite": suite}, f"Evaluate {run_id} ({suite})")


def full_suite_button(run_id: str, *, key: str) -> None:
    """The button beside what only the full suite measures."""
    if st.button("Run the full suite", key=key, icon=":material/balance:"):
        evaluate(run_id, "full")
        st.rerun()
