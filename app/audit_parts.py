"""Parts of the Data set page: the sentence about the clock, the figures of merit, the table, the window settings."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.text import plain
from mvla_core.audit.result import AuditResult
from mvla_core.audit.table import TableRow
from mvla_core.datasets.windows import WindowSpec
from mvla_core.schema import Finding

_STATUS_WORDS = {"ok": "reached", "info": "below the goal", "warning": "too little", "error": "too little", "none": ""}
_CLOCK_TITLES = {
    "clock_suffices": "A clock would do",
    "clock_explains_part": "A clock explains a part",
    "clock_fails": "A clock would not do",
    "clock_undecided": "It cannot be told yet whether a clock would do",
}


def show_clock(finding: Finding) -> None:
    """The headline of an audit: can a low loss be had here without looking?"""
    show = {"error": st.error, "warning": st.warning, "info": st.info, "ok": st.success}[finding.level]
    text = plain(finding.message)
    if finding.next:
        text += f"\n\n**Next.** {plain(finding.next)}"
    show(text, title=_CLOCK_TITLES.get(finding.code, "Clock"), icon=":material/schedule:")


def show_figures_of_merit(result: AuditResult) -> None:
    """The few numbers that a reader asks for first."""
    alike = result.determinism.mean
    parts = result.part_windows
    with st.grid(5, min_column_width=150):
        st.metric("Episodes", f"{len(result.episodes):,}", border=True, height="stretch")
        st.metric("Frames", f"{result.frames:,}", border=True, height="stretch")
        st.metric(
            "Training windows",
            f"{parts['train']:,}" if parts else "-",
            border=True,
            height="stretch",
            help="Windows of the training part of the split. "
            + (
                f"Validation {parts['validation']:,}, test {parts['test']:,}."
                if parts
                else "The data set cannot be split yet."
            ),
        )
        st.metric(
            "Different sequences",
            f"{result.unique_sequences:,}",
            border=True,
            height="stretch",
            help="Episodes whose commands are not an exact copy of another episode's.",
        )
        st.metric(
            "Determinism",
            "-" if alike is None else f"{alike:.0%}",
            border=True,
            height="stretch",
            help="How many episodes give the same command at the same frame index, on average.",
        )


def window_settings() -> tuple[WindowSpec, int]:
    """What a training would cut out of the episodes, and the seed of its split."""
    with st.expander("Windows and split", icon=":material/tune:"), st.container(horizontal=True):
        size = st.number_input("Observed frames", 1, 64, 4, key="audit_window", persist_state="session")
        chunk = st.number_input("Predicted actions", 1, 64, 10, key="audit_chunk", persist_state="session")
        seed = st.number_input("Seed of the split", 0, 2**31 - 1, 0, key="audit_seed", persist_state="session")
    return WindowSpec(int(size), int(chunk)), int(seed)


def show_table(result: AuditResult) -> None:
    """Every figure with the recommended value, who recommends it, and whether it is reached."""
    st.dataframe(
        pd.DataFrame([_table_row(row) for row in result.table]),
        hide_index=True,
        height="content",
        column_config={"why": st.column_config.TextColumn(width="large")},
        alt="Figures of the data set beside recommended values",
    )


def _table_row(row: TableRow) -> dict[str, str]:
    share = row.name in ("diversity", "determinism", "clock_explained", "forward_share")
    bound = {"at_least": "at least ", "at_most": "at most "}.get(row.sense or "", "")
    return {
        "figure": row.label,
        "value": _number(row.value, share, row.unit),
        "recommended": "" if row.recommended is None else bound + _number(row.recommended, share, row.unit),
        "status": _STATUS_WORDS[row.status] if row.sense != "at_most" or row.status in ("ok", "none") else "too much",
        "by": row.source,
        "why": row.reason,
    }


def _number(value: float | None, share: bool, unit: str) -> str:
    if value is None:
        return "-"
    if share:
        return f"{value:.1%}"
    text = f"{value:,.0f}" if float(value).is_integer() and not unit else f"{value:,.2f}"
    return f"{text} {unit}".strip()
