"""Report: what was found, as a document to read here, download and hand on."""

from __future__ import annotations

from functools import partial

import streamlit as st

from app.job_view import job_card, job_for_run, launch
from app.page_parts import empty_state, heading
from app.pickers import pick_run
from app.places import EVALUATE, REPORT
from app.report_files import report_of, zipped
from app.routes import report_url
from app.run_list import runs
from app.session import data_root

LANGUAGE_NAMES = {"en": "English", "ko": "한국어"}
PAGE_HEIGHT_PX = 900

heading(REPORT)
evaluated = [run for run in runs() if run.has_evaluation]
if not evaluated:
    empty_state(
        "Nothing to report yet",
        "A report tells what an evaluation found. Evaluate a trained run first.",
        EVALUATE,
        "Evaluate a run",
    )
    st.stop()

run = pick_run(evaluated)
language = st.segmented_control(
    "Language",
    list(LANGUAGE_NAMES),
    format_func=LANGUAGE_NAMES.__getitem__,
    default="en",
    key="language",
    required=True,
)
report = report_of(data_root().run(run.run_id), language)
job = job_for_run("report", run.run_id)
if job is not None and (job.active or job.status != "succeeded"):
    job_card(job.id)
with st.container(horizontal=True):
    if st.button(
        "Write it again" if report else "Write the report",
        type="secondary" if report else "primary",
        icon=":material/edit_document:",
        disabled=job is not None and job.active,
        key="write",
    ):
        launch("report", {"run_id": run.run_id, "lang": language}, f"Report on {run.run_id}")
        st.rerun()
    if report is not None:
        st.download_button(
            "Download HTML",
            report.page.read_bytes(),
            f"{run.run_id}-{language}.html",
            "text/html",
            icon=":material/download:",
            on_click="ignore",
            key="download_html",
        )
        st.download_button(
            "Download Markdown with figures",
            partial(zipped, report),
            f"{run.run_id}-{language}.zip",
            "application/zip",
            icon=":material/folder_zip:",
            on_click="ignore",
            key="download_markdown",
        )
if report is None:
    st.write(
        "No report in this language yet. Writing it takes a few seconds; it computes nothing that is not already measured."
    )
    st.stop()
st.iframe(
    report_url(run.run_id, language, report.version), height=PAGE_HEIGHT_PX, alt=f"Report on the run {run.run_id}"
)
