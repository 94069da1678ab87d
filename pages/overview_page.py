"""Overview: how recordings come in, and where each data set stands on the way to a report."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from app.arrivals import import_card, simulate_card
from app.cached import audit
from app.catalogues import known_dataset
from app.page_parts import go_button, heading
from app.pickers import pick_dataset
from app.places import OVERVIEW
from app.run_list import runs
from app.session import data_root
from app.text import plain
from app.way import next_stop, way_of

# Episodes. A larger data set is audited on its own page, not while the overview is drawn.
LARGEST_AUDITED_HERE = 500

heading(OVERVIEW)
dataset = pick_dataset()
if dataset is None:
    st.write("There are no recordings yet. Choose how to begin:")
    left, right = st.columns(2)
    with left:
        simulate_card()
    with right:
        import_card()
    st.stop()

root = data_root()
catalogue = known_dataset(root, dataset).catalogue
small = 0 < len(catalogue.episodes) <= LARGEST_AUDITED_HERE
findings = audit(dataset).findings if small else None
steps = way_of(root, catalogue, findings, [run for run in runs() if run.dataset == dataset])
following = next_stop(steps)
for number, step in enumerate(steps, start=1):
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        color: Literal["orange", "green", "blue", "gray"]
        color = "orange" if step.warning else "green" if step.done else "blue" if step is following else "gray"
        icon = (
            ":material/warning:"
            if step.warning
            else ":material/check:"
            if step.done
            else ":material/radio_button_unchecked:"
        )
        st.badge(f"{number} {step.title}", icon=icon, color=color, width=150)
        st.markdown(plain(step.sentence), width="stretch")
        go_button(step.place, step.action, key=f"way_{number}", primary=step is following, query=step.query)

with st.expander("Add more recordings", icon=":material/add:"):
    left, right = st.columns(2)
    with left:
        simulate_card()
    with right:
        import_card()
