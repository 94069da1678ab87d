"""Closed loop: a trained policy drives simulated worlds by itself, beside drivers that never look."""

from __future__ import annotations

import streamlit as st

from app.drive_figures import SUITE_NAMES
from app.drive_parts import drive_form, show_comparison, show_films, show_paths, show_success
from app.job_view import failed_since, job_card, job_for_run
from app.page_parts import empty_state, heading, next_step
from app.pickers import pick_run
from app.places import DRIVE, READINESS, TRAIN
from app.run_list import runs
from app.session import data_root
from app.text import plain
from mvla_core.driving.results import has_driven, is_stale, load_driven, results_path
from mvla_core.errors import MvlaError

heading(DRIVE)
known = runs()
finished = [run for run in known if run.has_adapter and run.ended]
if not finished:
    empty_state(
        "No trained policy yet", "Only a run that has finished can drive. Train one first.", TRAIN, "Train a policy"
    )
    st.stop()

run = pick_run(finished, known)
folder = data_root().run(run.run_id)
job = job_for_run("drive", run.run_id)
driving = job is not None and job.active
if job is not None and (driving or failed_since(job, results_path(folder))):
    job_card(job.id)
driven = has_driven(folder)
if not driven:
    st.write(
        "This policy has not driven yet. A low error on recordings is not driving: small mistakes add up, and only a policy that "
        "acts on what it sees next shows them."
    )
if not driving:
    drive_form(run, driven)
if not driven:
    st.stop()
if driving:
    st.caption("Below is what was driven before.")
try:
    results, stale = load_driven(folder), is_stale(folder)
except MvlaError as error:
    st.error(plain(str(error)))
    st.stop()
if stale:
    st.warning("The policy has changed since it drove: these figures are those of an earlier one. Drive again.")
show_success(results)

st.subheader("Where it drove", anchor=False)
suites = list(results["suites"])
suite = suites[0]
if len(suites) > 1:
    suite = st.pills(
        "Worlds",
        suites,
        default=suites[0],
        required=True,
        format_func=lambda name: SUITE_NAMES[name],
        key="drive_suite",
        label_visibility="collapsed",
    )
show_paths(results, suite)
st.subheader("Films", anchor=False)
show_films(folder, results["suites"][suite]["trials"], suite)

st.subheader("Two runs on the same worlds", anchor=False)
show_comparison(run, results, finished)
next_step("Hold the run against every gate.", READINESS, "May it drive?", run=run.run_id)
