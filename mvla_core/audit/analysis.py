"""The audit of episodes in memory: is this data worth training on, would a clock do, and what is wrong with it?

Actions only: no picture is decoded, so that 1,000 episodes take seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mvla_core.audit import action_checks
from mvla_core.audit.clock import Baseline, ClockEvidence, clock_evidence, trivial_baselines
from mvla_core.audit.clock_finding import clock_finding
from mvla_core.audit.distributions import (
    AxisStatistics,
    Determinism,
    action_ids,
    axis_statistics,
    determinism,
    joined_actions,
    sequence_keys,
)
from mvla_core.audit.episode_checks import check_episodes
from mvla_core.audit.result import AuditResult
from mvla_core.audit.table import make_table
from mvla_core.audit.thresholds import Thresholds, default_thresholds
from mvla_core.datasets.split import PARTS, Split, make_split
from mvla_core.datasets.windows import WindowSpec, complete_windows, last_frames
from mvla_core.errors import DatasetError
from mvla_core.metrics.directions import DIRECTION_NAMES, dead_band, direction_classes, direction_counts
from mvla_core.schema import Actions, ActionSequence, ActionSpace, EpisodeInfo, Finding, Level

_LEVEL_ORDER = ("error", "warning", "info", "ok")
_FORWARD = DIRECTION_NAMES.index("forward")


@dataclass(frozen=True)
class _Description:
    """What the analysed actions look like; the fields are those of `AuditResult`."""

    actions: Actions
    statistics: tuple[AxisStatistics, ...]
    dead_band: npt.NDArray[np.float64]
    directions: npt.NDArray[np.int64]
    determinism: Determinism
    unique_actions: int
    unique_sequences: int


def audit_episodes(
    dataset: str,
    episodes: Sequence[EpisodeInfo],
    sequences: Sequence[ActionSequence],
    file_findings: Sequence[Finding] = (),
    *,
    window: WindowSpec = WindowSpec(),  # noqa: B008 - frozen, so that sharing it is safe
    seed: int = 0,
    thresholds: Thresholds | None = None,
    trainable_parameters: int | None = None,
) -> AuditResult:
    """Audit episodes in memory.

    Args:
        dataset: Its name, for the findings.
        episodes: What is known of each readable episode.
        sequences: The actions of the same episodes, in the same order.
        file_findings: Files that were set aside; passed on.
        window: The windows a training would use.
        seed: The seed of its split and of the cross-validation.
        thresholds: What to compare with; by default the file that came with the program.
        trainable_parameters: Of the chosen preset; adds the row `samples_per_parameter`, training windows divided by
            it.

    Raises:
        ValueError: `sequences` are not those of `episodes`.
    """
    if [info.episode_id for info in episodes] != [sequence.episode_id for sequence in sequences]:
        raise ValueError("The sequences must be those of the episodes, in the same order.")
    limits = default_thresholds() if thresholds is None else thresholds
    findings = [*file_findings, *check_episodes(dataset, episodes, window, limits)]
    if not episodes:
        findings.append(
            Finding(
                "error", "no_episodes", dataset, "The data set holds no readable episode.", "Import or record some."
            )
        )
    # Dimensions that differ cannot be averaged: the most frequent action space is analysed, `mixed_action_space` says so.
    space = Counter(info.action_space for info in episodes).most_common(1)[0][0] if episodes else None
    infos = [info for info in episodes if info.action_space == space]
    kept = [sequence for info, sequence in zip(episodes, sequences, strict=True) if info.action_space == space]
    usable = [sequence for sequence in kept if sequence.num_frames >= window.minimum_frames]

    about = _describe(kept, space)
    split, split_findings = _try_split(dataset, infos, window, seed)
    part_windows, baselines = _measure(split, kept, window, space)
    clock = clock_evidence(usable, window, space, limits, seed) if space else None

    figures = _figures(episodes, window, about, part_windows, clock)
    if trainable_parameters and split is not None:
        figures["samples_per_parameter"] = part_windows["train"] / trainable_parameters
    findings += split_findings
    if space is not None:
        findings += action_checks.check_amounts(dataset, figures, limits)
        findings += action_checks.check_directions(dataset, about.directions, limits)
        findings += action_checks.check_values(dataset, about.actions, space, about.statistics, limits)
        findings += action_checks.check_sequences(dataset, usable, determinism(usable).mean, limits)
        findings += action_checks.check_idle(dataset, usable)
    # Frames that are mostly one action are alike without a script: what the finding says holds for the row too.
    scripted = any(finding.code == "one_script" for finding in findings)
    judged: dict[str, Level] = {"determinism": "warning" if scripted else "ok"}
    if space is not None and clock is not None:
        findings.append(clock_finding(dataset, clock, baselines, space, about.unique_sequences))
        judged["clock_explained"] = findings[-1].level
    return AuditResult(
        dataset=dataset,
        window=window,
        episodes=tuple(episodes),
        sequences=tuple(kept),
        action_space=space,
        statistics=about.statistics,
        unique_actions=about.unique_actions,
        unique_sequences=about.unique_sequences,
        determinism=about.determinism,
        direction_counts=about.directions,
        dead_band=about.dead_band,
        split=split,
        part_windows=part_windows,
        baselines=baselines,
        clock=clock,
        findings=tuple(sorted(findings, key=lambda finding: _LEVEL_ORDER.index(finding.level))),
        table=make_table(figures, about.statistics, limits, judged),
    )


def _describe(sequences: Sequence[ActionSequence], space: ActionSpace | None) -> _Description:
    actions = joined_actions(sequences, len(space) if space else 0)
    band = dead_band(actions)
    classes = direction_classes(actions, space, band) if space else np.zeros(0, dtype=np.int8)
    return _Description(
        actions=actions,
        statistics=axis_statistics(actions, space) if space else (),
        dead_band=band,
        directions=direction_counts(classes),
        determinism=determinism(sequences),
        unique_actions=len(action_ids(actions)[1]),
        unique_sequences=len(set(sequence_keys(sequences))),
    )


def _figures(
    episodes: Sequence[EpisodeInfo],
    window: WindowSpec,
    about: _Description,
    part_windows: Mapping[str, int],
    clock: ClockEvidence | None,
) -> dict[str, float | None]:
    """Return the rows of the table that the checks compare too; None where a figure cannot be computed."""
    lengths = [info.num_frames for info in episodes]
    frames = len(about.actions)
    return {
        "episodes": len(episodes),
        "frames": sum(lengths),
        "mean_length": round(sum(lengths) / len(lengths), 1) if lengths else None,
        "windows_total": sum(complete_windows(length, window) for length in lengths),
        **{f"{part}_windows": part_windows.get(part) for part in PARTS},
        "unique_actions": about.unique_actions,
        "diversity": about.unique_actions / frames if frames else None,
        "unique_sequences": about.unique_sequences,
        "determinism": about.determinism.mean,
        "clock_explained": clock.explained.low if clock else None,
        "forward_share": float(about.directions[_FORWARD] / frames) if frames else None,
    }


def _try_split(
    dataset: str, episodes: Sequence[EpisodeInfo], window: WindowSpec, seed: int
) -> tuple[Split | None, list[Finding]]:
    """Split as a training would; a data set that is too small is audited all the same, and the finding says why."""
    if not episodes:
        return None, []
    try:
        return make_split(episodes, seed=seed, min_frames=window.minimum_frames), []
    except DatasetError as error:
        return None, [
            Finding(
                "warning",
                "too_small_to_split",
                dataset,
                str(error),
                "Record more episodes; no baseline can be held out yet.",
            )
        ]


def _measure(
    split: Split | None, sequences: Sequence[ActionSequence], window: WindowSpec, space: ActionSpace | None
) -> tuple[dict[str, int], dict[str, Baseline] | None]:
    """Count the windows of each part and measure the trivial predictors on those of the test part."""
    if split is None or space is None:
        return {}, None
    by_id = {sequence.episode_id: sequence for sequence in sequences}
    parts = {part: [by_id[episode_id] for episode_id in getattr(split, part)] for part in PARTS}
    windows = {
        part: sum(len(last_frames(sequence.num_frames, window)) for sequence in held) for part, held in parts.items()
    }
    return windows, trivial_baselines(parts["train"], parts["test"], window, space)
