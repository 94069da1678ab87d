"""What a normalisation does to the actions: the share that `clamp` cuts, and the share beyond what `range` was fitted on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mvla_core.audit.thresholds import Thresholds
from mvla_core.audit.wording import percent
from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.datasets.split import Split
from mvla_core.schema import Actions, ActionSequence, ActionSpace, Finding

_ROUNDING = 1e-3
"""Of the normalised value: rounding in a file is not beyond the range."""


def check_clipping(
    dataset: str,
    actions: Actions,
    space: ActionSpace,
    sequences: Sequence[ActionSequence],
    split: Split | None,
    thresholds: Thresholds,
) -> list[Finding]:
    """Return `clipped_actions` (info) and `outside_train_range` where there is anything to tell.

    Args:
        dataset: Named in the findings.
        actions: float32 (frames, A), all frames.
        space: Names the axes.
        sequences: The same frames by episode.
        split: Tells the training part and the held-out ones; None where the data is too small.
        thresholds: `outside_train_range`.
    """
    findings = _clipped(dataset, actions, space)
    if split is not None:
        findings += _outside(dataset, space, sequences, split, thresholds)
    return findings


def _clipped(dataset: str, actions: Actions, space: ActionSpace) -> list[Finding]:
    beyond = np.abs(actions) > 1.0
    if not beyond.any():
        return []
    share, axes = float(beyond.any(axis=1).mean()), _axes(space, beyond)
    return [
        Finding(
            "info",
            "clipped_actions",
            dataset,
            f"{percent(share)} of the frames command more than 1.0 ({_shown(axes)}); the briefing's clamp to [-1, 1] would "
            "cut them for good.",
            "Train with the normalisation 'range' or 'mean_std', which can be undone.",
            {"share": share, "axes": axes},
        )
    ]


def _outside(
    dataset: str, space: ActionSpace, sequences: Sequence[ActionSequence], split: Split, thresholds: Thresholds
) -> list[Finding]:
    train = set(split.train)
    held_out = {*split.validation, *split.test}
    fitted = ActionNormaliser.fit("range", [sequence for sequence in sequences if sequence.episode_id in train])
    others = [sequence.actions for sequence in sequences if sequence.episode_id in held_out]
    beyond = np.abs(fitted.apply(np.concatenate(others))) > 1.0 + _ROUNDING
    share, axes = float(beyond.any(axis=1).mean()), _axes(space, beyond)
    level = thresholds["outside_train_range"].status(share)
    if level == "ok":
        return []
    return [
        Finding(
            level,
            "outside_train_range",
            dataset,
            f"{percent(share)} of the held-out frames command more than any frame of the training part ({_shown(axes)}).",
            "Record more episodes at the extremes, or split with another seed; a policy cannot be expected to go beyond "
            "what it was shown.",
            {"share": share, "axes": axes},
        )
    ]


def _axes(space: ActionSpace, beyond: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> dict[str, float]:
    return dict(zip(space.names, beyond.mean(axis=0).tolist(), strict=True))


def _shown(axes: dict[str, float]) -> str:
    return ", ".join(f"{name} {percent(share)}" for name, share in axes.items())
