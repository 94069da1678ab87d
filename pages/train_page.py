"""Train: choose a recipe, see what it will cost, and launch it as a background job."""

from __future__ import annotations

import streamlit as st

from app.errors import explain
from app.forecast_parts import show_forecast
from app.page_parts import empty_state, heading
from app.pickers import pick_dataset
from app.places import OVERVIEW, RUNS, TRAIN
from app.recipe_form import choose_preset, edit_recipe
from app.session import RUN_KEY, data_root
from mvla_core.errors import MvlaError
from mvla_core.jobs.devices import slot_for
from mvla_core.jobs.queue import JobQueue
from mvla_core.training.launch import forecast, prepare_run
from mvla_core.training.machine import cuda_devices

heading(TRAIN)
dataset = pick_dataset()
if dataset is None:
    empty_state(
        "Nothing to train on yet",
        "A training needs recordings: import some, or make demo episodes.",
        OVERVIEW,
        "Get episodes",
    )
    st.stop()

preset = choose_preset()
st.subheader("Settings", anchor=False)
overrides = edit_recipe(preset, dataset)

st.subheader("What it will take", anchor=False)
try:
    recipe = preset.recipe.changed(overrides)
    show_forecast(forecast(data_root(), dataset, recipe), recipe)
except MvlaError as error:
    explain(error)
    st.stop()

if overrides:
    st.caption("Changed from the recipe: " + ", ".join(f"`{name}` {value}" for name, value in overrides.items()) + ".")
if st.button("Launch training", type="primary", icon=":material/rocket_launch:", key="launch"):
    # What the machine cannot honour, or a missing download, is found here and told in the same way.
    try:
        run = prepare_run(data_root(), dataset, preset.name, overrides)
        queue = JobQueue(data_root())
        slot = slot_for("train", len(cuda_devices()), queue.active())
        queue.submit("train", run, title=f"{preset.title} on {dataset}", device=slot)
    except MvlaError as error:
        explain(error)
    else:
        st.switch_page(RUNS.path, query_params={RUN_KEY: run.run_id})
st.caption(
    "It runs in the background: this page and the browser may be closed, and it can be stopped on the page Runs."
)
