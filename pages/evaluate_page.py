"""Evaluate: a finished run on episodes it has never met, beside predictors that never look."""

from __future__ import annotations

import streamlit as st

from app.evaluation_compare import compare_section
from app.evaluation_launch import earlier_seconds, launch_form
from app.evaluation_parts import show_metrics, show_verdict
from app.evaluation_sections import show_sections
from app.experiment_parts import show_experiments
from app.job_view import failed_since, job_card, job_for_run
from app.overlay_parts import overlay_section
from app.page_parts import empty_state, heading, next_step
from app.pickers import pick_run
from app.places import EVALUATE, REPORT, TRAIN
from app.run_list import runs
from app.session import data_root
from app.text import plain
from mvla_core.errors import MvlaError
from mvla_core.evaluation.results import is_outdated, load_results

heading(EVALUATE)
known = runs()
finished = [run for run in known if run.has_adapter and run.ended]
if not finished:
    empty_state(
        "No trained policy yet",
        "An evaluation needs a run that has finished. Train one first.",
        TRAIN,
        "Train a policy",
    )
    st.stop()

run = pick_run(finished, known)
folder = data_root().run(run.run_id)
job = job_for_run("evaluate", run.run_id)
measuring = job is not None and job.active
if job is not None and (measuring or failed_since(job, folder.evaluation_results)):
    job_card(job.id)
took = earlier_seconds(job)
if not run.has_evaluation:
    if measuring:
        st.stop()
    st.write(
        "This run is not evaluated yet. Its policy drives through the episodes that were held out, and so do predictors "
        "that never look: a constant, two clocks, and one that repeats the last command."
    )
    launch_form(run.run_id, False, took)
    st.stop()

try:
    results = load_results(folder)
    outdated = is_outdated(folder, results)
except MvlaError as error:
    st.error(plain(str(error)), icon=":material/error:")
    if not measuring:
        launch_form(run.run_id, True, took)
    st.stop()
if measuring:
    st.caption("Below is what was measured before.")
if outdated:
    st.warning(
        "The policy has changed since it was measured: these figures are those of an earlier one. Evaluate again."
    )
others = [
    other for other in known if other.has_evaluation and other.dataset == run.dataset and other.run_id != run.run_id
]
show_verdict(results["verdict"])
show_metrics(results)

st.subheader("Predicted over true", anchor=False)
overlay_section(run, results, others)

st.subheader("What it stands on", anchor=False)
show_sections(
    results,
    {
        "Other runs": lambda: compare_section(run, others),
        "Experiments": lambda: show_experiments(data_root(), folder),
    },
)

if not measuring:
    st.subheader("Measure it again", anchor=False)
    launch_form(run.run_id, True, took)
next_step("Write down what was found.", REPORT, "Write the report", run=run.run_id)
