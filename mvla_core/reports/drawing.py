"""How figures are drawn: as SVG that follows the page's light or dark theme, and as PNG for documents without styles.

A panel draws itself onto a matplotlib figure with the colours of a palette. For SVG the palette holds stand-in colours that are
afterwards replaced by CSS variables, so that one figure serves both themes; for PNG it holds the light theme's own colours.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cache
from html import escape
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator, PercentFormatter

from mvla_core.reports.interaction import MARK, marks, name_series
from mvla_core.wording import Language

KOREAN_FONTS = ("Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo", "UnDotum")
_PNG_DPI = 160
_SVG_DPI = 72
"""An SVG of matplotlib measures in points."""
_TITLE_POINTS = 9.0


@dataclass(frozen=True)
class Palette:
    """Colours by their role. The names are those of the CSS variables in `style.css`."""

    ink: str
    muted: str
    grid: str
    surface: str
    policy: str
    validation: str
    constant: str
    clock: str
    instruction: str
    repeat: str
    nearest: str
    blind: str
    good: str
    bad: str


LIGHT = Palette(
    ink="#172033",
    muted="#5d677a",
    grid="#dde2ea",
    surface="#ffffff",
    policy="#2459d6",
    validation="#d1592a",
    constant="#8590a2",
    clock="#c78500",
    instruction="#8f4fbf",
    repeat="#2f8f83",
    nearest="#b5476f",
    blind="#54708f",
    good="#1d8a55",
    bad="#c43d3d",
)
_STAND_INS = Palette(*(f"#f0e{index:03x}" for index in range(len(fields(Palette)))))

BASELINE_COLOURS = {
    "constant": "constant",
    "frame_index": "clock",
    "instruction_clock": "instruction",
    "repeat_last": "repeat",
    "first_picture": "repeat",
    "nearest_picture": "nearest",
    "nearest_picture_instruction": "nearest",
    "picture_blind": "blind",
    "instruction_blind": "blind",
}
"""Baseline -> field of the palette; the second of a colour is drawn dotted."""
DOTTED_BASELINES = ("first_picture", "nearest_picture_instruction", "instruction_blind")

Draw = Callable[[FigureBase, Palette], None]


@dataclass(frozen=True)
class Panel:
    """One drawing.

    Attributes:
        name: Unique in the report; letters, digits and hyphens.
        title: Printed above it and read out by screen readers.
        draw: Draws onto an empty figure.
        width: Inches; the text is 8 points, so that about 4 inches read well beside another panel.
        height: Inches.
    """

    name: str
    title: str
    draw: Draw
    width: float = 4.2
    height: float = 2.7


def draw_svg(panel: Panel, language: Language = "en") -> str:
    """Return the panel as an SVG element for a page that defines the palette's CSS variables.

    Its attribute `data-marks` holds what a pointer can show, in the language: see `mvla_core.reports.interaction`.
    """
    with _style():
        figure = Figure(figsize=(panel.width, panel.height), layout="constrained", dpi=_SVG_DPI)
        _draw(panel, figure, _STAND_INS)
        series = name_series(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        told = marks(figure, series, language)
    return _for_a_page(out.getvalue(), panel, json.dumps(told, ensure_ascii=False, separators=(",", ":")))


def draw_png(panels: Sequence[Panel], columns: int) -> bytes:
    """Return several panels as one PNG, in rows of `columns`."""
    rows = -(-len(panels) // columns)
    with _style():
        size = (max(panel.width for panel in panels) * columns, max(panel.height for panel in panels) * rows)
        figure = Figure(figsize=size, layout="constrained", facecolor=LIGHT.surface)
        cells = figure.subfigures(rows, columns, squeeze=False).ravel()
        for panel, cell in zip(panels, cells, strict=False):
            _draw(panel, cell, LIGHT)
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    return out.getvalue()


@cache
def korean_font() -> str | None:
    """Return an installed font family that holds Hangul, or None: figures are then labelled in English."""
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return next((name for name in KOREAN_FONTS if name in installed), None)


def tidy(axes: Axes, palette: Palette, *, grid: str = "y") -> None:
    """Give axes the report's looks: no frame, a light grid, muted ticks."""
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(palette.grid)
    axes.tick_params(which="both", colors=palette.muted, length=0, pad=4)
    axes.xaxis.label.set_color(palette.muted)
    axes.yaxis.label.set_color(palette.muted)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=palette.grid, linewidth=0.7)  # type: ignore[arg-type]


def legend(axes: Axes, palette: Palette, *, columns: int = 2) -> None:
    """Add a legend above the axes, at the right, where it covers nothing."""
    shown = axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 0.99),
        ncols=columns,
        frameon=False,
        handlelength=1.4,
        columnspacing=1.2,
        borderaxespad=0.0,
        borderpad=0.2,
    )
    for text in shown.get_texts():
        text.set_color(palette.muted)


def percentages(axis: Axis) -> None:
    """Label an axis of shares with whole percentages."""
    axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def whole_numbers(axes: Axes, bins: int = 8) -> None:
    """Label the x axis with whole numbers only: epochs, frames, steps."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=bins))


def _draw(panel: Panel, figure: FigureBase, palette: Palette) -> None:
    figure.suptitle(panel.title, x=0.01, ha="left", fontsize=_TITLE_POINTS, fontweight="bold", color=palette.ink)
    panel.draw(figure, palette)


@contextmanager
def _style() -> Iterator[None]:
    families = [name for name in (korean_font(),) if name is not None]
    settings: Any = {
        "font.family": ["DejaVu Sans", *families],
        "font.size": 8.0,
        "axes.labelsize": 8.0,
        "xtick.labelsize": 7.5,
        "ytick.labelsize": 7.5,
        "legend.fontsize": 7.5,
        "axes.unicode_minus": True,
        "text.parse_math": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "report",
        "figure.facecolor": "none",
        "savefig.facecolor": "auto",
    }
    with matplotlib.rc_context(settings):
        yield


def _for_a_page(svg: str, panel: Panel, told: str) -> str:
    """Cut what only a file of its own needs, make ids unique on the page, and put CSS variables for the stand-ins."""
    name = f"figure-{panel.name}"
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    used = set(re.findall(r"url\(#([^)]+)\)", body)) | set(re.findall(r'xlink:href="#([^"]+)"', body))

    def identity(match: re.Match[str]) -> str:
        kept = match[1] in used or match[1].startswith(f"{MARK}-")
        return f' id="{name}-{match[1]}"' if kept else ""

    body = re.sub(r' id="([^"]+)"', identity, body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    body = re.sub(r'xlink:href="#([^"]+)"', rf'xlink:href="#{name}-\1"', body)
    body = re.sub(r"'DejaVu Sans'[^;\"]*", "inherit", body)
    for field in fields(Palette):
        body = body.replace(getattr(_STAND_INS, field.name), f"var(--{field.name})")
    opening = re.match(r"<svg[^>]*>", body)
    assert opening is not None
    box = re.search(r'viewBox="([^"]+)"', opening[0])
    assert box is not None
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box[1]}" role="img" '
        f'id="{name}" aria-label="{escape(panel.title, quote=True)}" data-marks="{escape(told, quote=True)}">'
    )
    return head + body[opening.end() :]
