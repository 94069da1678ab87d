"""Evaluate: a finished run on episodes it has never met, beside predictors that never look."""

from __future__ import annotations

import streamlit as st

from app import evaluation_figures
from app.evaluation_parts import show_baselines, show_evidence, show_metrics, show_overlay, show_verdict
from app.figure_style import PLOT_CONFIG
from app.job_view import job_card, job_for_run, launch
from app.page_parts import empty_state, heading, next_step
from app.pickers import pick_run
from app.places import EVALUATE, REPORT, TRAIN
from app.run_list import runs
from app.session import data_root
from mvla_core.episodes.annotations import frozen
from mvla_core.evaluation.results import load_predictions, load_results

heading(EVALUATE)
finished = [run for run in runs() if run.has_adapter and run.ended]
if not finished:
    empty_state(
        "No trained policy yet",
        "An evaluation needs a run that has finished. Train one first.",
        TRAIN,
        "Train a policy",
    )
    st.stop()

run = pick_run(finished)
job = job_for_run("evaluate", run.run_id)
if job is not None and job.active:
    job_card(job.id)
    st.stop()
if job is not None and job.status != "succeeded":
    job_card(job.id)
if not run.has_evaluation:
    st.write(
        "This run is not evaluated yet. Its policy drives through the episodes that were held out, and so do four predictors "
        "that never look: a constant, two clocks, and one that repeats the last command. It takes about a minute."
    )
label = "Evaluate again" if run.has_evaluation else "Evaluate"
if st.button(label, type="secondary" if run.has_evaluation else "primary", icon=":material/balance:", key="evaluate"):
    launch("evaluate", {"run_id": run.run_id}, f"Evaluate {run.run_id}")
    st.rerun()
if not run.has_evaluation:
    st.stop()

folder = data_root().run(run.run_id)
results = load_results(folder)
show_verdict(results["verdict"])
show_metrics(results)

st.subheader("Against predictors that never look", anchor=False)
charts = {
    "Skill with its 95 % interval": evaluation_figures.skill_forest(results["baselines"]),
    "Error along the chunk": evaluation_figures.error_along_chunk(results),
}
with st.grid(2, min_column_width=340):
    for title, figure in charts.items():
        with st.container(border=True, height="stretch"):
            st.markdown(f"**{title}**")
            st.plotly_chart(figure, key=f"figure_{title}", config=PLOT_CONFIG, alt=title)
show_baselines(results["baselines"])

st.subheader("Why this verdict", anchor=False)
show_evidence(results["verdict"])

st.subheader("Predicted over true", anchor=False)
show_overlay(run.dataset, load_predictions(folder), results["per_episode"], frozen(folder.path))

st.subheader("Which way it drives", anchor=False)
with st.container(border=True):
    st.plotly_chart(
        evaluation_figures.confusion(results["directions"]),
        key="confusion",
        config=PLOT_CONFIG,
        alt="Directions of driver and policy",
    )
next_step("Write down what was found.", REPORT, "Write the report", run=run.run_id)
