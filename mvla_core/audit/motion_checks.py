"""Findings about motion over time: commanded accelerations, and stretches in which nothing is commanded.

An action is a commanded velocity. Nothing here is measured motion: how the robot followed was not recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.audit.distributions import ACTION_RESOLUTION
from mvla_core.audit.thresholds import Thresholds
from mvla_core.audit.wording import names_of, percent
from mvla_core.episodes.curation import IDLE_SHARE, propose_trim
from mvla_core.schema import NORMALISED, Actions, ActionSequence, ActionSpace, EpisodeInfo, Finding

_MOVES = 1e-6


@dataclass(frozen=True)
class CommandedChange:
    """How fast the command of one axis changes from frame to frame.

    Attributes:
        name: The axis.
        unit: Of a rate: "m/s^2", "rad/s^2", or "normalised/s".
        largest_step: Largest change between two frames, in the unit of the axis.
        largest: Largest change times the frame rate of its episode; None where no episode tells its frame rate.
        beyond: Share of the changes with a known rate that are beyond the limit; None where nothing is judged.
        limit: In `unit`; None for a normalised axis, which has no physical scale.
        source: Who sets the limit.
        keyboard: Whether the axis takes so few values that keys drive it: a step is then a command, and not judged.
    """

    name: str
    unit: str
    largest_step: float
    largest: float | None
    beyond: float | None
    limit: float | None
    source: str
    keyboard: bool

    @property
    def note(self) -> str:
        """What the figure means, in a sentence."""
        if self.limit is None:
            return "Not judged: the axis is normalised and has no physical scale."
        if self.keyboard:
            return "Not judged: keys drive this axis, and a key's step takes one frame whatever the wheels do."
        if self.largest is None:
            return "Not measured: no frame rate."
        return "Commanded change times frame rate; the robot's own motion was not recorded."

    def to_json(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "largest_step": self.largest_step,
            "largest": self.largest,
            "beyond": self.beyond,
            "limit": self.limit,
            "keyboard": self.keyboard,
            "note": self.note,
        }


def commanded_changes(
    episodes: Sequence[EpisodeInfo], sequences: Sequence[ActionSequence], space: ActionSpace, thresholds: Thresholds
) -> tuple[CommandedChange, ...]:
    """Measure how fast each axis' command changes within an episode.

    Args:
        episodes: The episodes of `sequences`, in the same order; they tell the frame rates.
        sequences: Actions of one action space.
        space: Names the axes.
        thresholds: `linear_acceleration`, `angular_acceleration` and `keyboard_levels`.
    """
    steps = [np.zeros((0, len(space)))]
    rates = [np.zeros(0)]
    for info, sequence in zip(episodes, sequences, strict=True):
        steps.append(np.abs(np.diff(sequence.actions.astype(np.float64), axis=0)))
        rates.append(np.full(len(steps[-1]), np.nan if info.frame_rate_hz is None else info.frame_rate_hz))
    step, rate = np.concatenate(steps), np.concatenate(rates)
    values = np.concatenate([np.zeros((0, len(space))), *(sequence.actions for sequence in sequences)])
    known = ~np.isnan(rate)
    found = []
    for column, dim in enumerate(space.dims):
        levels = len(np.unique(np.round(values[:, column] / ACTION_RESOLUTION)))
        keyboard = levels <= thresholds["keyboard_levels"].needed
        figure = "angular_acceleration" if dim.unit == "rad/s" else "linear_acceleration"
        limit = None if dim.unit == NORMALISED else thresholds[figure].needed
        speed = step[known, column] * rate[known]
        judged = limit is not None and not keyboard and len(speed) > 0
        found.append(
            CommandedChange(
                name=dim.name,
                unit=f"{dim.unit}^2" if limit is not None else f"{dim.unit}/s",
                largest_step=float(step[:, column].max(initial=0.0)),
                largest=float(speed.max()) if len(speed) else None,
                beyond=float((speed > limit).mean()) if judged else None,
                limit=limit,
                source=thresholds[figure].source,
                keyboard=keyboard,
            )
        )
    return tuple(found)


def check_changes(dataset: str, changes: Sequence[CommandedChange]) -> list[Finding]:
    """Return `implausible_acceleration` for each axis beyond its limit; `acceleration_not_measured` without a rate."""
    findings = []
    for change in changes:
        if change.beyond:
            findings.append(
                Finding(
                    "warning",
                    "implausible_acceleration",
                    change.name,
                    f"{change.name} changes by up to {change.largest:.3g} {change.unit}, beyond {change.limit:g}, in "
                    f"{percent(change.beyond)} of the steps: the robot cannot follow such a command.",
                    "Look for lost frames and jumps in the joystick's signal, or set the limit in the data root's "
                    "thresholds.toml.",
                    {"share": change.beyond, "largest": change.largest, "limit": change.limit},
                )
            )
    unknown = [c.name for c in changes if c.limit is not None and not c.keyboard and c.largest is None]
    if unknown:
        findings.append(
            Finding(
                "info",
                "acceleration_not_measured",
                dataset,
                f"Accelerations of {', '.join(unknown)} were not measured: no frame rate is recorded.",
                "Let the recorder write the attribute frame_rate_hz.",
                {"axes": unknown},
            )
        )
    return findings


def check_idle(
    dataset: str, episodes: Sequence[EpisodeInfo], sequences: Sequence[ActionSequence], thresholds: Thresholds
) -> list[Finding]:
    """Name the episodes that never move, that stand still for long, and whose idle ends could be cut off.

    Args:
        dataset: Named in the findings.
        episodes: The episodes of `sequences`, in the same order; what is trimmed already gets no proposal.
        sequences: Their actions.
        thresholds: `idle_frames`.
    """
    never, stretches, trims = [], {}, {}
    allowed = thresholds["idle_frames"].needed
    for info, sequence in zip(episodes, sequences, strict=True):
        idle = idle_frames(sequence.actions)
        if not idle.any():
            continue
        if idle.all():
            never.append(sequence.episode_id)
            continue
        if idle.sum() > allowed:
            first, last = longest_stretch(idle)
            if last - first + 1 > allowed:
                stretches[sequence.episode_id] = [first, last]
        # A proposal leaves an idle frame at either end: with fewer than two there is none, and most episodes end here.
        if info.trim is not None or not (idle[:2].all() or idle[-2:].all()):
            continue
        trim = propose_trim(sequence.actions)
        if trim is not None and idle[: trim[0]].all() and idle[trim[1] + 1 :].all():
            trims[sequence.episode_id] = list(trim)
    cut = f"Cut idle ends off with: python -m mvla_core curate {dataset} --auto-trim"
    findings = []
    if never:
        findings.append(
            Finding(
                "warning",
                "idle_episode",
                never[0] if len(never) == 1 else dataset,
                f"{len(never)} of {len(sequences)} episodes never move: {names_of(never)}.",
                "Leave them out: they teach standing still.",
                {"episodes": never},
            )
        )
    if stretches:
        within = [name for name in stretches if name not in trims]
        name = (within or list(stretches))[0]
        findings.append(
            Finding(
                "warning",
                "idle_stretch",
                name if len(stretches) == 1 else dataset,
                f"{len(stretches)} of {len(sequences)} episodes stand still for more than {allowed:g} frames in a row: "
                f"{names_of(list(stretches))}.",
                cut
                if not within
                else f"{cut}, or leave out what stands still in the middle: python -m mvla_core curate {dataset} --exclude "
                f"{name} --reason idle",
                {"stretches": stretches},
            )
        )
    if trims:
        findings.append(
            Finding(
                "info",
                "idle_ends",
                next(iter(trims)) if len(trims) == 1 else dataset,
                f"{len(trims)} of {len(sequences)} episodes begin or end with idle frames that could be cut off: "
                f"{names_of(list(trims))}.",
                cut,
                {"trims": trims},
            )
        )
    return findings


def idle_frames(actions: Actions) -> npt.NDArray[np.bool_]:
    """Tell for each frame whether no velocity exceeds 2 % of what the episode usually drives at.

    That is the speed which nine in ten of its commands do not exceed: beside one wrong value everything else would look idle.

    Args:
        actions: float32 (num_frames, A), any units.

    Returns:
        bool (num_frames,); all true where the robot never moves.
    """
    speed = np.abs(actions).max(axis=1, initial=0.0)
    moving = np.sort(speed[speed > _MOVES])
    usual = moving[int(0.9 * (len(moving) - 1))] if len(moving) else np.float32(_MOVES / IDLE_SHARE)
    return np.asarray(speed <= IDLE_SHARE * usual)


def longest_stretch(idle: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return the first and last frame of the longest stretch of true values; (0, -1) where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], idle, [False]]).astype(np.int8)))
    if not len(edges):
        return 0, -1
    begins, ends = edges[::2], edges[1::2]
    longest = int((ends - begins).argmax())
    return int(begins[longest]), int(ends[longest]) - 1
