"""Figures in another language: their axis titles, notes, hover texts and names of directions and times.

A figure is drawn in English, by functions that know nothing of languages; what it says is put into the other language
afterwards, from `figures_ko.toml`. Names that come from the data are not phrases, and stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mvla_core.wording import Language, read_catalog, terms, translated

_TRACE_TEXTS = ("x", "y", "customdata", "text", "ticktext", "name", "hovertemplate", "texttemplate")


def said_in(figure: go.Figure, language: Language, *, directions: bool = True) -> go.Figure:
    """Put a figure into a language, in place, and return it.

    Args:
        figure: As drawn, in English.
        language: To put it into.
        directions: Translate the names of directions; False where "left" may be an instruction of the data.
    """
    if language == "en":
        return figure
    phrases: dict[str, str] = dict(read_catalog("app", f"figures_{language}")["phrases"])
    if directions:
        phrases |= terms(language)["directions"]
    for trace in figure.data:
        trace.update(
            {key: _said(trace[key], phrases) for key in _TRACE_TEXTS if key in trace and _has_text(trace[key])}
        )
    for axis in _axes(figure):
        if axis.title.text:
            axis.title.text = _said(axis.title.text, phrases)
        if axis.ticktext is not None and _has_text(axis.ticktext):
            axis.ticktext = _said(axis.ticktext, phrases)
    for note in figure.layout.annotations:
        note.text = _said(note.text, phrases)
    return figure


def _axes(figure: go.Figure) -> Iterator[Any]:
    for name in figure.layout:
        if name.startswith(("xaxis", "yaxis")):
            yield figure.layout[name]


def _has_text(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return value is not None and any(isinstance(one, str) for one in np.asarray(value, dtype=object).ravel())


def _said(value: Any, phrases: dict[str, str]) -> Any:
    if isinstance(value, str):
        return translated(value, phrases, whole=True)
    if isinstance(value, np.ndarray | list | tuple):
        return [_said(one, phrases) for one in value]
    return value
