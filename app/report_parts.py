"""Pieces of the page Report: what goes into a report, and the order to write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.job_view import launch
from mvla_core.reports.choice import LONGEST_FOREWORD, MOST_RUNS, SECTIONS, ReportChoice
from mvla_core.reports.language import Words
from mvla_core.wording import Language, format_text, read_catalog, text_of

OTHERS_KEY = "report_others"
SECTIONS_KEY = "report_sections"
FOREWORD_KEY = "report_foreword"
_TITLES = {"checklist": "checklists.title"}


def say(language: Language, key: str, **values: Any) -> str:
    """A text of this page."""
    return format_text(language, text_of(read_catalog("app", f"report_{language}"), f"report.{key}"), values)


def section_title(section: str, language: Language) -> str:
    """What a section is called in the report."""
    return Words(language).say(_TITLES.get(section, f"{section}.title"))


def choose_others(run_id: str, evaluated: Sequence[str], language: Language) -> None:
    """Let the user put further runs beside the one that the report is about; nothing where there is no other."""
    others = [name for name in evaluated if name != run_id]
    kept = [name for name in st.session_state.get(OTHERS_KEY, ()) if name in others]
    st.session_state[OTHERS_KEY] = kept
    if others:
        st.multiselect(
            say(language, "others"),
            others,
            max_selections=MOST_RUNS - 1,
            placeholder=say(language, "others_placeholder"),
            help=say(language, "others_help"),
            key=OTHERS_KEY,
        )


def choose_content(language: Language) -> None:
    """Let the user choose sections and write a foreword."""
    st.session_state.setdefault(SECTIONS_KEY, list(SECTIONS))
    chosen = len(st.session_state[SECTIONS_KEY])
    label = "all" if chosen == len(SECTIONS) else "some"
    summary = say(language, label, chosen=chosen, count=len(SECTIONS))
    with st.expander(f"{say(language, 'content')}: {summary}", icon=":material/tune:"):
        st.pills(
            say(language, "sections"),
            list(SECTIONS),
            format_func=lambda section: section_title(section, language),
            selection_mode="multi",
            help=say(language, "sections_help"),
            key=SECTIONS_KEY,
        )
        st.text_area(
            say(language, "foreword"),
            max_chars=LONGEST_FOREWORD,
            placeholder=say(language, "foreword_placeholder"),
            help=say(language, "foreword_help"),
            key=FOREWORD_KEY,
        )


def order(run_id: str, language: Language) -> None:
    """Queue the job that writes the report as it is chosen now. A callback, so that no click is lost to a rerun."""
    config: dict[str, Any] = {"run_id": run_id, "lang": language}
    sections = st.session_state.get(SECTIONS_KEY, list(SECTIONS))
    choice = ReportChoice(
        None if len(sections) == len(SECTIONS) else tuple(name for name in SECTIONS if name in sections),
        st.session_state.get(FOREWORD_KEY, "").strip(),
    )
    if others := st.session_state.get(OTHERS_KEY):
        config["others"] = list(others)
    config |= {name: value for name, value in choice.to_json().items() if value}
    launch("report", config, say(language, "title", run=run_id))
