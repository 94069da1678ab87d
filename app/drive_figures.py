"""Figures of a closed-loop evaluation: success with its intervals, and the ways of all trials from above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from app.figure_style import REFERENCE_LINE, compact, interval_bars

SUCCESS, FAILURE = "#1f8a70", "#d1495b"
"""Green and red that differ in lightness too, and are drawn as a full and a dotted line."""
PATHS_HEIGHT_PX = 460
ROW_PX = 34
SUITE_NAMES: dict[str, str] = {
    "similar": "Similar",
    "slightly_different": "Slightly different",
    "new": "New",
    "sudden_obstacle": "Sudden obstacle",
    "sharp_turn": "Sharp turn",
    "goal_hidden": "Goal out of view",
    "dark": "Dark",
    "camera_moved": "Camera moved",
    "against_habit": "Against habit",
}
FAILURE_NAMES: dict[str, str] = {
    "collided": "touched something",
    "wrong_side": "wrong side",
    "not_reached": "not at the goal",
    "not_stopped": "did not stop",
    "not_facing": "not facing the goal",
    "drove_on": "drove on",
    "stopped_early": "stopped early",
    "stopped_anyway": "stopped without the obstacle too",
    "stale": "no answer in time",
    "not_finite": "answered with no number",
}


def share_text(found: Mapping[str, Any]) -> str:
    """A share with its interval: "92 % (82 to 97)"."""
    if found["value"] is None:
        return "no trial"
    return f"{found['value']:.0%} ({100 * found['low']:.0f} to {100 * found['high']:.0f})"


def success_forest(suites: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    """Success of the policy by suite with Wilson's 95 % interval, and of the best driver that never looks."""
    names = list(suites)[::-1]
    found = [suites[name]["success"] for name in names]
    values = [one["value"] for one in found]
    labels = [SUITE_NAMES[name] for name in names]
    blind = [max(one["success"]["value"] for one in suites[name]["baselines"].values()) for name in names]
    figure = go.Figure()
    figure.add_scatter(
        x=blind,
        y=labels,
        mode="markers",
        name="best of those that never look",
        marker={"size": 9, "symbol": "x-thin", "line": {"width": 2, "color": REFERENCE_LINE["color"]}},
        hovertemplate="%{y}, without looking: %{x:.0%}<extra></extra>",
    )
    figure.add_scatter(
        x=values,
        y=labels,
        mode="markers",
        name="policy",
        marker={"size": 11, "symbol": "diamond"},
        error_x=interval_bars(*([one[end] for one in found] for end in ("value", "low", "high"))),
        customdata=[share_text(one) for one in found],
        hovertemplate="%{y}: %{customdata}<extra></extra>",
    )
    figure.update_xaxes(range=[-0.03, 1.03], tickformat=".0%", title_text="trials that succeeded")
    compact(figure, 110 + ROW_PX * len(names))
    figure.update_layout(showlegend=True, legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0})
    return figure


def paths_from_above(trials: Sequence[Mapping[str, Any]]) -> go.Figure:
    """The ways of all trials laid over each other, forward upwards, with the boxes and goals that they had."""
    figure = go.Figure()
    for name, kept, colour, dash in (("reached", True, SUCCESS, "solid"), ("failed", False, FAILURE, "dot")):
        chosen = [trial for trial in trials if bool(trial["success"]) is kept]
        aside: list[float | None] = []
        ahead: list[float | None] = []
        said: list[str] = []
        for trial in chosen:
            # To the left is positive in the world; on the figure it shall be on the left.
            aside += [-point[1] for point in trial["path"]] + [None]
            ahead += [point[0] for point in trial["path"]] + [None]
            what = FAILURE_NAMES.get(trial["failure"], "success")
            said += [f"trial {trial['index']}: {what}"] * (len(trial["path"]) + 1)
        figure.add_scatter(
            x=aside,
            y=ahead,
            mode="lines",
            name=f"{name} ({len(chosen)})",
            line={"color": colour, "width": 1.6, "dash": dash},
            opacity=0.75,
            customdata=said,
            hovertemplate="%{customdata}<extra></extra>",
        )
    boxes = [box for trial in trials for box in trial["boxes"]]
    goals = [trial["goal"] for trial in trials]
    for name, places, symbol, colour in (("boxes", boxes, "square", "#a9784a"), ("goals", goals, "circle", "#3b78c2")):
        figure.add_scatter(
            x=[-place[1] for place in places],
            y=[place[0] for place in places],
            mode="markers",
            name=name,
            opacity=0.45,
            marker={"symbol": symbol, "size": 9, "color": colour},
            hoverinfo="skip",
        )
    figure.update_xaxes(title_text="metres to the right", zeroline=False, constrain="domain")
    figure.update_yaxes(title_text="metres ahead", zeroline=False, scaleanchor="x", scaleratio=1)
    compact(figure, PATHS_HEIGHT_PX)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0})
    return figure


def paired_forest(compared: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    """By suite, how many points more often the chosen run succeeds than the other one, on the same worlds."""
    names = list(compared)[::-1]
    found = [compared[name] for name in names]
    values = [one["difference"] for one in found]
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=[SUITE_NAMES[name] for name in names],
            mode="markers",
            marker={"size": 11, "symbol": "diamond"},
            error_x=interval_bars(*([one[end] for one in found] for end in ("difference", "low", "high"))),
            customdata=[f"{one['trials']} worlds, McNemar p = {one['p_value']:.3f}" for one in found],
            hovertemplate="%{y}: %{x:+.0%}, %{customdata}<extra></extra>",
        )
    )
    figure.add_vline(x=0, line=REFERENCE_LINE)
    figure.update_xaxes(title_text="success, this run minus the other", tickformat="+.0%")
    return compact(figure, 110 + ROW_PX * len(names))
