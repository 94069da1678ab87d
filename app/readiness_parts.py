"""Parts of the page "May it drive?" and of the Overview: the sentence, the gates level by level, and the history of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.figure_style import compact
from app.language import PageText
from app.places import READINESS, Place
from app.session import data_root
from app.text import plain
from mvla_core.evaluation.results import audit_path
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.readiness.assess import STATUSES, Readiness, Status, assess
from mvla_core.readiness.gates import LEVELS, Level, own_gates_file
from mvla_core.readiness.record import RecordSummary, list_records, records_folder
from mvla_core.readiness.wording import WordedGate, say, worded_gate

ICONS: dict[Status, str] = {
    "met": ":green[:material/check_circle:]",
    "not_met": ":red[:material/cancel:]",
    "not_measured": ":gray[:material/help:]",
}
_COLORS: dict[Status, str] = {"met": "#2f9e62", "not_met": "#d65a4a", "not_measured": "#8a9698"}
_HISTORY_PX = 280
_MOST_TICKS = 4


def readiness_place(text: PageText) -> Place:
    """The page with its title and its line in the language."""
    return replace(READINESS, title=text.say("readiness.title"), line=text.say("readiness.line"))


def readiness_of(run_id: str) -> Readiness:
    """A run held against its gates, as its files and the gates are now.

    Raises:
        MvlaError: A file of the run is damaged, or the user's gates cannot be used; the text says why.
    """
    root = data_root()
    run = root.run(run_id)
    files = (run.config, run.split, run.evaluation_results, audit_path(run), run.predictions, own_gates_file(root))
    return _readiness(str(root.path), run_id, tuple(map(_state, files)))


@st.cache_data(max_entries=32, show_spinner=False)
def _readiness(root: str, run_id: str, state: tuple[tuple[int, int], ...]) -> Readiness:
    return assess(DataRoot(Path(root)), run_id)


def records_of(runs: Sequence[RunFolder]) -> list[RecordSummary]:
    """The readiness records of some runs, oldest first."""
    found: list[RecordSummary] = []
    for run in runs:
        folder = records_folder(run)
        if folder.is_dir():
            found += _records(str(run.path), _state(folder))
    return sorted(found, key=lambda record: record.written)


@st.cache_data(max_entries=256, show_spinner=False)
def _records(run: str, state: tuple[int, int]) -> list[RecordSummary]:
    return list_records(RunFolder(Path(run)))


def _state(path: Path) -> tuple[int, int]:
    """Changes when a file does; zeros where there is none."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


def show_sentence(readiness: Readiness, text: PageText) -> None:
    """May it drive? Where? At what speed?"""
    show = st.error if readiness.passed is None else st.success if readiness.passed == "deploy" else st.warning
    icon = ":material/front_hand:" if readiness.passed is None else ":material/verified_user:"
    show(plain(readiness.sentence(text.language)), icon=icon)


def show_levels(readiness: Readiness, text: PageText) -> None:
    """Every gate, level by level, each with what it stands on and what to do next."""
    chosen = st.segmented_control(
        text.say("readiness.show"),
        list(STATUSES),
        format_func=lambda status: f"{say(text.language, f'status.{status}', {})} ({readiness.count(status)})",
        selection_mode="multi",
        default=list(STATUSES),
        key="gate_statuses",
        label_visibility="collapsed",
    )
    for level in LEVELS:
        results = readiness.of_level(level)
        if not results:
            continue
        met = readiness.count("met", level)
        st.subheader(
            text.say(
                "readiness.level", name=say(text.language, f"level.{level}.name", {}), met=met, gates=len(results)
            ),
            anchor=False,
        )
        st.caption(say(text.language, f"level.{level}.line", {}))
        for result in results:
            if result.status in chosen:
                _show_gate(worded_gate(result, readiness, text.language), result.status, text)


def _show_gate(gate: WordedGate, status: Status, text: PageText) -> None:
    with st.container(border=True, gap="xxsmall"):
        with st.container(horizontal=True, horizontal_alignment="distribute", gap="small"):
            help_text = f"{plain(gate.reason)} ({plain(gate.source)})"
            if gate.stored:
                help_text += "\n\n" + plain(text.say("readiness.stored", place=gate.stored))
            st.markdown(f"{ICONS[status]} **{plain(gate.name)}**", help=help_text, width="content")
            st.markdown(
                f"{plain(gate.found)} :gray[· {plain(text.say('readiness.wanted', wanted=gate.wanted))}]",
                width="content",
            )
        if gate.next:
            command = f"  \n`{gate.command}`" if gate.command else ""
            st.caption(f":material/arrow_forward: {plain(gate.next)}{command}")


def show_glance(readiness: Readiness, text: PageText) -> None:
    """One sign a gate, a line a level."""
    for level in LEVELS:
        results = readiness.of_level(level)
        if results:
            st.markdown(
                f"**{plain(_level_name(level, text))}** "
                + plain(text.say("readiness.of", met=readiness.count("met", level), gates=len(results)))
                + "  \n"
                + " ".join(ICONS[result.status] for result in results)
            )


def _level_name(level: Level, text: PageText) -> str:
    return say(text.language, f"level.{level}.name", {})


def record_rows(records: Sequence[RecordSummary], text: PageText) -> pd.DataFrame:
    """One row a record, newest first."""
    columns = {
        name: text.say(f"readiness.column.{name}") for name in ("written", "passed", *STATUSES, "frames", "file")
    }
    rows = [
        {
            columns["written"]: _moment(record.written),
            columns["passed"]: text.say("readiness.none")
            if record.passed is None
            else say(text.language, f"level.{record.passed}.name", {}),
            **{columns[status]: getattr(record, status) for status in STATUSES},
            columns["frames"]: record.frames,
            columns["file"]: record.path.name,
        }
        for record in reversed(records)
    ]
    return pd.DataFrame(rows)


def history_figure(records: Sequence[RecordSummary], text: PageText) -> go.Figure:
    """Gates met, not met and not measured in each record, as the data grows; records oldest first."""
    ticks = [
        f"{_moment(record.written)[5:10]}<br>{text.say('readiness.frames', frames=record.frames or 0)}"
        for record in records
    ]
    whole = [[_moment(record.written), text.say("readiness.frames", frames=record.frames or 0)] for record in records]
    figure = go.Figure()
    for status in STATUSES:
        figure.add_bar(
            x=list(range(len(records))),
            y=[getattr(record, status) for record in records],
            name=say(text.language, f"status.{status}", {}),
            marker_color=_COLORS[status],
            customdata=[[*said, record.run_id] for said, record in zip(whole, records, strict=True)],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<br>%{y}<extra>%{fullData.name}</extra>",
        )
    figure = compact(figure, _HISTORY_PX)
    shown = range(0, len(records), -(-len(records) // _MOST_TICKS))
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"}
    figure.update_layout(barmode="stack", showlegend=True, legend=legend, margin_t=52, bargap=0.35)
    # A single record would fill the whole width.
    figure.update_xaxes(
        tickvals=list(shown),
        ticktext=[ticks[index] for index in shown],
        tickangle=0,
        range=[-0.6, max(len(records), _MOST_TICKS) - 0.4],
    )
    figure.update_yaxes(title_text=text.say("readiness.gates"), rangemode="tozero")
    return figure


def _moment(written: str) -> str:
    return datetime.fromisoformat(written).astimezone().strftime("%Y-%m-%d %H:%M")
