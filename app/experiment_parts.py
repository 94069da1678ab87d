"""Parts of the Evaluate page: what more data, simulation or a curriculum brings, each measured by a job of several trainings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app.figure_style import PLOT_CONFIG, REFERENCE_LINE, compact, interval_bars
from app.job_view import active_jobs, job_card, job_for_run, launch
from app.text import count, duration, plain
from mvla_core.episodes.dataset import list_datasets
from mvla_core.errors import MvlaError
from mvla_core.experiments.scaling_plan import DEFAULT_SEEDS, DEFAULT_SHARES, expected_seconds, plan_trainings
from mvla_core.experiments.store import Kind, read_result
from mvla_core.files import read_object
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.simulation.journal import FILE_NAME

TITLES: dict[Kind, str] = {"scaling": "More data", "mixing": "Simulation", "curriculum": "Curriculum"}
_ASKS: dict[Kind, str] = {
    "scaling": "The same recipe on growing parts of the training episodes, judged on the same held-out ones.",
    "mixing": "Simulated episodes beside the real ones, judged on real held-out episodes alone.",
    "curriculum": "The simplest episodes first, or all from the start: the other way is trained and compared.",
}
_ICONS = {
    "reached": ":material/check_circle:",
    "more": ":material/trending_down:",
    "helps": ":material/check_circle:",
    "no_help": ":material/do_not_disturb_on:",
    "harms": ":material/do_not_disturb_on:",
    "cannot_tell": ":material/help:",
}
_BAND = "rgba(47, 147, 173, 0.24)"
_LINE = "#2f93ad"


def show_experiments(root: DataRoot, run: RunFolder) -> None:
    """Choose an experiment of a run: its answer, its figures, and the button that starts it.

    Args:
        root: The data root that is served.
        run: A run with an adapter.
    """
    kind = st.segmented_control(
        "Experiment",
        list(TITLES),
        default="scaling",
        required=True,
        format_func=lambda name: TITLES[name],
        key="experiment_kind",
        label_visibility="collapsed",
    )
    st.caption(_ASKS[kind])
    try:
        result = read_result(run, kind)
    except MvlaError as error:
        st.error(plain(str(error)), icon=":material/error:")
        result = None
    if result is not None:
        answer = result["answer"]
        st.info(plain(answer["text"]), icon=_ICONS[answer["code"]])
        if kind == "scaling":
            _show_curve(result)
        else:
            _show_rows(kind, result)
        what = "with twice the episodes, as the curve expects" if kind == "scaling" else "by it"
        st.caption(f"Skill over the clock gained {what}: {plain(_between(result['gain'], '+.1%'))}")
    job = job_for_run("experiment", run.run_id)
    if job is not None and job.active:
        job_card(job.id)
        return
    if job is not None and job.status != "succeeded" and read_object(job.folder.config).get("experiment") == kind:
        job_card(job.id)
    _launch_form(root, run, kind, again=result is not None)


def scaling_figure(result: Mapping[str, Any]) -> go.Figure:
    """Error over the number of training episodes: every training, the fitted law with its 95 % band, target and clock."""
    drawn, unit = result["fit"]["curve"], result["unit"]
    numbers = [point["episodes"] for point in drawn]
    figure = go.Figure()
    figure.add_scatter(
        x=[*numbers, *numbers[::-1]],
        y=[point["high"] for point in drawn] + [point["low"] for point in drawn][::-1],
        fill="toself",
        fillcolor=_BAND,
        line={"width": 0},
        name="95 %",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=numbers,
        y=[point["value"] for point in drawn],
        mode="lines",
        line={"color": _LINE, "width": 2},
        name="fitted law",
        hovertemplate="%{x} episodes: %{y:.3f} " + unit + "<extra></extra>",
    )
    rows = result["trainings"]
    figure.add_scatter(
        x=[row["episodes"] for row in rows],
        y=[row["rmse"] for row in rows],
        mode="markers",
        marker={"size": 9, "color": _LINE},
        error_y=interval_bars(*([row[end] for row in rows] for end in ("rmse", "rmse_low", "rmse_high")), thin=True),
        name="trainings",
        customdata=[row["seed"] for row in rows],
        hovertemplate="%{x} episodes, seed %{customdata}: %{y:.3f} " + unit + "<extra></extra>",
    )
    figure.add_hline(y=result["answer"]["target"], line=REFERENCE_LINE, annotation_text="target")
    figure.add_hline(y=result["clock"]["rmse"], line=REFERENCE_LINE, annotation_text="clock")
    figure.update_xaxes(title_text="training episodes", rangemode="tozero")
    figure.update_yaxes(title_text=f"RMSE [{unit}]", rangemode="tozero")
    return compact(figure)


def _show_curve(result: Mapping[str, Any]) -> None:
    st.plotly_chart(
        scaling_figure(result),
        key="scaling_curve",
        config=PLOT_CONFIG,
        alt="Error over the number of training episodes",
    )
    fit = result["fit"]
    law = ", ".join(
        f"{name} {fit[name]['value']:.3g} ({fit[name]['low']:.3g} to {fit[name]['high']:.3g})" for name in "abc"
    )
    st.caption(
        plain(
            f"Fitted: {fit['form']} with {law}. Bars: held-out episodes drawn anew. Beyond {result['trainings'][-1]['episodes']} "
            f"episodes the curve is a forecast. {count(result['held_out'], 'held-out episode')}."
        )
    )


def _show_rows(kind: Kind, result: Mapping[str, Any]) -> None:
    unit = result["unit"]
    if kind == "mixing":
        rows = [{"trained on": f"{result['mixes'][0]['real']} real", **_cells(result["without"], None)}]
        rows += [
            {
                "trained on": f"{row['real']} real, {row['simulated']} simulated ({row['share']:.0%})",
                **_cells(row["rmse"], row["difference"]),
            }
            for row in result["mixes"]
        ]
    else:
        rows = [
            {"trained on": "all episodes from the start", **_cells(result["without"], None)},
            {"trained on": "the simplest episodes first", **_cells(result["with"], result["difference"])},
        ]
    st.dataframe(rows, hide_index=True, alt="Errors of the trainings")
    st.caption(f"RMSE in {plain(unit)} with 95 % intervals, paired by {count(result['held_out'], 'held-out episode')}.")


def _cells(error: Mapping[str, Any], difference: Mapping[str, Any] | None) -> dict[str, str]:
    return {"RMSE": _between(error, ".3f"), "difference": "" if difference is None else _between(difference, "+.3f")}


def _between(value: Mapping[str, Any], form: str) -> str:
    if value["low"] is None or value["high"] is None:
        return f"{value['value']:{form}} (no interval)"
    return f"{value['value']:{form}} ({value['low']:{form}} to {value['high']:{form}})"


def _launch_form(root: DataRoot, run: RunFolder, kind: Kind, again: bool) -> None:
    config: dict[str, Any] = {"experiment": kind, "run_id": run.run_id}
    busy = any(job.kind == "experiment" for job in active_jobs())
    with st.container(border=True):
        ready = _scaling_options(root, run, config) if kind == "scaling" else True
        if kind == "mixing":
            ready = _mixing_options(root, run, config)
        if st.button(
            "Measure again" if again else "Measure",
            key=f"experiment_{kind}",
            icon=":material/science:",
            type="secondary" if again else "primary",
            disabled=busy or not ready,
        ):
            launch("experiment", config, f"{TITLES[kind]}: experiment of {run.run_id}")
            st.rerun()
        if busy:
            st.caption("Another experiment runs or waits.")


def _scaling_options(root: DataRoot, run: RunFolder, config: dict[str, Any]) -> bool:
    """Fill the configuration in; False where the run cannot be used."""
    left, right = st.columns(2)
    seeds = left.number_input(
        "Trainings of each small part",
        min_value=1,
        max_value=10,
        value=DEFAULT_SEEDS,
        key="experiment_seeds",
        help="Parts of at most a half are trained so often, with different episodes and seeds.",
    )
    target = right.number_input(
        "Error to reach",
        min_value=0.0,
        value=0.0,
        step=0.05,
        format="%.3f",
        key="experiment_target",
        help="RMSE in the unit of the actions; 0 asks for four fifths of today's.",
    )
    config |= {"seeds": int(seeds), "target": float(target) or None}
    try:
        recipe_seed = int(read_object(run.config)["seed"])
        trainings = plan_trainings(len(read_object(run.split)["train"]), DEFAULT_SHARES, int(seeds), recipe_seed)
        seconds = expected_seconds(root, run, DEFAULT_SHARES, int(seeds))
    except MvlaError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return False
    took = "the first one will tell how long" if seconds is None else f"about {duration(seconds)}"
    st.caption(f"{count(len(trainings), 'training')}, {took}. The run itself is the one with all episodes.")
    return True


def _mixing_options(root: DataRoot, run: RunFolder, config: dict[str, Any]) -> bool:
    own = read_object(run.config)["dataset"]
    names = [ref.name for ref in list_datasets(root) if ref.name != own and (ref.folder / FILE_NAME).exists()]
    if not names:
        st.caption("There is no other simulated data set: record one on the page Simulate.")
        return False
    config["simulation"] = st.selectbox("Simulated data set", names, key="experiment_simulation")
    share = st.slider("Share of simulated episodes", 10, 90, 50, 5, format="%d %%", key="experiment_share")
    config["shares"] = [share / 100]
    return True
