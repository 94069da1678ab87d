"""The table of episodes: what is known, found and said of each, in one row."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.annotated import annotation_state, annotations_of
from app.catalogues import JUST_NOW_S, known_dataset
from app.routes import picture_in_order, strip_url
from app.session import data_root
from mvla_core.episodes.catalogue import Catalogue
from mvla_core.episodes.notes import Annotations
from mvla_core.metrics.directions import DIRECTION_NAMES, direction_classes
from mvla_core.schema import ActionSpace, EpisodeInfo

SCENARIO_PARTS = ("goal", "boxes", "layout", "side", "pattern", "distance", "time_of_day")
PART_TITLES = {"time_of_day": "time of day"}
ALWAYS_SHOWN = ("pictures", "episode", "frames", "direction")
_SIGN_BAND = 0.5
"""The dead band for signs, which are -1, 0 or 1."""

COLUMNS: dict[str, Any] = {
    "episode": st.column_config.TextColumn(width=260),
    "pictures": st.column_config.ImageColumn(width=200, help="Six frames from first to last"),
    "frames": st.column_config.NumberColumn(
        width="small", help="Frames in the file; fewer are kept where it is trimmed"
    ),
    "seconds": st.column_config.NumberColumn("duration", format="%.1f s", width="small"),
    "instruction": st.column_config.TextColumn(width="medium"),
    "direction": st.column_config.TextColumn(width=110, help="The most frequent direction among the frames that move"),
    "idle": st.column_config.ProgressColumn(
        format="percent", min_value=0, max_value=1, width="small", help="Share of frames with no command"
    ),
    "findings": st.column_config.TextColumn(width="small"),
    "excluded": st.column_config.TextColumn(width="small", help="Why it is left out of audit, training and evaluation"),
    "tags": st.column_config.ListColumn(width=130),
    "rating": st.column_config.NumberColumn(format="%d \u2605", width="small"),
    "kept": st.column_config.NumberColumn("frames kept", width="small"),
    "note": st.column_config.TextColumn(width="small"),
    "recorded": st.column_config.TextColumn(width="small"),
    **{part: st.column_config.Column(PART_TITLES.get(part, part), width="small") for part in SCENARIO_PARTS},
}
_BEFORE = ("pictures", "dataset", "episode", "excluded", "rating", "tags", "frames", "kept", "seconds", "direction")
_AFTER = ("idle", "findings", "note", "recorded")
ORDER = (*_BEFORE, "instruction", *SCENARIO_PARTS, *_AFTER)


def episode_rows(dataset: str) -> pd.DataFrame:
    """One row for each usable episode of a data set, named by its id. Shared: nobody may change it."""
    root = data_root()
    known = known_dataset(root, dataset, JUST_NOW_S)
    return _rows(str(root.path), dataset, known.state, annotation_state(root, dataset), known.catalogue)


@st.cache_resource(max_entries=16, show_spinner=False)
def _rows(
    root: str, dataset: str, state: str, said: tuple[tuple[int, int], ...], _catalogue: Catalogue
) -> pd.DataFrame:
    return with_notes(_plain_rows(root, dataset, state, _catalogue), annotations_of(dataset))


@st.cache_resource(max_entries=8, show_spinner=False)
def _plain_rows(root: str, dataset: str, state: str, _catalogue: Catalogue) -> pd.DataFrame:
    return plain_rows(_catalogue)


def plain_rows(catalogue: Catalogue) -> pd.DataFrame:
    """The rows of a catalogue, columns as in `ORDER`; what only people can say is empty."""
    told: dict[str, list[str]] = {}
    for finding in catalogue.findings:
        told.setdefault(finding.where, []).append(finding.code.replace("_", " "))
    rows = [_row(catalogue, info, told) for info in catalogue.episodes]
    frame = pd.DataFrame(rows, columns=list(ORDER)).set_index("episode", drop=False).rename_axis(None)
    # Few different texts in many rows: kept once, they are filtered and sent several times faster.
    repeated = ("direction", "dataset", *(part for part in SCENARIO_PARTS if part != "boxes"))
    return frame.astype(dict.fromkeys(repeated, "category") | {"boxes": "Int64"})


def with_notes(rows: pd.DataFrame, annotations: Annotations) -> pd.DataFrame:
    """The rows with what people said of them; a click must not make all the rest anew."""
    notes = [annotations.of(name) for name in rows.index]
    order = annotations.dataset_settings.color_order
    instructions = [
        told if note.instruction is None else note.instruction
        for note, told in zip(notes, rows["instruction"], strict=True)
    ]
    said = {
        "excluded": pd.array([note.excluded_reason for note in notes], dtype="string"),
        "tags": pd.Series([list(note.tags) for note in notes], index=rows.index, dtype=object),
        "rating": pd.array([note.rating for note in notes], dtype="Int64"),
        "kept": pd.array([note.trim[1] - note.trim[0] + 1 if note.trim else None for note in notes], dtype="Int64"),
        "note": [note.note for note in notes],
        "instruction": pd.Categorical(instructions),
    }
    if order is not None:
        said["pictures"] = [picture_in_order(address, order) for address in rows["pictures"]]
    return rows.assign(**said)


def _row(catalogue: Catalogue, info: EpisodeInfo, told: dict[str, list[str]]) -> dict[str, Any]:
    summary = catalogue.summaries.get(info.episode_id)
    direction = None
    if summary is not None:
        direction = _direction(summary.dominant, info.action_space)
    return {
        "episode": info.episode_id,
        "dataset": info.dataset,
        "pictures": strip_url(info),
        "frames": info.num_frames,
        "seconds": info.num_frames / info.frame_rate_hz if info.frame_rate_hz else None,
        "instruction": info.instruction,
        "direction": direction,
        "idle": None if summary is None else summary.idle_share,
        "findings": ", ".join(told.get(info.episode_id, []) + told.get(info.path.name, [])),
        "recorded": info.recorded_at,
        **{part: getattr(info.scenario, part) for part in SCENARIO_PARTS},
    }


@lru_cache(maxsize=256)
def _direction(signs: tuple[int, ...], space: ActionSpace) -> str:
    """The name of a direction that is given by the sign of each axis."""
    band = np.full(len(space), _SIGN_BAND)
    return DIRECTION_NAMES[int(direction_classes(np.array(signs, float), space, band))]


def shown_columns(rows: pd.DataFrame, several_datasets: bool) -> list[str]:
    """The columns that say something: one that is empty throughout is left out."""

    def says_something(name: str) -> bool:
        if name in ALWAYS_SHOWN:
            return True
        if name == "dataset":
            return several_datasets
        column = rows[name]
        return (
            bool(column.str.len().any())
            if name in ("tags", "note", "findings", "instruction")
            else bool(column.notna().any())
        )

    return [name for name in ORDER if says_something(name)]
