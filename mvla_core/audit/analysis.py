"""The audit of episodes in memory: is this data worth training on, would a clock do, and what is wrong with it?

Actions only: no picture is decoded, so that 1,000 episodes take seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mvla_core.audit import action_checks
from mvla_core.audit.balance import check_rare_directions
from mvla_core.audit.clipping import check_clipping
from mvla_core.audit.clock import ClockEvidence, clock_evidence, trivial_baselines, verdict_of
from mvla_core.audit.clock_finding import clock_finding
from mvla_core.audit.clock_store import ClockFigures, ClockStore
from mvla_core.audit.distributions import (
    AxisStatistics,
    Determinism,
    action_ids,
    axis_statistics,
    determinism,
    joined_actions,
    sequence_keys,
)
from mvla_core.audit.episode_checks import action_spaces, check_episodes
from mvla_core.audit.instruction_source import TextEvidence, check_text, text_evidence, text_explained
from mvla_core.audit.motion_checks import CommandedChange, check_changes, check_idle, commanded_changes
from mvla_core.audit.result import AuditResult, worst_first
from mvla_core.audit.table import PresetSize, make_table
from mvla_core.audit.thresholds import Thresholds, default_thresholds
from mvla_core.datasets.split import PARTS, Split, make_split
from mvla_core.datasets.windows import WindowSpec, complete_windows, last_frames
from mvla_core.errors import DatasetError
from mvla_core.metrics.directions import DIRECTION_NAMES, dead_band, direction_classes, direction_counts
from mvla_core.schema import Actions, ActionSequence, ActionSpace, EpisodeInfo, Finding, Level

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
    preset: PresetSize | None = None,
    store: ClockStore | None = None,
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
        preset: Adds the row `samples_per_parameter`: training windows divided by the preset's trainable parameters.
        store: Keeps the clock's figures between two audits of the same actions; None measures them anew.

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
    space = action_spaces(episodes)[0][0] if episodes else None
    infos = [info for info in episodes if info.action_space == space]
    kept = [sequence for info, sequence in zip(episodes, sequences, strict=True) if info.action_space == space]
    usable = [sequence for sequence in kept if sequence.num_frames >= window.minimum_frames]

    about = _describe(kept, space)
    split, split_findings = _try_split(dataset, infos, window, seed)
    part_windows = _part_windows(split, kept, window)
    measured = _clock(kept, space, split, window, seed, limits, store)
    baselines, clock = measured.baselines, measured.evidence

    figures = _figures(episodes, window, about, part_windows, clock)
    notes = {}
    if preset is not None and space is not None and split is not None:
        parameters = preset.of(len(space))
        figures["samples_per_parameter"] = part_windows["train"] / parameters
        notes["samples_per_parameter"] = (
            f"{part_windows['train']:,} training windows / {parameters:,} trainable parameters of the preset {preset.name}; "
            "epochs are not counted."
        )
    findings += split_findings
    changes: tuple[CommandedChange, ...] = ()
    text: TextEvidence | None = None
    if space is not None:
        # Episodes without a window teach nothing, so that nothing is held against them but their length.
        long_enough = [info for info in infos if info.num_frames >= window.minimum_frames]
        changes = commanded_changes(infos, kept, space, limits)
        text = text_evidence(infos, kept, space, about.dead_band, measured.text)
        findings += action_checks.check_amounts(dataset, figures, limits)
        findings += action_checks.check_directions(dataset, about.directions, limits)
        findings += check_rare_directions(dataset, about.actions, space, about.dead_band, about.directions, limits)
        findings += action_checks.check_values(dataset, about.actions, space, about.statistics, limits)
        findings += check_clipping(dataset, about.actions, space, kept, split, limits)
        findings += check_changes(dataset, changes)
        findings += check_text(dataset, text, limits)
        findings += action_checks.check_sequences(dataset, usable, determinism(usable).mean, limits)
        findings += check_idle(dataset, long_enough, usable, limits)
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
        findings=worst_first(findings),
        table=make_table(figures, about.statistics, limits, judged, notes, changes),
        thresholds=limits,
        changes=changes,
        text=text,
        preset=preset,
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


def _part_windows(split: Split | None, sequences: Sequence[ActionSequence], window: WindowSpec) -> dict[str, int]:
    """Count the windows of each part; empty without a split."""
    if split is None:
        return {}
    frames = {sequence.episode_id: sequence.num_frames for sequence in sequences}
    return {part: sum(len(last_frames(frames[name], window)) for name in getattr(split, part)) for part in PARTS}


def _clock(
    sequences: Sequence[ActionSequence],
    space: ActionSpace | None,
    split: Split | None,
    window: WindowSpec,
    seed: int,
    limits: Thresholds,
    store: ClockStore | None,
) -> ClockFigures:
    """Measure the trivial predictors, or take what is kept, and decide the verdict by the limits of now."""
    if space is None:
        return ClockFigures(None, None, None)
    usable = [sequence for sequence in sequences if sequence.num_frames >= window.minimum_frames]

    def measure() -> ClockFigures:
        baselines = None
        if split is not None:
            by_id = {sequence.episode_id: sequence for sequence in sequences}
            train, test = ([by_id[name] for name in part] for part in (split.train, split.test))
            baselines = trivial_baselines(train, test, window, space)
        evidence = clock_evidence(usable, window, space, limits, seed)
        return ClockFigures(baselines, evidence, text_explained(sequences, space))

    figures = measure() if store is None else store.figures(sequences, space, window, split, seed, measure)
    if figures.evidence is None:
        return figures
    kept = figures.evidence
    verdict = verdict_of(kept.explained, kept.determinism, kept.episodes, limits)
    return replace(figures, evidence=replace(kept, verdict=verdict))
