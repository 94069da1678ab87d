"""What pictures say, kept between two audits of the same looks, actions and split.

Comparing every frame with every other takes seconds where there are many. The result depends on nothing but what its digest is made
of, so that it is made anew as soon as one frame, action or instruction changes. The cache may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mvla_core.audit.conflicts import Conflict, ConflictEvidence, FramePlace
from mvla_core.audit.leaks import LeakEvidence, Twin
from mvla_core.audit.pictures import PictureAudit
from mvla_core.audit.vision import PictureBaseline, VisionEvidence
from mvla_core.datasets.split import Split
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.looks import Looks
from mvla_core.files import write_text
from mvla_core.layout import DataRoot
from mvla_core.metrics.intervals import Interval
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import ActionSequence, EpisodeInfo

_VERSION = 2
"""Raise it when a formula of vision, conflicts or leaks changes."""
_KEPT = 32


@dataclass(frozen=True)
class PictureStore:
    """Picture audits by digest, one JSON file each."""

    folder: Path
    progress: Progress = SILENT

    @classmethod
    def of(cls, root: DataRoot, progress: Progress = SILENT) -> PictureStore:
        return cls(root.cache / "picture-audit", progress)

    def audit(self, digest: str, measure: Callable[[], PictureAudit]) -> PictureAudit:
        """Return what is kept under a digest, or measure and keep it."""
        path = self.folder / f"{digest}.json"
        try:
            return _from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.progress.note(
                f"What pictures say cannot be read from {path.name} and is made anew ({error}).", "warning"
            )
        audit = measure()
        try:
            # Not `write_json`: an interval may hold NaN or minus infinity, and Python reads back what it wrote.
            write_text(path, json.dumps(asdict(audit)))
            for old in sorted(self.folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)[:-_KEPT]:
                old.unlink(missing_ok=True)
        except OSError as error:
            self.progress.note(f"What pictures say cannot be kept in {self.folder} ({error}).", "warning")
        return audit


def picture_digest(
    episodes: Sequence[EpisodeInfo],
    sequences: Sequence[ActionSequence],
    looks: Mapping[str, Looks],
    split: Split | None,
    window: WindowSpec,
    seed: int,
) -> str:
    """Return a name for everything that a picture audit depends on."""
    about = {
        "version": _VERSION,
        "window": window.to_json(),
        "split": None if split is None else split.to_json(),
        "seed": seed,
        "episodes": [
            [
                info.episode_id,
                info.instruction,
                info.recording_id,
                info.recording_start,
                info.recorded_at,
                info.num_frames,
            ]
            for info in episodes
        ],
        "space": [info.action_space.to_json() for info in episodes[:1]],
    }
    digest = hashlib.sha256(json.dumps(about).encode())
    for sequence in sequences:
        digest.update(np.ascontiguousarray(sequence.actions, dtype="<f4").tobytes())
        if (own := looks.get(sequence.episode_id)) is not None:
            digest.update(own.to_bytes())
        digest.update(b"|")
    return digest.hexdigest()[:32]


def _from_json(value: Mapping[str, Any]) -> PictureAudit:
    vision, conflicts, leaks = value["vision"], value["conflicts"], value["leaks"]
    return PictureAudit(
        **{
            **value,
            "vision": None if vision is None else _vision(vision),
            "conflicts": None if conflicts is None else _conflicts(conflicts),
            "leaks": None if leaks is None else _leaks(leaks),
            "baselines": {
                name: PictureBaseline(**{**kept, "explained": Interval(**kept["explained"])})
                for name, kept in value["baselines"].items()
            },
        }
    )


def _vision(value: Mapping[str, Any]) -> VisionEvidence:
    read = dict(value)
    for name in ("explained", "headroom_by_axis"):
        read[name] = {key: Interval(**interval) for key, interval in value[name].items()}
    return VisionEvidence(
        **{**read, "headroom": Interval(**value["headroom"]), "neighbours": tuple(value["neighbours"])}
    )


def _conflicts(value: Mapping[str, Any]) -> ConflictEvidence:
    pairs = tuple(
        Conflict(FramePlace(**p["left"]), FramePlace(**p["right"]), p["likeness"], p["same_instruction"])
        for p in value["pairs"]
    )
    return ConflictEvidence(**{**value, "pairs": pairs})


def _leaks(value: Mapping[str, Any]) -> LeakEvidence:
    return LeakEvidence(**{**value, "twins": tuple(Twin(**twin) for twin in value["twins"])})
