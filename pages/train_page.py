"""Train: choose a recipe, see what it will cost, and launch it as a background job."""

from __future__ import annotations

import streamlit as st

from app.errors import explain
from app.forecast_parts import show_forecast
from app.launch_parts import show_launch, show_running_check
from app.page_parts import empty_state, heading
from app.pickers import pick_dataset
from app.places import OVERVIEW, TRAIN
from app.recipe_form import choose_preset, edit_recipe, tell_changes
from app.session import data_root
from mvla_core.errors import MvlaError
from mvla_core.training.launch import forecast, resolve_recipe

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
    recipe = resolve_recipe(preset.name, overrides)
    expected = forecast(data_root(), dataset, recipe)
    show_forecast(expected, recipe)
except MvlaError as error:
    explain(error)
    tell_changes(preset, overrides)
    show_running_check()
    st.stop()

tell_changes(preset, overrides)
show_launch(dataset, preset.name, overrides, expected)
