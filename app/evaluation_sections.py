"""The details of an evaluation, in tabs that are drawn when they are opened. What was not measured says how to measure it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from app import evaluation_figures
from app.evaluation_detail_figures import error_by_step, forest, shift_ladder
from app.evaluation_launch import full_suite_button
from app.evaluation_parts import show_baselines, show_evidence, show_rules
from app.figure_style import PLOT_CONFIG
from app.text import between, count, plain
from mvla_core.evaluation.wording import lookup

Results = Mapping[str, Any]
SECTION_KEY = "evaluation_section"
WHY, BASELINES, INPUTS, SHIFT, ERRORS, MOTION = (
    "Why",
    "Baselines",
    "Inputs taken away",
    "Shift",
    "Where it errs",
    "Motion",
)
_SECTION_OF = {
    "skill": BASELINES,
    "wins": BASELINES,
    "clock": BASELINES,
    "sequences": BASELINES,
    "scenes": BASELINES,
    "first_window": ERRORS,
    "collapse": ERRORS,
    "variation": ERRORS,
    "recall": ERRORS,
    "rare_direction": ERRORS,
    "opposites": ERRORS,
    "pictures": INPUTS,
    "instruction": INPUTS,
    "history": INPUTS,
    "shift": SHIFT,
}
_FALLS = (("falls_off", "falls_off_at"), ("reaches_zero", "reaches_zero_at"))
_NUMBER = st.column_config.NumberColumn(format="%.3f")


def section_of(code: str) -> str | None:
    """The tab that shows what a measured statement stands on; None where no figure does."""
    return next((section for begin, section in _SECTION_OF.items() if code.startswith(begin)), None)


def show_sections(results: Results, more: Mapping[str, Callable[[], None]]) -> None:
    """Draw the tab that is open.

    Args:
        results: Of the run.
        more: Further tabs by title, drawn by what they name.
    """
    sections: dict[str, Callable[[], None]] = {
        WHY: lambda: _why(results),
        BASELINES: lambda: _baselines(results),
        INPUTS: lambda: _inputs(results),
        SHIFT: lambda: _shift(results),
        ERRORS: lambda: _errors(results),
        MOTION: lambda: _motion(results),
        **more,
    }
    for tab, draw in zip(st.tabs(list(sections), key=SECTION_KEY, on_change="rerun"), sections.values(), strict=True):
        if tab.open:
            with tab:
                draw()


def not_measured(results: Results, what: str, key: str, reason: str = "") -> None:
    """Say that a figure is not there, why, and how to get it."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(
            f":material/help: **{what[0].upper()}{what[1:]}: not measured.** {plain(reason) or 'The full suite measures it.'}",
            width="stretch",
        )
        if not reason:
            full_suite_button(str(results["run_id"]), key=f"full_{key}")


def _open(section: str) -> None:
    st.session_state[SECTION_KEY] = section


def _why(results: Results) -> None:
    show_evidence(results["verdict"], section_of, _open)
    show_rules()


def _baselines(results: Results) -> None:
    charts = {
        "Skill with its 95 % interval": evaluation_figures.skill_forest(results["baselines"]),
        "Error along the chunk": evaluation_figures.error_along_chunk(results),
    }
    with st.grid(2, min_column_width=340):
        for title, figure in charts.items():
            with st.container(border=True, height="stretch"):
                st.markdown(f"**{title}**")
                st.plotly_chart(figure, key=f"figure_{title}", config=PLOT_CONFIG, alt=title)
    show_baselines(results["baselines"])
    for name, reason in results.get("baselines_not_measured", {}).items():
        not_measured(results, _baseline_name(name), f"baseline_{name}", reason)
    for name in ("nearest_picture", "picture_blind"):
        if name not in results["baselines"] and name not in results.get("baselines_not_measured", {}):
            not_measured(results, _baseline_name(name), f"baseline_{name}")


def _baseline_name(name: str) -> str:
    try:
        return lookup("en", f"baselines.{name}")
    except KeyError:
        # A later suite may measure more of them than the wording knows.
        return name.replace("_", " ").capitalize()


def _inputs(results: Results) -> None:
    """What the policy does without an input: the direct test of whether it looks and listens."""
    _reliance(results)
    ablations = results["ablations"]
    measured = {name: found for name, found in ablations.items() if found["measured"]}
    if measured:
        with st.grid(2, min_column_width=340):
            for title, key, axis, form in (
                ("How much the actions change", "change", "root mean square change [driver's deviations]", ".2f"),
                ("How much the squared error grows", "rise", "growth of the squared error", ".0%"),
            ):
                with st.container(border=True, height="stretch"):
                    st.markdown(f"**{title}**")
                    rows = [(_ablation_name(name), found[key]) for name, found in measured.items()]
                    st.plotly_chart(forest(rows, axis, form=form), key=f"ablation_{key}", config=PLOT_CONFIG, alt=title)
    for name, found in ablations.items():
        if not found["measured"]:
            not_measured(results, _ablation_name(name), f"ablation_{name}", found["reason"])
    st.caption("Near zero on the left: the policy does the same without it, so it does not use it.")


def _reliance(results: Results) -> None:
    reliance = results.get("reliance")
    if reliance is None:
        not_measured(results, "Reliance on vision, instruction and history", "reliance")
        return
    with st.grid(3, min_column_width=170):
        for name in ("vision", "instruction", "history"):
            found = reliance.get(name, {"measured": False, "reason": "Results of an older version do not hold it."})
            if not found["measured"]:
                st.metric(f"Reliance on {name}", "not measured", help=found["reason"], border=True, height="stretch")
                continue
            ends = between(found["low"], found["high"], ".0%")
            st.metric(
                f"Reliance on {name}",
                f"{found['value']:.0%}",
                ends,
                delta_color="off",
                delta_arrow="off",
                help=f"Measured by {_ablation_name(str(found['by']))}." if found.get("by") else None,
                border=True,
                height="stretch",
            )


def _ablation_name(name: str) -> str:
    words = {
        "pictures_blank": "grey pictures",
        "pictures_noise": "noise for pictures",
        "pictures_frozen": "first picture frozen",
        "pictures_other": "another episode's pictures",
        "pictures_moment": "another episode's pictures, another moment",
        "pictures_left_hidden": "left half hidden",
        "pictures_right_hidden": "right half hidden",
        "instruction_swap": "opposite instruction",
        "instruction_empty": "no instruction",
        "instruction_other": "another episode's instruction",
        "history_hidden": "no past frames",
    }
    return words.get(name, name.replace("_", " "))


def _shift(results: Results) -> None:
    """Error and skill where the world differs from what the policy was trained on, rung by rung."""
    ladder = results.get("shift")
    if not ladder or not ladder.get("rungs"):
        reason = "" if not ladder else str(ladder.get("reason", ""))
        not_measured(results, "The shift ladder", "shift", reason)
        return
    rungs = ladder["rungs"]
    falls, zero = (_rung_names(ladder, *names) for names in _FALLS)
    st.markdown(
        f"**It falls off at: {plain(falls)}.** Of each kind of change that is the weakest at which its skill is measurably lower."
        if falls
        else "**No rung is measurably worse than the undisturbed held-out part.**"
    )
    if zero:
        st.markdown(f"It is no longer shown to beat the clock at: **{plain(zero)}**.")
    with st.container(border=True):
        st.plotly_chart(
            shift_ladder(rungs), key="shift_ladder", config=PLOT_CONFIG, alt="Skill on every rung of the shift ladder"
        )
        st.caption("Dashed: the clock. Dotted: the undisturbed held-out part.")
    rows = [
        {
            "what": rung["text"],
            "skill": evaluation_figures.interval_text(rung) if rung.get("measured") else "not measured",
            "RMSE": rung.get("rmse"),
            "episodes": rung.get("episodes"),
            "windows": rung.get("windows"),
            "why not": rung.get("reason", ""),
        }
        for rung in rungs
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config={"RMSE": _NUMBER}, alt="The rungs in numbers")
    extent = ladder.get("extent", {})
    if extent:
        st.caption(f"Pictures were disturbed in {extent['disturbed_episodes']} of {extent['of_episodes']} episodes.")


def _rung_names(ladder: Mapping[str, Any], key: str, before: str) -> str:
    """The rungs that a ladder names under a key; one of an earlier release names a single one under another key."""
    if key in ladder:
        return ", ".join(rung["text"] for rung in ladder[key])
    return str(ladder.get(before) or "")


def _errors(results: Results) -> None:
    """Where in an episode, and on which episodes, the error is made."""
    metrics = results["metrics"]
    with st.container(border=True):
        st.markdown("**Which way it drives**")
        figure = evaluation_figures.confusion(results["directions"])
        st.plotly_chart(figure, key="confusion", config=PLOT_CONFIG, alt="Directions of driver and policy")
    with st.container(border=True):
        st.markdown("**Error of each axis along the chunk**")
        figure = error_by_step(metrics["per_step"], results["actions"]["names"])
        st.plotly_chart(figure, key="error_by_step", config=PLOT_CONFIG, alt="RMSE of each axis by step of the chunk")
    _parts(results, "Beginning, middle and end of an episode", metrics.get("phases"), "phases")
    _parts(results, "Critical moments: starts, stops, turns", metrics.get("critical"), "critical")
    groups = results.get("groups")
    if groups is None:
        not_measured(results, "Errors by scenario and session", "groups")
        return
    for name, title in (("instruction", "By instruction"), ("scenario", "By scenario"), ("session", "By session")):
        found = {part["name"] or "(none)": part for part in groups.get(name, [])}
        _parts(results, title, found or None, f"group_{name}")


def _parts(results: Results, title: str, parts: Mapping[str, Any] | None, key: str) -> None:
    """Parts of the actions beside each other: error, direction, skill."""
    if parts is None:
        not_measured(results, title, key)
        return
    known = {name: part for name, part in parts.items() if isinstance(part, Mapping) and "measured" in part}
    rows = []
    for name, part in known.items():
        if not part["measured"]:
            rows.append({"part": name, "why not": part["reason"]})
            continue
        clock = results["clock"]["baseline"]
        skill = part.get("skill", {}).get(clock, {})
        rows.append(
            {
                "part": name,
                "RMSE": _figure(part["errors"]["rmse"]),
                "direction right": _figure(part["direction_accuracy"], ".0%"),
                f"skill over {_baseline_name(clock)}": _figure(skill, "+.0%"),
                "episodes": part["episodes"],
                "actions": part["actions"],
                "why not": "",
            }
        )
    st.markdown(f"**{title}**")
    columns = list(dict.fromkeys(name for row in rows for name in row if name != "why not"))
    if any(row["why not"] for row in rows):
        columns.append("why not")
    frame = pd.DataFrame([{name: row.get(name) for name in columns} for row in rows])
    st.dataframe(frame, hide_index=True, key=f"parts_{key}", alt=title)


def _motion(results: Results) -> None:
    """How the predicted motion looks over time, and how long a prediction takes."""
    metrics = results["metrics"]
    latency = results["latency"]
    with st.grid(4, min_column_width=200):
        _motion_metric(
            "Cosine similarity", metrics.get("cosine"), "", ".2f", "1: always the driver's way, where the driver moves."
        )
        drift = metrics.get("drift")
        _motion_metric(
            "Drift",
            drift and {**drift, **(drift.get("rate") or {})},
            " m/s",
            ".3f",
            "How fast the integrated ways part.",
        )
        smooth = metrics.get("smoothness")
        _motion_metric(
            "Smoothness",
            smooth and {**smooth, **(smooth.get("ratio") or {})},
            " x",
            ".2f",
            "Change from step to step beside the driver's: above 1 it is rougher.",
        )
        consistent = metrics.get("consistency")
        _motion_metric(
            "Chunk consistency",
            consistent and {**consistent, **(consistent.get("normalised") or {})},
            "",
            ".2f",
            "Spread of what overlapping chunks say of the same instant, in the driver's deviations: 0 is one opinion.",
        )
        st.metric(
            "One prediction, half of them",
            f"{latency['p50_ms']:.0f} ms",
            f"99 of 100: {latency['p99_ms']:.0f} ms",
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
    if "warm_ups" in latency:
        st.caption(
            f"{count(latency['predictions'], 'prediction')} timed after {latency['warm_ups']} that warm up; each encodes "
            f"{count(latency['pictures'], 'new picture')}."
        )
    if latency.get("frame_rate_hz"):
        st.caption(
            f"At {latency['frame_rate_hz']:.3g} frames a second there are {1000 / latency['frame_rate_hz']:.0f} ms for each."
        )
    if any(metrics.get(name) is None for name in ("cosine", "drift", "smoothness", "consistency")):
        not_measured(results, "Drift, smoothness and chunk consistency", "motion")
    per_episode = (drift or {}).get("per_episode")
    if per_episode:
        with st.expander("Drift of each episode", icon=":material/table_chart:"):
            frame = pd.DataFrame(per_episode)
            st.dataframe(frame, hide_index=True, key="drift_episodes", alt="Drift of each held-out episode")
    if left_out := results.get("left_out"):
        reasons = "; ".join(str(one["reason"]) for one in left_out[:3])
        st.warning(f"{count(len(left_out), 'test episode')} could not be measured: {plain(reasons)}")


def _motion_metric(label: str, found: Mapping[str, Any] | None, unit: str, form: str, hint: str) -> None:
    if found is None or found.get("measured") is False or found.get("value") is None:
        reason = (found or {}).get("reason", "Evaluate again to measure it.")
        st.metric(label, "not measured", help=f"{hint} {reason}", border=True, height="stretch")
        return
    ends = between(found.get("low"), found.get("high"), form)
    st.metric(
        label,
        f"{found['value']:{form}}{unit}",
        ends,
        delta_color="off",
        delta_arrow="off",
        help=hint,
        border=True,
        height="stretch",
    )


def _figure(found: Mapping[str, float | None], form: str = ".3f") -> str:
    value, low, high = found.get("value", found.get("skill")), found.get("low"), found.get("high")
    if value is None:
        return "-"
    return f"{value:{form}}" if low is None or high is None else f"{value:{form}} ({low:{form}} to {high:{form}})"
