"""A table of which one row is always chosen. The choice lives in the URL, so that a link opens the same row.

The URL is changed only when the user chooses: a page that wrote its defaults there would add an entry to the browser's
history each time it is opened, and "back" would never get past it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pandas as pd
import streamlit as st
from streamlit.typing import DataframeState

ROW_HEIGHT_PX = 35


def choose_row(
    rows: pd.DataFrame,
    parameter: str,
    *,
    column_config: dict[str, Any],
    alt: str,
    depending: Sequence[str] = (),
    rows_shown: int = 8,
    row_height: int = ROW_HEIGHT_PX,
    column_order: Sequence[str] | None = None,
    hide_index: bool = False,
) -> str:
    """Show the table and return the index of the chosen row.

    Args:
        rows: At least one row; the index holds the names that the URL uses.
        parameter: Name in the URL, for example "episode".
        column_config: As of `st.dataframe`.
        alt: What the table is, for those who cannot see it.
        depending: Parameters of the URL that belong to the row and are dropped with it.
        rows_shown: How many rows are in sight; the rest scrolls.
        row_height: Of a row, pixels.
        column_order: The columns to show; None shows all.
        hide_index: Whether the names of the rows are shown by a column of their own instead.
    """
    names: list[str] = rows.index.tolist()
    shown, remembered = f"shown_{parameter}", f"chosen_{parameter}"
    key = _table_key(parameter, names)
    wanted = st.query_params.get(parameter)
    if wanted not in names:
        wanted = st.session_state.get(remembered)
    first = names.index(wanted) if wanted in names else 0
    if wanted in names and wanted != st.session_state.get(shown):
        # The URL was changed from outside: a link, or the browser's back button.
        st.session_state[key] = _selection(first)

    def choose() -> None:
        picked = st.session_state[key]["selection"]["rows"]
        if picked:
            address = {name: value for name, value in st.query_params.items() if name not in depending}
            st.query_params.from_dict({**address, parameter: names[picked[0]]})

    event = st.dataframe(
        rows,
        key=key,
        height=row_height * min(len(rows), rows_shown) + ROW_HEIGHT_PX + 2,
        row_height=row_height,
        column_order=column_order,
        hide_index=hide_index,
        on_select=choose,
        selection_mode="single-row-required",
        selection_default=_selection(first),
        column_config=column_config,
        placeholder="",
        alt=alt,
    )
    selected = event.selection.rows
    chosen = str(names[selected[0]] if selected and selected[0] < len(names) else names[first])
    st.session_state[shown] = st.session_state[remembered] = chosen
    return chosen


def _table_key(parameter: str, names: Sequence[str]) -> str:
    """A key that no table of other rows has had: a stored position must not carry over to it.

    Rows that come back after others are a new table too. The browser still knows the position of the old one, and would tell
    it as if the user had chosen it anew.
    """
    before = f"rows_{parameter}"
    held, number = st.session_state.get(before, ((), 0))
    if held != tuple(names):
        number += 1
        st.session_state[before] = (tuple(names), number)
    return f"table_{parameter}_{number}"


def _selection(row: int) -> DataframeState:
    return cast(DataframeState, {"selection": {"rows": [row], "columns": [], "cells": []}})
