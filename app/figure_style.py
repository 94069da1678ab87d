"""What all Plotly figures share, so that they look like one set in both themes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

# Streamlit registers its template, whose colours follow the theme, when this module is first loaded; a figure that was
# made before would keep Plotly's own colours.
import streamlit.elements.plotly_chart  # noqa: F401

HEIGHT_PX = 320
PLOT_CONFIG = {"displayModeBar": False}
REFERENCE_LINE = {"color": "#8a9698", "width": 1.6, "dash": "dash"}
"""Lines that values are compared with: a grey that stands out from light and dark alike."""


def compact(figure: go.Figure, height: int = HEIGHT_PX) -> go.Figure:
    """Give a figure the common spacing. Zooming is off: a wheel or a finger that scrolls the page must not get caught."""
    figure.update_layout(height=height, margin={"l": 8, "r": 8, "t": 12, "b": 8}, showlegend=False, bargap=0.15)
    figure.update_xaxes(automargin=True, fixedrange=True)
    figure.update_yaxes(automargin=True, fixedrange=True)
    return figure


def interval_bars(
    values: Sequence[float], lows: Sequence[float], highs: Sequence[float], *, thin: bool = False
) -> dict[str, Any]:
    """Error bars, Plotly's `error_x` or `error_y`, that reach from the lower to the upper end of each interval.

    Args:
        values, lows, highs: In the units of the axis; an end that equals its value draws no bar.
        thin: Lighter bars, for figures with many points.
    """
    return {
        "type": "data",
        "symmetric": False,
        "array": np.subtract(highs, values),
        "arrayminus": np.subtract(values, lows),
        "thickness": 1.4 if thin else 2.2,
        "width": 4 if thin else 6,
    }
