"""Parts of the Evaluate page: verdict, evidence, metrics with intervals, baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import pandas as pd
import streamlit as st

from app.evaluation_figures import interval_text
from app.text import between, plain
from mvla_core.evaluation.wording import lookup

_GOOD = frozenset({"learned"})
_MIXED = frozenset({"partly_learned", "cannot_tell"})


def show_verdict(verdict: Mapping[str, Any]) -> None:
    """The verdict in one sentence, with what to do next."""
    show = st.success if verdict["label"] in _GOOD else st.warning if verdict["label"] in _MIXED else st.error
    steps = "".join(f"\n\n**Next.** {plain(step['text'])}" for step in verdict["next"])
    show(
        plain(verdict["sentence"]) + steps, title=lookup("en", f"labels.{verdict['label']}"), icon=":material/balance:"
    )


def show_evidence(
    verdict: Mapping[str, Any], section_of: Callable[[str], str | None], open_section: Callable[[str], None]
) -> None:
    """What speaks for and what against, and what was not measured.

    Args:
        verdict: Of the run.
        section_of: Code of a statement -> the section whose figure it stands on, None where there is none.
        open_section: Opens a section.
    """
    columns = st.columns(2)
    sides = (("For", True, ":green[:material/add_circle:]"), ("Against", False, ":red[:material/do_not_disturb_on:]"))
    for column, (title, supports, icon) in zip(columns, sides, strict=True):
        with column.container(border=True, height="stretch", gap="xsmall"):
            st.markdown(f"**{title}**")
            items = [item for item in verdict["evidence"] if item["for"] is supports]
            # By figure, and a figure's statements in one piece: each element on its own would keep the browser busy.
            for section in dict.fromkeys(section_of(item["code"]) for item in items):
                if section is not None:
                    st.button(
                        section,
                        icon=":material/insights:",
                        type="tertiary",
                        help="Opens the figures that these statements stand on.",
                        key=f"figures_{section}_{supports}",
                        on_click=open_section,
                        args=(section,),
                    )
                found = [item for item in items if section_of(item["code"]) == section]
                st.markdown("\n\n".join(f"{icon} {plain(item['text'])}" for item in found))
            if not items:
                st.caption("Nothing.")
    if verdict["not_measured"]:
        reasons = "; ".join(f"{item['code'].replace('_', ' ')} ({item['reason']})" for item in verdict["not_measured"])
        st.caption(f"Not measured: {plain(reasons)}.")


def show_rules() -> None:
    """How evidence becomes a verdict, as the rule file states it."""
    opened = st.expander(
        "The rules behind the verdict", icon=":material/gavel:", on_change="rerun", key="verdict_rules"
    )
    if opened.open:
        text = resources.files("mvla_core.evaluation").joinpath("verdict_rules.toml").read_text(encoding="utf-8")
        opened.code(text, language="toml", height=420)


def show_metrics(results: Mapping[str, Any]) -> None:
    """The figures of merit with their 95 % intervals by episode."""
    metrics, intervals = results["metrics"], results["metrics"]["intervals"]
    with st.grid(4, min_column_width=170):
        for label, key, form in (
            ("RMSE", "rmse", ".3f"),
            ("MAE", "mae", ".3f"),
            ("Huber loss", "huber", ".3f"),
            ("Direction right", "direction_accuracy", ".0%"),
        ):
            st.metric(
                label,
                format(metrics[key], form),
                between(intervals[key]["low"], intervals[key]["high"], form),
                delta_color="off",
                delta_arrow="off",
                border=True,
                height="stretch",
            )
    st.caption(
        f"{results['episodes']} held-out episodes, {results['windows']:,} windows, {results['actions_compared']:,} actions "
        f"compared. Averages: {plain(results['averages'])}"
    )
    axes = [
        {
            "axis": f"{name} [{value['unit']}]",
            "RMSE": value["rmse"],
            "95 %": between(value["low"], value["high"], ".3f"),
            "MAE": value["mae"],
        }
        for name, value in metrics["per_axis"].items()
    ]
    numbers = {name: st.column_config.NumberColumn(format="%.3f") for name in ("RMSE", "MAE")}
    # Drawn when it is opened: a table's script is large, and the overlay below would wait for it.
    opened = st.expander("Errors of each axis", icon=":material/table_chart:", on_change="rerun", key="errors_of_axes")
    if opened.open:
        opened.dataframe(pd.DataFrame(axes), hide_index=True, column_config=numbers, alt="Errors of each velocity axis")


def show_baselines(baselines: Mapping[str, Mapping[str, Any]]) -> None:
    """Every predictor that never looks, with the policy's skill against it."""
    rows = [
        {
            "against": lookup("en", f"baselines.{name}"),
            "its RMSE": value["rmse"],
            "its direction": value["direction_accuracy"],
            "skill of the policy": interval_text(value),
            "episodes won": value["wins"],
        }
        for name, value in baselines.items()
    ]
    columns = {
        "its RMSE": st.column_config.NumberColumn(format="%.3f"),
        "its direction": st.column_config.NumberColumn(format="percent"),
    }
    with st.expander("The baselines in numbers", icon=":material/table_chart:"):
        st.dataframe(
            pd.DataFrame(rows), hide_index=True, column_config=columns, alt="Baselines and the skill against them"
        )
