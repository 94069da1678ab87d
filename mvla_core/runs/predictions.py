"""What a training predicts for a few fixed validation episodes after each epoch, so that a collapse is seen at once.

The file `epoch_predictions.jsonl` of a run folder grows while it trains. Its first line names the episodes with their true
velocities, each further line holds one epoch's predictions: the first action of each predicted chunk, which is the one a robot
would be given. It is bounded: `WATCHED` episodes, `MAX_FRAMES` frames each, `MAX_EPOCHS` epochs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.files import append_json_line, read_json_lines
from mvla_core.layout import RunFolder

FILE = "epoch_predictions.jsonl"
WATCHED = 2
MAX_FRAMES = 120
MAX_EPOCHS = 400
COLLAPSED_SHARE = 0.1
"""Predictions that vary less than this share of what was driven have collapsed to a constant."""
_DIGITS = 4
_MAX_BYTES = 32_000_000

Velocities = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WatchedEpisode:
    """One validation episode that is predicted after each epoch.

    Attributes:
        episode_id: The episode.
        frames: int64 (N,), the frames shown, ascending.
        driven: float64 (N, A), what the driver commanded, units of the action space.
    """

    episode_id: str
    frames: npt.NDArray[np.int64]
    driven: Velocities


@dataclass(frozen=True, eq=False)
class EpochPredictions:
    """What a run folder holds of them.

    Attributes:
        names: Of the action dimensions.
        units: Theirs.
        episodes: What is watched.
        epochs: By epoch (1-based), for each episode float64 (N, A), units of the action space, NaN where not finite.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    episodes: tuple[WatchedEpisode, ...]
    epochs: Mapping[int, tuple[Velocities, ...]]

    def spread(self, epoch: int) -> list[float]:
        """How much the predictions of an epoch vary beside what was driven, one a dimension: about 1 is alike, 0 a constant.

        The ratio of the standard deviations within the watched episodes, so that one constant an episode counts as constant;
        NaN where the driver never varied.
        """
        driven = _within([episode.driven for episode in self.episodes])
        predicted = _within(self.epochs[epoch])
        return [float(p / d) if d > 0 else math.nan for p, d in zip(predicted, driven, strict=True)]

    def collapsed(self, epoch: int) -> list[str]:
        """The dimensions whose predictions hardly vary although the driver did."""
        return [name for name, share in zip(self.names, self.spread(epoch), strict=True) if share < COLLAPSED_SHARE]

    def to_json(self, after: int = 0) -> dict[str, Any]:
        """JSON values of the episodes, and of the epochs after `after`."""
        return {
            "names": list(self.names),
            "units": list(self.units),
            "episodes": [
                {
                    "episode_id": episode.episode_id,
                    "frames": episode.frames.tolist(),
                    "driven": _rounded(episode.driven),
                }
                for episode in self.episodes
            ],
            "epochs": [
                {
                    "epoch": epoch,
                    "predicted": [_rounded(values) for values in predicted],
                    "spread": [round(share, 4) if math.isfinite(share) else None for share in self.spread(epoch)],
                    "collapsed": self.collapsed(epoch),
                }
                for epoch, predicted in self.epochs.items()
                if epoch > after
            ],
        }


def choose_watched(actions: Mapping[str, npt.NDArray[np.float32]]) -> tuple[str, ...]:
    """Choose the episodes to watch: the first, and the one that was driven most differently from it.

    Args:
        actions: By episode, in the order of the split: float32 (L, A).
    """
    names = list(actions)
    if len(names) <= WATCHED:
        return tuple(names)
    means = np.stack([actions[name].mean(axis=0) for name in names])
    other = int(np.abs(means - means[0]).sum(axis=1)[1:].argmax()) + 1
    return names[0], names[other]


def shown_rows(num_windows: int) -> npt.NDArray[np.int64]:
    """Which of an episode's windows are kept: all, or `MAX_FRAMES` evenly from first to last."""
    return np.unique(np.linspace(0, num_windows - 1, min(num_windows, MAX_FRAMES)).round().astype(np.int64))


def is_kept(epoch: int, epochs: int) -> bool:
    """Whether the predictions of an epoch are written: at most `MAX_EPOCHS`, always the first and the last."""
    every = math.ceil(epochs / MAX_EPOCHS)
    return epoch == 1 or epoch == epochs or epoch % every == 0


def write_watched(
    run: RunFolder, names: Sequence[str], units: Sequence[str], episodes: Sequence[WatchedEpisode]
) -> None:
    """Begin the file, unless an earlier part of the same training did."""
    path = run.path / FILE
    if path.exists():
        return
    described = [
        {
            "episode_id": episode.episode_id,
            "frames": episode.frames.tolist(),
            "driven": _rounded(episode.driven),
        }
        for episode in episodes
    ]
    append_json_line(path, {"names": list(names), "units": list(units), "episodes": described})


def write_epoch(run: RunFolder, epoch: int, predicted: Sequence[Velocities]) -> None:
    """Add the predictions of an epoch (1-based), one array (N, A) for each watched episode."""
    append_json_line(run.path / FILE, {"epoch": epoch, "predicted": [_rounded(values) for values in predicted]})


def read_predictions(run: RunFolder) -> EpochPredictions | None:
    """Read what is there; None where nothing is, or nothing that can be used.

    Lines that are damaged, or do not fit the first one, are passed over. An epoch that was trained again after a
    resume counts as it was last.
    """
    rows = _rows(run.path / FILE)
    if not rows:
        return None
    try:
        first = rows[0]
        episodes = tuple(
            WatchedEpisode(
                str(entry["episode_id"]), np.asarray(entry["frames"], dtype=np.int64), _array(entry["driven"])
            )
            for entry in first["episodes"]
        )
        names, units = tuple(map(str, first["names"])), tuple(map(str, first["units"]))
        if (
            not episodes
            or any(e.driven.shape != (len(e.frames), len(names)) for e in episodes)
            or len(units) != len(names)
        ):
            return None
    except (KeyError, TypeError, ValueError):
        return None
    epochs: dict[int, tuple[Velocities, ...]] = {}
    for row in rows[1:]:
        try:
            epoch, predicted = int(row["epoch"]), tuple(_array(values) for values in row["predicted"])
        except (KeyError, TypeError, ValueError):
            continue
        if [values.shape for values in predicted] == [episode.driven.shape for episode in episodes]:
            epochs[epoch] = predicted
    return EpochPredictions(names, units, episodes, dict(sorted(epochs.items())))


def _within(episodes: Sequence[Velocities]) -> Velocities:
    spread: Velocities = np.concatenate([values - values.mean(axis=0) for values in episodes]).std(axis=0)
    return spread


def _rows(path: Path) -> list[dict[str, Any]]:
    return read_json_lines(path, 0, _MAX_BYTES)[0]


def _array(values: Any) -> Velocities:
    return np.asarray(values, dtype=np.float64)


def _rounded(values: npt.NDArray[Any]) -> list[list[float | None]]:
    return [
        [round(float(value), _DIGITS) if math.isfinite(value) else None for value in row] for row in np.asarray(values)
    ]
