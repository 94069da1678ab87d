"""The validation episodes whose predictions are kept after each epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.windows import WindowSpec, last_frames
from mvla_core.layout import RunFolder
from mvla_core.runs.predictions import (
    WatchedEpisode,
    choose_watched,
    is_kept,
    shown_rows,
    write_epoch,
    write_watched,
)
from mvla_core.schema import ActionSpace
from mvla_core.training.segments import PreparedEpisode


class WatchedPredictions:
    """Picks what `validate` predicts for the watched episodes, and writes it once an epoch is over.

    Args:
        run: Where the file lies.
        space: Names and units of the actions.
        episodes: The validation episodes, in the order of the split.
        window: How they are cut.
    """

    def __init__(
        self, run: RunFolder, space: ActionSpace, episodes: Sequence[PreparedEpisode], window: WindowSpec
    ) -> None:
        self._run = run
        actions = {episode.sequence.episode_id: episode.sequence.actions for episode in episodes}
        self._seen: dict[str, npt.NDArray[np.float64]] = {}
        self._names = choose_watched(actions)
        described = []
        for name in self._names:
            last = last_frames(len(actions[name]), window)
            frames = last[shown_rows(len(last))]
            described.append(WatchedEpisode(name, frames, actions[name][frames].astype(np.float64)))
        write_watched(run, space.names, space.units, described)

    def see(self, episode_id: str, last: npt.NDArray[np.int64], predicted: npt.NDArray[np.float32]) -> None:
        """Keep the first action of each chunk, float32 (N, chunk, A), physical units, where the episode is watched."""
        if episode_id in self._names:
            self._seen[episode_id] = predicted[shown_rows(len(last)), 0].astype(np.float64)

    def write(self, epoch: int, epochs: int) -> None:
        """Add what was seen last as the predictions of an epoch (1-based)."""
        if is_kept(epoch, epochs):
            write_epoch(self._run, epoch, [self._seen[name] for name in self._names])
