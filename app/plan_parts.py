"""What to record next, on the Data set page: coverage, targets that can be edited in place, the ranked list, and files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.figure_style import PLOT_CONFIG, compact
from app.session import data_root
from app.text import plain
from mvla_core.audit.coverage import Pivot, seen_values, usual_axes, usual_values
from mvla_core.audit.plan import CellPlan, PictureEvidence, Plan, PlanItem, make_plan, usable_episodes
from mvla_core.audit.plan_export import shown_count, to_csv, to_markdown
from mvla_core.audit.plan_wording import Language, PlanWords
from mvla_core.audit.result import AuditResult
from mvla_core.audit.targets import (
    AXES,
    KNOWN_VALUES,
    LARGEST_TARGET,
    Targets,
    load_targets,
    ordered,
    save_targets,
)
from mvla_core.episodes.dataset import DatasetRef, named_dataset
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.schema import EpisodeInfo

_CARDS = 6
_ROW_PX = 30
_HEAD_PX = 28
_LINE_PX = 16
_TALLEST_PX = 620
_GRAVE = ("vary_clock", "vary_script", "no_headroom", "opposed")


@st.fragment
def show_plan(dataset: str, result: AuditResult, language: Language, pictures: PictureEvidence | None = None) -> None:
    """Show what to record next for a data set of the data root.

    Args:
        dataset: Its name.
        result: Its audit.
        language: Of every text of this part.
        pictures: Evidence of the pictures, where it was measured.

    Raises:
        MvlaError: There is no such data set, or the file of its targets is damaged.
    """
    words = PlanWords(language)
    st.subheader(words.say("app", "title"), anchor=False)
    ref = named_dataset(data_root(), dataset)
    editor = _Editor(ref, load_targets(data_root(), ref), usable_episodes(result), words)
    if not editor.episodes:
        st.info(words.say("app", "empty_text"), title=words.say("app", "empty"), icon=":material/playlist_add:")
        return
    try:
        plan = make_plan(result, editor.targets, pictures)
    except UserInputError as error:
        st.error(plain(str(error)), icon=":material/error:")
        _settings(editor, None)
        return
    st.progress(
        plan.progress,
        text=words.say("app", "progress", reached=plan.reached, wanted=plan.wanted, share=words.percent(plan.progress)),
    )
    _advice(plan, words)
    if plan.coverage.axes and plan.cells:
        _matrix(plan, words)
    _settings(editor, plan)
    _list(plan, words)
    _downloads(plan, language, words)


def _advice(plan: Plan, words: PlanWords) -> None:
    for advice in plan.advice:
        icon = ":orange[:material/warning:]" if advice.code in _GRAVE else ":blue[:material/info:]"
        st.markdown(f"{icon} {plain(words.advice(advice))}")


def _matrix(plan: Plan, words: PlanWords) -> None:
    pivot = plan.coverage.pivot()
    height = _height(pivot)
    with st.container(border=True):
        st.markdown(f"**{plain(words.say('app', 'matrix'))}**")
        if pivot.shared.pairs:
            st.caption(plain(words.say("document", "shared", cell=words.cell(pivot.shared))))
        # A tall matrix scrolls in a frame of its own, so that the list below stays within reach.
        with st.container(height=_TALLEST_PX if height > _TALLEST_PX else "content", border=False):
            st.plotly_chart(
                coverage_figure(plan, words), key="plan_matrix", config=PLOT_CONFIG, alt=words.say("app", "matrix")
            )


def coverage_figure(plan: Plan, words: PlanWords) -> go.Figure:
    """The matrix as a heat map: have / target in each cell, the colour by the share reached."""
    pivot = plan.coverage.pivot()
    by_cell = {cell.count.cell: cell for cell in plan.cells}
    grid = [[None if count is None else by_cell[count.cell] for count in row] for row in pivot.grid]
    everything = words.say("document", "all")
    figure = go.Figure(
        go.Heatmap(
            z=[[_share(cell) for cell in row] for row in grid],
            zmin=0,
            # Only on the first part of the theme's scale is the text read well, in light and dark alike.
            zmax=2.8,
            xgap=2,
            ygap=2,
            showscale=False,
            customdata=[[_hover(cell, words) for cell in row] for row in grid],
            hovertemplate="%{customdata}<extra></extra>",
            text=[[shown_count(count).replace(" ", "") for count in row] for row in pivot.grid],
            texttemplate="%{text}",
            hoverongaps=False,
        )
    )
    # Places instead of names: two values of a recording may read alike, and an axis of names would merge them.
    columns = [_label(words.cell(column, separator="<br>")) if column.pairs else everything for column in pivot.columns]
    rows = [_label(words.cell(row, separator=" · ")) if row.pairs else everything for row in pivot.rows]
    figure.update_xaxes(
        tickvals=list(range(len(columns))), ticktext=columns, side="top", showgrid=False, zeroline=False
    )
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=rows, autorange="reversed", showgrid=False, zeroline=False
    )
    return compact(figure, _height(pivot))


def _height(pivot: Pivot) -> int:
    """Height in pixels: room for the lines over the columns, then the rows."""
    return _HEAD_PX + _LINE_PX * max(1, len(pivot.column_axes)) + _ROW_PX * len(pivot.rows)


def _share(cell: CellPlan | None) -> float | None:
    """The colour of a cell; one that is not wanted lacks nothing, and an empty one of that kind is left blank."""
    if cell is None or not (cell.count.target or cell.count.have):
        return None
    return 1.0 - cell.missing / cell.count.target if cell.count.target else 1.0


def _hover(cell: CellPlan | None, words: PlanWords) -> str:
    if cell is None:
        return ""
    figures = {"have": cell.count.have, "target": cell.count.target, "counted": cell.counted, "missing": cell.missing}
    held = words.say("app", "hover_have", **figures) if cell.count.target else words.say("app", "not_wanted")
    return f"{_label(words.cell(cell.count.cell))}<br>{held}<br>{words.say('app', 'hover_counted', **figures)}"


def _label(text: str) -> str:
    """Text for Plotly, which reads a few tags; line breaks of ours stay."""
    return "<br>".join(part.replace("&", "&amp;").replace("<", "&lt;")[:40] for part in text.split("<br>"))


def _list(plan: Plan, words: PlanWords) -> None:
    if not plan.items:
        st.success(words.say("document", "nothing"), icon=":material/check_circle:")
        return
    st.caption(words.say("app", "summary", episodes=plan.episodes))
    with st.grid(2, min_column_width=320):
        for item in plan.items[:_CARDS]:
            with st.container(border=True, height="stretch", gap="xxsmall"):
                st.markdown(f"**{item.rank}. {plain(words.headline(item))}**")
                st.markdown(f":material/help: {plain(words.why(item))}")
                st.markdown(f":material/videocam: {plain(words.how(item.how))}")
    rest = plan.items[_CARDS:]
    if rest:
        with st.expander(words.say("app", "more", count=len(rest)), icon=":material/list:"):
            st.dataframe(
                pd.DataFrame([_row(item, words) for item in rest]),
                hide_index=True,
                column_config={words.say("columns", "how"): st.column_config.TextColumn(width="large")},
                alt=words.say("app", "title"),
            )


def _row(item: PlanItem, words: PlanWords) -> dict[str, str | int]:
    return {
        words.say("columns", "rank"): item.rank,
        words.say("columns", "what"): words.what(item),
        words.say("columns", "episodes"): item.episodes,
        words.say("columns", "why"): words.why(item),
        words.say("columns", "how"): words.how(item.how),
    }


def _downloads(plan: Plan, language: Language, words: PlanWords) -> None:
    files = {
        "markdown": (to_markdown(plan, language), f"{plan.dataset}-plan.md", "text/markdown", ":material/checklist:"),
        "csv": (to_csv(plan, language), f"{plan.dataset}-plan.csv", "text/csv", ":material/table:"),
    }
    with st.container(horizontal=True):
        for name, (text, file, kind, icon) in files.items():
            st.download_button(
                words.say("app", name),
                text.encode(),
                file,
                kind,
                key=f"plan_download_{name}",
                icon=icon,
                on_click="ignore",
            )


@dataclass(frozen=True)
class _Editor:
    """The targets of a data set as they are, and how they are changed.

    The file is the truth: before a widget is drawn it is given what the file says, so that a change by the command line or
    another tab is seen, and a change here reads the file again before it is kept.
    """

    ref: DatasetRef
    targets: Targets
    episodes: list[EpisodeInfo]
    words: PlanWords

    def key(self, name: str) -> str:
        return f"plan_{name}_{self.ref.name}"

    def keep(self, change: Callable[[Targets], Targets]) -> None:
        """Change the targets; a value that cannot be used is told when the part is drawn next."""
        root = data_root()
        try:
            save_targets(root, self.ref, change(load_targets(root, self.ref)))
        except MvlaError as error:
            st.session_state[self.key("mistake")] = str(error)

    def keep_default(self) -> None:
        value = st.session_state[self.key("default")]
        self.keep(lambda targets: targets.with_default(value))

    def keep_axes(self) -> None:
        chosen = tuple(axis for axis in AXES if axis in st.session_state[self.key("axes")])

        def change(targets: Targets) -> Targets:
            usual = usual_axes(seen_values(self.episodes), targets)
            return targets.with_axes(() if chosen == usual else chosen)

        self.keep(change)

    def keep_values(self, axis: str) -> None:
        chosen = st.session_state[self.key(f"values_{axis}")]

        def change(targets: Targets) -> Targets:
            changed = targets.with_values(axis, chosen)
            usual = usual_values(axis, seen_values(self.episodes).get(axis, ()))
            return targets.with_values(axis, ()) if changed.values.get(axis) == usual else changed

        self.keep(change)

    def keep_cells(self, plan: Plan, key: str) -> None:
        edited: dict[int, dict[str, Any]] = st.session_state[key]["edited_rows"]
        name = self.words.say("columns", "target")

        def change(targets: Targets) -> Targets:
            for place, row in edited.items():
                targets = targets.with_cell(plan.cells[place].count.cell, row[name])
            return targets

        self.keep(change)


def _settings(editor: _Editor, plan: Plan | None) -> None:
    """The targets, editable; without a plan, which has too many cells, only what makes it smaller."""
    words, targets = editor.words, editor.targets
    with st.expander(words.say("app", "settings"), icon=":material/tune:", expanded=plan is None):
        mistake = st.session_state.pop(editor.key("mistake"), None)
        if mistake is not None:
            st.error(plain(mistake), icon=":material/error:")
        seen = seen_values(editor.episodes)
        options = [axis for axis in AXES if axis in seen or axis in targets.values]
        st.session_state[editor.key("default")] = targets.default
        st.number_input(
            words.say("app", "default"),
            0,
            LARGEST_TARGET,
            key=editor.key("default"),
            on_change=editor.keep_default,
            help=words.say("app", "default_help"),
            width=220,
        )
        if options:
            chosen = plan.coverage.axes if plan is not None else targets.axes or ()
            st.session_state[editor.key("axes")] = [axis for axis in chosen if axis in options]
            st.multiselect(
                words.say("app", "axes"),
                options,
                key=editor.key("axes"),
                format_func=words.axis,
                on_change=editor.keep_axes,
            )
        if plan is not None and plan.coverage.axes:
            _wanted_values(editor, plan)
            _cell_targets(editor, plan)
        st.button(
            words.say("app", "restore"),
            key=editor.key("restore"),
            icon=":material/undo:",
            on_click=editor.keep,
            args=(lambda _: Targets(),),
            disabled=targets == Targets(),
        )


def _wanted_values(editor: _Editor, plan: Plan) -> None:
    words = editor.words
    with st.grid(3, min_column_width=220):
        for axis in plan.coverage.axes:
            key = editor.key(f"values_{axis}")
            wanted = plan.coverage.wanted[axis]
            st.session_state[key] = list(wanted)
            st.multiselect(
                words.say("app", "values", axis=words.axis(axis)),
                ordered(axis, {*plan.coverage.values[axis], *KNOWN_VALUES.get(axis, ())}),
                key=key,
                format_func=partial(words.value, axis),
                accept_new_options=True,
                placeholder=words.say("app", "add_value"),
                on_change=editor.keep_values,
                args=(axis,),
            )


def _cell_targets(editor: _Editor, plan: Plan) -> None:
    words = editor.words
    cell, have, target = words.say("columns", "what"), words.say("columns", "have"), words.say("columns", "target")
    rows = [(words.cell(each.count.cell), each.count.have, each.count.target) for each in plan.cells]
    # An editor whose rows have changed is another editor: edits are kept by place.
    state = json.dumps([editor.targets.to_json(), rows], ensure_ascii=False)
    key = editor.key(f"cells_{hashlib.sha256(state.encode()).hexdigest()[:12]}")
    st.caption(words.say("app", "cells"))
    st.data_editor(
        pd.DataFrame(rows, columns=[cell, have, target]),
        key=key,
        hide_index=True,
        disabled=[cell, have],
        column_config={
            cell: st.column_config.TextColumn(width="large"),
            target: st.column_config.NumberColumn(min_value=0, max_value=LARGEST_TARGET, step=1),
        },
        on_change=editor.keep_cells,
        args=(plan, key),
    )
