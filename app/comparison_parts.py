"""A data set beside others: the briefing's tables, ours computed and published ones quoted, each with its source."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.cached import audit
from app.language import PageText
from app.session import data_root
from mvla_core.audit.comparison import Comparison, DatasetFigures, references
from mvla_core.audit.comparison_wording import WordedTable, worded_sources, worded_tables
from mvla_core.audit.result import AuditResult
from mvla_core.episodes.dataset import list_datasets
from mvla_core.training.recipe import PRESETS
from mvla_core.wording import Language

_WIDTH_PX = 195
"""Of a column: enough for a share with its interval."""


def show_comparison(dataset: str, result: AuditResult, language: Language) -> None:
    """Draw the tables of data, task and model, and let the user add further data sets.

    Args:
        dataset: The data set of the page.
        result: Its audit; the others are audited with the same window and seed. Its preset gives the settings of ours.
        language: Of all texts.
    """
    text = PageText(language)
    st.caption(text.say("comparison.intro"))
    names = [ref.name for ref in list_datasets(data_root()) if ref.name != dataset]
    others: list[str] = []
    if names:
        others = st.multiselect(
            text.say("comparison.others"),
            names,
            key=f"compared_with_{dataset}",
            placeholder=text.say("comparison.others_placeholder"),
            persist_state="session",
        )
    comparison = _comparison(result, others)
    for table in worded_tables(comparison, language):
        st.markdown(f"**{table.title}**")
        _show(table)
    with st.expander(text.say("comparison.source"), icon=":material/menu_book:"):
        cited = [(one.title, one.figures, one.source) for one in worded_sources(comparison, language)]
        columns = [text.say(f"comparison.{name}") for name in ("source_title", "source_figures", "source")]
        st.dataframe(
            pd.DataFrame(cited, columns=columns),
            hide_index=True,
            height="content",
            key="comparison_sources",
            column_config={columns[1]: st.column_config.TextColumn(width=260)},
        )


def _comparison(result: AuditResult, others: list[str]) -> Comparison:
    seed = result.split.seed if result.split else 0
    figures = [
        DatasetFigures.of(audited) for audited in (result, *(audit(name, result.window, seed) for name in others))
    ]
    comparison = Comparison(tuple(figures), references())
    if result.preset is None or result.action_space is None:
        return comparison
    recipe = PRESETS[result.preset.name].recipe.to_json()
    return comparison.with_preset(result.preset.name, recipe, result.preset.of(len(result.action_space)))


def _show(table: WordedTable) -> None:
    # Columns go by number: two data sets may bear the same title.
    frame = pd.DataFrame(table.rows, columns=[str(number) for number in range(len(table.columns))])
    columns = {
        str(number): st.column_config.TextColumn(title, pinned=number == 0, width=_WIDTH_PX)
        for number, title in enumerate(table.columns)
    }
    st.dataframe(
        frame, hide_index=True, height="content", key=f"comparison_{table.name}", column_config=columns, alt=table.title
    )
