"""What pixel facts say about a data set: frames that show nothing, and colours that look exchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mvla_core.episodes.pixel_facts import (
    CORRUPT_CONTRAST,
    DARK_BRIGHTNESS,
    FROZEN_DIFFERENCE,
    FROZEN_FRAMES,
    Flags,
    PixelFacts,
)
from mvla_core.episodes.summary import DEAD_BAND
from mvla_core.schema import Actions, Finding

EXCHANGED_SHARE = 0.9
"""Red and blue look exchanged where azure pixels are at least this share of the azure and the warm ones together."""
ENOUGH_COLOUR = 0.02
"""A frame speaks for an order only where at least this share of its lower two thirds is azure or warm."""
ENOUGH_FRAMES = 30
"""Frames that must speak before anything is said of a data set, and
"""
ENOUGH_OF_EPISODE = 5
"""frames before anything is said of one episode among others."""
_EPISODES_NAMED = 5
_EPISODES_LISTED = 1000


def facts_findings(
    dataset: str, facts: Mapping[str, PixelFacts], actions: Mapping[str, Actions] | None = None
) -> list[Finding]:
    """Return a finding for each thing that is wrong with the pictures of a data set.

    Args:
        dataset: Its name.
        facts: Of each measured episode, by episode id.
        actions: Of the same episodes, float32 (num_frames, num_dims). A picture that stays the same is held against the
            camera only where the robot was told to move; without actions nothing is said of it.
    """
    findings = [
        finding
        for kind in _KINDS
        if (finding := _frames_finding(dataset, kind, {i: kind.flags(f) for i, f in facts.items()}))
    ]
    if actions is not None:
        frozen = {i: f.frozen & _told_to_move(actions[i]) for i, f in facts.items() if i in actions}
        findings += [finding for finding in [_frames_finding(dataset, _FROZEN, frozen)] if finding]
    return findings + _colour_findings(dataset, facts)


@dataclass(frozen=True)
class _Kind:
    code: str
    message: str
    """Follows "N of M measured frames ..."."""
    next: str
    flags: Callable[[PixelFacts], Flags]


_KINDS = (
    _Kind(
        "unreadable_frames",
        "are damaged in the file and cannot be shown",
        "Copy these episodes again from the robot, or trim or exclude them.",
        lambda facts: facts.unreadable,
    ),
    _Kind(
        "corrupt_frames",
        f"show nothing (their pixels' standard deviation is below {CORRUPT_CONTRAST:g})",
        "Look at these episodes, and trim or exclude them; then check the camera's cable and cover.",
        lambda facts: facts.corrupt,
    ),
    _Kind(
        "dark_frames",
        f"are dark (mean brightness below {DARK_BRIGHTNESS:g} of 255)",
        "Exclude these episodes or record them again with more light, unless the robot shall drive in the dark.",
        lambda facts: facts.dark & ~facts.corrupt,
    ),
)
_FROZEN = _Kind(
    "frozen_frames",
    f"repeat the picture before (difference below {FROZEN_DIFFERENCE:g}, at least {FROZEN_FRAMES} in a row) while the robot was "
    "told to move",
    "Trim or exclude these episodes: the camera hung, so their pictures do not belong to their actions.",
    lambda facts: facts.frozen,
)


def _frames_finding(dataset: str, kind: _Kind, flags: Mapping[str, Flags]) -> Finding | None:
    counts = {episode_id: int(flag.sum()) for episode_id, flag in flags.items() if flag.any()}
    if not counts:
        return None
    frames, measured = sum(counts.values()), sum(len(flag) for flag in flags.values())
    where = f"in {_count(len(counts), 'episode')} ({_names(list(counts))})"
    listed = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_EPISODES_LISTED])
    return Finding(
        "warning",
        kind.code,
        dataset,
        f"{frames:,} of {measured:,} measured frames {kind.message}, {where}.",
        kind.next,
        {"frames": frames, "measured": measured, "episodes": listed},
    )


def _told_to_move(actions: Actions) -> Flags:
    """For each frame, whether the command at the frame before was to move: then this frame should show something else."""
    told = np.zeros(len(actions), np.bool_)
    told[1:] = (np.abs(actions[:-1]) > DEAD_BAND).any(axis=1)
    return told


@dataclass(frozen=True)
class _Lean:
    """How many frames of an episode have enough colour to speak, and how many of them are nearly all azure, or all warm."""

    speaking: int
    exchanged: int
    straight: int
    warm: float
    cold: float


def _lean(facts: PixelFacts) -> _Lean:
    both = facts.warm + facts.cold
    speaking = both >= ENOUGH_COLOUR  # NaN is not.
    exchanged = speaking & (facts.cold >= EXCHANGED_SHARE * both)
    straight = speaking & (facts.warm >= EXCHANGED_SHARE * both)
    warm, cold = float(facts.warm[speaking].sum()), float(facts.cold[speaking].sum())
    return _Lean(int(speaking.sum()), int(exchanged.sum()), int(straight.sum()), warm, cold)


def _colour_findings(dataset: str, facts: Mapping[str, PixelFacts]) -> list[Finding]:
    """Whether red and blue look exchanged in all episodes, or in some; nothing on too little evidence.

    Wood, skin, carton and lamp light are warm, and few things near the floor are azure. A room with a blue floor is the
    exception, so this is a reason to look, and never acted on without the user.
    """
    leans = {episode_id: _lean(one) for episode_id, one in facts.items()}
    speaking = sum(lean.speaking for lean in leans.values())
    if speaking < ENOUGH_FRAMES:
        return []
    told = {episode_id: lean for episode_id, lean in leans.items() if lean.speaking >= ENOUGH_OF_EPISODE}
    exchanged = [name for name, lean in told.items() if lean.exchanged >= EXCHANGED_SHARE * lean.speaking]
    straight = [name for name, lean in told.items() if lean.straight >= EXCHANGED_SHARE * lean.speaking]
    cold, warm = sum(lean.cold for lean in leans.values()), sum(lean.warm for lean in leans.values())
    frames = sum(lean.exchanged for lean in leans.values())
    evidence = {
        "frames_with_colour": speaking,
        "frames_exchanged": frames,
        "azure_share": cold / (cold + warm),
        "episodes": exchanged[:_EPISODES_LISTED],
    }
    if frames >= EXCHANGED_SHARE * speaking:
        return [
            Finding(
                "warning",
                "likely_bgr",
                dataset,
                f"Red and blue are likely exchanged (BGR stored as RGB): {frames:,} of {speaking:,} frames with enough colour are "
                "azure where wood, skin and lamp light are warm.",
                "Look at a frame: if its colours are wrong, treat this data set as BGR; if the room is blue, leave it.",
                evidence,
            )
        ]
    if _two_kinds(told, exchanged, straight):
        return [
            Finding(
                "warning",
                "mixed_color_order",
                dataset,
                f"Red and blue are likely exchanged in {_count(len(exchanged), 'episode')} ({_names(exchanged)}) and not in "
                f"{len(straight)} others.",
                "Look at a frame of each: if colours are wrong, import those episodes as a data set of their own and treat it "
                "as BGR.",
                evidence,
            )
        ]
    return []


def _two_kinds(told: Mapping[str, _Lean], exchanged: list[str], straight: list[str]) -> bool:
    """Whether episodes fall into two clear kinds. One blue thing in the room makes many episodes that are neither."""
    enough = all(sum(told[name].speaking for name in group) >= ENOUGH_FRAMES for group in (exchanged, straight))
    return enough and len(exchanged) + len(straight) >= EXCHANGED_SHARE * len(told)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _names(episode_ids: list[str]) -> str:
    shown = ", ".join(episode_ids[:_EPISODES_NAMED])
    more = len(episode_ids) - _EPISODES_NAMED
    return f"{shown} and {more:,} more" if more > 0 else shown
