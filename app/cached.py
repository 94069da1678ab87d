"""What pages compute once and show often. Keys hold the state of the files, so that a change on disk is always seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app.catalogues import known_dataset
from app.session import data_root
from mvla_core.audit.audit import audit_dataset
from mvla_core.audit.result import AuditResult
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.reader import open_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import Actions, EpisodeInfo


def audit(dataset: str, window: WindowSpec | None = None, seed: int = 0) -> AuditResult:
    """The audit of a data set as its files are now.

    Raises:
        MvlaError: The data set cannot be audited; the text says why.
    """
    root = data_root()
    spec = window or WindowSpec()
    return _audit(str(root.path), dataset, known_dataset(root, dataset).state, spec.window_size, spec.chunk_size, seed)


@st.cache_data(max_entries=16, show_spinner="Auditing the data set")
def _audit(root: str, dataset: str, state: str, window_size: int, chunk_size: int, seed: int) -> AuditResult:
    return audit_dataset(DataRoot(Path(root)), dataset, window=WindowSpec(window_size, chunk_size), seed=seed)


@dataclass(frozen=True)
class Driven:
    """What was driven in an episode.

    Attributes:
        actions: float32 (num_frames, num_dims), units of the episode's action space.
        event_types: What the recorder noted at each frame, None where it did not.
    """

    actions: Actions
    event_types: list[str] | None


def driven(info: EpisodeInfo) -> Driven:
    """The actions and events of an episode, of a trimmed one those that are kept."""
    return _driven(str(info.path), info.dataset, info.file_size, info.file_mtime_ns, info.trim)


@st.cache_data(max_entries=256, show_spinner=False)
def _driven(path: str, dataset: str, size: int, mtime_ns: int, trim: tuple[int, int] | None) -> Driven:
    with open_episode(Path(path), dataset, trim=trim) as episode:
        return Driven(episode.actions(), episode.event_types())
