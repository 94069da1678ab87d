"""Runs: what trains now, how the losses move, how every run ended, and why."""

from __future__ import annotations

import streamlit as st

from app.choice_table import choose_row
from app.components.curves.curves import show_curves
from app.job_view import active_jobs, job_card
from app.page_parts import empty_state, heading, next_step
from app.places import EVALUATE, RUNS, TRAIN
from app.run_list import COLUMNS, run_rows, runs
from app.run_parts import show_ending, show_log, show_other_jobs, show_settings, show_title
from app.session import RUN_KEY, data_root
from mvla_core.jobs.queue import JobQueue

heading(RUNS)
others = [job for job in active_jobs() if job.kind != "train"]
for other in others:
    job_card(other.id)

summaries = runs()
if not summaries:
    show_other_jobs()
    empty_state("No runs yet", "A run appears here as soon as a training is launched.", TRAIN, "Train a policy")
    st.stop()

chosen = choose_row(run_rows(summaries), RUN_KEY, column_config=COLUMNS, alt="Training runs; choose one to see it")
summary = next(run for run in summaries if run.run_id == chosen)
folder = data_root().run(chosen)
job = JobQueue(data_root()).for_folder(folder)
live = job is not None and job.active

show_title(summary)
if job is not None and live:
    job_card(job.id)
else:
    show_ending(summary, job)
if summary.status != "unreadable":
    show_curves(chosen, live=live)
    show_log(folder, live)
    show_settings(folder)
show_other_jobs()
if not live and summary.has_adapter and not summary.has_evaluation:
    next_step("A low loss alone proves nothing: put the run to the test.", EVALUATE, "Evaluate this run", run=chosen)
elif summary.has_evaluation:
    next_step("See what the evaluation found.", EVALUATE, "Open the evaluation", run=chosen)
elif not live:
    next_step("Change the recipe or the data, and train again.", TRAIN, "Train again", dataset=summary.dataset)
else:
    next_step(
        "While it trains: look at the data it learns from. You may close this page; the run goes on.",
        TRAIN,
        "Queue another",
    )
