"""Data set: the audit. Whether a clock would do, what is wrong, and how the commands are distributed."""

from __future__ import annotations

import streamlit as st

from app import dataset_figures
from app.audit_parts import show_clock, show_figures_of_merit, show_table, window_settings
from app.cached import audit
from app.figure_style import PLOT_CONFIG
from app.page_parts import empty_state, heading, next_step, show_findings
from app.pickers import pick_dataset
from app.places import DATASET, OVERVIEW, TRAIN
from app.text import count

heading(DATASET)
dataset = pick_dataset()
if dataset is None:
    empty_state(
        "Nothing to audit yet",
        "The audit needs recordings: import some, or let the simulator make a data set.",
        OVERVIEW,
        "Get episodes",
    )
    st.stop()

window, seed = window_settings()
result = audit(dataset, window, seed)
clock = next((finding for finding in result.findings if finding.code.startswith("clock_")), None)
if clock is not None:
    show_clock(clock)
show_figures_of_merit(result)

others = [finding for finding in result.findings if finding is not clock]
serious = [finding for finding in others if finding.level in ("error", "warning")]
if serious:
    st.subheader(count(len(serious), "finding"), anchor=False)
    show_findings(serious)
hints = [finding for finding in others if finding not in serious]
if hints:
    with st.expander(f"{count(len(hints), 'remark')} without urgency", icon=":material/info:"):
        show_findings(hints)

if result.action_space is not None:
    st.subheader("What was commanded", anchor=False)
    figures = {
        "How fast": dataset_figures.histograms(result, result.action_space),
        "Which velocities together": dataset_figures.joint_actions(result, result.action_space),
        "Which way": dataset_figures.direction_shares(result),
        "How alike the episodes are, frame by frame": dataset_figures.determinism_by_index(result),
    }
    with st.grid(2, min_column_width=340):
        for title, figure in figures.items():
            with st.container(border=True, height="stretch"):
                st.markdown(f"**{title}**")
                st.plotly_chart(figure, key=f"figure_{title}", config=PLOT_CONFIG, alt=title)

with st.expander("All figures beside what is recommended", icon=":material/table_chart:"):
    show_table(result)
next_step("Train a policy and see whether it beats the clock.", TRAIN, "Train a policy", dataset=dataset)
