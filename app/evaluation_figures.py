"""Figures of an evaluation: skill against each baseline, errors along the chunk, confusion of directions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.figure_style import REFERENCE_LINE, compact, interval_bars
from mvla_core.evaluation.wording import lookup

LOWEST_SKILL = -1.0
"""A skill below this is drawn at the edge; the figure stays readable and the number is written beside it."""
SIDE_BY_SIDE_PX = 350


def skill_forest(baselines: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    """Skill against each baseline with its 95 % interval; what lies right of zero beats it."""
    names = list(baselines)[::-1]
    values = [baselines[name] for name in names]

    def clipped(number: float) -> float:
        return max(LOWEST_SKILL, number)

    skills = [clipped(value["skill"]) for value in values]
    highs = [clipped(value["skill"] if value["skill_high"] is None else value["skill_high"]) for value in values]
    lows = [clipped(value["skill"] if value["skill_low"] is None else value["skill_low"]) for value in values]
    figure = go.Figure(
        go.Scatter(
            x=skills,
            y=[lookup("en", f"baselines.{name}") for name in names],
            mode="markers",
            marker={"size": 11, "symbol": ["diamond" if low > 0 else "diamond-open" for low in lows]},
            error_x=interval_bars(skills, lows, highs),
            customdata=[interval_text(value) for value in values],
            hovertemplate="%{y}: %{customdata}<extra></extra>",
        )
    )
    figure.add_vline(x=0, line=REFERENCE_LINE)
    figure.update_xaxes(title_text="skill", range=[min(-0.15, *lows) - 0.05, 1.05], tickformat=".0%")
    return compact(figure, SIDE_BY_SIDE_PX)


def interval_text(value: Mapping[str, Any]) -> str:
    """A skill with its interval in words: "+38 % (95 %: +21 to +52 %)"."""
    if value["skill_low"] is None or value["skill_high"] is None:
        return f"{value['skill']:+.0%} (no interval: too few episodes)"
    return f"{value['skill']:+.0%} (95 %: {value['skill_low']:+.0%} to {value['skill_high']:+.0%})"


def error_along_chunk(results: Mapping[str, Any]) -> go.Figure:
    """RMSE by step of the chunk, the policy beside each baseline: how far ahead can it be trusted?"""
    steps = [row["step"] for row in results["metrics"]["per_step"]]
    figure = go.Figure()
    figure.add_scatter(
        x=steps, y=[row["rmse"] for row in results["metrics"]["per_step"]], name="policy", line_width=3.2
    )
    for name, value in results["baselines"].items():
        figure.add_scatter(
            x=steps, y=value["per_step"], name=lookup("en", f"baselines.{name}"), line={"dash": "dot", "width": 2}
        )
    figure.update_traces(mode="lines+markers", hovertemplate="%{fullData.name}, step %{x}: %{y:.3f}<extra></extra>")
    figure.update_xaxes(title_text="step of the chunk (1 = the last seen frame)")
    figure.update_yaxes(title_text="RMSE", rangemode="tozero")
    compact(figure, SIDE_BY_SIDE_PX)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "yanchor": "top", "y": -0.28, "x": 0})
    return figure


def confusion(directions: Mapping[str, Any]) -> go.Figure:
    """Where the policy drives (columns) when the driver drove (rows); each row adds up to 100 %."""
    matrix = np.array(directions["confusion"])
    present = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    names = [directions["names"][index] for index in present]
    counts = matrix[np.ix_(present, present)]
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100 * counts, rows, out=np.full(counts.shape, np.nan), where=rows > 0)
    text = [[f"{share:.0f}" if share > 0 else "" for share in row] for row in shares]
    figure = go.Figure(
        go.Heatmap(
            x=names,
            y=names,
            z=shares,
            text=text,
            texttemplate="%{text}",
            customdata=counts,
            zmin=0,
            zmax=100,
            xgap=1,
            ygap=1,
            showscale=False,
            hovertemplate="driver %{y}, policy %{x}: %{customdata} actions, %{z:.0f} % of the row<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="the policy drives", side="bottom")
    figure.update_yaxes(title_text="the driver drove [% of the row]", autorange="reversed")
    return compact(figure, 120 + 36 * max(4, len(names)))
