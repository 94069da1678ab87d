"""Measuring the pictures of a data set: every frame is decoded once, and what is found is kept beside the data.

The job "pictures" does it; it goes on where it was stopped, and looks only at files that are new or changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from mvla_core.episodes.cache_table import CachedEntry, CacheTable
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import DatasetRef, resolve_dataset
from mvla_core.episodes.pixel_facts import PixelFacts, pixel_facts
from mvla_core.episodes.reader import open_episode
from mvla_core.episodes.thumbnails import keep_strip, strip_indices, tile
from mvla_core.errors import EpisodeError, Stopped
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import EpisodeInfo, Frame

WORKERS = 2
"""Episodes that are measured at once; unpacking and measuring leave Python's lock."""
_VERSION = 1
_WRITE_EVERY = 16
"""Episodes between two writes, so that little is lost when the job is killed."""


def measure_pictures(root: DataRoot, dataset: str, progress: Progress = SILENT) -> dict[str, Any]:
    """Measure the pixel facts of every episode that is new or changed, and make its strip of thumbnails.

    Args:
        root: The data root.
        dataset: A name under it, or the path of a folder.
        progress: Told each episode; the user may stop, and what was measured until then is kept.

    Returns:
        `dataset`, `episodes` (of the data set), `measured` (now), `frames` (of those), `failed` (episode ids), and `message`.

    Raises:
        UserInputError: There is no such data set.
        OSError: A strip cannot be written.
    """
    ref = resolve_dataset(root, dataset)
    progress.stage(f"Looking at the files of {ref.name}")
    catalogue = scan(root, ref, progress)
    cache = _cache(root, ref.name, ref.folder, progress)
    known = cache.stamps()
    waiting = [info for info in catalogue.episodes if known.get(info.path.name) != (info.file_size, info.file_mtime_ns)]
    cache.change({}, known.keys() - {info.path.name for info in catalogue.episodes})
    progress.stage(f"Measuring the pictures of {ref.name}")
    frames, failed = _measure_all(root, waiting, cache, progress)
    measured = len(waiting) - len(failed)
    message = (
        f"Measured {frames:,} frames of {measured:,} episodes; {len(catalogue.episodes) - len(waiting):,} were known."
    )
    return {
        "dataset": ref.name,
        "episodes": len(catalogue.episodes),
        "measured": measured,
        "frames": frames,
        "failed": failed,
        "message": message,
    }


def facts_state(root: DataRoot, ref: DatasetRef) -> int:
    """A number that changes when facts of a data set were written: for those who keep what they made of them."""
    try:
        return _cache(root, ref.name, ref.folder, SILENT).path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def load_facts(root: DataRoot, info: EpisodeInfo) -> PixelFacts | None:
    """The pixel facts of the frames that an episode's trim keeps, in its colour order; None where they were not measured."""
    return load_all_facts(root, [info]).get(info.episode_id)


def load_all_facts(root: DataRoot, episodes: Sequence[EpisodeInfo]) -> dict[str, PixelFacts]:
    """The pixel facts of those episodes that were measured as they are now, by episode id. All are of one data set."""
    if not episodes:
        return {}
    cache = _cache(root, episodes[0].dataset, episodes[0].path.parent, SILENT)
    entries = cache.data(info.path.name for info in episodes)
    found = {}
    for info in episodes:
        entry = entries.get(info.path.name)
        if entry is None or (entry.size, entry.mtime_ns) != (info.file_size, info.file_mtime_ns):
            continue
        facts = PixelFacts.from_bytes(entry.data)
        if json.loads(entry.value)["color_order"] != info.color_order:
            facts = facts.channels_exchanged()
        facts = facts.cut(info.kept)
        if len(facts) == info.num_frames:
            found[info.episode_id] = facts
    return found


def _measure_all(
    root: DataRoot, episodes: Sequence[EpisodeInfo], cache: CacheTable, progress: Progress
) -> tuple[int, list[str]]:
    """Measure episodes side by side; return how many frames there were, and the episodes that could not be opened."""
    frames, failed, stopping = 0, [], threading.Event()
    pending: dict[str, CachedEntry] = {}
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            futures = {pool.submit(_measure, root, info, stopping): info for info in episodes}
            for done, future in enumerate(as_completed(futures), start=1):
                info = futures[future]
                try:
                    facts = future.result()
                except EpisodeError as error:
                    failed.append(info.episode_id)
                    progress.note(str(error), "warning")
                else:
                    frames += len(facts)
                    value = json.dumps({"color_order": info.color_order})
                    pending[info.path.name] = CachedEntry(info.file_size, info.file_mtime_ns, value, facts.to_bytes())
                if len(pending) >= _WRITE_EVERY:
                    cache.change(pending)
                    pending = {}
                progress.update(done, len(episodes), f"Measured {info.episode_id}")
        finally:
            stopping.set()
            pool.shutdown(cancel_futures=True)
            cache.change(pending)
    return frames, sorted(failed)


def _measure(root: DataRoot, info: EpisodeInfo, stopping: threading.Event) -> PixelFacts:
    """Measure all stored frames of an episode, whatever is trimmed, and keep its strip."""
    with open_episode(info.path, info.dataset, color_order=info.color_order) as reader:
        chosen = strip_indices(reader.info.num_frames)
        tiles: dict[int, Frame] = {}

        def frames() -> Iterator[Frame | None]:
            for index in range(reader.info.num_frames):
                if stopping.is_set():
                    raise Stopped("Stopped while measuring.")
                frame: Frame | None
                try:
                    frame = reader.frame(index)
                except EpisodeError:
                    frame = None
                if index in chosen:
                    tiles[index] = tile(frame)
                yield frame

        facts = pixel_facts(frames())
    keep_strip(root, info, [tiles[index] for index in chosen])
    return facts


def _cache(root: DataRoot, dataset: str, folder: Path, progress: Progress) -> CacheTable:
    name = f"{dataset}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}.sqlite"
    return CacheTable(root.cache / "pictures" / name, _VERSION, f"pixel facts of {dataset}", progress)
