"""Report: what was found, as a document to read here, download and hand on."""

from __future__ import annotations

import streamlit as st

from app.components.download.download import download_link
from app.job_view import job_card, job_for_run
from app.language import language_choice
from app.page_parts import empty_state, heading
from app.pickers import pick_run
from app.places import EVALUATE, REPORT
from app.report_files import outdated, report_of
from app.report_parts import SECTIONS_KEY, choose_content, choose_others, order, say
from app.report_routes import report_address
from app.run_list import runs
from app.session import data_root

PAGE_HEIGHT_PX = 900

heading(REPORT)
language = language_choice()
known = runs()
evaluated = [run for run in known if run.has_evaluation]
if not evaluated:
    empty_state(
        say(language, "empty_title"),
        say(language, "empty_text"),
        EVALUATE,
        say(language, "empty_button"),
    )
    st.stop()

run = pick_run(evaluated, known)
choose_others(run.run_id, [each.run_id for each in evaluated], language)
choose_content(language)
folder = data_root().run(run.run_id)
report = report_of(folder, language)
job = job_for_run("report", run.run_id)
if job is not None and (job.active or job.status != "succeeded"):
    job_card(job.id)
nothing_chosen = not st.session_state[SECTIONS_KEY]
if nothing_chosen:
    st.warning(say(language, "no_sections"), icon=":material/warning:")
if report is not None and outdated(report, folder):
    st.warning(say(language, "old"), icon=":material/history:")
with st.container(horizontal=True):
    st.button(
        say(language, "again" if report else "write"),
        type="secondary" if report else "primary",
        icon=":material/edit_document:",
        disabled=nothing_chosen or (job is not None and job.active),
        on_click=order,
        args=(run.run_id, language),
        key="write",
    )
    if report is not None:
        for name, label in (("report.html", "html"), ("report.zip", "markdown")):
            address = report_address(run.run_id, language, name, report.version)
            kept = f"{run.run_id}-{language}.{name.rpartition('.')[2]}"
            download_link(say(language, label), address, kept, key=f"download_{label}")
if report is None:
    st.write(say(language, "none"))
    st.stop()
st.caption(say(language, "pdf"))
st.iframe(
    report_address(run.run_id, language, "page.html", report.version),
    height=PAGE_HEIGHT_PX,
    alt=say(language, "preview", run=run.run_id),
)
