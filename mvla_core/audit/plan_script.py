"""Which episodes follow one script, so that together they are worth no more than one of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from mvla_core.audit.clock import axis_weights
from mvla_core.audit.coverage import Coverage
from mvla_core.audit.result import AuditResult
from mvla_core.audit.thresholds import Thresholds
from mvla_core.schema import ActionSequence, ActionSpace

_MOVES = 1e-9


def follows_script(result: AuditResult) -> bool:
    """Tell whether the audit found that the episodes follow one script: a clock suffices, or `one_script` was raised."""
    found = any(finding.code == "one_script" for finding in result.findings)
    return found or (result.clock is not None and result.clock.verdict == "suffices")


def scripted_episodes(
    coverage: Coverage,
    sequences: Mapping[str, ActionSequence],
    space: ActionSpace | None,
    thresholds: Thresholds,
) -> frozenset[str]:
    """Return the episodes that a clock of the others in their cell drives.

    The clock is the mean action of the others at each frame index. An episode counts as driven where the clock removes more
    than `clock_explained_alone` of the squared error that the mean action of all episodes makes on it. An episode that is
    alone in its cell has no others and is not scripted.
    """
    if space is None or not sequences:
        return frozenset()
    weights = axis_weights(list(sequences.values()), space)
    constant = np.concatenate([held.actions for held in sequences.values()]).astype(np.float64).mean(axis=0)
    limit = thresholds["clock_explained_alone"].needed
    driven: set[str] = set()
    for count in coverage.cells:
        held = {name: sequences[name].actions.astype(np.float64) for name in count.episodes}
        if len(held) < 2:
            continue
        sums, reached = _sums(list(held.values()))
        for name, actions in held.items():
            length = len(actions)
            others = (reached[:length] - 1)[:, None]
            clock = np.where(others > 0, (sums[:length] - actions) / np.maximum(others, 1), constant)
            error = float((((actions - clock) ** 2) @ weights).sum())
            baseline = float((((actions - constant) ** 2) @ weights).sum())
            # Episodes that do what the mean does, frame by frame, are alike whatever a share would say.
            if error <= _MOVES or error < (1.0 - limit) * baseline:
                driven.add(name)
    return frozenset(driven)


def _sums(actions: list[npt.NDArray[np.float64]]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return float64 (longest, A), the sum at each frame index, and int64 (longest,), how many episodes reach it."""
    longest = max(len(one) for one in actions)
    sums = np.zeros((longest, actions[0].shape[1]))
    reached = np.zeros(longest, dtype=np.int64)
    for one in actions:
        sums[: len(one)] += one
        reached[: len(one)] += 1
    return sums, reached
