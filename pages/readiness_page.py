"""May it drive? Every gate with what it stands on, the record of it, and how it has changed."""

from __future__ import annotations

import streamlit as st

from app.errors import explain
from app.figure_style import PLOT_CONFIG
from app.language import PageText, chosen_language, language_choice
from app.page_parts import empty_state, heading
from app.pickers import pick_run
from app.places import EVALUATE, TRAIN
from app.readiness_parts import (
    history_figure,
    readiness_of,
    readiness_place,
    record_rows,
    records_of,
    show_levels,
    show_sentence,
)
from app.run_list import runs
from app.session import data_root
from mvla_core.errors import MvlaError
from mvla_core.readiness.model_card import write_model_card
from mvla_core.readiness.record import write_record

text = PageText(chosen_language())
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="top"):
    with st.container(width="stretch"):
        heading(readiness_place(text))
    language_choice()
known = runs()
finished = [run for run in known if run.has_adapter and run.ended]
if not finished:
    empty_state(
        text.say("readiness.empty_title"),
        text.say("readiness.empty_sentence"),
        TRAIN,
        text.say("readiness.empty_action"),
    )
    st.stop()

run = pick_run(sorted(finished, key=lambda each: not each.has_evaluation), known)
folder = data_root().run(run.run_id)
readiness = readiness_of(run.run_id)
show_sentence(readiness, text)
if not run.has_evaluation:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(text.say("readiness.unevaluated"), width="stretch")
        if st.button(text.say("readiness.evaluate"), icon=EVALUATE.icon, type="primary", key="to_evaluate"):
            st.switch_page(EVALUATE.path, query_params={"run": run.run_id})

records = records_of([folder])
with st.container(horizontal=True):
    if st.button(
        text.say("readiness.write"),
        icon=":material/history_edu:",
        type="primary" if run.has_evaluation and not records else "secondary",
        disabled=not run.has_evaluation,
        help=text.say("readiness.write_help"),
        key="write_record",
    ):
        try:
            with st.spinner(text.say("readiness.writing")):
                write_record(data_root(), run.run_id)
                write_model_card(data_root(), run.run_id)
        except MvlaError as error:
            explain(error)
        else:
            st.rerun()
    if records:
        newest = records[-1]
        st.download_button(
            text.say("readiness.download"),
            newest.path.read_bytes(),
            f"{run.run_id}-{newest.path.name}",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
            key="download_record",
        )
        card = folder.adapter / "README.md"
        if card.is_file():
            st.download_button(
                text.say("readiness.download_card"),
                card.read_bytes(),
                f"{run.run_id}-README.md",
                "text/markdown",
                icon=":material/id_card:",
                on_click="ignore",
                key="download_card",
            )

show_levels(readiness, text)

st.subheader(text.say("readiness.records"), anchor=False)
if records:
    st.plotly_chart(
        history_figure(records, text), key="history", config=PLOT_CONFIG, alt=text.say("readiness.history_alt")
    )
    st.dataframe(record_rows(records, text), hide_index=True, alt=text.say("readiness.records"))
    st.caption(text.say("readiness.verify"))
    st.code(f"python -m mvla_core verify {records[-1].path}", language="bash", wrap_lines=True)
else:
    st.write(text.say("readiness.no_records"))
