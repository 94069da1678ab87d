"""The runs of this data root as pages list them: what their folders tell, completed by what the queue knows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pandas as pd
import streamlit as st

from app.session import data_root
from mvla_core.evaluation.wording import lookup
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.runs.listing import RunSummary, list_runs
from mvla_core.runs.table import RunRecord, record_files, run_record

_SMALL: dict[str, Any] = {"width": "small"}
COLUMNS: dict[str, Any] = {
    "run": st.column_config.TextColumn(width="medium"),
    "created": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
    "progress": st.column_config.ProgressColumn(
        "epochs", format="percent", min_value=0.0, max_value=1.0, width="small"
    ),
    "best epoch": st.column_config.NumberColumn(**_SMALL),
    "train loss": st.column_config.NumberColumn(format="%.4f", **_SMALL),
    "validation loss": st.column_config.NumberColumn(
        "val. loss",
        format="%.4f",
        width="small",
        help="Of the best epoch: the lowest, on episodes that were not trained on.",
    ),
    "validation RMSE": st.column_config.NumberColumn(
        "val. RMSE", format="%.4f", width="small", help="Of the best epoch, in the units of the actions."
    ),
    "skill": st.column_config.NumberColumn(
        format="percent", width="small", help="Over a clock that never looks, on the test episodes; 100 % is perfect."
    ),
    "seconds": st.column_config.NumberColumn(format="%.0f", **_SMALL),
    "parameters": st.column_config.NumberColumn(format="localized", **_SMALL),
    "snapshot": st.column_config.NumberColumn("data version", **_SMALL),
    "seed": st.column_config.NumberColumn(**_SMALL),
    "tags": st.column_config.ListColumn(),
}
USUAL_COLUMNS = (
    "run",
    "status",
    "data set",
    "recipe",
    "progress",
    "best epoch",
    "validation loss",
    "verdict",
    "tags",
    "created",
)


def runs() -> list[RunSummary]:
    """Every run, newest first."""
    root = data_root()
    return JobQueue(root).runs() if root.jobs_database.exists() else list_runs(root)


def records(summaries: Sequence[RunSummary]) -> list[RunRecord]:
    """What lists and comparisons show of the runs; files are read again only where they have changed."""
    root = data_root()
    return [_record(root, summary, _stamps(root, summary.run_id)) for summary in summaries]


@lru_cache(maxsize=1024)
def _record(root: DataRoot, summary: RunSummary, stamps: tuple[tuple[int, int] | None, ...]) -> RunRecord:
    return run_record(root, summary)


def _stamps(root: DataRoot, run_id: str) -> tuple[tuple[int, int] | None, ...]:
    """When the files of a record were written, and how long they are; None where there is none."""
    stamps: list[tuple[int, int] | None] = []
    for path in record_files(RunFolder(root.runs / run_id)):
        try:
            found = path.stat()
            stamps.append((found.st_mtime_ns, found.st_size))
        except OSError:
            stamps.append(None)
    return tuple(stamps)


def run_rows(found: Sequence[RunRecord]) -> pd.DataFrame:
    """One row for each run, named by it."""
    rows = [
        {
            "run": record.run_id,
            "status": record.summary.status,
            "data set": record.summary.dataset,
            "recipe": record.summary.preset,
            "progress": record.summary.epochs_done / record.summary.epochs if record.summary.epochs else None,
            "best epoch": record.summary.best_epoch,
            "train loss": record.summary.train_loss,
            "validation loss": record.summary.best_val_loss,
            "validation RMSE": record.val_rmse,
            "verdict": verdict_text(record.verdict),
            "skill": record.skill,
            "seconds": record.seconds,
            "parameters": record.parameters,
            "snapshot": record.data.get("snapshot"),
            "seed": record.seed,
            "tags": list(record.labels.tags),
            "note": record.labels.note,
            "created": None if record.summary.created is None else pd.Timestamp.fromtimestamp(record.summary.created),
        }
        for record in found
    ]
    return pd.DataFrame(rows, index=[record.run_id for record in found])


def verdict_text(label: str) -> str:
    """A verdict in words; "" where a run is not evaluated."""
    if not label:
        return ""
    try:
        return lookup("en", f"labels.{label}")
    except KeyError:
        # A later version of the program may know more of them.
        return label
