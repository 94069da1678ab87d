"""Versions of a data set: "data set v3" is a hash of what training would see, with the curation that led to it.

    annotations/<dataset>.snapshots/3.json            number, hash, title, counts
    annotations/<dataset>.snapshots/3.content.json    the episodes that the hash is made of, and all notes

The hash is the same wherever and whenever the same data is curated to the same effect: it is made of the recordings' bytes,
and not of their dates. Notes, ratings, tags and the reasons of exclusions do not change it, because training does not see them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mvla_core.episodes.annotation_store import MAX_TITLE_CHARACTERS
from mvla_core.episodes.annotations import annotation_name, load_annotations
from mvla_core.episodes.curation import CuratedEpisodes, scan_curated
from mvla_core.episodes.dataset import DatasetRef
from mvla_core.episodes.notes import Annotations
from mvla_core.errors import EpisodeError, MvlaError
from mvla_core.files import read_json, sha256_file, write_json
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import EpisodeInfo

_THREADS = 4
"""Hashing leaves Python's lock alone; more threads than this only make a disk seek."""


@dataclass(frozen=True)
class Snapshot:
    """A version of a data set."""

    number: int
    """From 1."""
    sha256: str
    created: str
    """ISO 8601 with the offset of the machine."""
    title: str
    episodes: int
    """How many count."""
    frames: int
    excluded: int


@dataclass(frozen=True)
class DataState:
    """A data set as it is now: what a snapshot of it would hold."""

    curated: CuratedEpisodes
    annotations: Annotations
    content: tuple[tuple[Any, ...], ...]
    """For each episode: id, SHA-256 of its file, trim or None, instruction, colour order."""
    sha256: str


def state_of(
    root: DataRoot, ref: DatasetRef, data: CuratedEpisodes, annotations: Annotations, progress: Progress = SILENT
) -> DataState:
    """Return the state of a data set that was listed already.

    Every recording is read once and its hash kept in the cache, by size and time of change.

    Args:
        root: The data root.
        ref: The data set.
        data: Its episodes under `annotations`.
        annotations: What was applied to them.
        progress: Told the files; the user may stop.

    Raises:
        EpisodeError: A recording was removed since it was listed.
    """
    digests = content_digests(root, ref, data.episodes, progress)
    content = tuple(
        (info.episode_id, digests[info.episode_id], info.trim, info.instruction, info.color_order)
        for info in data.episodes
    )
    return DataState(data, annotations, content, hashlib.sha256(json.dumps(content).encode()).hexdigest())


def state_of_now(root: DataRoot, ref: DatasetRef, progress: Progress = SILENT) -> DataState:
    """Return the state of a data set as its files and its annotations are now.

    Raises:
        EpisodeError: As `state_of`.
        MvlaError: The stored annotations are damaged.
    """
    annotations = load_annotations(root, ref)
    data = scan_curated(root, ref, progress, annotations=annotations)
    return state_of(root, ref, data, annotations, progress)


def take_snapshot(
    root: DataRoot, ref: DatasetRef, title: str, progress: Progress = SILENT, *, state: DataState | None = None
) -> Snapshot:
    """Keep the state of a data set as its next version.

    Args:
        root: The data root.
        ref: The data set.
        title: Why it is kept.
        progress: Told the files.
        state: What to keep; None takes the state of now.
    """
    now = state_of_now(root, ref, progress) if state is None else state
    folder = _folder(root, ref)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        number = max((int(path.stem) for path in _summaries(folder)), default=0) + 1
        snapshot = Snapshot(
            number,
            now.sha256,
            datetime.now().astimezone().isoformat(timespec="seconds"),
            " ".join(title.split())[:MAX_TITLE_CHARACTERS],
            len(now.content),
            sum(info.num_frames for info in now.curated.episodes),
            len(now.curated.excluded),
        )
        names = ("episode_id", "sha256", "trim", "instruction", "color_order")
        episodes = [dict(zip(names, row, strict=True)) for row in now.content]
        write_json(
            folder / f"{number}.content.json",
            {"sha256": now.sha256, "episodes": episodes, "annotations": now.annotations.to_json()},
        )
        # Last: a snapshot that is listed is complete.
        write_json(folder / f"{number}.json", asdict(snapshot))
    finally:
        os.close(descriptor)
    return snapshot


def list_snapshots(root: DataRoot, ref: DatasetRef) -> list[Snapshot]:
    """Return the versions of a data set, oldest first.

    Raises:
        MvlaError: A snapshot's file is damaged.
    """
    found = []
    for path in sorted(_summaries(_folder(root, ref)), key=lambda path: int(path.stem)):
        try:
            found.append(Snapshot(**read_json(path)))
        except TypeError as error:
            raise MvlaError(f"The snapshot {path} is damaged ({error}); restore it or move it away.") from error
    return found


def read_content(root: DataRoot, ref: DatasetRef, number: int) -> dict[str, Any]:
    """Return what a snapshot's content file holds: `sha256`, `episodes`, `annotations`.

    Raises:
        MvlaError: It is missing or damaged.
    """
    path = _folder(root, ref) / f"{number}.content.json"
    value = read_json(path)
    if not isinstance(value, dict):
        raise MvlaError(f"The snapshot {path} is damaged; restore it or move it away.")
    return value


def snapshot_of_now(
    root: DataRoot, ref: DatasetRef, progress: Progress = SILENT, *, state: DataState | None = None
) -> Snapshot | None:
    """Return the newest version that is the same as the data of now, or None where the state is new. As `take_snapshot`."""
    now = state_of_now(root, ref, progress) if state is None else state
    return next((known for known in reversed(list_snapshots(root, ref)) if known.sha256 == now.sha256), None)


def content_digests(
    root: DataRoot, ref: DatasetRef, episodes: Sequence[EpisodeInfo], progress: Progress = SILENT
) -> dict[str, str]:
    """Return the SHA-256 of each episode's file by episode id; files that did not change are not read again.

    Raises:
        EpisodeError: A file cannot be read.
    """
    cache = root.cache / "digests" / f"{annotation_name(root, ref)}.json"
    known = _read_cache(cache)
    stamps = {info.episode_id: [info.path.name, info.file_size, info.file_mtime_ns] for info in episodes}
    digests = {name: known[name][1] for name, stamp in stamps.items() if known.get(name, [None])[0] == stamp}
    unread = [info for info in episodes if info.episode_id not in digests]
    if not unread:
        return digests
    threads = ThreadPoolExecutor(_THREADS)
    try:
        for done, (info, digest) in enumerate(zip(unread, threads.map(_digest, unread), strict=True)):
            digests[info.episode_id] = digest
            progress.update(done + 1, len(unread), f"Hashed {info.path.name}")
    finally:
        threads.shutdown(cancel_futures=True)
        write_json(cache, known | {name: [stamps[name], digest] for name, digest in digests.items()})
    return digests


def _digest(info: EpisodeInfo) -> str:
    try:
        return sha256_file(info.path)
    except OSError as error:
        raise EpisodeError("unreadable", f"{info.path.name} cannot be opened: {error.strerror or error}.") from error


def _read_cache(cache: Path) -> dict[str, Any]:
    """What was hashed earlier. What cannot be read is hashed again, which costs time and loses nothing."""
    try:
        value = read_json(cache)
    except MvlaError:
        return {}
    entries = value.items() if isinstance(value, dict) else ()
    return {name: entry for name, entry in entries if isinstance(entry, list) and len(entry) == 2}


def _folder(root: DataRoot, ref: DatasetRef) -> Path:
    return root.annotations(annotation_name(root, ref)).with_suffix(".snapshots")


def _summaries(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.json") if path.stem.isdecimal()]
