"""Parts of the Data set page: the sentence about the clock, the figures of merit, the table, the window settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import pandas as pd
import streamlit as st

from app.language import PageText
from app.page_parts import go_button
from app.places import DATASET, TRAIN, Place
from app.text import plain
from mvla_core.audit.result import AuditResult
from mvla_core.audit.table_wording import row_label, table_catalog, worded_row
from mvla_core.audit.wording import worded
from mvla_core.datasets.windows import WindowSpec
from mvla_core.schema import Finding
from mvla_core.training.recipe import PRESETS
from mvla_core.wording import Language, percent

_UNKNOWN = "–"
_WIDTHS_PX = {"figure": 275, "value": 105, "recommended": 115, "status": 115, "source": 125, "reason": 900}


def dataset_place(text: PageText) -> Place:
    """The page with its title and its line in the language."""
    return replace(DATASET, title=text.say("dataset.title"), line=text.say("dataset.line"))


def said_findings(findings: Sequence[Finding], language: Language) -> list[Finding]:
    """The same findings with message and next step in a language."""
    said = [(finding, worded(finding, language)) for finding in findings]
    return [replace(finding, message=words.message, next=words.next) for finding, words in said]


def show_headline(finding: Finding, text: PageText) -> None:
    """One of the two headlines of an audit: would a clock do, and are pictures needed?"""
    show = {"error": st.error, "warning": st.warning, "info": st.info, "ok": st.success}[finding.level]
    said = worded(finding, text.language)
    body = plain(said.message)
    if said.next:
        body += f"\n\n**{text.say('dataset.next')}** {plain(said.next)}"
    about_clock = finding.code.startswith("clock_")
    icon = ":material/schedule:" if about_clock else ":material/visibility:"
    show(body, title=text.say(f"{'clock' if about_clock else 'headline'}.{finding.code}"), icon=icon)


def show_figures_of_merit(result: AuditResult, text: PageText) -> None:
    """The few numbers that a reader asks for first."""
    alike = result.determinism.mean
    parts = result.part_windows
    windows_help = (
        text.say("merit.train_windows_help", validation=parts["validation"], test=parts["test"])
        if parts
        else text.say("merit.no_split_help")
    )
    figures = {
        "episodes": (f"{len(result.episodes):,}", None),
        "frames": (f"{result.frames:,}", None),
        "train_windows": (f"{parts['train']:,}" if parts else _UNKNOWN, windows_help),
        "sequences": (f"{result.unique_sequences:,}", text.say("merit.sequences_help")),
        "determinism": (
            _UNKNOWN if alike is None else percent(text.language, alike),
            text.say("merit.determinism_help"),
        ),
    }
    with st.grid(len(figures), min_column_width=150):
        for name, (value, explained) in figures.items():
            st.metric(text.say(f"merit.{name}"), value, border=True, height="stretch", help=explained)


def window_settings(text: PageText) -> tuple[WindowSpec, int, str]:
    """What a training would cut out of the episodes, the seed of its split, and the preset whose parameters are counted."""
    with st.expander(text.say("window.title"), icon=":material/tune:"), st.container(horizontal=True):
        size = st.number_input(text.say("window.size"), 1, 64, 4, key="audit_window", persist_state="session")
        chunk = st.number_input(text.say("window.chunk"), 1, 64, 10, key="audit_chunk", persist_state="session")
        seed = st.number_input(text.say("window.seed"), 0, 2**31 - 1, 0, key="audit_seed", persist_state="session")
        preset = st.selectbox(
            text.say("window.preset"),
            list(PRESETS),
            key="audit_preset",
            persist_state="session",
            help=text.say("window.preset_help"),
        )
    return WindowSpec(int(size), int(chunk)), int(seed), preset


def show_table(result: AuditResult, text: PageText) -> None:
    """Every figure with the recommended value, who recommends it, and whether it is reached."""
    columns: dict[str, str] = table_catalog(text.language)["columns"]
    rows = [asdict(worded_row(row, text.language)) | {"figure": row_label(row, text.language)} for row in result.table]
    table = pd.DataFrame(rows, columns=list(_WIDTHS_PX))
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config={
            name: st.column_config.TextColumn(columns[name], width=width) for name, width in _WIDTHS_PX.items()
        },
        alt=text.say("dataset.table_alt"),
    )


def show_next_step(dataset: str, text: PageText) -> None:
    """The end of the page: train on the data set."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{text.say('dataset.next')}** {text.say('dataset.next_sentence')}", width="content")
        go_button(TRAIN, text.say("dataset.next_action"), key="next_step", query={"dataset": dataset})
