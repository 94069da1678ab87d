"""What notes do: of the episodes of a catalogue, those that count, each as it was curated.

Audit, split, training and evaluation take their episodes from here, so that none of them knows of exclusions, trims or
relabelled instructions. The recordings stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mvla_core.episodes.annotations import load_annotations
from mvla_core.episodes.catalogue import Catalogue, load_sequences, scan
from mvla_core.episodes.dataset import DatasetRef
from mvla_core.episodes.notes import Annotations, EpisodeNote
from mvla_core.errors import UserInputError
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import Actions, ColorOrder, EpisodeInfo, Finding

IDLE_SHARE = 0.02
"""A frame is idle where no velocity exceeds this share of the episode's largest: a resting joystick is never quite still."""
KEPT_IDLE_FRAMES = 1
"""Left at either end, so that starting and stopping stay in the picture."""


@dataclass(frozen=True)
class ExcludedEpisode:
    """An episode that is left out, with the reason in the user's words or, where its trim does not fit, in ours."""

    info: EpisodeInfo
    reason: str


@dataclass(frozen=True)
class CuratedEpisodes:
    """A data set as it was curated.

    Attributes:
        catalogue: The episodes that count, as they are to be used; its findings tell of the curation too.
        excluded: Those that are left out.
    """

    catalogue: Catalogue
    excluded: tuple[ExcludedEpisode, ...]

    @property
    def episodes(self) -> tuple[EpisodeInfo, ...]:
        return self.catalogue.episodes

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.catalogue.findings

    def by_id(self, episode_id: str) -> EpisodeInfo:
        """Return an episode that counts.

        Raises:
            UserInputError: It is excluded, or not there at all; the message says which.
        """
        for left_out in self.excluded:
            if left_out.info.episode_id == episode_id:
                raise UserInputError(
                    f"The episode {episode_id!r} is excluded ({left_out.reason}); include it again to use it."
                )
        return self.catalogue.by_id(episode_id)


def curated(catalogue: Catalogue, annotations: Annotations) -> CuratedEpisodes:
    """Apply annotations: leave excluded episodes out, and give the others their tags, trim, instruction and colour order.

    An episode whose recording has become shorter than its trim is left out too, with a finding: what the user meant to keep is
    not known.
    """
    kept, excluded, misfits = [], [], []
    for info in catalogue.episodes:
        note = annotations.of(info.episode_id)
        try:
            seen = curated_episode(info, note, annotations.dataset_settings.color_order)
        except UserInputError as error:
            misfits.append(_misfit(info.episode_id, error))
            excluded.append(ExcludedEpisode(info, note.excluded_reason or "its trim does not fit to its recording"))
            continue
        if note.excluded_reason is None:
            kept.append(seen)
        else:
            excluded.append(ExcludedEpisode(seen, note.excluded_reason))
    told = [_exclusions(catalogue, excluded)] if excluded else []
    findings = (*catalogue.findings, *misfits, *told)
    return CuratedEpisodes(replace(catalogue, episodes=tuple(kept), findings=findings), tuple(excluded))


def scan_curated(
    root: DataRoot, ref: DatasetRef, progress: Progress = SILENT, *, annotations: Annotations | None = None
) -> CuratedEpisodes:
    """List a data set's episodes as they were curated.

    Args:
        root: The data root.
        ref: The data set.
        progress: As in `scan`.
        annotations: Those to apply; None takes what holds now.

    Raises:
        MvlaError: The stored annotations are damaged.
    """
    return curated(scan(root, ref, progress), load_annotations(root, ref) if annotations is None else annotations)


def curated_episode(info: EpisodeInfo, note: EpisodeNote, color_order: ColorOrder | None) -> EpisodeInfo:
    """Return an episode as its note and its data set's colour order have it, excluded or not.

    Raises:
        UserInputError: The recording lacks frames of the trim.
    """
    seen = info if note.trim is None else info.trimmed(*note.trim)
    said: dict[str, Any] = {}
    if note.instruction is not None and note.instruction != seen.instruction:
        said = {"instruction": note.instruction, "instruction_source": "curation" if note.instruction else "none"}
    if new := [tag for tag in note.tags if tag not in seen.tags]:
        said["tags"] = (*seen.tags, *new)
    if color_order not in (None, seen.color_order):
        said["color_order"] = color_order
    return replace(seen, **said) if said else seen


def propose_trim(actions: Actions) -> tuple[int, int] | None:
    """Propose to cut idle frames off the start and the end.

    Args:
        actions: float32 (num_frames, num_dims) of the whole recording, any units.

    Returns:
        First and last frame to keep, or None where there is nothing to cut or the robot never moves.
    """
    speed = np.abs(actions).max(axis=1, initial=0.0)
    moving = np.flatnonzero(speed > IDLE_SHARE * speed.max(initial=0.0))
    if not len(moving):
        return None
    first = max(0, int(moving[0]) - KEPT_IDLE_FRAMES)
    last = min(len(actions) - 1, int(moving[-1]) + KEPT_IDLE_FRAMES)
    return None if (first, last) == (0, len(actions) - 1) else (first, last)


def propose_trims(root: DataRoot, episodes: Sequence[EpisodeInfo]) -> dict[str, tuple[int, int]]:
    """Propose a trim for each of the episodes that has idle ends and no trim yet, by episode id.

    Args:
        root: The data root, whose cache holds the actions that a scan has read.
        episodes: Episodes as catalogued or curated.

    Raises:
        EpisodeError: A file was removed or broken since it was catalogued.
    """
    whole = [info for info in episodes if info.trim is None]
    proposals = ((sequence.episode_id, propose_trim(sequence.actions)) for sequence in load_sequences(whole, root))
    return {episode_id: trim for episode_id, trim in proposals if trim is not None}


def _misfit(episode_id: str, error: UserInputError) -> Finding:
    return Finding(
        "warning", "trim_misfit", episode_id, f"{error} It is left out.", "Trim it anew, or restore the recording."
    )


def _exclusions(catalogue: Catalogue, excluded: Sequence[ExcludedEpisode]) -> Finding:
    names = [left_out.info.episode_id for left_out in excluded]
    shown = ", ".join(f"{left_out.info.episode_id} ({left_out.reason})" for left_out in excluded[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return Finding(
        "info",
        "excluded_episodes",
        names[0] if len(names) == 1 else catalogue.dataset,
        f"{len(names)} of {len(catalogue.episodes)} episodes are excluded and take no part: {shown}{more}.",
        "",
        {"episodes": names},
    )
