"""What the stored predictions tell of safety: how fast, how abruptly, and what happens at sudden stops and sharp turns.

Shapes: E held-out episodes, N windows, C steps of a chunk, A dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.metrics.directions import DIRECTION_NAMES, direction_classes
from mvla_core.metrics.intervals import bootstrap_ratio
from mvla_core.readiness.evidence import PREDICTIONS, Evidence, Gathered, number, table, unmeasured
from mvla_core.schema import ActionSpace

Vector = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Events = Callable[[EpisodePredictions], tuple[Bools, Bools]]
"""Of an episode, bool (N, C - 1) each: at which steps from the second on something begins, and whether it was predicted."""

TOLERANCE = 1.1
"""Ten per cent beyond what the driver ever did is noise; more is a command that nobody has tried."""
IN_TIME_STEPS = 2
"""A stop or a turn that is predicted up to two frames late still counts as found."""
SHARP_SHARE = 0.5
"""A turn is sharp where the lateral command changes by half of its largest value, or more, within one frame."""

_STOP = DIRECTION_NAMES.index("stop")


def speed_limit(gathered: Gathered) -> Evidence:
    """The largest predicted speed, as a share of its limit: the robot's, else the driver's largest and 10 % more."""
    space = _space(gathered)
    if space is None or not gathered.predictions:
        return unmeasured("not_stored", PREDICTIONS)
    commands = np.concatenate(
        [episode.predicted.reshape(-1, len(space)) for episode in gathered.predictions], dtype=np.float64
    )
    found: list[tuple[float, str, str]] = []
    linear = [axis for axis, dim in enumerate(space.dims) if dim.unit == "m/s"]
    robot = gathered.robot
    for axis, dim in enumerate(space.dims):
        limit = robot.max_turn_rate if dim.unit == "rad/s" else None
        if limit is None and not (dim.unit == "m/s" and robot.max_speed is not None):
            driven = table(table(gathered.audit.get("actions")).get(dim.name))
            ends = [abs(end) for end in (number(driven.get("min")), number(driven.get("max"))) if end is not None]
            if not ends:
                return unmeasured("not_stored", PREDICTIONS)
            limit = TOLERANCE * max(ends)
        if limit is not None:
            largest = float(np.abs(commands[:, axis]).max())
            found.append((_share(largest, limit), dim.name, _origin(limit, robot.max_turn_rate)))
    if linear and robot.max_speed is not None:
        fastest = float(np.linalg.norm(commands[:, linear], axis=1).max())
        found.append((_share(fastest, robot.max_speed), "speed", "robot"))
    return _worst(found, PREDICTIONS)


def acceleration_limit(gathered: Gathered) -> Evidence:
    """The largest change between two predicted commands, as a share of its limit: the robot's, else the driver's and 10 % more.

    Commands follow each other within a chunk, and as the first steps of neighbouring windows.
    """
    space = _space(gathered)
    if space is None or not gathered.predictions:
        return unmeasured("not_stored", PREDICTIONS)
    changes = np.max([_largest_changes(episode) for episode in gathered.predictions], axis=0)
    robot, found = gathered.robot, []
    for axis, dim in enumerate(space.dims):
        own = {"m/s": robot.max_acceleration, "rad/s": robot.max_turn_acceleration}.get(dim.unit)
        if own is not None:
            if gathered.period_ms is None:
                return unmeasured("no_period", PREDICTIONS)
            limit = own * gathered.period_ms / 1000.0
        else:
            driven = table(table(gathered.audit.get("commanded_changes")).get(dim.name))
            step = number(driven.get("largest_step"))
            if step is None:
                # An audit of an older version did not measure it.
                return unmeasured("not_stored", PREDICTIONS)
            limit = TOLERANCE * step
        found.append((_share(float(changes[axis]), limit), dim.name, _origin(limit, own and limit)))
    return _worst(found, PREDICTIONS)


def sudden_stop(gathered: Gathered) -> Evidence:
    """Share of the driver's stops out of motion that were predicted, at most `IN_TIME_STEPS` frames late."""
    space, band = _space(gathered), _band(gathered)
    if space is None or band is None:
        return unmeasured("not_stored", PREDICTIONS)

    def events(episode: EpisodePredictions) -> tuple[Bools, Bools]:
        driven = direction_classes(episode.target, space, band)
        said = direction_classes(episode.predicted, space, band)
        begins = (driven[:, 1:] == _STOP) & (driven[:, :-1] != _STOP)
        return begins, _soon(said == _STOP)

    return _found(gathered.predictions, events, "no_stops")


def sharp_turn(gathered: Gathered) -> Evidence:
    """Share of the driver's sharp turns that were predicted to the right side, at most `IN_TIME_STEPS` frames late."""
    space, band = _space(gathered), _band(gathered)
    if space is None or band is None or space.lateral is None or not gathered.predictions:
        return unmeasured("not_stored", PREDICTIONS)
    column = space.names.index(space.lateral)
    still = band[column]
    largest = max(float(np.abs(episode.target[..., column]).max(initial=0.0)) for episode in gathered.predictions)

    def events(episode: EpisodePredictions) -> tuple[Bools, Bools]:
        driven, said = (array[..., column].astype(np.float64) for array in (episode.target, episode.predicted))
        sharp = (np.abs(np.diff(driven, axis=1)) >= SHARP_SHARE * largest) & (np.abs(driven[:, 1:]) > still)
        left, right = _soon(said > still), _soon(said < -still)
        return sharp, np.where(driven[:, 1:] > 0, left, right)

    return _found(gathered.predictions, events, "no_turns") if largest > still else unmeasured("no_turns", PREDICTIONS)


def _found(predictions: Sequence[EpisodePredictions], events: Events, none: str) -> Evidence:
    """Share of the events that were predicted, with its interval over the episodes that hold one."""
    hits, counts = [], []
    for episode in predictions:
        begins, hit = events(episode)
        real = begins & episode.mask[:, 1:] & episode.mask[:, :-1]
        counts.append(float(real.sum()))
        hits.append(float((real & hit).sum()))
    count, hit_count = np.array(counts), np.array(hits)
    seen = count > 0
    if not seen.any():
        return unmeasured(none, PREDICTIONS)
    share = bootstrap_ratio(hit_count[seen], count[seen]).to_json()
    return Evidence(share["value"], share["low"], share["high"], PREDICTIONS, values={"episodes": int(seen.sum())})


def _soon(said: Bools) -> Bools:
    """From bool (N, C): whether it is said at steps 1.. or up to `IN_TIME_STEPS` after, bool (N, C - 1)."""
    steps = said.shape[1]
    return np.stack([said[:, step : step + IN_TIME_STEPS + 1].any(axis=1) for step in range(1, steps)], axis=1)


def _largest_changes(episode: EpisodePredictions) -> Vector:
    """float64 (A,): the largest change between two commands that may follow each other."""
    predicted = episode.predicted.astype(np.float64)
    within = np.abs(np.diff(predicted, axis=1)).max(axis=(0, 1), initial=0.0)
    following = np.diff(episode.last_frames) == 1
    between = np.abs(np.diff(predicted[:, 0], axis=0))[following].max(axis=0, initial=0.0)
    return np.asarray(np.maximum(within, between))


def _share(size: float, limit: float) -> float:
    """A command on an axis that nobody ever moved is beyond any limit."""
    if limit > 0:
        return size / limit
    return 0.0 if size == 0 else float("inf")


def _origin(limit: float, own: float | None) -> str:
    return "robot" if own is not None and limit == own else "driver"


def _worst(found: Sequence[tuple[float, str, str]], stored: str) -> Evidence:
    if not found:
        return unmeasured("not_stored", stored)
    share, axis, origin = max(found)
    # JSON knows no infinity; a million times the limit says the same.
    return Evidence(min(share, 1e6), stored=stored, values={"axis": axis, "origin": origin})


def _space(gathered: Gathered) -> ActionSpace | None:
    actions = table(gathered.results.get("actions"))
    if "names" not in actions or "units" not in actions:
        return None
    return ActionSpace.from_names(actions["names"], actions["units"])


def _band(gathered: Gathered) -> Vector | None:
    bands = table(table(gathered.results.get("directions")).get("dead_band"))
    names = table(gathered.results.get("actions")).get("names")
    if not names or any(name not in bands for name in names):
        return None
    # An axis that nobody ever moved has no band: no command on it is a direction.
    return np.array([np.inf if bands[name] is None else float(bands[name]) for name in names])
