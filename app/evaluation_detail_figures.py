"""Figures of an evaluation's details: inputs taken away, the shift ladder, and parts of the actions by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from app.figure_style import REFERENCE_LINE, compact, interval_bars

ROW_PX = 34
_MARGIN_PX = 90
_LOWEST_SKILL = -1.0


def forest(
    rows: Sequence[tuple[str, Mapping[str, float | None]]],
    title: str,
    *,
    reference: float | None = 0.0,
    form: str = ".2f",
) -> go.Figure:
    """Figures with their 95 % intervals, one row each, the first on top.

    Args:
        rows: A label and `{"value", "low", "high"}` each; ends are None where there is no interval.
        title: Of the axis, with its unit.
        reference: Where a dashed line is drawn; None for none.
        form: Of the axis's ticks, in d3's language.
    """
    known = [(label, found) for label, found in rows if found["value"] is not None][::-1]
    values = [float(found["value"] or 0.0) for _, found in known]
    lows = [
        value if found["low"] is None else float(found["low"]) for value, (_, found) in zip(values, known, strict=True)
    ]
    highs = [
        value if found["high"] is None else float(found["high"])
        for value, (_, found) in zip(values, known, strict=True)
    ]
    shown = [
        f"{value:{form}} (95 %: {low:{form}} to {high:{form}})" if low < high else f"{value:{form}} (no interval)"
        for value, low, high in zip(values, lows, highs, strict=True)
    ]
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=[label for label, _ in known],
            mode="markers",
            marker={"size": 10, "symbol": "diamond"},
            error_x=interval_bars(values, lows, highs),
            customdata=shown,
            hovertemplate="%{y}: %{customdata}<extra></extra>",
        )
    )
    if reference is not None:
        figure.add_vline(x=reference, line=REFERENCE_LINE)
    figure.update_xaxes(title_text=title, tickformat=form)
    return compact(figure, _MARGIN_PX + ROW_PX * max(3, len(known)))


def shift_ladder(rungs: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Skill over the better clock, rung by rung from the undisturbed held-out part on, with intervals."""
    known = [rung for rung in rungs if rung.get("measured") and rung["skill"] is not None]
    rows = [
        (
            rung["text"],
            {
                "value": max(_LOWEST_SKILL, rung["skill"]),
                "low": None if rung["skill_low"] is None else max(_LOWEST_SKILL, rung["skill_low"]),
                "high": None if rung["skill_high"] is None else max(_LOWEST_SKILL, rung["skill_high"]),
            },
        )
        for rung in known
    ]
    figure = forest(rows, "skill over the better clock", form=".0%")
    if known:
        clean = max(_LOWEST_SKILL, known[0]["skill"])
        figure.add_vline(x=clean, line={**REFERENCE_LINE, "dash": "dot"})
    return figure


def error_by_step(per_step: Sequence[Mapping[str, Any]], axes: Sequence[str]) -> go.Figure:
    """RMSE of each axis by step of the chunk; with its interval where that was measured."""
    figure = go.Figure()
    steps = [row["step"] for row in per_step]
    for name in axes:
        found = [
            row.get("axes", {}).get(name, {}).get("rmse") or {"value": row["per_axis"].get(name)} for row in per_step
        ]
        values = [one["value"] for one in found]
        ends = [(one.get("low"), one.get("high")) for one in found]
        error = None
        if all(
            value is not None and low is not None and high is not None
            for value, (low, high) in zip(values, ends, strict=True)
        ):
            lows, highs = zip(*ends, strict=True)
            error = interval_bars(values, lows, highs, thin=True)
        figure.add_scatter(x=steps, y=values, name=name, error_y=error)
    figure.update_traces(mode="lines+markers", hovertemplate="%{fullData.name}, step %{x}: %{y:.3f}<extra></extra>")
    figure.update_xaxes(title_text="step of the chunk (1 = the last seen frame)")
    figure.update_yaxes(title_text="RMSE", rangemode="tozero")
    compact(figure)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "yanchor": "top", "y": -0.28, "x": 0})
    return figure
