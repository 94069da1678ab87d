"""The runs of this data root as pages list them: what their folders tell, completed by what the queue knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.session import data_root
from mvla_core.jobs.queue import JobQueue
from mvla_core.runs import RunSummary, list_runs

COLUMNS: dict[str, Any] = {
    "_index": st.column_config.TextColumn("run", pinned=False),
    "created": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
    "progress": st.column_config.ProgressColumn(
        "epochs", format="percent", min_value=0.0, max_value=1.0, width="small"
    ),
    "best epoch": st.column_config.NumberColumn(width="small"),
    "train loss": st.column_config.NumberColumn(format="%.4f", width="small"),
    "validation loss": st.column_config.NumberColumn(
        "val. loss",
        format="%.4f",
        width="small",
        help="Of the best epoch: the lowest, on episodes that were not trained on.",
    ),
}


def runs() -> list[RunSummary]:
    """Every run, newest first."""
    root = data_root()
    return JobQueue(root).runs() if root.jobs_database.exists() else list_runs(root)


def run_rows(summaries: Sequence[RunSummary]) -> pd.DataFrame:
    """One row for each run, named by it."""
    rows = [
        {
            "run": run.run_id,
            "status": run.status,
            "data set": run.dataset,
            "recipe": run.preset,
            "progress": run.epochs_done / run.epochs if run.epochs else None,
            "best epoch": run.best_epoch,
            "train loss": run.train_loss,
            "validation loss": run.best_val_loss,
            "evaluated": run.has_evaluation,
            "created": None if run.created is None else pd.Timestamp.fromtimestamp(run.created),
        }
        for run in summaries
    ]
    return pd.DataFrame(rows).set_index("run")
