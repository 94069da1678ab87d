"""Runs: what trains now, how the losses move, how every run ended and why, and how runs compare."""

from __future__ import annotations

import streamlit as st

from app.choice_table import choose_row
from app.components.curves.curves import show_curves, show_epoch_predictions
from app.job_view import active_jobs, job_card
from app.page_parts import empty_state, heading, next_step
from app.places import EVALUATE, RUNS, TRAIN
from app.queue_parts import show_queue
from app.run_compare_parts import choose_runs, show_comparison
from app.run_filter import shown_columns, shown_records
from app.run_label_parts import show_bin, show_labels, tell
from app.run_list import COLUMNS, records, run_rows, runs
from app.run_more_parts import show_extend, show_forecast_check, show_seeds
from app.run_parts import show_ending, show_log, show_other_jobs, show_settings, show_title
from app.run_reading_parts import show_reading
from app.session import RUN_KEY, data_root
from app.text import count, plain
from mvla_core.jobs.queue import JobQueue

heading(RUNS)
tell()
active = active_jobs()
with st.expander(
    f"Queue: {count(len(active), 'job')} running or waiting", icon=":material/list_alt:", expanded=bool(active)
):
    show_queue()

everything = records(runs())
if not everything:
    show_other_jobs()
    show_bin(data_root())
    empty_state("No runs yet", "A run appears here as soon as a training is launched.", TRAIN, "Train a policy")
    st.stop()

known_tags = sorted({tag for record in everything for tag in record.labels.tags})
shown = shown_records(everything, known_tags)
if not shown:
    st.info("No run fits the filter; archived runs are shown where you ask for them.", icon=":material/filter_alt:")
    show_bin(data_root())
    st.stop()
chosen = choose_row(
    run_rows(shown),
    RUN_KEY,
    column_config=COLUMNS,
    alt="Training runs; choose one to see it",
    column_order=shown_columns(),
    hide_index=True,
)
compared = choose_runs([record.run_id for record in everything])
if len(compared) >= 2:
    by_id = {record.run_id: record for record in everything}
    together = [by_id[name] for name in compared]
    show_comparison(together, live=any(not record.summary.ended for record in together))
    st.divider()

record = next(record for record in shown if record.run_id == chosen)
summary = record.summary
folder = data_root().run(chosen)
job = JobQueue(data_root()).for_folder(folder)
live = job is not None and job.active

show_title(summary)
if job is not None and live:
    job_card(job.id)
else:
    show_ending(summary, job)
    if summary.status != "unreadable":
        show_forecast_check(folder)
for problem in record.problems:
    st.warning(plain(problem), icon=":material/broken_image:")
if summary.status != "unreadable":
    show_reading(folder, live=live)
    show_curves(chosen, live=live, status="" if live else summary.status)
    with st.expander("Predicted and driven velocities after each epoch", icon=":material/timeline:", expanded=True):
        show_epoch_predictions(chosen, live=live)
    show_seeds(record, everything)
    if not live:
        show_extend(record)
    show_labels(record, known_tags, live=live)
    show_log(folder, live)
    show_settings(folder)
show_bin(data_root())
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
