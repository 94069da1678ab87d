"""Choosing among episodes: by words, instruction, scenario, direction, tags, rating, and whether they are excluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import streamlit as st

from app.episode_table import PART_TITLES, SCENARIO_PARTS
from app.filter_memory import keep_to, recall, remember

STATES = ("all", "in use", "excluded")
RATINGS = (0, 1, 2, 3, 4, 5)
GROUPS = ("instruction", "direction", *SCENARIO_PARTS, "tags", "rating", "excluded", "findings", "dataset")
_NOT_SAID = "not said"
_SEARCHED = ("instruction", "note", "excluded", "findings")
_OF = ": "


@dataclass(frozen=True)
class EpisodeFilter:
    """What an episode must be to be shown; the default shows all. Several values of one kind mean any of them."""

    words: str = ""
    """Each word must be in the name, instruction, note, tags, reason of exclusion, findings or scenario."""
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Wanted values by column."""
    tags: Sequence[str] = ()
    state: str = "all"
    least_rating: int = 0
    """0 shows those without a rating too."""
    with_findings: bool = False

    def __bool__(self) -> bool:
        return self != EpisodeFilter()

    def apply(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows that are wanted, in their order."""
        wanted = pd.Series(True, index=rows.index)
        for column, values in self.values.items():
            if values:
                wanted &= _as_text(rows[column]).isin(list(values))
        if self.tags:
            chosen = set(self.tags)
            wanted &= rows["tags"].map(lambda tags: not chosen.isdisjoint(tags)).astype(bool)
        if self.state != "all":
            wanted &= rows["excluded"].notna() == (self.state == "excluded")
        if self.least_rating:
            wanted &= (rows["rating"] >= self.least_rating).fillna(False).astype(bool)
        if self.with_findings:
            wanted &= rows["findings"] != ""
        rows = rows[wanted]
        words = self.words.casefold().split()
        if words and len(rows):
            text = _searched(rows)
            for word in words:
                rows = rows[text.str.contains(word, regex=False)]
                text = text[text.str.contains(word, regex=False)]
        return rows


def _searched(rows: pd.DataFrame) -> pd.Series:
    text = rows.index.to_series().astype(str)
    for column in (*_SEARCHED, *SCENARIO_PARTS, "direction"):
        text = text + " " + rows[column].astype(object).where(rows[column].notna(), "").astype(str)
    return (text + " " + rows["tags"].map(" ".join)).str.casefold()


def _as_text(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), _NOT_SAID).astype(str)


def group_counts(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """How many episodes and frames each value of a column has, the most first. An episode counts once for each of its tags."""
    column = rows[by].map(lambda tags: list(tags) or [_NOT_SAID]).explode() if by == "tags" else _as_text(rows[by])
    column = column.where(column != "", _NOT_SAID)
    frames = rows["frames"].reindex(column.index) if by == "tags" else rows["frames"]
    excluded = rows["excluded"].notna()
    excluded = excluded.reindex(column.index) if by == "tags" else excluded
    joined = pd.DataFrame({"value": column.to_numpy(), "frames": frames.to_numpy(), "excluded": excluded.to_numpy()})
    counted = joined.groupby("value").agg(
        episodes=("frames", "size"), frames=("frames", "sum"), excluded=("excluded", "sum")
    )
    return counted.sort_values(["episodes", "frames"], ascending=False).rename_axis(PART_TITLES.get(by, by))


def choose_filter(rows: pd.DataFrame, several_datasets: bool) -> tuple[EpisodeFilter, str | None]:
    """Let the user say what to show and what to count by; both are kept in the URL."""
    recall()
    groups = [None, *(name for name in GROUPS if name != "dataset" or several_datasets)]
    all_tags = sorted({tag for tags in rows["tags"] for tag in tags})
    for key, options in (
        ("find_state", STATES),
        ("find_tags", all_tags),
        ("find_rating", RATINGS),
        ("count_by", groups),
    ):
        keep_to(key, options)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search", key="find_words", placeholder="name, instruction, note, tag", icon=":material/search:", width=320
        )
        state = st.segmented_control("Show", STATES, key="find_state", required=True)
        with st.popover("Filter", icon=":material/filter_list:"):
            values = _choose_values(rows, several_datasets)
            tags = st.multiselect("Tag", all_tags, key="find_tags")
            least = st.select_slider("Rating of at least", RATINGS, key="find_rating")
            findings = st.toggle("Only with a finding", key="find_findings")
        by = st.selectbox(
            "Count by",
            groups,
            key="count_by",
            width=170,
            format_func=lambda name: PART_TITLES.get(name, name or "nothing"),
        )
    remember()
    chosen = EpisodeFilter(
        words=words.strip(),
        values=values,
        tags=tuple(tags),
        state=state or "all",
        least_rating=least,
        with_findings=findings,
    )
    return chosen, by


def _choose_values(rows: pd.DataFrame, several_datasets: bool) -> dict[str, tuple[str, ...]]:
    chosen: dict[str, tuple[str, ...]] = {}
    for name, title in (("instruction", "Instruction"), ("direction", "Direction")):
        options = sorted(set(_as_text(rows[name])))
        keep_to(f"find_{name}", options)
        if picked := st.multiselect(title, options, key=f"find_{name}"):
            chosen[name] = tuple(picked)
    parts = {
        f"{PART_TITLES.get(part, part)}{_OF}{value}": (part, value)
        for part in SCENARIO_PARTS
        for value in sorted(set(_as_text(rows[part][rows[part].notna()])))
    }
    keep_to("find_scenario", list(parts))
    if parts:
        for label in st.multiselect("Scenario", list(parts), key="find_scenario"):
            part, value = parts[label]
            chosen[part] = (*chosen.get(part, ()), value)
    if several_datasets:
        datasets = sorted(set(rows["dataset"]))
        keep_to("find_dataset", datasets)
        if picked := st.multiselect("Data set", datasets, key="find_dataset"):
            chosen["dataset"] = tuple(picked)
    return chosen
