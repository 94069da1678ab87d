"""Figures of an audit. Colours come from the theme, so that they fit light and dark; the numbers come from the audit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figure_style import REFERENCE_LINE, compact
from mvla_core.audit.balance import LENGTH_CLASSES, Group, by_time_of_day
from mvla_core.audit.distributions import axis_histograms, joined_actions, joint_action_counts
from mvla_core.audit.result import AuditResult
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
    limit = 100 * audit.thresholds["determinism"].needed
    figure.add_hline(
        y=limit,
        line=REFERENCE_LINE,
        annotation_text=f"limit {limit:.0f} %",
        annotation_position="top right",
    )
    figure.update_xaxes(title_text="frame of the episode")
    figure.update_yaxes(title_text="same command [%]", range=[0, 108])
    return compact(figure)


def transition_shares(audit: AuditResult) -> go.Figure | None:
    """Which direction follows which: each row is the frame before and sums to 100 %. None where no direction follows another."""
    found = audit.transitions
    if found is None or not found.counts.any():
        return None
    shares = 100 * found.probabilities
    few = len(found.names) <= 6
    figure = go.Figure(
        go.Heatmap(
            x=found.names,
            y=found.names,
            z=np.where(found.counts > 0, shares, np.nan),
            customdata=found.counts,
            zmin=0,
            zmax=100,
            xgap=1,
            ygap=1,
            text=np.where(found.counts > 0, np.char.add(np.round(shares).astype(int).astype(str), " %"), "")
            if few
            else None,
            texttemplate="%{text}" if few else None,
            showscale=not few,
            colorbar={"ticksuffix": " %"},
            hovertemplate="%{y}, then %{x}: %{z:.1f} % (%{customdata} times)<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="next frame", type="category", tickangle=-40)
    figure.update_yaxes(title_text="this frame", type="category", autorange="reversed")
    return compact(figure, 130 + 34 * len(found.names))


def episode_lengths(audit: AuditResult) -> go.Figure:
    """How many frames the episodes have; dashed lines part the classes short, medium, long and extra long."""
    lengths = np.array([info.num_frames for info in audit.episodes], dtype=np.int64)
    width = max(1, int(np.ceil((lengths.max(initial=1) - lengths.min(initial=lengths.max(initial=1)) + 1) / 40)))
    figure = go.Figure(
        go.Histogram(
            x=lengths,
            xbins={"size": width, "start": float(lengths.min(initial=1)) - 0.5},
            hovertemplate="%{x} frames: %{y} episodes<extra></extra>",
        )
    )
    for name, fewest, _ in LENGTH_CLASSES[1:]:
        if len(lengths) and lengths.min() < fewest <= lengths.max():
            line = {"line": REFERENCE_LINE, "annotation_text": name.replace("_", " ")}
            figure.add_vline(x=fewest - 0.5, annotation_position="top right", **line)
    figure.update_xaxes(title_text="frames of an episode")
    figure.update_yaxes(title_text="episodes")
    return compact(figure)


def times_of_day(audit: AuditResult) -> go.Figure:
    """How many episodes were recorded at which time of day, from midnight on."""
    groups = by_time_of_day(audit.episodes)
    figure = go.Figure(
        go.Bar(
            x=[group.name for group in groups],
            y=[group.episodes for group in groups],
            text=[f"{group.episodes:,}" for group in groups],
            customdata=[group.frames for group in groups],
            hovertemplate="%{x}: %{y} episodes, %{customdata} frames<extra></extra>",
        )
    )
    figure.update_xaxes(type="category")
    figure.update_yaxes(title_text="episodes")
    return compact(figure)


def balance(groups: Sequence[Group], most: int = 12) -> go.Figure:
    """Episodes of each instruction or scenario, the commonest on top, beside an even share.

    Args:
        groups: From `by_instruction` or `by_scenario`.
        most: Groups that are drawn; the others are summed up in a last bar.
    """
    shown = [(group.name or "(none)", group.episodes) for group in groups[:most]]
    if len(groups) > most:
        shown.append((f"{len(groups) - most} others", sum(group.episodes for group in groups[most:])))
    figure = go.Figure(
        go.Bar(
            x=[episodes for _, episodes in shown],
            y=list(range(len(shown))),
            orientation="h",
            text=[f"{episodes:,}" for _, episodes in shown],
            customdata=[name for name, _ in shown],
            hovertemplate="%{customdata}: %{x} episodes<extra></extra>",
        )
    )
    if len(groups) > 1:
        even = sum(group.episodes for group in groups) / len(groups)
        figure.add_vline(x=even, line=REFERENCE_LINE, annotation_text="even share", annotation_position="bottom right")
    names = [name if len(name) <= 40 else f"{name[:39]}…" for name, _ in shown]
    figure.update_yaxes(tickvals=list(range(len(shown))), ticktext=names, autorange="reversed")
    figure.update_xaxes(title_text="episodes")
    return compact(figure, 90 + 30 * max(2, len(shown)))
