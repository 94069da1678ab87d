"""Choosing a data set or a run. The choice lives in the URL and goes along from page to page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.places import EVALUATE, RUNS
from app.session import DATASET_KEY, RUN_KEY, data_root
from app.text import plain
from mvla_core.episodes.dataset import list_datasets
from mvla_core.runs.listing import RunSummary


def pick(parameter: str, label: str, options: Sequence[str]) -> str:
    """A select box whose value is a parameter of the URL, once the user has chosen.

    The widget's own binding does not serve: it leaves the first option out of the URL, so that a link to it would show
    another one as soon as a data set that sorts before it is added.

    Args:
        parameter: Name in the URL, for example "dataset".
        label: Label of the box.
        options: At least one.

    Returns:
        The chosen option.
    """
    key, remembered = f"pick_{parameter}", f"chosen_{parameter}"
    wanted = st.query_params.get(parameter)
    if wanted is not None and wanted not in options:
        st.warning(f"There is no {label.lower()} named {plain(wanted[:80])}; choose one here.")
    if wanted not in options:
        wanted = st.session_state.get(remembered)
    st.session_state[key] = wanted if wanted in options else options[0]

    def choose() -> None:
        # What else the URL named belonged to the option that was left.
        st.query_params.from_dict({parameter: st.session_state[key]})

    chosen = st.selectbox(label, options, key=key, on_change=choose)
    st.session_state[remembered] = chosen
    return chosen


def pick_dataset(label: str = "Data set") -> str | None:
    """Let the user choose a data set; None where there is none."""
    names = [ref.name for ref in list_datasets(data_root())]
    return pick(DATASET_KEY, label, names) if names else None


def pick_run(runs: Sequence[RunSummary], every: Sequence[RunSummary] = ()) -> RunSummary:
    """Let the user choose among runs, of which there is at least one.

    Args:
        runs: Those that the page can show.
        every: All runs. Where the URL names one of these that the page cannot show, the page says so and ends there: another
            run's figures would be taken for its.
    """
    by_id = {run.run_id: run for run in runs}
    wanted = st.query_params.get(RUN_KEY)
    if wanted not in by_id and (named := next((run for run in every if run.run_id == wanted), None)) is not None:
        _tell_not_ready(named)
        _pick_another(list(by_id))
        st.stop()
    return by_id[pick(RUN_KEY, "Run", list(by_id))]


def _tell_not_ready(run: RunSummary) -> None:
    if not run.ended:
        why = f"is {run.status}; this page has something to show once it has ended"
    elif not run.has_adapter:
        why = f"ended as {run.status} and left no policy; its curves, settings and log are there"
    else:
        why = "is not evaluated yet"
    st.info(f"The run {plain(run.run_id)} {why}.", icon=":material/hourglass:")
    place = RUNS if not (run.ended and run.has_adapter) else EVALUATE
    st.page_link(place.path, label=place.title, icon=place.icon, query_params={RUN_KEY: run.run_id})


def _pick_another(names: Sequence[str]) -> None:
    def choose() -> None:
        st.query_params.from_dict({RUN_KEY: st.session_state["pick_another_run"]})

    st.selectbox("Run", names, None, key="pick_another_run", placeholder="Choose another run", on_change=choose)
