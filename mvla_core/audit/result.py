"""What an audit returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.audit.balance import Transitions, by_instruction, by_length, by_scenario, by_time_of_day, transitions
from mvla_core.audit.clock import Baseline, ClockEvidence
from mvla_core.audit.distributions import AxisStatistics, Determinism
from mvla_core.audit.instruction_source import TextEvidence
from mvla_core.audit.motion_checks import CommandedChange
from mvla_core.audit.pictures import PictureAudit
from mvla_core.audit.table import PresetSize, TableRow
from mvla_core.audit.thresholds import Thresholds
from mvla_core.datasets.split import Split
from mvla_core.datasets.windows import WindowSpec, complete_windows, last_frames
from mvla_core.metrics.directions import DIRECTION_NAMES
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo, Finding

_LEVEL_ORDER = ("error", "warning", "info", "ok")


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by level, errors first; those of one level stay in their order."""
    return tuple(sorted(findings, key=lambda finding: _LEVEL_ORDER.index(finding.level)))


@dataclass(frozen=True)
class AuditResult:
    """Everything the audit found; `to_json` is what the command line prints.

    Attributes:
        dataset: Its name.
        window: Which windows were counted and measured.
        episodes: Every readable episode.
        sequences: Actions of the analysed episodes: those of the most frequent action space. May be empty.
        action_space: That space; None where there is no episode.
        statistics: Each axis over all analysed frames.
        unique_actions: Different actions among the analysed frames.
        unique_sequences: Different action sequences among the analysed episodes.
        determinism: Per frame index.
        direction_counts: int64 (11,), frames of each class of `DIRECTION_NAMES`.
        dead_band: float64 (A,), below which an axis counted as zero.
        split: What a training with this window and seed would use; None where the data is too small.
        part_windows: Windows of train, validation and test, counted as `window` says; empty without a split.
        baselines: The trivial predictors on the windows of the test part; None without a split.
        clock: Whether a clock suffices; None with fewer than three usable episodes or where all actions are the same.
        findings: Errors first.
        table: The briefing's figures beside the recommended values.
        thresholds: What was compared with; `Threshold.own` tells which are the user's.
        changes: How fast each axis' command changes; empty without an episode.
        text: How much instructions and actions tell of each other; None without an episode.
        preset: Whose parameters the training windows were divided by; None where no preset was chosen.
        pictures: What the pictures say, as far as they have been looked at; None where only actions were audited.
    """

    dataset: str
    window: WindowSpec
    episodes: tuple[EpisodeInfo, ...]
    sequences: tuple[ActionSequence, ...]
    action_space: ActionSpace | None
    statistics: tuple[AxisStatistics, ...]
    unique_actions: int
    unique_sequences: int
    determinism: Determinism
    direction_counts: npt.NDArray[np.int64]
    dead_band: npt.NDArray[np.float64]
    split: Split | None
    part_windows: Mapping[str, int]
    baselines: Mapping[str, Baseline] | None
    clock: ClockEvidence | None
    findings: tuple[Finding, ...]
    table: tuple[TableRow, ...]
    thresholds: Thresholds
    changes: tuple[CommandedChange, ...]
    text: TextEvidence | None
    preset: PresetSize | None
    pictures: PictureAudit | None = None

    @property
    def frames(self) -> int:
        """Frames of all readable episodes."""
        return sum(info.num_frames for info in self.episodes)

    @property
    def mean_length(self) -> float:
        """Frames an episode, to one decimal as in the briefing; 0 without episodes."""
        return round(self.frames / len(self.episodes), 1) if self.episodes else 0.0

    @property
    def complete_windows(self) -> int:
        """Windows by the briefing's count, whatever happens at the end of a chunk."""
        return sum(complete_windows(info.num_frames, self.window) for info in self.episodes)

    @property
    def diversity(self) -> float:
        """Different actions / analysed frames; 0 without frames."""
        frames = sum(sequence.num_frames for sequence in self.sequences)
        return self.unique_actions / frames if frames else 0.0

    @property
    def transitions(self) -> Transitions | None:
        """Which direction follows which among the analysed episodes; None without an episode."""
        return None if self.action_space is None else transitions(self.sequences, self.action_space, self.dead_band)

    def to_json(self) -> dict[str, Any]:
        follows = self.transitions
        names = self.action_space.names if self.action_space else ()
        total = int(self.direction_counts.sum())
        counts = dict(zip(DIRECTION_NAMES, self.direction_counts.tolist(), strict=True))
        return {
            "dataset": self.dataset,
            "episodes": len(self.episodes),
            "frames": self.frames,
            "mean_length": self.mean_length,
            "windows": {
                **self.window.to_json(),
                "total": self.complete_windows,
                "used": sum(len(last_frames(info.num_frames, self.window)) for info in self.episodes),
                "parts": dict(self.part_windows),
            },
            "unique_actions": self.unique_actions,
            "diversity": self.diversity,
            "unique_sequences": self.unique_sequences,
            "determinism": {"mean": self.determinism.mean, "max": self.determinism.max},
            "actions": {axis.name: axis.to_json() for axis in self.statistics},
            "directions": {
                "counts": counts,
                "shares": {name: count / total if total else 0.0 for name, count in counts.items()},
                "dead_band": dict(zip(names, self.dead_band.tolist(), strict=True)),
            },
            "instructions": dict(Counter(info.instruction for info in self.episodes)),
            "baselines": None
            if self.baselines is None
            else {name: baseline.to_json(names) for name, baseline in self.baselines.items()},
            "averaged_over": list(names),
            "clock": None if self.clock is None else self.clock.to_json(),
            "split": None if self.split is None else self.split.to_json(),
            "transitions": None if follows is None else follows.to_json(),
            "balance": {
                "instruction": [group.to_json() for group in by_instruction(self.episodes)],
                "scenario": [group.to_json() for group in by_scenario(self.episodes)],
                "length": [group.to_json() for group in by_length(self.episodes)],
                "time_of_day": [group.to_json() for group in by_time_of_day(self.episodes)],
            },
            "commanded_changes": {change.name: change.to_json() for change in self.changes},
            "instruction_text": None if self.text is None else self.text.to_json(),
            "samples_per_parameter": self._samples_per_parameter(),
            "thresholds": {name: threshold.to_json() for name, threshold in self.thresholds.items()},
            "table": [row.to_json() for row in self.table],
            "pictures": None if self.pictures is None else self.pictures.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
        }

    def _samples_per_parameter(self) -> dict[str, Any] | None:
        if self.preset is None or self.action_space is None or not self.part_windows:
            return None
        windows, parameters = self.part_windows["train"], self.preset.of(len(self.action_space))
        return {
            "preset": self.preset.name,
            "train_windows": windows,
            "trainable_parameters": parameters,
            "ratio": windows / parameters,
        }
