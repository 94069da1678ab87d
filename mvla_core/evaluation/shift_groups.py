"""Which held-out episodes are new in scenario, session or time of day, and where their driver stops or begins to turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.grouping import session_numbers
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.metrics.directions import DIRECTION_NAMES, direction_classes
from mvla_core.schema import Actions, ActionSequence, EpisodeInfo

NEAR_FRAMES = 2
"""An action counts to an event when it lies at most so many frames before or after it."""
TURN_SHARE = 0.5
"""A turn begins where the lateral command changes, within one frame, by half of the largest that was ever trained on. A key does
nothing else, so that this says nothing of how sharp the turn is."""

_STOP = DIRECTION_NAMES.index("stop")

Frames = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PlaceGroup:
    """What of the held-out episodes is new in one respect.

    Attributes:
        name: "scenario", "session" or "time of day".
        unseen: Places in the test part of the episodes whose group neither training nor validation met; empty where there are none.
        reason: Why there are none, in one sentence; "" where there are some.
    """

    name: str
    unseen: tuple[int, ...]
    reason: str


def place_groups(test: Sequence[EpisodeInfo], known: Sequence[EpisodeInfo]) -> tuple[PlaceGroup, ...]:
    """Find the held-out episodes that are new in each respect.

    Args:
        test: The held-out episodes.
        known: Those of the training and validation part.
    """
    # Sessions are numbered over all episodes together, so that the same number means the same session.
    sessions = session_numbers([*test, *known])
    labels: dict[str, list[str | int | None]] = {
        "scenario": [info.scenario.label() or None for info in (*test, *known)],
        "session": list(sessions),
        "time of day": [info.scenario.time_of_day for info in (*test, *known)],
    }
    return tuple(_group(name, own[: len(test)], own[len(test) :]) for name, own in labels.items())


def _group(name: str, test: Sequence[str | int | None], known: Sequence[str | int | None]) -> PlaceGroup:
    if all(label is None for label in test):
        return PlaceGroup(name, (), f"The {name} of the held-out episodes is not known.")
    if any(label is None for label in known):
        return PlaceGroup(
            name,
            (),
            f"The {name} of some training episodes is not known, so that none can be called new to the policy.",
        )
    unseen = tuple(place for place, label in enumerate(test) if label is not None and label not in known)
    where = "a split by scenario or session" if name != "time of day" else "episodes of another time of day"
    reason = "" if unseen else f"Training met every {name} of the held-out episodes; {where} would leave one out."
    return PlaceGroup(name, unseen, reason)


def stops(actions: Actions, scale: ActionScale) -> Frames:
    """Return the frames, int64, at which the driver stands still after moving at the frame before, however fast that was."""
    classes = direction_classes(actions, scale.space, scale.band)
    return np.flatnonzero((classes[1:] == _STOP) & (classes[:-1] != _STOP)) + 1


def turns(train: Sequence[ActionSequence], scale: ActionScale) -> Callable[[Actions], Frames]:
    """Return the function that finds the frames at which the lateral command jumps to a turn.

    Raises:
        ValueError: The robot has no lateral dimension.
    """
    if scale.space.lateral is None:
        raise ValueError("A turn needs a lateral action dimension.")
    column = scale.space.names.index(scale.space.lateral)
    largest = max(float(np.abs(sequence.actions[:, column]).max(initial=0.0)) for sequence in train)
    still = float(scale.band[column])

    def find(actions: Actions) -> Frames:
        lateral = actions[:, column].astype(np.float64)
        jumps = np.abs(np.diff(lateral)) >= max(TURN_SHARE * largest, still)
        return np.flatnonzero(jumps & (np.abs(lateral[1:]) > still)) + 1

    return find


def near(episode: EpisodePredictions, events: Frames) -> EpisodePredictions | None:
    """Return an episode of which only the actions near an event are compared; None where none is."""
    frames = episode.last_frames[:, None] + np.arange(episode.mask.shape[1])
    close = (np.abs(frames[..., None] - events) <= NEAR_FRAMES).any(axis=-1)
    mask = episode.mask & close
    return replace(episode, mask=mask) if mask.any() else None
