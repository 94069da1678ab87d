"""What a reader can point at in a figure: the drawn points with their values in words, and the series that can be hidden.

The page's own script (`templates/report.js`) reads them from the attribute `data-marks` of each figure. Values are those of the
drawn artists, written as the report writes them, so that a pointer shows no figure that is not drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mvla_core.wording import Language, amount, percent, real

MARK = "series"
_FAINT = 0.5
_MOST_POINTS = 600
"""Of a series; longer ones are thinned evenly, the drawn line stays whole."""


@dataclass(frozen=True)
class Drawn:
    """One series of an axes: its name ("" where it is the only one), its data points, and the axes they lie in."""

    name: str
    axes: Axes
    points: tuple[tuple[float, float], ...]
    upright: bool = True
    """Whether the second number is the value; in lying bars it is the first."""


def name_series(figure: Figure) -> list[Drawn]:
    """Give every series of a figure an id of its own, and return them in the order of these ids. Call it before drawing."""
    series: list[Drawn] = []
    for axes in figure.axes:
        for artists, drawn in _series_of(axes):
            for number, artist in enumerate(artists):
                artist.set_gid(f"{MARK}-{len(series)}-{number}")
            series.append(drawn)
    return series


def marks(figure: Figure, series: list[Drawn], language: Language) -> dict[str, Any]:
    """Return the series with their points in the coordinates of the SVG. Call it after drawing, at 72 dots an inch."""
    height = figure.get_figheight() * figure.dpi
    told = []
    for drawn in series:
        places = drawn.axes.transData.transform(np.array(drawn.points).reshape(-1, 2))
        texts = [_text(drawn, point, language) for point in drawn.points]
        points = [
            [round(float(x), 1), round(float(height - y), 1), text]
            for (x, y), text in zip(places, texts, strict=True)
            if math.isfinite(x) and math.isfinite(y)
        ]
        told.append({"name": drawn.name, "points": points})
    return {"series": told}


def _series_of(axes: Axes) -> Iterator[tuple[list[Any], Drawn]]:
    lines = [line for line in axes.get_lines() if line.get_transform() == axes.transData]
    named = [line for line in lines if not str(line.get_label()).startswith("_")]
    for line in named or lines[:1]:
        label = str(line.get_label())
        pairs = np.column_stack([np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)])
        pairs = pairs[np.isfinite(pairs).all(axis=1)]
        step = -(-len(pairs) // _MOST_POINTS) if len(pairs) else 1
        # A faint line is a backdrop: it can be hidden, but a pointer does not stop at it.
        faint = (line.get_alpha() or 1.0) < _FAINT
        points = () if faint else tuple((float(x), float(y)) for x, y in pairs[::step])
        yield [line], Drawn("" if label.startswith("_") else label, axes, points)
    for bars in axes.containers:
        if isinstance(bars, BarContainer):
            yield list(bars.patches), _bars(bars, axes)


def _bars(bars: BarContainer, axes: Axes) -> Drawn:
    label = str(bars.get_label())
    upright = bars.orientation == "vertical"
    points = []
    for bar in bars.patches:
        x, y, width, height = bar.get_x(), bar.get_y(), bar.get_width(), bar.get_height()
        middle = (x + width / 2, y + height) if upright else (x + width, y + height / 2)
        if all(math.isfinite(value) for value in middle):
            points.append(middle)
    return Drawn("" if label.startswith("_") else label, axes, tuple(points), upright)


def _text(drawn: Drawn, point: tuple[float, float], language: Language) -> str:
    axes = drawn.axes
    place, value = point if drawn.upright else (point[1], point[0])
    place_axis, value_axis = (axes.xaxis, axes.yaxis) if drawn.upright else (axes.yaxis, axes.xaxis)
    where = _place(place_axis, place)
    what = drawn.name or value_axis.get_label_text()
    shown = percent(language, value) if isinstance(value_axis.get_major_formatter(), PercentFormatter) else real(value)
    return f"{where} · {what}: {shown}" if what else f"{where}: {shown}"


def _place(axis: Axis, place: float) -> str:
    """A category by its name, anything else by its number with the axis' label. Bars beside each other share a whole number."""
    for tick, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False):
        if abs(tick - place) < 0.5 and not _is_number(label.get_text()):
            return label.get_text()
    return f"{axis.get_label_text()} {amount(round(place) if abs(place - round(place)) < 0.45 else place)}".strip()


def _is_number(text: str) -> bool:
    plain = text.replace("\N{MINUS SIGN}", "-").replace("%", "").replace(",", "").strip()
    try:
        float(plain)
    except ValueError:
        return not plain
    return True
