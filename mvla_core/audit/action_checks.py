"""Findings about the actions: how many, how different, how balanced, how plausible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from mvla_core.audit.distributions import AxisStatistics, action_ids, sequence_keys
from mvla_core.audit.thresholds import Thresholds
from mvla_core.audit.wording import names_of, percent
from mvla_core.metrics.directions import DIRECTION_NAMES, LEFT_CLASSES, RIGHT_CLASSES
from mvla_core.schema import NORMALISED, Actions, ActionSequence, ActionSpace, Finding

_NORMALISED_REACH = 1.0
_MOVES = 1e-6

AMOUNTS: Mapping[str, tuple[str, str, str]] = {
    "episodes": ("few_episodes", "episodes", "Record more episodes, in other places and with other ways through them."),
    "frames": ("few_frames", "frames", "Record more or longer episodes."),
    "train_windows": ("few_windows", "training windows", "Record more episodes, or choose a smaller window or chunk."),
    "unique_actions": (
        "few_unique_actions",
        "different actions",
        "Drive with a joystick, or use more keys (diagonals, both sides, slow and fast).",
    ),
}
"""Figure -> finding code, how to call it, what to do."""


def check_amounts(dataset: str, figures: Mapping[str, float | None], thresholds: Thresholds) -> list[Finding]:
    """Compare the counts of `AMOUNTS` with their thresholds; a figure that is None was not computed and is passed
    over.
    """
    findings = []
    for name, (code, what, action) in AMOUNTS.items():
        value, threshold = figures.get(name), thresholds[name]
        if value is None or (level := threshold.status(value)) == "ok":
            continue
        bound = threshold.needed if level == "warning" else threshold.shown
        who = "needed" if level == "warning" else f"recommended by the {threshold.source}"
        findings.append(
            Finding(
                level,
                code,
                dataset,
                f"The data set has {value:,g} {what}, fewer than the {bound:,g} that are {who}.",
                action,
                {"value": value, "recommended": threshold.recommended, "limit": threshold.limit},
            )
        )
    return findings


def check_directions(
    dataset: str, counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]], thresholds: Thresholds
) -> list[Finding]:
    """Check the balance of directions.

    Args:
        dataset: Named in the findings.
        counts: int64 (11,), frames of each class of `DIRECTION_NAMES`.
        thresholds: `forward_share` and `rarer_side_share`.
    """
    total = int(counts.sum())
    if total == 0:
        return []
    findings = []
    forward = float(counts[DIRECTION_NAMES.index("forward")] / total)
    if forward > thresholds["forward_share"].needed:
        findings.append(
            Finding(
                "warning",
                "unbalanced_direction",
                dataset,
                f"{percent(forward)} of the frames drive straight forward (limit {percent(thresholds['forward_share'].needed)}): a "
                "policy that always drives forward already looks good.",
                "Record more turns and stops, or judge each direction by itself.",
                {"direction": "forward", "share": forward},
            )
        )
    left, right = (int(counts[list(classes)].sum()) for classes in (LEFT_CLASSES, RIGHT_CLASSES))
    rarer = thresholds["rarer_side_share"]
    if left + right and not rarer.meets(min(left, right) / (left + right), rarer.needed):
        findings.append(
            Finding(
                "warning",
                "unbalanced_direction",
                dataset,
                f"{left} frames steer left and {right} steer right; the rarer side needs {percent(rarer.needed)}.",
                f"Record more ways to the {'right' if right < left else 'left'}.",
                {"direction": "right" if right < left else "left", "left": left, "right": right},
            )
        )
    absent = [name for name in ("stop", "forward") if counts[DIRECTION_NAMES.index(name)] == 0]
    if left + right == 0:
        absent.append("left or right")
    if absent:
        findings.append(
            Finding(
                "info",
                "missing_direction",
                dataset,
                f"No frame commands: {', '.join(absent)}. A policy cannot learn what is never shown.",
                "Record it if the robot shall do it.",
                {"directions": absent},
            )
        )
    return findings


def check_values(
    dataset: str, actions: Actions, space: ActionSpace, statistics: Sequence[AxisStatistics], thresholds: Thresholds
) -> list[Finding]:
    """Check each axis of actions (frames, A): constant, implausibly fast."""
    findings = []
    for axis in statistics:
        reach = max(abs(axis.min), abs(axis.max))
        limit = (
            _NORMALISED_REACH
            if axis.unit == NORMALISED
            else thresholds["angular_speed" if axis.unit == "rad/s" else "linear_speed"].needed
        )
        if axis.max - axis.min <= _MOVES:
            findings.append(
                Finding(
                    "warning",
                    "constant_dimension",
                    axis.name,
                    f"{axis.name} is {axis.mean:g} {axis.unit} in every frame: there is nothing to learn, and it makes a mean "
                    "loss look smaller.",
                    f"Leave {axis.name} out of the actions, or record episodes that use it.",
                )
            )
        if reach > limit:
            share = float((np.abs(actions[:, space.names.index(axis.name)]) > limit).mean())
            findings.append(
                Finding(
                    "warning",
                    "implausible_velocity",
                    axis.name,
                    f"{axis.name} reaches {reach:g} {axis.unit}, beyond {limit:g}, in {percent(share)} of the frames.",
                    "Check the unit that the recorder writes, or set the limit in the data root's thresholds.toml.",
                    {"share": share},
                )
            )
    return findings


def check_sequences(
    dataset: str, sequences: Sequence[ActionSequence], alike: float | None, thresholds: Thresholds
) -> list[Finding]:
    """Check whether the episodes follow one script: few different sequences, exact repeats, the same action at each
    index.

    Args:
        dataset: Named in the findings.
        sequences: Episodes with at least one window.
        alike: Mean determinism per frame index; None where unknown.
        thresholds: `unique_sequences`, `determinism`, `determinism_beyond_chance`, `duplicate_share` and
            `duplicates_suspicious_diversity`.
    """
    if len(sequences) < 2:
        return []
    findings = []
    keys = sequence_keys(sequences)
    occurrences = Counter(keys)
    enough = thresholds["unique_sequences"]
    scripted = not enough.meets(len(occurrences), enough.needed) and len(occurrences) < len(sequences)
    too_alike = alike is not None and _follows_script(sequences, alike, thresholds)
    if scripted or too_alike:
        known = ""
        if alike is not None:
            limit = thresholds["determinism"].needed
            known = f"; at the same frame index {percent(alike)} of the episodes hold the same action (limit {percent(limit)})"
        findings.append(
            Finding(
                "warning",
                "one_script",
                dataset,
                f"{len(sequences)} episodes hold {len(occurrences)} different action sequences (needed {enough.needed:g}){known}.",
                "Vary the start, the distance, the speed and the way; do not replay a plan key by key.",
                {"unique_sequences": len(occurrences), "determinism": alike},
            )
        )
    repeated = [sequence.episode_id for sequence, key in zip(sequences, keys, strict=True) if occurrences[key] > 1]
    copies = len(sequences) - len(occurrences)
    if copies and copies / len(sequences) > _tolerated_copies(sequences, thresholds):
        findings.append(
            Finding(
                "warning",
                "duplicate_sequences",
                dataset,
                f"{copies} of {len(sequences)} episodes repeat the actions of another exactly: {names_of(repeated)}.",
                "Check that files were not copied; a repeat on both sides of a split tests nothing.",
                {"copies": copies},
            )
        )
    return findings


def _tolerated_copies(sequences: Sequence[ActionSequence], thresholds: Thresholds) -> float:
    """Return the share of repeated episodes that chance may explain: none where single actions hardly ever repeat."""
    numbers, different = action_ids(np.concatenate([sequence.actions for sequence in sequences]))
    suspicious = len(different) / len(numbers) > thresholds["duplicates_suspicious_diversity"].needed
    return 0.0 if suspicious else thresholds["duplicate_share"].needed


def _follows_script(sequences: Sequence[ActionSequence], alike: float, thresholds: Thresholds) -> bool:
    """Tell whether the episodes are alike at each index, and more so than frames that are mostly one action must be."""
    numbers, _ = action_ids(np.concatenate([sequence.actions for sequence in sequences]))
    chance = float(np.bincount(numbers).max() / len(numbers))
    beyond = (alike - chance) / (1.0 - chance) if chance < 1.0 else 0.0
    return alike > thresholds["determinism"].needed and beyond > thresholds["determinism_beyond_chance"].needed
