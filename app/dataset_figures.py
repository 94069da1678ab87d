"""Figures of an audit. Colours come from the theme, so that they fit light and dark; the numbers come from the audit."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figure_style import REFERENCE_LINE, compact
from mvla_core.audit.distributions import axis_histograms, joined_actions, joint_action_counts
from mvla_core.audit.result import AuditResult
from mvla_core.audit.thresholds import default_thresholds
from mvla_core.metrics.directions import DIRECTION_NAMES
from mvla_core.schema import ActionSpace


def axes_height(space: ActionSpace) -> int:
    """Height in pixels of a figure with one panel an axis, and of the one beside it."""
    return 40 + 165 * len(space)


def histograms(audit: AuditResult, space: ActionSpace) -> go.Figure:
    """How often each velocity was commanded, one panel an axis, symmetric about 0."""
    actions = joined_actions(audit.sequences, len(space))
    figure = make_subplots(rows=len(space), cols=1, vertical_spacing=0.16 if len(space) == 3 else 0.22)
    for row, histogram in enumerate(axis_histograms(actions, space), start=1):
        centres = (histogram.edges[:-1] + histogram.edges[1:]) / 2
        hover = f"{histogram.name} %{{x:.2f}} {histogram.unit}: %{{y}} frames<extra></extra>"
        figure.add_bar(x=centres, y=histogram.counts, row=row, col=1, hovertemplate=hover)
        positive = space.dims[row - 1].positive
        figure.update_xaxes(title_text=f"{histogram.name} [{histogram.unit}], + is {positive}", row=row, col=1)
    figure.update_yaxes(title_text="frames")
    return compact(figure, axes_height(space))


def direction_shares(audit: AuditResult) -> go.Figure:
    """Share of the frames that drive each way; classes that never occur are left out."""
    counts = audit.direction_counts
    kept = [index for index in np.argsort(counts) if counts[index]]
    shares = 100 * counts[kept] / max(1, counts.sum())
    figure = go.Figure(
        go.Bar(
            x=shares,
            y=[DIRECTION_NAMES[index] for index in kept],
            orientation="h",
            text=[f"{share:.0f} %" for share in shares],
            textposition="auto",
            hovertemplate="%{y}: %{x:.1f} % of the frames<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="share of frames [%]")
    return compact(figure)


def joint_actions(audit: AuditResult, space: ActionSpace) -> go.Figure:
    """Which velocities were commanded together: the lateral axis from left to right, forward upwards."""
    lateral = space.lateral or space.names[-1]
    joint = joint_action_counts(joined_actions(audit.sequences, len(space)), space, lateral, "linear_x")
    labels = [f"{value:.2f}" for value in joint.x], [f"{value:.2f}" for value in joint.y]
    figure = go.Figure(
        go.Heatmap(
            x=labels[0],
            y=labels[1],
            z=np.where(joint.counts > 0, joint.counts.astype(float), np.nan),
            xgap=1,
            ygap=1,
            text=np.where(joint.counts > 0, joint.counts.astype(str), "") if joint.counts.size <= 80 else None,
            texttemplate="%{text}" if joint.counts.size <= 80 else None,
            hovertemplate=f"{lateral} %{{x}}, linear_x %{{y}}: %{{z}} frames<extra></extra>",
            showscale=joint.counts.size > 80,
        )
    )
    units = dict(zip(space.names, space.units, strict=True))
    # Positive is left on this robot, so the axis runs backwards: left in the figure is left on the floor.
    figure.update_xaxes(
        title_text=f"{lateral} [{units[lateral]}], drawn as seen from above", type="category", autorange="reversed"
    )
    figure.update_yaxes(title_text=f"linear_x [{units['linear_x']}]", type="category")
    return compact(figure, axes_height(space))


def determinism_by_index(audit: AuditResult) -> go.Figure:
    """Share of the episodes that give the same command at each frame index; near 100 % a clock knows what to do."""
    share = 100 * audit.determinism.share
    index = np.arange(1, len(share) + 1)
    figure = go.Figure(
        go.Scatter(
            x=index,
            y=share,
            mode="lines+markers" if len(share) <= 60 else "lines",
            customdata=audit.determinism.episodes,
            hovertemplate="frame %{x}: %{y:.0f} % of %{customdata} episodes do the same<extra></extra>",
        )
    )
    limit = 100 * default_thresholds()["determinism"].needed
    figure.add_hline(
        y=limit,
        line=REFERENCE_LINE,
        annotation_text=f"limit {limit:.0f} %",
        annotation_position="top right",
    )
    figure.update_xaxes(title_text="frame of the episode")
    figure.update_yaxes(title_text="same command [%]", range=[0, 108])
    return compact(figure)
