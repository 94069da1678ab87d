"""What the overlay draws of one run on one held-out episode: predictions, errors, worst moments, and the way they make.

All of it follows from the stored evaluation; nothing is predicted here. Shapes: N windows, C steps of a chunk, A axes.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.driven_path import ASSUMED_FRAME_RATE_HZ, driven_path
from mvla_core.episodes.annotations import frozen
from mvla_core.episodes.reader import open_episode
from mvla_core.errors import RunError
from mvla_core.evaluation.results import EpisodePredictions, load_results
from mvla_core.evaluation.stored_episode import stored_episode, stored_episodes
from mvla_core.layout import RunFolder
from mvla_core.schema import Actions, ActionSpace, EpisodeInfo

WORST_MOMENTS = 6
DEVIATIONS = "deviations"
"""Unit of an error over axes with different units: each divided by the driver's deviation in the training part."""


def overlay_entry(run: RunFolder, info: EpisodeInfo) -> dict[str, Any]:
    """What the browser needs of a run on an episode, as JSON values.

    Args:
        run: An evaluated run.
        info: The episode as it is stored, not trimmed; frames of the result are counted in it.

    Raises:
        RunError: The run is not evaluated on this episode, or what is stored does not fit to it.
        EpisodeError: The episode cannot be read.
    """
    return _entry(run.path, info, _stamp(run.predictions), _stamp(run.evaluation_results))


def evaluated_episodes(run: RunFolder) -> tuple[str, ...]:
    """The episodes that a run was evaluated on.

    Raises:
        RunError: The run is not evaluated, or its predictions are damaged.
    """
    return _evaluated_episodes(run.path, _stamp(run.predictions))


@lru_cache(maxsize=256)
def _evaluated_episodes(run: Path, stamp: int) -> tuple[str, ...]:
    return tuple(stored_episodes(RunFolder(run)))


# Few: an entry of a long episode takes some MB, and the browser keeps what it has fetched.
@lru_cache(maxsize=8)
def _entry(path: Path, info: EpisodeInfo, stamp: int, results_stamp: int) -> dict[str, Any]:
    run = RunFolder(path)
    found, results = stored_episode(run, info.episode_id), load_results(run)
    trim = frozen(run.path).of(info.episode_id).trim
    first = trim[0] if trim else 0
    names, units = results["actions"]["names"], results["actions"]["units"]
    if found.num_windows == 0 or found.last_frames[-1] + first >= info.num_frames:
        raise RunError(
            f"The predictions of the run {run.run_id} do not fit to the episode {info.episode_id}; evaluate again."
        )
    if (list(info.action_space.names), list(info.action_space.units)) != (list(names), list(units)):
        raise RunError(
            f"The run {run.run_id} predicts {', '.join(names)}, but the episode {info.episode_id} now holds "
            f"{', '.join(info.action_space.names)}; choose another episode."
        )
    if not np.isfinite(found.predicted).all():
        raise RunError(
            f"The run {run.run_id} predicts NaN on the episode {info.episode_id}: its training has diverged; train again."
        )
    mixed = bool(results["actions"]["mixed_units"])
    scale = np.array(results["actions"]["spread"] if mixed else np.ones(len(names)), dtype=np.float64)
    errors = window_errors(found, scale)
    last = found.last_frames + first
    with open_episode(info.path, info.dataset) as episode:
        actions = episode.actions()
    return {
        "names": list(names),
        "units": list(units),
        "last": last.tolist(),
        "predicted": np.round(found.predicted.astype(np.float64), 4).tolist(),
        "band": [[row["per_axis"].get(name) for name in names] for row in results["metrics"]["per_step"]],
        "errors": np.round(errors, 4).tolist(),
        "errorUnit": DEVIATIONS if mixed else units[0],
        "worst": [
            {"frame": int(last[row]), "error": round(float(errors[row]), 4)}
            for row in worst_windows(errors, last, found.predicted.shape[1])
        ],
        "path": predicted_path(actions, found.predicted[:, 0], last, info.action_space, info.frame_rate_hz),
    }


def window_errors(found: EpisodePredictions, scale: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """RMSE of each window over axes and over the steps that lie inside the episode.

    Args:
        found: N windows; each has at least its first step inside.
        scale: float64 (A,), what each axis is divided by.

    Returns:
        float64 (N,).
    """
    squared = np.square((found.predicted.astype(np.float64) - found.target) / scale).mean(axis=2)
    mean: npt.NDArray[np.float64] = (squared * found.mask).sum(axis=1) / found.mask.sum(axis=1)
    return np.sqrt(mean)


def worst_windows(
    errors: npt.NDArray[np.float64], frames: npt.NDArray[np.int64], apart: int, count: int = WORST_MOMENTS
) -> list[int]:
    """Rows of the largest errors, the worst first.

    Neighbouring windows share most of their frames and err alike: of those within a quarter of `apart` frames only the worst is
    taken, so that the list shows different moments.
    """
    taken: list[int] = []
    for row in np.argsort(-errors, kind="stable").tolist():
        if all(abs(int(frames[row] - frames[other])) > apart // 4 for other in taken):
            taken.append(row)
        if len(taken) == count:
            break
    return taken


def predicted_path(
    actions: Actions,
    predicted: npt.NDArray[np.float32],
    last: npt.NDArray[np.int64],
    space: ActionSpace,
    frame_rate_hz: float | None,
) -> dict[str, Any]:
    """The way that the first command of each chunk makes, from the driver's pose at the first predicted frame on.

    Where no window predicts (before the first one) the driver's own command counts, so that only predictions can lead away. The
    policy never sees where its own commands would have led: this is open loop, an error of direction early on grows with the way.

    Returns:
        `x` and `y` (m from the start of the episode, before each command, and after the last), `apart` (m between the two ends;
        None without metres), `share` (of the driven way's length; None where nothing was driven) and `told`, one sentence.
    """
    followed = actions.copy()
    followed[last] = predicted
    end, begin = int(last[-1]) + 1, int(last[0])
    still = np.zeros((1, actions.shape[1]), dtype=actions.dtype)
    true, other = (
        driven_path(np.concatenate([each[:end], still]), space, frame_rate_hz, ASSUMED_FRAME_RATE_HZ)
        for each in (actions, followed)
    )
    apart = float(np.hypot(true.x[-1] - other.x[-1], true.y[-1] - other.y[-1]))
    length = float(np.hypot(np.diff(true.x[begin:]), np.diff(true.y[begin:])).sum())
    share = apart / length if length > 1e-9 else None
    of_way = "" if share is None else f"{share:.0%} of the driven way"
    if true.unit:
        told = f"ends {apart:.2f} m from the driver" + (f", {of_way}" if of_way else "")
    else:
        why = "the recording gives no m/s" if frame_rate_hz else "no frame rate is recorded"
        told = (f"ends {of_way} away" if of_way else "nothing was driven") + f"; {why}, so metres are not known"
    return {
        "x": np.round(other.x[begin:], 4).tolist(),
        "y": np.round(other.y[begin:], 4).tolist(),
        "apart": round(apart, 4) if true.unit else None,
        "share": None if share is None else round(share, 4),
        "told": told + ".",
    }


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0
