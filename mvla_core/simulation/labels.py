"""What a simulated data set's annotations say of its episodes: tags for shoves, and why failures are left out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mvla_core.episodes.annotations import change
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.notes import Change
from mvla_core.layout import DataRoot
from mvla_core.simulation.journal import EpisodeRecord

FAILURES_SUFFIX = "_failures"
"""Of the data set that holds the failures of another one."""
SHOVED_TAG = "shoved"
FAILED_TAG = "failed"


def tag_episodes(root: DataRoot, dataset: str, records: Iterable[EpisodeRecord]) -> None:
    """Tag the episodes with a shove, so that the page Episodes can show and a training can leave them out."""
    changes = {record.episode_id: Change(add_tags=(SHOVED_TAG,)) for record in records if record.shoved}
    if changes:
        change(root, named_dataset(root, dataset), changes, f"Simulation: {len(changes)} episodes with a shove")


def exclude_failures(root: DataRoot, folder: Path) -> None:
    """Leave every episode of a data set of failures out of audit, training and evaluation, with the failure as reason."""
    changes = {
        path.stem: Change(
            add_tags=(FAILED_TAG,),
            excluded_reason=f"The expert failed: {path.stem.split('_failed', 1)[1].split('_', 1)[1]}.",
        )
        for path in sorted(folder.glob("*_failed*.h5"))
    }
    if changes:
        title = f"Simulation: {len(changes)} failures of the expert"
        change(root, named_dataset(root, folder.name), changes, title)
