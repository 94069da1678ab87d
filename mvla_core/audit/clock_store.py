"""The figures that take resampling, kept between two audits of the same actions.

Cross-validation and resampling are most of an audit of actions. What they give depends on nothing but the actions, the
instructions, the windows and the split, so that it is kept under a digest of these: a change of one action is another digest.
Thresholds are no part of it; what the figures mean is decided anew each time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mvla_core.audit.clock import Baseline, ClockEvidence
from mvla_core.datasets.split import Split
from mvla_core.datasets.windows import WindowSpec
from mvla_core.files import write_text
from mvla_core.layout import DataRoot
from mvla_core.metrics.errors import ErrorSums
from mvla_core.metrics.intervals import Interval
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import ActionSequence, ActionSpace

_VERSION = 1
"""Raise it when a formula of the clock, the predictors or the intervals changes."""
_KEPT = 64
"""Files in the folder; the oldest beyond are deleted."""


@dataclass(frozen=True)
class ClockFigures:
    """What is kept: the trivial predictors on the test part, the evidence over all episodes, and what the text explains."""

    baselines: Mapping[str, Baseline] | None
    evidence: ClockEvidence | None
    text: Interval | None


@dataclass(frozen=True)
class ClockStore:
    """Figures by digest, one small JSON file each, below the cache of a data root. It may be deleted at any time."""

    folder: Path
    progress: Progress = SILENT

    @classmethod
    def of(cls, root: DataRoot, progress: Progress = SILENT) -> ClockStore:
        return cls(root.cache / "audit", progress)

    def figures(
        self,
        sequences: Sequence[ActionSequence],
        space: ActionSpace,
        window: WindowSpec,
        split: Split | None,
        seed: int,
        measure: Callable[[], ClockFigures],
    ) -> ClockFigures:
        """Return what is kept for this data, or measure and keep it. The kept verdict is that of the thresholds then."""
        path = self.folder / f"{_digest(sequences, space, window, split, seed)}.json"
        if (kept := self._read(path)) is not None:
            return kept
        figures = measure()
        try:
            # Not `write_json`: an interval may hold NaN or minus infinity, and Python reads back what it wrote.
            write_text(path, json.dumps(_to_json(figures)))
            for old in sorted(self.folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)[:-_KEPT]:
                old.unlink(missing_ok=True)
        except OSError as error:
            self.progress.note(f"The audit's figures cannot be kept in {self.folder} ({error}).", "warning")
        return figures

    def _read(self, path: Path) -> ClockFigures | None:
        try:
            return _from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.progress.note(
                f"The audit's figures in {path.name} cannot be read and are made anew ({error}).", "warning"
            )
            return None


def _digest(
    sequences: Sequence[ActionSequence], space: ActionSpace, window: WindowSpec, split: Split | None, seed: int
) -> str:
    about = {
        "version": _VERSION,
        "space": space.to_json(),
        "window": window.to_json(),
        "split": None if split is None else split.to_json(),
        "seed": seed,
        "episodes": [[s.episode_id, s.instruction, s.num_frames] for s in sequences],
    }
    digest = hashlib.sha256(json.dumps(about).encode())
    for sequence in sequences:
        digest.update(np.ascontiguousarray(sequence.actions, dtype="<f4").tobytes())
    return digest.hexdigest()[:32]


def _to_json(figures: ClockFigures) -> dict[str, Any]:
    baselines, evidence = figures.baselines, figures.evidence
    return {
        "baselines": None
        if baselines is None
        else {
            name: {
                **{key: getattr(baseline.errors, key).tolist() for key in ("squared", "absolute", "huber", "count")},
                "explained": vars(baseline.explained),
            }
            for name, baseline in baselines.items()
        },
        "evidence": None if evidence is None else {**vars(evidence), "explained": vars(evidence.explained)},
        "text": None if figures.text is None else vars(figures.text),
    }


def _from_json(value: Any) -> ClockFigures:
    baselines, evidence, text = value["baselines"], value["evidence"], value["text"]
    return ClockFigures(
        None if baselines is None else {name: _baseline(kept) for name, kept in baselines.items()},
        None if evidence is None else ClockEvidence(**{**evidence, "explained": Interval(**evidence["explained"])}),
        None if text is None else Interval(**text),
    )


def _baseline(kept: Mapping[str, Any]) -> Baseline:
    sums = ErrorSums(
        squared=np.array(kept["squared"], dtype=np.float64),
        absolute=np.array(kept["absolute"], dtype=np.float64),
        huber=np.array(kept["huber"], dtype=np.float64),
        count=np.array(kept["count"], dtype=np.int64),
    )
    return Baseline(sums, Interval(**kept["explained"]))
