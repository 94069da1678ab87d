"""What the policy does: predicted over true velocities, skill, error by step, directions, and inputs taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import FigureBase
from matplotlib.patches import Rectangle

from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.reports.drawing import (
    BASELINE_COLOURS,
    DOTTED_BASELINES,
    Palette,
    Panel,
    legend,
    percentages,
    tidy,
    whole_numbers,
)

Labels = Mapping[str, str]


def overlay_panel(
    episode: EpisodePredictions, results: Mapping[str, Any], title: str, labels: Labels, name: str
) -> Panel:
    """Return one episode's overlay: a row for each dimension, true steps, first predicted actions, chunks as fans, the clock."""
    names, units = results["actions"]["names"], results["actions"]["units"]
    clock = results["clock"]["baseline"]

    def draw(figure: FigureBase, palette: Palette) -> None:
        rows = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        for axis, axes in enumerate(rows):
            tidy(axes, palette)
            for window, last in enumerate(episode.last_frames):
                steps = int(episode.mask[window].sum())
                fan = episode.predicted[window, :steps, axis]
                axes.plot(
                    last + np.arange(steps), fan, color=palette.policy, alpha=0.35, linewidth=0.8, label=labels["chunk"]
                )
            axes.plot(
                episode.last_frames,
                episode.baselines[clock][:, 0, axis],
                color=palette.clock,
                linewidth=1.3,
                linestyle=(0, (1.2, 1.6)),
                label=labels["clock"],
            )
            axes.step(
                episode.last_frames,
                episode.target[:, 0, axis],
                where="mid",
                color=palette.ink,
                linewidth=1.5,
                label=labels["driver"],
            )
            axes.plot(
                episode.last_frames,
                episode.predicted[:, 0, axis],
                color=palette.policy,
                linewidth=1.8,
                label=labels["policy"],
            )
            axes.set_ylabel(f"{names[axis]}\n{units[axis]}")
            axes.margins(x=0.02, y=0.12)
        rows[-1].set_xlabel(labels["frame"])
        whole_numbers(rows[-1], 7)
        handles, texts = rows[0].get_legend_handles_labels()
        order = [texts.index(labels[key]) for key in ("driver", "policy", "chunk", "clock")]
        below = figure.legend(
            [handles[place] for place in order],
            [texts[place] for place in order],
            loc="outside lower left",
            ncols=4,
            frameon=False,
            handlelength=1.4,
            columnspacing=1.0,
        )
        for text in below.get_texts():
            text.set_color(palette.muted)

    return Panel(name, title, draw, width=3.3, height=0.8 + 1.15 * len(names))


def skill_panels(results: Mapping[str, Any], labels: Labels, names: Mapping[str, str]) -> list[Panel]:
    """Return skill against each trivial predictor with its interval, and the errors by step of the chunk."""
    baselines = results["baselines"]

    def skills(figure: FigureBase, palette: Palette) -> None:
        axes = figure.subplots()
        tidy(axes, palette, grid="x")
        for place, value in enumerate(reversed(baselines.values())):
            certain = value["skill_low"] is not None and value["skill_low"] > 0
            colour = palette.good if certain else palette.bad if value["skill"] <= 0 else palette.clock
            if value["skill_low"] is not None:
                axes.plot([value["skill_low"], value["skill_high"]], [place, place], color=colour, linewidth=2.2)
            axes.plot(value["skill"], place, "o", color=colour, markersize=6)
        axes.axvline(0, color=palette.ink, linewidth=1.0)
        lowest = min(
            [0.0]
            + [value["skill_low"] if value["skill_low"] is not None else value["skill"] for value in baselines.values()]
        )
        axes.set_xlim(max(lowest, -2.0) - 0.06, 1.03)
        axes.set_ylim(-0.6, len(baselines) - 0.4)
        axes.set_yticks(range(len(baselines)), [names[name] for name in reversed(baselines)])
        axes.tick_params(axis="y", colors=palette.ink)
        percentages(axes.xaxis)
        axes.set_xlabel(labels["skill"])

    def steps(figure: FigureBase, palette: Palette) -> None:
        axes = figure.subplots()
        tidy(axes, palette)
        rows = results["metrics"]["per_step"]
        numbers = [row["step"] for row in rows]
        for name, value in baselines.items():
            colour = getattr(palette, BASELINE_COLOURS[name])
            dashes = (0, (1, 2)) if name in DOTTED_BASELINES else (0, (4, 2))
            axes.plot(numbers, value["per_step"], color=colour, linewidth=1.2, linestyle=dashes, label=names[name])
        axes.plot(numbers, [row["rmse"] for row in rows], color=palette.policy, linewidth=2.0, label=labels["policy"])
        axes.set_ylim(bottom=0)
        whole_numbers(axes)
        axes.set_xlabel(labels["step"])
        units = sorted(set(results["actions"]["units"]))
        axes.set_ylabel(f"{labels['rmse']} ({', '.join(units)})")
        legend(axes, palette, columns=3)

    return [Panel("skill", labels["skill_title"], skills), Panel("error-by-step", labels["step_title"], steps)]


def direction_panels(results: Mapping[str, Any], labels: Labels, names: Mapping[str, str]) -> list[Panel]:
    """Return the confusion matrix of the directions that occur, and how often driver and policy choose each."""
    directions = results["directions"]
    matrix = np.array(directions["confusion"], dtype=float)
    used = [place for place in range(len(matrix)) if matrix[place].sum() + matrix[:, place].sum() > 0]
    shown = [names[directions["names"][place]] for place in used]

    def confusion(figure: FigureBase, palette: Palette) -> None:
        axes = figure.subplots()
        tidy(axes, palette, grid="")
        totals = matrix.sum(axis=1, keepdims=True)
        shares = np.divide(matrix, totals, out=np.zeros_like(matrix), where=totals > 0)
        for row, true in enumerate(used):
            for column, predicted in enumerate(used):
                share = shares[true, predicted]
                colour = palette.policy if row == column else palette.bad
                axes.add_patch(_cell(column, row, colour, 0.06 + 0.6 * share if share > 0 else 0.0))
                if share >= 0.005:
                    text = f"{100 * share:.0f}"
                    axes.text(column, row, text, ha="center", va="center", color=palette.ink, fontsize=7)
        axes.set_xlim(-0.5, len(used) - 0.5)
        axes.set_ylim(len(used) - 0.5, -0.5)
        axes.set_xticks(range(len(used)), shown, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(used)), shown)
        axes.set_xlabel(f"{labels['predicted']} (%)")
        axes.set_ylabel(labels["true"])

    def shares(figure: FigureBase, palette: Palette) -> None:
        axes = figure.subplots()
        tidy(axes, palette, grid="x")
        places = np.arange(len(used))
        for shift, key, colour, label in (
            (-0.2, "true_share", palette.ink, labels["driver"]),
            (0.2, "predicted_share", palette.policy, labels["policy"]),
        ):
            widths = [directions[key].get(directions["names"][place], 0.0) for place in used]
            axes.barh(places + shift, widths, height=0.36, color=colour, label=label)
        axes.set_yticks(places, shown)
        axes.invert_yaxis()
        percentages(axes.xaxis)
        axes.set_xlabel(labels["share"])
        legend(axes, palette)

    height = 1.5 + 0.24 * max(len(used), 4)
    return [
        Panel("confusion", labels["confusion_title"], confusion, height=height),
        Panel("direction-shares", labels["shares_title"], shares, height=height),
    ]


def ablation_panels(results: Mapping[str, Any], labels: Labels, names: Mapping[str, str]) -> list[Panel]:
    """Return how much the actions change without each input; none where nothing was measured."""
    measured: Sequence[tuple[str, Mapping[str, Any]]] = [
        (name, value["change"]) for name, value in results["ablations"].items() if value["measured"]
    ]
    if not measured:
        return []

    def draw(figure: FigureBase, palette: Palette) -> None:
        axes = figure.subplots()
        tidy(axes, palette, grid="x")
        for place, (name, change) in enumerate(measured):
            colour = palette.policy if name.startswith("pictures") else palette.instruction
            axes.barh(place, change["value"], height=0.55, color=colour, alpha=0.85)
            if change["low"] is not None:
                axes.plot([change["low"], change["high"]], [place, place], color=palette.ink, linewidth=1.3)
        axes.set_yticks(range(len(measured)), [names[name] for name, _ in measured])
        axes.tick_params(axis="y", colors=palette.ink)
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        percentages(axes.xaxis)
        axes.set_xlabel(labels["change"])

    return [Panel("ablations", labels["ablation_title"], draw, width=5.6, height=0.9 + 0.3 * len(measured))]


def _cell(column: int, row: int, colour: str, alpha: float) -> Rectangle:
    return Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, alpha=alpha, linewidth=0)
