"""What was measured of the pictures: a chart under the player, what is wrong with the data set, and the job that measures."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from app.annotated import annotations_of, as_shown
from app.bulk_parts import set_color_order
from app.catalogues import JUST_NOW_S, known_dataset
from app.figure_style import PLOT_CONFIG, compact
from app.job_view import active_jobs, job_card, launch, launched
from app.page_parts import show_findings
from app.session import data_root
from app.text import count, plain
from mvla_core.episodes.measured_pictures import load_all_facts, load_facts
from mvla_core.episodes.picture_findings import facts_findings
from mvla_core.episodes.pixel_facts import PixelFacts
from mvla_core.schema import ColorOrder, EpisodeInfo, Finding

_LINES = (
    ("brightness", "0 to 255"),
    ("contrast", "standard deviation"),
    ("sharpness", "variance"),
    ("difference", "from before"),
)
_CHART_HEIGHT_PX = 260


def facts_of(info: EpisodeInfo) -> PixelFacts | None:
    """What was measured of an episode's pictures; None where nothing was."""
    return load_facts(data_root(), info)


def flagged_frames(facts: PixelFacts) -> list[int]:
    """Frames with something wrong: unreadable, dark, without contrast, or frozen."""
    return np.flatnonzero(facts.unreadable | facts.dark | facts.corrupt | facts.frozen).tolist()


def show_facts(info: EpisodeInfo, facts: PixelFacts | None) -> None:
    """The measurements of an episode, or the button that makes them."""
    if facts is None:
        measure_button(info.dataset)
        return
    st.markdown("**Pictures**, frame by frame")
    st.plotly_chart(_figure(facts), key="picture_facts", config=PLOT_CONFIG, alt="Measurements of the pictures")
    kinds = {
        "dark": facts.dark,
        "without contrast": facts.corrupt,
        "frozen": facts.frozen,
        "unreadable": facts.unreadable,
    }
    told = [f"{int(flags.sum())} {name}" for name, flags in kinds.items() if flags.any()]
    st.caption(
        f"Flagged frames: {', '.join(told)}." if told else "No frame is dark, without contrast, frozen or unreadable."
    )


def _figure(facts: PixelFacts) -> go.Figure:
    """Four small panels; flagged frames are marked on the bottom line of the panel that flags them."""
    titles = [f"{name} ({unit})" for name, unit in _LINES]
    figure = make_subplots(rows=2, cols=2, subplot_titles=titles, vertical_spacing=0.24, horizontal_spacing=0.09)
    flags = {
        "brightness": facts.dark,
        "contrast": facts.corrupt,
        "difference": facts.frozen,
        "sharpness": facts.unreadable,
    }
    frames = np.arange(1, len(facts) + 1)
    for place, (name, _) in enumerate(_LINES):
        where = {"row": place // 2 + 1, "col": place % 2 + 1}
        values = getattr(facts, name)
        hover = f"frame %{{x}}: {name} %{{y:.1f}}<extra></extra>"
        figure.add_scatter(x=frames, y=values, mode="lines", hovertemplate=hover, **where)
        flagged = flags[name]
        if flagged.any():
            marked = np.where(np.isnan(values[flagged]), 0, values[flagged])
            figure.add_scatter(
                x=frames[flagged],
                y=marked,
                mode="markers",
                marker={"symbol": "x", "color": "#d64541", "size": 7},
                **where,
            )
    figure.update_annotations(font_size=12)
    figure = compact(figure, _CHART_HEIGHT_PX)
    return figure.update_layout(margin={"l": 8, "r": 8, "t": 24, "b": 8})


def measure_button(dataset: str) -> None:
    """Start the job that measures all pictures of a data set, or show how far it is."""
    job = launched("pictures")
    if job is not None and job.active:
        job_card(job.id)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Measure pictures", key="measure_pictures", icon=":material/image_search:"):
            launch("pictures", {"dataset": dataset}, f"Measure the pictures of {dataset}")
            st.rerun()
        st.caption("Finds dark, frozen and damaged frames, and colours stored in the wrong order.", width="content")


def show_picture_findings(dataset: str) -> None:
    """What the measurements say of the data set; colours in the wrong order can be put right with one click."""
    root = data_root()
    order = annotations_of(dataset).dataset_settings.color_order
    job = launched("pictures")
    asked = None if job is None else (job.id, job.status)
    findings = _findings(str(root.path), dataset, known_dataset(root, dataset, JUST_NOW_S).state, order, asked)
    for finding in findings:
        if finding.code != "likely_bgr":
            continue
        with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f":orange[:material/palette:] {plain(finding.message)}", width="stretch")
            shown_as = as_shown(root, known_dataset(root, dataset, JUST_NOW_S).catalogue.episodes[0]).color_order
            other = "BGR" if shown_as == "rgb" else "RGB"
            st.button(
                f"Treat this data set as {other}",
                key="treat_as_other",
                type="primary",
                on_click=set_color_order,
                args=(dataset, other.lower()),
            )
    others = [finding for finding in findings if finding.code != "likely_bgr"]
    if others:
        with st.expander(
            f"Pictures: {count(len(others), 'kind of finding', 'kinds of finding')}", icon=":material/image_search:"
        ):
            show_findings(others)


@st.cache_data(max_entries=16, ttl=60, show_spinner=False)
def _findings(
    root: str, dataset: str, state: str, order: ColorOrder | None, job: tuple[int, str] | None
) -> list[Finding]:
    shown = [as_shown(data_root(), info) for info in known_dataset(data_root(), dataset, JUST_NOW_S).catalogue.episodes]
    return facts_findings(dataset, load_all_facts(data_root(), shown))


def scanning(dataset: str, files: int) -> None:
    """Say that a large data set is being looked at for the first time, in the background."""
    job = launched("scan")
    if (job is None or not job.active) and not any(running.kind == "scan" for running in active_jobs()):
        job = launch("scan", {"dataset": dataset}, f"Look at {files:,} new files of {dataset}")
    if job is not None:
        st.write(f"{files:,} files of this data set have not been looked at yet. The page goes on when that is done.")
        job_card(job.id)
