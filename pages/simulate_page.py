"""Simulate: choose worlds and how hard they are, look at them, and record them in the background as an ordinary data set."""

from __future__ import annotations

import streamlit as st

from app.errors import explain
from app.page_parts import heading, next_step
from app.places import DATASET, SIMULATE
from app.session import DATASET_KEY, KEPT
from app.simulate_form import (
    choose_camera_and_actions,
    choose_difficulty,
    choose_level,
    choose_match,
    choose_matched_scenarios,
    choose_worlds,
    tell_match,
)
from app.simulate_parts import show_job, show_launch, show_preview
from mvla_core.errors import MvlaError
from mvla_core.files import read_json
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.levels import LEVELS

heading(SIMULATE)
st.subheader("Worlds", anchor=False)
try:
    settings = choose_worlds()
except MvlaError as error:
    explain(error)
    show_job()
    st.stop()

st.subheader("Difficulty", anchor=False)
with st.container(horizontal=True):
    level = choose_level()
    match = choose_match()
st.caption(LEVELS[level].summary)
if match is not None:
    tell_match(match)
settings |= choose_difficulty(level)
settings |= choose_camera_and_actions(match)
if match is not None:
    settings |= {name: value for name, value in match.settings.items() if name != "scenarios"}
    settings |= choose_matched_scenarios(match)

st.subheader("Preview", anchor=False)
with st.container(horizontal=True):
    help_of_seed = "The same seed and settings make the same episodes."
    settings["seed"] = int(
        st.number_input("Seed", 0, 2**31 - 1, 0, key="sim_seed", persist_state=KEPT, help=help_of_seed)
    )
    help_of_scene = "The number of an episode: exactly this scene will be recorded."
    index = int(st.number_input("Scene", 0, 99_999, 0, key="sim_index", persist_state=KEPT, help=help_of_scene))
try:
    config = SimulationConfig.from_settings(**settings)
    preview = show_preview(config, index)
except MvlaError as error:
    explain(error)
    show_job()
    st.stop()

st.subheader("Record", anchor=False)
show_launch(settings, config, preview, f"sim-{level}" if match is None else f"sim-like-{match.dataset}"[:100])
job = show_job()
if job is not None and job.status == "succeeded":
    made = str(read_json(job.folder.config)["dataset"])
    next_step("See whether a clock would drive as well as this data.", DATASET, "Audit it", **{DATASET_KEY: made})
