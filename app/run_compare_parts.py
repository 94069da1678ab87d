"""Several runs side by side: one metric overlaid, what differs in settings and data, and how seeds spread."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.components.curves.curves import show_overlay
from app.metrics_routes import csv_url
from app.run_list import verdict_text
from app.text import count, plain
from mvla_core.runs.columns import AXES
from mvla_core.runs.curves import MAX_RUNS
from mvla_core.runs.table import (
    DataDifference,
    RunRecord,
    Spread,
    config_differences,
    data_difference,
    seed_groups,
)

COMPARE_KEY = "compare"
METRICS = {
    "epoch.val_loss": "Validation loss",
    "epoch.train_loss": "Train loss, mean of the epoch",
    "epoch.val_rmse": "Validation RMSE, physical units",
    "epoch.val_huber": "Validation Huber, normalised units",
    "step.train_loss": "Train loss, each logged step",
    "step.learning_rate": "Learning rate",
    "step.grad_norm": "Gradient norm",
    "step.windows_per_second": "Windows per second",
    "step.memory_bytes": "Memory of the process, bytes",
    "step.gpu_memory_bytes": "GPU memory, highest so far, bytes",
}
MAX_NAMES = 12


def chosen_runs(known: Sequence[str]) -> list[str]:
    """The runs that the address names for comparison and that exist, in its order."""
    asked = st.query_params.get(COMPARE_KEY, "").split(",")
    return [name for name in dict.fromkeys(asked) if name in known][:MAX_RUNS]


def choose_runs(known: Sequence[str]) -> list[str]:
    """Let the user choose runs to compare; the choice lives in the address, so that a link opens it."""
    chosen = chosen_runs(known)
    key = "compare_choice"
    if st.session_state.get(key) != chosen:
        st.session_state[key] = chosen

    def keep() -> None:
        picked = st.session_state[key]
        if picked:
            st.query_params[COMPARE_KEY] = ",".join(picked)
        else:
            st.query_params.pop(COMPARE_KEY, None)

    st.multiselect(
        "Compare runs",
        list(known),
        key=key,
        on_change=keep,
        max_selections=MAX_RUNS,
        placeholder="Choose two or more runs to lay their curves over each other",
    )
    return chosen


def show_comparison(records: Sequence[RunRecord], *, live: bool) -> None:
    """The comparison of at least two runs."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        metric = st.selectbox("Metric", list(METRICS), format_func=METRICS.__getitem__, key="compare_metric", width=300)
        axis = st.segmented_control("Drawn over", list(AXES), default="epoch", required=True, key="compare_axis")
    names = [record.run_id for record in records]
    show_overlay(names, metric, METRICS[metric], axis, live=live)
    with st.container(horizontal=True):
        for name in names[:MAX_NAMES]:
            st.link_button(f"CSV: {plain(name)}", csv_url(name), icon=":material/table:", type="tertiary")
    _seeds(records)
    _settings(records)
    _data(records)


def _settings(records: Sequence[RunRecord]) -> None:
    st.subheader("Settings that differ", anchor=False)
    differences = config_differences(records)
    if not differences:
        st.caption("None: these runs were made with the same settings.")
        return
    columns = [record.run_id for record in records]
    rows = pd.DataFrame([row.values for row in differences], columns=columns)
    rows.insert(0, "setting", [row.setting for row in differences])
    st.dataframe(rows, hide_index=True, alt="Settings in which the runs differ")


def _data(records: Sequence[RunRecord]) -> None:
    st.subheader("Data that differs", anchor=False)
    reference = records[0]
    st.caption(f"Beside {plain(reference.run_id)}.")
    for record in records[1:]:
        difference = data_difference(reference, record)
        lines = [] if difference.same else _told(difference)
        text = "the same episodes in the same parts" if not lines else "; ".join(lines)
        st.markdown(f"**{plain(record.run_id)}**: {plain(text)}.")


def _told(difference: DataDifference) -> list[str]:
    told = [f"{what} {after} instead of {before}" for what, before, after in difference.facts]
    for label, found in (("added to", difference.added), ("no longer in", difference.removed)):
        told += [f"{count(len(names), 'episode')} {label} {part} ({_named(names)})" for part, names in found.items()]
    if difference.moved:
        ways: dict[tuple[str, str], list[str]] = {}
        for name, before, after in difference.moved:
            ways.setdefault((before, after), []).append(name)
        told += [
            f"{count(len(names), 'episode')} moved from {before} to {after} ({_named(names)})"
            for (before, after), names in ways.items()
        ]
    return told


def _named(names: Sequence[str], shown: int = 3) -> str:
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def _seeds(records: Sequence[RunRecord]) -> None:
    groups = seed_groups(records)
    if all(len(group.records) == 1 for group in groups):
        return
    st.subheader("Seeds of the same configuration", anchor=False)
    st.caption(
        "Mean and, in brackets, the lowest and the highest; a difference between settings counts only beyond that."
    )
    rows = [
        {
            "runs": len(group.records),
            "seeds": ", ".join(str(record.seed) for record in group.records),
            "data set": group.records[0].summary.dataset,
            "recipe": group.records[0].summary.preset,
            "validation loss, best": _spread(group.spread(lambda record: record.summary.best_val_loss)),
            "validation RMSE": _spread(group.spread(lambda record: record.val_rmse)),
            "skill": _spread(group.spread(lambda record: record.skill)),
            "verdicts": ", ".join(sorted({verdict_text(record.verdict) for record in group.records if record.verdict})),
        }
        for group in groups
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Runs that differ in nothing but the seed")


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    if spread.count == 1:
        return f"{spread.mean:.4f}"
    return f"{spread.mean:.4f} ({spread.low:.4f} to {spread.high:.4f})"
