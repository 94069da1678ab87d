"""The job "features": every frame is encoded once by the frozen eyes of the compact policy, and described for the audit.

The encoded frames stay in the feature cache, so that a training of `compact` after it starts at once; and the other way round.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mvla_core.episodes.cache_table import CachedEntry
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.frame_features import FrameEncoder, frame_features, trim_cache
from mvla_core.episodes.looks import (
    VECTOR_SIZE,
    Looks,
    look_table,
    look_vectors,
    looks_entry,
    perceptual_hash,
    without_looks,
)
from mvla_core.episodes.reader import open_episode
from mvla_core.errors import EpisodeError
from mvla_core.layout import DataRoot
from mvla_core.policies.compact import EfficientNetEncoder
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import EpisodeInfo

_WRITE_EVERY = 16
"""Episodes between two writes, so that little is lost when the job is killed."""


def look_at_pictures(
    root: DataRoot, dataset: str, progress: Progress = SILENT, encoder: FrameEncoder | None = None
) -> dict[str, Any]:
    """Describe the frames of every episode that is new or changed.

    Args:
        root: The data root.
        dataset: A name under it, or the path of a folder.
        progress: Told each episode; the user may stop, and what was described until then is kept.
        encoder: Gives feature maps; None takes the compact policy's.

    Returns:
        `dataset`, `episodes` (that count), `looked_at` (now), `frames` (of those), `failed` (episode ids), and `message`.

    Raises:
        UserInputError: There is no such data set.
        OSError: Features cannot be written.
    """
    ref = resolve_dataset(root, dataset)
    progress.stage(f"Looking at the files of {ref.name}")
    episodes = scan_curated(root, ref, progress).episodes
    waiting = without_looks(root, episodes)
    table = look_table(root, ref.name, ref.folder, progress)
    table.change({}, table.stamps().keys() - {info.path.name for info in episodes})
    progress.stage(f"Looking at the pictures of {ref.name}")
    eyes = encoder or EfficientNetEncoder()
    pending: dict[str, CachedEntry] = {}
    frames, failed = 0, []
    try:
        for done, info in enumerate(waiting, start=1):
            try:
                looks = _look(root, eyes, info)
            except EpisodeError as error:
                failed.append(info.episode_id)
                progress.note(str(error), "warning")
            else:
                frames += len(looks)
                pending[info.path.name] = looks_entry(info, looks)
            if len(pending) >= _WRITE_EVERY:
                table.change(pending)
                pending = {}
            progress.update(done, len(waiting), f"Looked at {info.episode_id}")
    finally:
        table.change(pending)
    trim_cache(root)
    looked = len(waiting) - len(failed)
    message = f"Looked at {frames:,} frames of {looked:,} episodes; {len(episodes) - len(waiting):,} were known."
    return {
        "dataset": ref.name,
        "episodes": len(episodes),
        "looked_at": looked,
        "frames": frames,
        "failed": failed,
        "message": message,
    }


def _look(root: DataRoot, eyes: FrameEncoder, info: EpisodeInfo) -> Looks:
    """Describe all stored frames, whatever is trimmed.

    Where one of them cannot be read but the trim has cut it off, it gets NaN and the others are described.
    """
    with open_episode(info.path, info.dataset, color_order=info.color_order) as episode:
        stored = episode.info.num_frames
        kept = range(stored)[info.kept]
        hashes = np.zeros(stored, dtype=np.uint64)
        for index in range(stored):
            try:
                hashes[index] = perceptual_hash(episode.frame(index))
            except EpisodeError:
                if index in kept:
                    raise
    if info.trim is None:
        return Looks(look_vectors(frame_features(root, eyes, info)), hashes)
    vectors = np.full((stored, VECTOR_SIZE), np.nan, dtype=np.float16)
    try:
        vectors[:] = look_vectors(frame_features(root, eyes, replace(info, trim=None, num_frames=stored)))
    except EpisodeError:
        vectors[info.kept] = look_vectors(frame_features(root, eyes, info))
    return Looks(vectors, hashes)
