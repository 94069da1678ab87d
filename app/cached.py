"""What pages compute once and show often. Keys hold the state of the files, so that a change on disk is always seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from app.catalogues import known_dataset
from app.session import data_root
from mvla_core.audit.audit import audit_dataset
from mvla_core.audit.result import AuditResult
from mvla_core.audit.thresholds import own_file
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.annotations import load_annotations
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.looks import look_table
from mvla_core.episodes.measured_pictures import facts_state
from mvla_core.episodes.reader import open_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import Actions, EpisodeInfo
from mvla_core.training.preset_size import preset_size
from mvla_core.training.recipe import PRESETS


def audit(dataset: str, window: WindowSpec | None = None, seed: int = 0, preset: str | None = None) -> AuditResult:
    """The audit of a data set as its files, curation, measurements and the user's limits are now.

    Args:
        dataset: Its name.
        window: The windows a training would use; None takes the usual ones.
        seed: Of the split.
        preset: A recipe whose trainable parameters the training windows are divided by; it also says how windows end.

    Raises:
        MvlaError: The data set cannot be audited; the text says why.
    """
    root = data_root()
    spec = window or WindowSpec()
    depends_on = _measured_state(root, dataset)
    return _audit(
        str(root.path),
        dataset,
        known_dataset(root, dataset).state,
        depends_on,
        spec.window_size,
        spec.chunk_size,
        seed,
        preset,
    )


def _measured_state(root: DataRoot, dataset: str) -> tuple[int, ...]:
    """Changes when the curation, what was measured of the pictures, or the user's own limits do."""
    ref = named_dataset(root, dataset)
    files = (own_file(root), look_table(root, ref.name, ref.folder).path)
    written = (file.stat().st_mtime_ns if file.exists() else 0 for file in files)
    return (load_annotations(root, ref).version, facts_state(root, ref), *written)


@st.cache_data(max_entries=16, show_spinner="Auditing the data set")
def _audit(
    root: str,
    dataset: str,
    state: str,
    measured: tuple[int, ...],
    window_size: int,
    chunk_size: int,
    seed: int,
    preset: str | None,
) -> AuditResult:
    window = WindowSpec(window_size, chunk_size)
    size = None
    if preset is not None:
        window = replace(window, chunk_ends=PRESETS[preset].recipe.chunk_ends)
        size = preset_size(preset, chunk_size)
    return audit_dataset(DataRoot(Path(root)), dataset, window=window, seed=seed, preset=size)


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
