"""What a simulated data set's annotations say of its episodes: a tag for those in which the robot was shoved."""

from __future__ import annotations

from mvla_core.episodes.annotations import change
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.notes import Change
from mvla_core.layout import DataRoot
from mvla_core.simulation.journal import EpisodeRecord

SHOVED_TAG = "shoved"


def tag_shoved(root: DataRoot, dataset: str, record: EpisodeRecord) -> None:
    """Tag an episode with a shove, so that the page Episodes can show and a training can leave it out; others get nothing.

    Called once for each episode, before the journal knows it: a recording that is killed leaves none out, and going on says
    nothing again of what the user has said something else of since.
    """
    if record.shoved:
        changes = {record.episode_id: Change(add_tags=(SHOVED_TAG,))}
        change(root, named_dataset(root, dataset), changes, f"Simulation: a shove in {record.episode_id}")
