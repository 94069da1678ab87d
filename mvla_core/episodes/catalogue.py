"""What a data set holds and what is broken in it, without decoding a picture.

Looking at a file takes about 3 ms, nearly all of it in the worker processes of `mvla_core.episodes.inspection`, of which two
work at once. What was found is kept under `cache/catalogue/`, by size and time of change, with the actions of every episode.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from mvla_core.episodes.cache_table import CachedEntry, CacheTable
from mvla_core.episodes.dataset import DatasetRef
from mvla_core.episodes.inspection import INSPECTOR, MAX_WORKERS
from mvla_core.episodes.reader import open_known
from mvla_core.episodes.summary import EpisodeSummary, summarise
from mvla_core.errors import EpisodeError, UserInputError, did_you_mean
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import Actions, ActionSequence, EpisodeInfo, Finding

EPISODE_SUFFIXES = (".h5", ".hdf5")
NEXT_STEPS = {
    "pointer_file": "Run `git lfs pull` in the repository it came from, then import the recording again.",
    "not_hdf5": "Remove it from the folder, or rename it if it is not a recording.",
    "truncated": "Copy it again from the robot; if it is broken there too, record the episode again.",
    "stub": "Delete it or record the episode again: the recorder was stopped before the first frame.",
    "missing_key": "Check the recorder: docs/formats.md lists the data sets that an episode needs.",
    "shape_mismatch": "Check the recorder: docs/formats.md states shapes, types and attributes.",
    "not_finite": "Record the episode again, or repair its actions and import it under a new name.",
    "unsafe": "Do not open it elsewhere without care; ask whoever made it for a plain recording.",
    "unreadable": "Check that the file is there, that you may read it, and that nothing is writing it.",
}
"""What a user does about each of `FILE_FAULTS`."""

MANY_NEW_FILES = 500
"""With more files to look at than this (about 3 s), a page starts the job "scan" and shows its progress."""

_CACHE_VERSION = 2
_WRITE_EVERY = 500
"""Files between two writes to the cache, so that a scan that is killed does not begin anew."""
# These depend on more than the file's content, so they are looked at again each time.
_LOOKED_AT_AGAIN = ("unreadable",)


@dataclass(frozen=True)
class Catalogue:
    """The usable episodes of a data set, by episode id, and a finding for each file that was set aside."""

    dataset: str
    folder: Path
    episodes: tuple[EpisodeInfo, ...]
    findings: tuple[Finding, ...]
    summaries: Mapping[str, EpisodeSummary] = field(default_factory=dict)
    """Of each episode's actions, by episode id: all stored frames, whatever is trimmed."""

    @cached_property
    def _by_id(self) -> dict[str, EpisodeInfo]:
        return {episode.episode_id: episode for episode in self.episodes}

    def by_id(self, episode_id: str) -> EpisodeInfo:
        """Return one episode.

        Raises:
            UserInputError: The data set has no usable episode of this id; the message says if its file was set aside.
        """
        if episode_id in self._by_id:
            return self._by_id[episode_id]
        aside = next((found for found in self.findings if Path(found.where).stem == episode_id), None)
        if aside is not None:
            raise UserInputError(f"The episode {episode_id!r} was set aside: {aside.message} {aside.next}")
        raise UserInputError(
            f"The episode {episode_id[:120]!r} is not in the data set {self.dataset!r}, which has {len(self.episodes)} episodes."
            f"{did_you_mean(episode_id[:120], self._by_id)}"
        )


def fault_finding(where: str, error: EpisodeError) -> Finding:
    """Turn the reason for which a file cannot be used into a finding."""
    return Finding("error", error.code, where, str(error), NEXT_STEPS[error.code])


@dataclass(frozen=True)
class FolderChange:
    """File names that differ between a folder and what the last scan of it found; false where none does."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)

    @property
    def to_look_at(self) -> int:
        """Files that a scan would have to open; see `MANY_NEW_FILES`."""
        return len(self.new) + len(self.changed)


def scan(root: DataRoot, ref: DatasetRef, progress: Progress = SILENT) -> Catalogue:
    """List a data set's episodes; files that cannot be used become findings of level "error".

    Args:
        root: The data root, for its cache.
        ref: The data set.
        progress: Told each file; the user may stop, and what was found until then is kept in the cache.
    """
    cache = _cache(root, ref.name, ref.folder, progress)
    known = _known_entries(cache, progress)
    entries: dict[str, _Entry] = {}
    pending: dict[str, CachedEntry] = {}
    files = episode_files(ref.folder)
    unknown = []
    for path in files:
        entry = known.get(path.name)
        if entry is not None and entry.fault not in _LOOKED_AT_AGAIN and (entry.size, entry.mtime_ns) == _stamp(path):
            entries[path.name] = entry
        else:
            unknown.append(path)
    looking = ThreadPoolExecutor(MAX_WORKERS)
    try:
        # Most of a look is taken in the workers, so that threads do not wait for one another.
        looks = looking.map(partial(_look, dataset=ref.name), unknown)
        for path, (entry, actions) in zip(unknown, looks, strict=True):
            entries[path.name] = entry
            if entry != known.get(path.name):
                pending[path.name] = entry.cached(actions)
            if len(pending) >= _WRITE_EVERY:
                cache.change(pending)
                pending = {}
            progress.update(len(entries), len(files), f"Looked at {_shown(path.name)}")
    finally:
        looking.shutdown(cancel_futures=True)
        # After a stop, what was known of the files not reached is as good as before.
        cache.change(pending, known.keys() - {path.name for path in files})
    return _catalogue(ref, entries)


def watch(root: DataRoot, ref: DatasetRef) -> FolderChange:
    """Compare a folder with what the last scan found, opening no file: for looking every few seconds."""
    known = _cache(root, ref.name, ref.folder, SILENT).stamps()
    now = {path.name: _stamp(path) for path in episode_files(ref.folder)}
    return FolderChange(
        new=tuple(name for name in now if name not in known),
        changed=tuple(name for name, stamp in now.items() if known.get(name, stamp) != stamp),
        gone=tuple(sorted(known.keys() - now.keys())),
    )


def load_sequences(episodes: Sequence[EpisodeInfo], root: DataRoot | None = None) -> list[ActionSequence]:
    """Read the actions of each episode, in the order given; of a trimmed one, what its trim keeps.

    Args:
        episodes: Episodes as catalogued.
        root: With the data root, actions that a scan has kept are taken from its cache: a thousand episodes in 20 ms.

    Raises:
        EpisodeError: A file was removed or broken since it was catalogued.
    """
    kept = {} if root is None else _kept_actions(root, episodes)
    sequences = []
    for info in episodes:
        actions = kept.get(info.path)
        if actions is None:
            with open_known(info) as reader:
                actions = reader.actions()
        else:
            actions = actions[info.kept]
        sequences.append(ActionSequence(info.episode_id, actions, info.instruction))
    return sequences


def _kept_actions(root: DataRoot, episodes: Sequence[EpisodeInfo]) -> dict[Path, Actions]:
    """All stored actions of those episodes of which the cache knows the file as it is now."""
    folders: dict[tuple[str, Path], list[EpisodeInfo]] = {}
    for info in episodes:
        folders.setdefault((info.dataset, info.path.parent), []).append(info)
    found = {}
    for (dataset, folder), infos in folders.items():
        entries = _cache(root, dataset, folder, SILENT).data(info.path.name for info in infos)
        for info in infos:
            entry = entries.get(info.path.name)
            row_bytes = 4 * len(info.action_space)
            if entry is None or (entry.size, entry.mtime_ns) != _stamp(info.path) or len(entry.data) % row_bytes:
                continue
            actions = np.frombuffer(entry.data, "<f4").astype(np.float32).reshape(-1, len(info.action_space))
            if len(actions[info.kept]) == info.num_frames:
                found[info.path] = actions
    return found


def episode_files(folder: Path) -> list[Path]:
    """The HDF5 files of a folder by name, without hidden ones: unfinished writes, and what macOS leaves in archives."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if path.suffix.lower() in EPISODE_SUFFIXES and path.name[0] != ".")
    return sorted(found, key=lambda path: path.name)


@dataclass(frozen=True)
class _Entry:
    """What was found in one file: an episode with the summary of its actions, or a fault with its message."""

    size: int
    mtime_ns: int
    episode: EpisodeInfo | None = None
    summary: EpisodeSummary | None = None
    fault: str = ""
    message: str = ""

    def cached(self, actions: Actions | None) -> CachedEntry:
        value = {
            "episode": self.episode and self.episode.to_json(),
            "summary": self.summary and self.summary.to_json(),
            "fault": self.fault,
            "message": self.message,
        }
        data = b"" if actions is None else actions.astype("<f4").tobytes()
        return CachedEntry(self.size, self.mtime_ns, json.dumps(value, allow_nan=False), data)

    @classmethod
    def from_cached(cls, cached: CachedEntry) -> _Entry:
        """Raises KeyError, TypeError, ValueError or AttributeError for anything but an entry."""
        value = json.loads(cached.value)
        if value["episode"] is None:
            if value["fault"] not in NEXT_STEPS:
                raise ValueError(f"{value['fault']!r} is not a fault")
            return cls(cached.size, cached.mtime_ns, fault=value["fault"], message=value["message"])
        episode, summary = EpisodeInfo.from_json(value["episode"]), EpisodeSummary.from_json(value["summary"])
        return cls(cached.size, cached.mtime_ns, episode, summary)


def _look(path: Path, dataset: str) -> tuple[_Entry, Actions | None]:
    """What is found by looking at a file, with its actions where it is an episode."""
    size, mtime_ns = _stamp(path)
    try:
        path.name.encode()
        found = INSPECTOR.inspect(path, dataset)
    except EpisodeError as error:
        return _Entry(size, mtime_ns, fault=error.code, message=str(error)), None
    except UnicodeEncodeError:
        reason = f"The name of {_shown(path.name)} is not UTF-8 text; rename the file."
        return _Entry(size, mtime_ns, fault="unreadable", message=reason), None
    info = found.info
    return _Entry(info.file_size, info.file_mtime_ns, info, summarise(found.actions)), found.actions


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of change as entries have them; -1 where they cannot be known."""
    try:
        path.name.encode()
        status = path.stat()
    except (OSError, UnicodeEncodeError):
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _shown(name: str) -> str:
    """A file name with what is not UTF-8 in it replaced."""
    return name.encode(errors="replace").decode()


def _cache(root: DataRoot, dataset: str, folder: Path, progress: Progress) -> CacheTable:
    name = f"{dataset}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}.sqlite"
    return CacheTable(root.cache / "catalogue" / name, _CACHE_VERSION, f"catalogue of {dataset}", progress)


def _known_entries(cache: CacheTable, progress: Progress) -> dict[str, _Entry]:
    """What an earlier scan found, by file name. An entry that cannot be read is told and made anew."""
    known, damaged = {}, 0
    for name, cached in cache.entries().items():
        try:
            known[name] = _Entry.from_cached(cached)
        except (KeyError, TypeError, ValueError, AttributeError, UserInputError):
            damaged += 1
    if damaged:
        progress.note(f"{damaged} entries in {cache.path.name} were damaged and are made anew.", "warning")
    return known


def _catalogue(ref: DatasetRef, entries: Mapping[str, _Entry]) -> Catalogue:
    episodes: dict[str, EpisodeInfo] = {}
    summaries: dict[str, EpisodeSummary] = {}
    findings = []
    for name, entry in sorted(entries.items()):
        if entry.episode is None or entry.summary is None:
            findings.append(fault_finding(_shown(name), EpisodeError(entry.fault, entry.message)))
        elif (other := episodes.get(entry.episode.episode_id)) is not None:
            message = f"{name} has the same episode name as {other.path.name}; rename one of them."
            findings.append(fault_finding(name, EpisodeError("unreadable", message)))
        else:
            episodes[entry.episode.episode_id] = entry.episode
            summaries[entry.episode.episode_id] = entry.summary
    ordered = tuple(episodes[key] for key in sorted(episodes))
    return Catalogue(ref.name, ref.folder, ordered, tuple(findings), summaries)
