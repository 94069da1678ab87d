"""The upper half of the page Episodes: which data sets, which of their episodes, and the table to choose one from."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app.bulk_parts import Targets
from app.catalogues import folder_state, known_dataset
from app.choice_table import choose_row
from app.episode_filter import choose_filter, group_counts
from app.episode_table import COLUMNS, episode_rows, shown_columns
from app.filter_memory import keep_to
from app.session import DATASET_KEY, EPISODE_KEY, FRAME_KEY, data_root
from app.text import count
from mvla_core.episodes.dataset import list_datasets

ALL_KEY = "all"
"""In the URL: the episodes of all data sets are shown."""
ENTRY_KEY = "entry"
"""In the URL: data set and episode, where all are shown."""
WATCH_INTERVAL_S = 2.0
TABLE_ROW_PX = 44
PAGE_ROWS = 500
"""Rows sent to the browser at once; more would make every click wait for megabytes."""


@dataclass(frozen=True)
class Choice:
    """What the user chose.

    Attributes:
        dataset: Of the chosen episode.
        episode_id: The chosen episode, None where the filter shows none.
        parameter: The URL's name for the chosen row.
        names: The rows shown, in order, as the URL names them.
        targets: The same as data set and episode id.
        link: What the URL must hold to show the episode again.
    """

    dataset: str
    episode_id: str | None
    parameter: str
    names: list[str]
    targets: Targets
    link: dict[str, str]


def all_wanted() -> bool:
    """Whether the URL asks for the episodes of all data sets."""
    return st.query_params.get(ALL_KEY) == "1"


def pick_all() -> bool:
    """Let the user see the episodes of all data sets in one table."""
    st.session_state["pick_all"] = all_wanted()

    def choose() -> None:
        st.query_params.from_dict({ALL_KEY: "1"} if st.session_state["pick_all"] else {})

    return st.toggle("All data sets", key="pick_all", on_change=choose)


def all_rows() -> pd.DataFrame:
    """The episodes of all data sets, named "dataset/episode"."""
    parts = [episode_rows(ref.name) for ref in list_datasets(data_root())]
    parts = [rows.set_axis(rows["dataset"].astype(str) + "/" + rows.index, axis=0) for rows in parts if len(rows)]
    return pd.concat(parts) if parts else pd.DataFrame()


def choose_episode(rows: pd.DataFrame, dataset: str | None) -> Choice:
    """Filter, count and choose.

    Args:
        rows: At least one.
        dataset: None where the rows are of all data sets.
    """
    chosen_filter, by = choose_filter(rows, dataset is None)
    found = chosen_filter.apply(rows)
    excluded = int(found["excluded"].notna().sum())
    told = (
        count(len(found), "episode") if len(found) == len(rows) else f"{len(found):,} of {count(len(rows), 'episode')}"
    )
    st.caption(f"{told}, {int(found['frames'].sum()):,} frames" + (f", {excluded:,} excluded" if excluded else ""))
    if by is not None and len(found):
        counted = group_counts(found, by)
        st.dataframe(counted, key="group_counts", height=min(len(counted), 6) * 35 + 38, alt=f"Episodes by {by}")
    parameter = ENTRY_KEY if dataset is None else EPISODE_KEY
    targets = list(zip(found["dataset"].astype(str), (name.rsplit("/", 1)[-1] for name in found.index), strict=True))
    if not len(found):
        st.info("No episode fits the filter.", icon=":material/filter_list_off:")
        return Choice(dataset or "", None, parameter, [], [], {})
    page = _page_of(found, parameter)
    name = choose_row(
        page,
        parameter,
        column_config=COLUMNS,
        column_order=shown_columns(found, dataset is None),
        depending=(FRAME_KEY,),
        alt="Episodes; choose one to play it",
        rows_shown=6,
        row_height=TABLE_ROW_PX,
        hide_index=True,
    )
    own = str(found.at[name, "dataset"])
    link = {ALL_KEY: "1", ENTRY_KEY: name} if dataset is None else {DATASET_KEY: own, EPISODE_KEY: name}
    return Choice(own, name.rsplit("/", 1)[-1], parameter, page.index.tolist(), targets, link)


def _page_of(found: pd.DataFrame, parameter: str) -> pd.DataFrame:
    """The part of many rows that is sent to the browser, sorted here: the browser can only sort what it has."""
    if len(found) <= PAGE_ROWS:
        return found
    with st.container(horizontal=True, vertical_alignment="bottom"):
        others = (name for name in shown_columns(found, True) if name not in ("pictures", "tags", "episode"))
        options = ["episode", *others]
        keep_to("sort_by", options)
        by = st.selectbox("Sort all by", options, key="sort_by", width=200)
        down = st.toggle("Largest first", key="sort_down")
        ordered = found.sort_values(by, ascending=not down, kind="stable")
        pages = -(-len(found) // PAGE_ROWS)
        wanted = st.query_params.get(parameter)
        if wanted in ordered.index and wanted != st.session_state.get(f"shown_{parameter}"):
            st.session_state["table_page"] = int(ordered.index.get_loc(wanted)) // PAGE_ROWS + 1
        st.session_state["table_page"] = min(st.session_state.get("table_page", 1), pages)
        page = st.number_input(f"Page, of {pages}", 1, pages, key="table_page", width=130)
    return ordered.iloc[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]


def watch_toggle(dataset: str | None) -> None:
    """Look for new recordings every few seconds while the user wants it; opens no file unless something changed."""
    if not st.toggle("Watch for new recordings", key="watching"):
        return
    names = [ref.name for ref in list_datasets(data_root())] if dataset is None else [dataset]
    _watch({name: known_dataset(data_root(), name).state for name in names}, dataset is None)


@st.fragment(run_every=WATCH_INTERVAL_S)
def _watch(drawn: dict[str, str], several: bool) -> None:
    root = data_root()
    names = [ref.name for ref in list_datasets(root)] if several else list(drawn)
    if {name: folder_state(root.dataset(name)) for name in names} != drawn:
        st.rerun()
    st.caption(f":material/visibility: looked at {time.strftime('%H:%M:%S')}")
