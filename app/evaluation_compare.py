"""Two evaluated runs beside each other on the Evaluate page, paired by episode."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.evaluation_detail_figures import forest
from app.figure_style import PLOT_CONFIG
from app.session import data_root
from app.text import between, plain
from mvla_core.errors import MvlaError
from mvla_core.evaluation.paired import compare_runs
from mvla_core.runs.listing import RunSummary


def compare_section(run: RunSummary, others: Sequence[RunSummary]) -> None:
    """Choose another evaluated run of the same data set and say which is better.

    Args:
        run: The page's run.
        others: Evaluated runs of the same data set, without it.
    """
    if not others:
        st.info(
            "There is no other evaluated run of this data set; train and evaluate one to compare.",
            icon=":material/compare_arrows:",
        )
        return
    chosen = st.selectbox("Compared with", [other.run_id for other in others], key="compared_run")
    try:
        found = compare_runs(data_root(), chosen, run.run_id)
    except MvlaError as error:
        st.warning(plain(str(error)), icon=":material/compare_arrows:")
        return
    show = st.info if found.better is None else st.success if found.better == run.run_id else st.warning
    show(plain(found.sentence(a=chosen, b="This run")), icon=":material/compare_arrows:")
    for warning in found.warnings:
        st.caption(f":material/warning: {plain(warning)}")
    rows = [(f"all axes [{found.unit}]", found.difference.to_json())]
    rows += [
        (f"{name} [{axis['unit']}]", {"value": axis["difference"], "low": axis["low"], "high": axis["high"]})
        for name, axis in found.per_axis.items()
    ]
    with st.container(border=True):
        st.markdown("**RMSE of this run minus that of the other; left of zero this run is better**")
        st.plotly_chart(
            forest(rows, "difference of the RMSE", form=".3f"),
            key="paired",
            config=PLOT_CONFIG,
            alt="Paired differences with intervals",
        )
    skill = found.skill.to_json()
    ends = between(skill["low"], skill["high"], "+.0%")
    st.caption(
        f"Skill of this run over the other {found.skill.value:+.0%} ({ends}); it has the lower error in {found.wins} of "
        f"{len(found.episodes)} common test episodes, {found.actions:,} actions."
    )
    table = [
        {
            "axis": name,
            "unit": axis["unit"],
            "the other": axis["rmse_a"],
            "this run": axis["rmse_b"],
            "difference": axis["difference"],
        }
        for name, axis in found.per_axis.items()
    ]
    numbers = {name: st.column_config.NumberColumn(format="%.3f") for name in ("the other", "this run", "difference")}
    with st.expander("In numbers", icon=":material/table_chart:"):
        st.dataframe(pd.DataFrame(table), hide_index=True, column_config=numbers, alt="RMSE of both runs by axis")
