"""Data set: the audit. Would a clock do, are pictures needed, what is wrong, what to record next, and how to vary what is there."""

from __future__ import annotations

import streamlit as st

from app.audit_parts import dataset_place, show_headline, show_next_step, window_settings
from app.augmentation_parts import show_studio
from app.cached import audit
from app.comparison_parts import show_comparison
from app.dataset_parts import (
    ACTIONS,
    AUGMENTATION,
    COMPARISON,
    PARTS,
    PICTURES,
    PLAN,
    SPLITS,
    headlines_of,
    pick_part,
    show_actions,
    show_pictures,
    show_summary,
    show_ways_to_split,
)
from app.language import PageText, chosen_language, language_choice
from app.page_parts import empty_state, heading
from app.pickers import pick_dataset
from app.places import OVERVIEW
from app.plan_parts import show_plan
from mvla_core.audit.plan_evidence import plan_evidence

text = PageText(chosen_language())
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="top"):
    with st.container(width="stretch"):
        heading(dataset_place(text))
    language_choice()
dataset = pick_dataset(text.say("dataset.title"))
if dataset is None:
    empty_state(
        text.say("dataset.empty_title"),
        text.say("dataset.empty_sentence"),
        OVERVIEW,
        text.say("dataset.empty_action"),
    )
    st.stop()

window, seed, preset = window_settings(text)
result = audit(dataset, window, seed, preset)
headlines = headlines_of(result)
with st.grid(2, min_column_width=340):
    for finding in headlines:
        show_headline(finding, text)

part = pick_part(PARTS, text)
if part == ACTIONS:
    show_actions(result, text)
elif part == PICTURES:
    show_pictures(dataset, result, text)
elif part == SPLITS:
    show_ways_to_split(result, text)
elif part == PLAN:
    show_plan(dataset, result, text.language, plan_evidence(result))
elif part == AUGMENTATION:
    show_studio(dataset, text.language)
elif part == COMPARISON:
    show_comparison(dataset, result, text.language)
else:
    show_summary(result, headlines, text)
show_next_step(dataset, text)
