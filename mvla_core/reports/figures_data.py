"""What the data holds: the actions at each frame index, how alike the episodes are there, and the directions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import FigureBase

from mvla_core.reports.drawing import Palette, Panel, legend, percentages, tidy, whole_numbers

Labels = Mapping[str, str]


def data_panels(audit: Mapping[str, Any], labels: Labels, directions: Mapping[str, str]) -> list[Panel]:
    """Return a panel for each dimension, one for determinism, and one for the directions of all frames.

    Args:
        audit: The stored audit with its `by_index`.
        labels: The `figure` table of a text catalog.
        directions: The names of the directions.
    """
    by_index = audit["by_index"]
    panels = [_axis_panel(name, audit, labels) for name in by_index["mean"]]

    def same_action(figure: FigureBase, palette: Palette) -> None:
        axes = figure.subplots()
        tidy(axes, palette)
        shares = [math.nan if share is None else share for share in by_index["determinism"]]
        axes.fill_between(range(len(shares)), shares, step="mid", color=palette.clock, alpha=0.25, linewidth=0)
        axes.step(range(len(shares)), shares, where="mid", color=palette.clock, linewidth=1.6)
        limit = next((row["recommended"] for row in audit["table"] if row["name"] == "determinism"), None)
        if limit is not None:
            axes.axhline(limit, color=palette.bad, linewidth=1.0, linestyle=(0, (4, 2)), label=labels["limit"])
            legend(axes, palette)
        axes.set_ylim(0, 1.03)
        percentages(axes.yaxis)
        axes.set_xlabel(labels["frame_index"])
        whole_numbers(axes)
        axes.set_ylabel(labels["same_action"])

    def all_directions(figure: FigureBase, palette: Palette) -> None:
        axes = figure.subplots()
        tidy(axes, palette, grid="x")
        shares = {name: share for name, share in audit["directions"]["shares"].items() if share > 0}
        names = sorted(shares, key=lambda name: shares[name])
        axes.barh(
            [directions[name] for name in names], [shares[name] for name in names], color=palette.policy, height=0.62
        )
        percentages(axes.xaxis)
        axes.set_xlabel(labels["share"])

    panels.append(Panel("data-determinism", labels["determinism_title"], same_action))
    panels.append(Panel("data-directions", labels["directions_title"], all_directions))
    return panels


def _axis_panel(name: str, audit: Mapping[str, Any], labels: Labels) -> Panel:
    mean, spread = np.array(audit["by_index"]["mean"][name]), np.array(audit["by_index"]["std"][name])
    unit = audit["actions"][name]["unit"]

    def draw(figure: FigureBase, palette: Palette) -> None:
        axes = figure.subplots()
        tidy(axes, palette)
        index = np.arange(len(mean))
        axes.fill_between(index, mean - spread, mean + spread, color=palette.policy, alpha=0.18, linewidth=0)
        axes.plot(index, mean, color=palette.policy, linewidth=1.6)
        axes.axhline(0, color=palette.muted, linewidth=0.8)
        axes.set_xlabel(labels["frame_index"])
        whole_numbers(axes)
        axes.set_ylabel(unit)

    return Panel(f"data-{name.replace('_', '-')}", name, draw)
