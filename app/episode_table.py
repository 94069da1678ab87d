"""The rows of the table of a data set's episodes."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mvla_core.episodes.catalogue import Catalogue

COLUMNS: dict[str, Any] = {
    "_index": st.column_config.TextColumn("episode", pinned=False),
    "frames": st.column_config.NumberColumn(width="small"),
    "seconds": st.column_config.NumberColumn("duration", format="%.1f s", width="small"),
}
_OPTIONAL = ("instruction", "seconds", "scenario", "recorded", "findings")


def episode_rows(catalogue: Catalogue) -> pd.DataFrame:
    """One row for each usable episode, named by it; a column that would be empty throughout is left out."""
    told: dict[str, list[str]] = {}
    for finding in catalogue.findings:
        told.setdefault(finding.where, []).append(finding.code.replace("_", " "))
    rows = [
        {
            "episode": info.episode_id,
            "frames": info.num_frames,
            "seconds": info.num_frames / info.frame_rate_hz if info.frame_rate_hz else None,
            "findings": ", ".join(told.get(info.episode_id, []) + told.get(info.path.name, [])),
            "instruction": info.instruction,
            "scenario": info.scenario.label(),
            "recorded": info.recorded_at,
        }
        for info in catalogue.episodes
    ]
    empty = [name for name in _OPTIONAL if not any(row[name] for row in rows)]
    return pd.DataFrame(rows).set_index("episode").drop(columns=empty)
