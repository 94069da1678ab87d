"""What people said of the episodes of this data root, as it is now: read again when its file changes, by whichever tab."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.session import data_root
from mvla_core.episodes.annotations import load_annotations
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.notes import Annotations
from mvla_core.layout import DataRoot
from mvla_core.schema import EpisodeInfo

_State = tuple[tuple[int, int], ...]
_known: dict[Path, tuple[_State, Annotations]] = {}
"""By file; replaced as a whole, so that threads may read it while another writes."""


def annotations_of(dataset: str) -> Annotations:
    """The annotations of a data set.

    Raises:
        MvlaError: There is no such data set, or its annotations are damaged.
    """
    return read_annotations(data_root(), dataset)


def read_annotations(root: DataRoot, dataset: str) -> Annotations:
    """As `annotations_of`, for those who bring the data root; frame requests do so without opening the file each time."""
    path, state = root.annotations(dataset), annotation_state(root, dataset)
    known = _known.get(path)
    if known is None or known[0] != state:
        known = _known[path] = (state, load_annotations(root, named_dataset(root, dataset)))
    return known[1]


def annotation_state(root: DataRoot, dataset: str) -> _State:
    """Size and time of change of the files in which a data set's annotations lie; cheap to compare."""
    state = root.annotations(dataset)
    stamps = []
    for path in (state, state.with_suffix(".history.jsonl")):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        stamps.append((status.st_size, status.st_mtime_ns))
    return tuple(stamps)


def as_shown(root: DataRoot, info: EpisodeInfo) -> EpisodeInfo:
    """The whole episode in the colours that were said to be right. Its trim is not applied: what it leaves out can be looked at."""
    order = read_annotations(root, info.dataset).dataset_settings.color_order
    return info if order in (None, info.color_order) else replace(info, color_order=order)


def told_instruction(info: EpisodeInfo, annotations: Annotations) -> str:
    """The instruction that training will use."""
    given = annotations.of(info.episode_id).instruction
    return info.instruction if given is None else given
