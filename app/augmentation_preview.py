"""An augmentation on chosen frames of one episode: pictures before and after, the actions, the words, and what was drawn."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from app.augmentation_words import AugmentationWords
from app.augmented import as_trained, drawn, labels_of
from app.augmented_frames import MAX_SEED
from app.dataset_figures import axes_height
from app.figure_style import PLOT_CONFIG, REFERENCE_LINE, compact
from app.language import PageText
from app.session import data_root
from app.text import plain
from mvla_core.datasets.augmentation.copies import EpisodeCopy, augment_frame
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.datasets.augmentation.transform import EpisodeLabels
from mvla_core.episodes.pictures import encode_jpeg
from mvla_core.episodes.reader import open_known
from mvla_core.errors import EpisodeError
from mvla_core.schema import Actions, EpisodeInfo, Frame

MAX_FRAMES = 6
_THREADS = 3
_SHOWN_WIDTH_PX = 640
_BEFORE, _AFTER, _CUT = "#8a9698", "#1b998b", "#d1495b"


@dataclass(frozen=True)
class Chosen:
    """What is looked at.

    Attributes:
        info: The episode, as training sees it.
        frames: Indices of its frames, ascending.
        copy: Number of the copy.
        seed: Of the training.
    """

    info: EpisodeInfo
    frames: tuple[int, ...]
    copy: int
    seed: int


def choose_view(episodes: Sequence[EpisodeInfo], copies: int, text: PageText) -> Chosen:
    """Let the user choose episode, frames, copy and training seed.

    Raises:
        MvlaError: The episode cannot be used any more.
    """
    with st.grid(2, min_column_width=240):
        name = st.selectbox(
            text.say("augmentation.episode"),
            [info.episode_id for info in episodes],
            key=f"augmentation_episode_{episodes[0].dataset}",
        )
        info = as_trained(data_root(), episodes[0].dataset, name)
        spread = np.unique(np.linspace(0, info.num_frames - 1, 5).astype(int))
        inner = spread[1:-1] if len(spread) == 5 else spread[:3]
        numbers = st.multiselect(
            text.say("augmentation.frames"),
            range(1, info.num_frames + 1),
            [int(index) + 1 for index in inner],
            key=f"augmentation_frames_{info.dataset}_{info.episode_id}_{info.num_frames}",
            max_selections=MAX_FRAMES,
            placeholder=text.say("augmentation.frames_placeholder"),
        )
    with st.grid(2, min_column_width=130):
        # With other bounds it is another widget, which begins at the first copy.
        copy = st.number_input(
            text.say("augmentation.copy"), 1, copies, 1, key=f"augmentation_copy_{copies}", disabled=copies == 1
        )
        seed = st.number_input(
            text.say("augmentation.training_seed"),
            0,
            MAX_SEED,
            0,
            key="augmentation_training_seed",
            help=text.say("augmentation.training_seed_help"),
        )
    return Chosen(info, tuple(sorted(int(number) - 1 for number in numbers)), int(copy), int(seed))


def show_view(chosen: Chosen, recipe: AugmentationRecipe, text: PageText) -> None:
    """Draw one copy of the chosen episode beside the recording.

    Raises:
        EpisodeError: The episode's file was removed or broken.
    """
    copy = drawn(chosen.info, recipe, chosen.copy, chosen.seed)
    before = labels_of(data_root(), chosen.info)
    _pictures(chosen, copy, text)
    _words(before, copy, recipe, text)
    title = text.say("augmentation.actions")
    st.plotly_chart(
        actions_figure(before.actions, copy, recipe, chosen.frames, text),
        key="augmentation_actions",
        config=PLOT_CONFIG,
        alt=title,
    )


def _pictures(chosen: Chosen, copy: EpisodeCopy, text: PageText) -> None:
    """Pairs of pictures in one block, which breaks into more rows where the page is narrow; the two of a pair stay together."""
    if not chosen.frames:
        st.caption(text.say("augmentation.no_frames"))
        return
    style = "display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:0.8rem"
    # OpenCV and NumPy let other threads run: three frames of 1280x720 take about half the time on two cores.
    with ThreadPoolExecutor(_THREADS) as threads:
        pairs = "".join(threads.map(lambda index: _pair(chosen.info, copy, index, text), chosen.frames))
    st.html(f'<div class="augmentation-pairs" style="{style}">{pairs}</div>')


def _pair(info: EpisodeInfo, copy: EpisodeCopy, index: int, text: PageText) -> str:
    source = int(copy.sources[index])
    shown = [text.say("augmentation.before", frame=index + 1)]
    after = "augmentation.after" if source == index else "augmentation.after_from"
    shown.append(text.say(after, frame=index + 1, source=source + 1))
    figures = []
    for label, made in zip(shown, (None, copy), strict=True):
        try:
            address = _recorded(info, index) if made is None else _address(_augmented(info, made, index))
        except EpisodeError as error:
            picture = f"<p>{escape(str(error))}</p>"
        else:
            picture = f'<img src="{address}" alt="{escape(label)}" style="width:100%;border-radius:4px;display:block">'
        caption = f'<figcaption style="font-size:0.8rem">{escape(label)}</figcaption>'
        figures.append(f'<figure style="margin:0;min-width:0">{picture}{caption}</figure>')
    style = "display:grid;grid-template-columns:1fr 1fr;gap:0.35rem"
    return f'<div style="{style}">{"".join(figures)}</div>'


def _augmented(info: EpisodeInfo, copy: EpisodeCopy, index: int) -> Frame:
    return augment_frame(lambda source: _frame(info, source), copy, index)


@lru_cache(maxsize=12)
def _frame(info: EpisodeInfo, index: int) -> Frame:
    """A recorded frame in full size: a slider that is moved changes the copy, not the recording."""
    with open_known(info) as reader:
        return reader.frame(index)


@lru_cache(maxsize=24)
def _recorded(info: EpisodeInfo, index: int) -> str:
    return _address(_frame(info, index))


def _address(frame: Frame) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(encode_jpeg(frame, _SHOWN_WIDTH_PX)).decode()}"


def _words(before: EpisodeLabels, copy: EpisodeCopy, recipe: AugmentationRecipe, text: PageText) -> None:
    words = AugmentationWords(text.language)
    told, nothing = before.instruction, text.say("augmentation.no_instruction")
    if told != copy.labels.instruction:
        said = f"{plain(told)} :material/arrow_forward: **{plain(copy.labels.instruction)}**"
    else:
        said = f"{plain(told or nothing)} ({text.say('augmentation.unchanged')})"
    st.markdown(f":material/chat: {said}")
    applied = words.drawn(copy, recipe)
    if not applied:
        st.caption(text.say("augmentation.nothing_drawn", copy=copy.number))
        return
    # What leaves the label alone and what changes it are read in the order in which they are applied.
    st.markdown(":material/casino: " + " · ".join(plain(applied[place]) for place in sorted(applied)))
    skipped = [words.title(step.transform.name) for place, step in enumerate(recipe.steps) if place not in applied]
    if skipped:
        st.caption(text.say("augmentation.not_drawn", steps=plain(", ".join(skipped))))


def actions_figure(
    before: Actions, copy: EpisodeCopy, recipe: AugmentationRecipe, frames: Sequence[int], text: PageText
) -> go.Figure:
    """The actions of an episode before and after, one panel an axis, with the robot's limits and what they cut.

    Args:
        before: float32 (num_frames, num_dims), in the units of the copy's action space.
        copy: From `draw_copy`.
        recipe: Holds the limits.
        frames: Indices that are marked.
        text: In the language.
    """
    # Made in one piece: a figure to which one part is added after another takes ten times as long, and this one is live.
    space = copy.labels.space
    limits = recipe.limits.of(space)
    number = np.arange(1, len(before) + 1)
    height = 1 / len(space)
    traces: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    layout: dict[str, Any] = {}
    for column, dim in enumerate(space.dims):
        suffix = str(column + 1) if column else ""
        x, y = f"x{suffix}", f"y{suffix}"
        uncut = copy.uncut[:, column]
        cut = np.flatnonzero(copy.labels.actions[:, column] != uncut)
        drawn_as = (
            ("figure_before", number, before[:, column], {"line": {"color": _BEFORE, "width": 1.8, "dash": "dot"}}),
            ("figure_after", number, copy.labels.actions[:, column], {"line": {"color": _AFTER, "width": 2.2}}),
            ("figure_cut", number[cut], uncut[cut], {"marker": {"symbol": "x", "size": 7, "color": _CUT}}),
        )
        traces += [
            {
                "x": numbers,
                "y": values,
                "name": text.say(f"augmentation.{name}"),
                "mode": "markers" if "marker" in style else "lines",
                "legendgroup": name,
                "showlegend": column == 0,
                "hovertemplate": f"{dim.name} %{{y:.2f}} {dim.unit}<extra>%{{fullData.name}}</extra>",
                "xaxis": x,
                "yaxis": y,
                **style,
            }
            for name, numbers, values, style in drawn_as
        ]
        if np.isfinite(limits[column]):
            line = {**REFERENCE_LINE, "color": _CUT, "width": 1}
            across = {"type": "line", "xref": f"{x} domain", "yref": y, "x0": 0, "x1": 1, "line": line}
            shapes += [{**across, "y0": limit, "y1": limit} for limit in (-limits[column], limits[column])]
        upright = {"type": "line", "xref": x, "yref": f"{y} domain", "y0": 0, "y1": 1, "opacity": 0.5}
        shapes += [{**upright, "x0": k + 1, "x1": k + 1, "line": {"color": _BEFORE, "width": 1}} for k in frames]
        top = 1 - column * height
        layout[f"xaxis{suffix}"] = {
            "anchor": y,
            "matches": "x" if column else None,
            "showticklabels": column == len(space) - 1,
        }
        # From 0: a constant speed that became 2 % lower must not look like a cliff.
        layout[f"yaxis{suffix}"] = {
            "anchor": x,
            "domain": [top - height * 0.88, top],
            "title": {"text": f"{dim.name} [{dim.unit}]"},
            "rangemode": "tozero",
        }
    layout[f"xaxis{len(space) if len(space) > 1 else ''}"]["title"] = {"text": text.say("augmentation.figure_frame")}
    layout |= {"shapes": shapes, "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}}
    figure = compact(go.Figure({"data": traces, "layout": layout}), axes_height(space) - 20 * len(space))
    return figure.update_layout(showlegend=True, margin_t=36)
