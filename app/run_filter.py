"""Which runs the list shows, and which of their columns."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.run_list import USUAL_COLUMNS
from app.text import plain
from mvla_core.runs.table import RunRecord

_OPTIONAL = ("train loss", "validation RMSE", "skill", "seconds", "parameters", "snapshot", "seed", "note")
ALL_COLUMNS = (*USUAL_COLUMNS[:-1], *_OPTIONAL, USUAL_COLUMNS[-1])


def shown_records(records: Sequence[RunRecord], tags: Sequence[str]) -> list[RunRecord]:
    """Draw the filters that have something to filter, and return the runs that pass."""
    archived = [record for record in records if record.labels.archived]
    shown = list(records)
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.popover("Columns", icon=":material/view_column:"):
            st.pills(
                "Columns of the list",
                ALL_COLUMNS[1:],
                selection_mode="multi",
                default=list(USUAL_COLUMNS[1:]),
                key="run_columns",
            )
        wanted = (
            st.pills(
                "Tags",
                list(tags),
                selection_mode="multi",
                format_func=plain,
                key="run_tags",
                label_visibility="collapsed",
            )
            if tags
            else []
        )
        with_archived = bool(archived) and st.toggle(f"Archived runs ({len(archived)})", key="run_archived")
    if not with_archived:
        shown = [record for record in shown if not record.labels.archived]
    return [record for record in shown if set(wanted) <= set(record.labels.tags)]


def shown_columns() -> list[str]:
    """The columns that were chosen, in the order of the list."""
    chosen = st.session_state.get("run_columns") or USUAL_COLUMNS
    return [name for name in ALL_COLUMNS if name in chosen or name == ALL_COLUMNS[0]]
