"""When and where a policy is wrong: by phase of the episode, in critical intervals, by group of episodes.

**Phases.** An action at frame i of an episode with L frames belongs to third floor(3 i / L): initial, middle, final.

**Critical intervals.** A mean over all actions is decided by the long stretches in which nothing changes, where repeating the
last command is enough. The intervals around the driver's own changes are measured apart, and what is left is "calm". With
directions as in the confusion matrix, frame i (compared with i - 1) is a

- start: stop before, moving now;
- stop: moving before, stop now;
- turn: moving before and now, in another direction.

Each change counts with `REACH` frames on either side. Frames before the first predicted one are not looked at. Source of the idea:
Critical Interval MSE, Huang et al. 2026 (arXiv:2606.29898).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.evaluation.measure_parts import Compared, Json, Mask
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.metrics.directions import direction_classes

PHASES = ("initial", "middle", "final")
CRITICAL = ("start", "stop", "turn")
REACH = 1
"""Frames before and after a change that belong to it: a finger is a frame early or late."""
RULE = "the driver's direction changes between two frames; the interval reaches one frame before and after"


def instants(episode: EpisodePredictions) -> npt.NDArray[np.int64]:
    """int64 (N, C): the frame of the episode at which each predicted action is due."""
    return episode.last_frames[:, None] + np.arange(episode.target.shape[1])


def driven(episode: EpisodePredictions) -> tuple[int, npt.NDArray[np.float32]]:
    """Put the driver's actions together again from the targets.

    Returns:
        The frame of the first known action, and float32 (T, A), the actions from there on without a gap.
    """
    at = instants(episode)[episode.mask]
    first = int(at.min())
    actions = np.zeros((int(at.max()) - first + 1, episode.target.shape[2]), dtype=np.float32)
    actions[at - first] = episode.target[episode.mask]
    return first, actions


def phase_masks(episodes: Sequence[EpisodePredictions]) -> Mapping[str, list[Mask]]:
    """By phase, which actions of each episode belong to it."""
    masks: dict[str, list[Mask]] = {name: [] for name in PHASES}
    for episode in episodes:
        at = instants(episode)
        length = int(at[episode.mask].max()) + 1
        third = np.minimum(len(PHASES) * at // length, len(PHASES) - 1)
        for number, name in enumerate(PHASES):
            masks[name].append(episode.mask & (third == number))
    return masks


def critical_frames(actions: npt.NDArray[np.float32], scale: ActionScale) -> Mapping[str, npt.NDArray[np.bool_]]:
    """By kind of change, bool (T,): the frames within `REACH` of one. Frames before the first known action are not looked at."""
    classes = direction_classes(actions, scale.space, scale.band)
    before, now = classes[:-1], classes[1:]
    changes = {
        "start": (before == 0) & (now != 0),
        "stop": (before != 0) & (now == 0),
        "turn": (before != 0) & (now != 0) & (before != now),
    }
    found = {}
    for name, change in changes.items():
        near = np.zeros(len(actions), dtype=np.bool_)
        for frame in np.flatnonzero(change) + 1:
            near[max(0, frame - REACH) : frame + REACH + 1] = True
        found[name] = near
    return found


def critical_masks(episodes: Sequence[EpisodePredictions], scale: ActionScale) -> Mapping[str, list[Mask]]:
    """By kind, "any" and "calm", which actions of each episode belong to it. Kinds may overlap; any and calm do not."""
    masks: dict[str, list[Mask]] = {name: [] for name in (*CRITICAL, "any", "calm")}
    for episode in episodes:
        first, actions = driven(episode)
        near = critical_frames(actions, scale)
        at = np.clip(instants(episode) - first, 0, len(actions) - 1)
        union = np.zeros(len(actions), dtype=np.bool_)
        for name in CRITICAL:
            masks[name].append(episode.mask & near[name][at])
            union |= near[name]
        masks["any"].append(episode.mask & union[at])
        masks["calm"].append(episode.mask & ~union[at])
    return masks


def measure_phases(compared: Compared) -> Json:
    """Return a part for each of `PHASES`."""
    return {name: compared.part(masks) for name, masks in phase_masks(compared.episodes).items()}


def measure_critical(compared: Compared) -> Json:
    """Return a part for each kind of change, for all together, for the calm rest, and the rule."""
    found: dict[str, Any] = {
        name: compared.part(masks) for name, masks in critical_masks(compared.episodes, compared.scale).items()
    }
    return {"rule": RULE, "reach": REACH, **found}


def measure_groups(compared: Compared, names: Sequence[str]) -> list[Json]:
    """Return a part for each group of episodes, in the order of the groups' names.

    Args:
        compared: The E held-out episodes.
        names: The group of each; "" where it has none.
    """
    return [
        {
            "name": name,
            **compared.part(compared.everything, rows=[row for row, own in enumerate(names) if own == name]),
        }
        for name in sorted(set(names))
    ]
