"""The parts of the Data set page, one of which is shown at a time; the choice lives in the URL."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import dataset_figures
from app.audit_parts import said_findings, show_figures_of_merit, show_table
from app.figure_language import said_in
from app.figure_style import PLOT_CONFIG
from app.language import PageText
from app.page_parts import show_findings
from app.session import data_root
from app.vision_parts import look_button, show_conflicts, show_leaks, show_splits, show_vision
from mvla_core.audit.audit import splits_of
from mvla_core.audit.balance import by_instruction, by_scenario
from mvla_core.audit.result import AuditResult
from mvla_core.schema import Finding

SUMMARY, ACTIONS, PICTURES, SPLITS = "summary", "actions", "pictures", "splits"
PLAN, AUGMENTATION, COMPARISON = "plan", "augmentation", "comparison"
PARTS = {
    SUMMARY: ":material/fact_check:",
    ACTIONS: ":material/gamepad:",
    PICTURES: ":material/visibility:",
    SPLITS: ":material/call_split:",
    PLAN: ":material/checklist:",
    AUGMENTATION: ":material/auto_fix_high:",
    COMPARISON: ":material/compare:",
}
_PARAMETER = "part"


def pick_part(parts: dict[str, str], text: PageText) -> str:
    """Let the user choose a part of the page; the URL keeps it."""
    wanted = st.query_params.get(_PARAMETER, SUMMARY)
    st.session_state["dataset_part"] = wanted if wanted in parts else SUMMARY

    def choose() -> None:
        chosen = st.session_state["dataset_part"] or SUMMARY
        st.query_params[_PARAMETER] = chosen

    chosen = st.segmented_control(
        text.say("parts.label"),
        list(parts),
        key="dataset_part",
        format_func=lambda name: f"{parts[name]} {text.say(f'parts.{name}')}",
        label_visibility="collapsed",
        on_change=choose,
    )
    return chosen or SUMMARY


def headlines_of(result: AuditResult) -> list[Finding]:
    """The findings that answer the two questions of an audit: would a clock do, and are pictures needed?"""
    kinds = ("clock_", ("vision_", "pictures_unseen"))
    found = (next((f for f in result.findings if f.code.startswith(kind)), None) for kind in kinds)
    return [finding for finding in found if finding is not None]


def show_summary(result: AuditResult, headlines: Sequence[Finding], text: PageText) -> None:
    """The figures a reader asks for first, what is wrong, and the briefing's table."""
    show_figures_of_merit(result, text)
    others = [finding for finding in result.findings if finding not in headlines]
    serious = [finding for finding in others if finding.level in ("error", "warning")]
    if serious:
        st.subheader(text.say_count("findings.serious", len(serious)), anchor=False)
        show_findings(said_findings(serious, text.language))
    hints = [finding for finding in others if finding not in serious]
    if hints:
        with st.expander(text.say_count("findings.remarks", len(hints)), icon=":material/info:"):
            show_findings(said_findings(hints, text.language))
    st.subheader(text.say("dataset.table"), anchor=False)
    show_table(result, text)


def show_actions(result: AuditResult, text: PageText) -> None:
    """How the commands are distributed."""
    if result.action_space is None:
        st.info(text.say("figures.none"))
        return
    figures = {
        "histograms": dataset_figures.histograms(result, result.action_space),
        "joint": dataset_figures.joint_actions(result, result.action_space),
        "directions": dataset_figures.direction_shares(result),
        "determinism": dataset_figures.determinism_by_index(result),
        "transitions": dataset_figures.transition_shares(result),
        "lengths": dataset_figures.episode_lengths(result),
        "times": dataset_figures.times_of_day(result),
        "by_instruction": dataset_figures.balance(by_instruction(result.episodes)),
        "by_scenario": dataset_figures.balance(by_scenario(result.episodes)),
    }
    with st.grid(2, min_column_width=340):
        for name, figure in figures.items():
            if figure is None:
                continue
            with st.container(border=True, height="stretch"):
                title = text.say(f"figures.{name}")
                st.markdown(f"**{title}**")
                # An instruction may be called "left": names of groups are never translated.
                said = said_in(figure, text.language, directions=not name.startswith("by_"))
                st.plotly_chart(said, key=f"figure_{name}", config=PLOT_CONFIG, alt=title)


def show_pictures(dataset: str, result: AuditResult, text: PageText) -> None:
    """What the pictures say, as far as they have been looked at."""
    pictures = result.pictures
    look_button(dataset, pictures, text)
    if pictures is None or not pictures.looked_at:
        return
    episodes = {info.episode_id: info for info in result.episodes}
    if pictures.vision is not None:
        show_vision(pictures.vision, text)
    if pictures.conflicts is not None:
        show_conflicts(pictures.conflicts, episodes, text)
    else:
        st.info(text.say("conflicts.cannot_tell"), icon=":material/help:")
    if pictures.leaks is not None:
        show_leaks(pictures.leaks, episodes, text)


def show_ways_to_split(result: AuditResult, text: PageText) -> None:
    """The ways to split side by side."""
    st.subheader(text.say("splits.title"), anchor=False)
    show_splits(splits_of(data_root(), result), text)
