"""The loss analysis as four panels: loss, gap, improvement over the epoch before, logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mvla_core.reports.drawing import Palette, Panel, legend, percentages, tidy, whole_numbers

Labels = Mapping[str, str]


def loss_panels(losses: Mapping[str, Any], labels: Labels) -> list[Panel]:
    """Return the four panels, or none where no epoch is recorded.

    Args:
        losses: `results["losses"]`.
        labels: The `figure` table of a text catalog.
    """
    epochs = losses["epochs"]
    if not epochs:
        return []
    best = losses["best_epoch"]

    def curves(figure: FigureBase, palette: Palette, *, logarithmic: bool) -> None:
        axes = _epoch_axes(figure, palette, labels, best)
        for key, colour, label in (
            ("train_loss", palette.policy, labels["train"]),
            ("val_loss", palette.validation, labels["validation"]),
        ):
            axes.plot(_numbers(epochs, "epoch"), _numbers(epochs, key), color=colour, label=label, **_markers(epochs))
        axes.set_ylabel(labels["log_loss" if logarithmic else "loss"])
        if logarithmic:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_ylim(bottom=0)
        legend(axes, palette)

    def gap(figure: FigureBase, palette: Palette) -> None:
        axes = _epoch_axes(figure, palette, labels, best)
        axes.bar(_numbers(epochs, "epoch"), _numbers(epochs, "gap"), color=palette.muted, width=0.6, alpha=0.75)
        axes.set_ylabel(labels["gap"])

    def improvement(figure: FigureBase, palette: Palette) -> None:
        axes = _epoch_axes(figure, palette, labels, best)
        for shift, key, colour, label in (
            (-0.2, "train_improvement", palette.policy, labels["train"]),
            (0.2, "val_improvement", palette.validation, labels["validation"]),
        ):
            places = [number + shift for number in _numbers(epochs, "epoch")]
            axes.bar(places, _numbers(epochs, key), color=colour, width=0.38, label=label)
        axes.axhline(0, color=palette.muted, linewidth=0.8)
        percentages(axes.yaxis)
        legend(axes, palette)

    return [
        Panel("loss", labels["loss_title"], lambda figure, palette: curves(figure, palette, logarithmic=False)),
        Panel("loss-gap", labels["gap_title"], gap),
        Panel("loss-improvement", labels["improvement_title"], improvement),
        Panel("loss-log", labels["log_title"], lambda figure, palette: curves(figure, palette, logarithmic=True)),
    ]


def run_panels(losses: Mapping[str, Mapping[str, Any]], labels: Labels) -> list[Panel]:
    """Return one panel with the validation loss of each run, or none where no run has recorded an epoch.

    Args:
        losses: Run id -> its `results["losses"]`.
        labels: The `figure` table of a text catalog.
    """
    drawn = {name: value["epochs"] for name, value in losses.items() if value["epochs"]}
    if not drawn:
        return []

    def curves(figure: FigureBase, palette: Palette) -> None:
        axes = _epoch_axes(figure, palette, labels, None)
        colours = (palette.policy, palette.validation, palette.repeat, palette.instruction, palette.clock, palette.bad)
        for number, (name, epochs) in enumerate(drawn.items()):
            colour = colours[number % len(colours)]
            axes.plot(
                _numbers(epochs, "epoch"), _numbers(epochs, "val_loss"), color=colour, label=name, **_markers(epochs)
            )
        axes.set_ylabel(labels["log_loss"])
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False, labelcolor=palette.muted)

    return [Panel("runs-loss", labels["runs_title"], curves, width=6.4, height=3.4)]


def _numbers(rows: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    """A column; what is unknown leaves a gap in the line."""
    return [math.nan if row[key] is None else float(row[key]) for row in rows]


def _markers(rows: Sequence[Any]) -> dict[str, Any]:
    return {"linewidth": 1.6, "marker": "o" if len(rows) <= 30 else None, "markersize": 2.8}


def _epoch_axes(figure: FigureBase, palette: Palette, labels: Labels, best: int | None) -> Axes:
    axes = figure.subplots()
    tidy(axes, palette)
    axes.set_xlabel(labels["epoch"])
    whole_numbers(axes)
    if best is not None:
        axes.axvline(best, color=palette.muted, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0.5)
    return axes
