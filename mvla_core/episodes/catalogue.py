"""What a data set holds and what is broken in it, without decoding a picture.

Looking at a file takes about 3 ms, nearly all of it in the worker process of `mvla_core.episodes.inspection`, so threads here
would only wait. What was found is kept under `cache/catalogue/`, by size and time of change.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mvla_core.episodes.dataset import DatasetRef
from mvla_core.episodes.inspection import INSPECTOR
from mvla_core.episodes.reader import open_episode
from mvla_core.errors import EpisodeError, MvlaError, UserInputError, did_you_mean
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import ActionSequence, EpisodeInfo, Finding

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

_CACHE_VERSION = 1
# These depend on more than the file's content, so they are looked at again each time.
_NOT_CACHED = ("unreadable",)


@dataclass(frozen=True)
class Catalogue:
    """The usable episodes of a data set, by episode id, and a finding for each file that was set aside."""

    dataset: str
    folder: Path
    episodes: tuple[EpisodeInfo, ...]
    findings: tuple[Finding, ...]

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


def scan(root: DataRoot, ref: DatasetRef, progress: Progress = SILENT) -> Catalogue:
    """List a data set's episodes; files that cannot be used become findings of level "error".

    Args:
        root: The data root, for its cache.
        ref: The data set.
        progress: Told each file; the user may stop, and what was found until then is kept in the cache.
    """
    cache = root.cache / "catalogue" / f"{ref.name}-{hashlib.sha256(os.fsencode(ref.folder)).hexdigest()[:12]}.json"
    known = _read_cache(cache, ref, progress)
    entries: dict[str, _Entry] = {}
    files = episode_files(ref.folder)
    try:
        for done, path in enumerate(files):
            entries[path.name] = _entry(path, ref.name, known.get(path.name))
            progress.update(done + 1, len(files), f"Looked at {path.name}")
    finally:
        # After a stop, what was known of the files not reached is as good as before.
        names = {path.name for path in files} - entries.keys()
        unreached = {name: entry for name, entry in known.items() if name in names}
        found = unreached | {name: entry for name, entry in entries.items() if entry.fault not in _NOT_CACHED}
        if found != known:
            _write_cache(cache, found, progress)
    return _catalogue(ref, entries)


def load_sequences(episodes: Sequence[EpisodeInfo]) -> list[ActionSequence]:
    """Read the actions of each episode, in the order given.

    Raises:
        EpisodeError: A file was removed or broken since it was catalogued.
    """
    sequences = []
    for info in episodes:
        with open_episode(info.path, info.dataset) as reader:
            sequences.append(ActionSequence(info.episode_id, reader.actions(), info.instruction))
    return sequences


def episode_files(folder: Path) -> list[Path]:
    """The HDF5 files of a folder by name, without hidden ones: unfinished writes, and what macOS leaves in archives."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in EPISODE_SUFFIXES and path.name[0] != ".")


@dataclass(frozen=True)
class _Entry:
    """What was found in one file: an episode, or a fault with its message."""

    size: int
    mtime_ns: int
    episode: EpisodeInfo | None = None
    fault: str = ""
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"episode": self.episode and self.episode.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> _Entry:
        """Raises KeyError, TypeError or ValueError for anything but an entry."""
        if value["episode"] is None and value["fault"] not in NEXT_STEPS:
            raise ValueError(f"{value['fault']!r} is not a fault")
        episode = None if value["episode"] is None else EpisodeInfo.from_json(value["episode"])
        return cls(**(value | {"episode": episode}))


def _entry(path: Path, dataset: str, known: _Entry | None) -> _Entry:
    size, mtime_ns = -1, -1
    try:
        path.name.encode()
        status = path.stat()
        size, mtime_ns = status.st_size, status.st_mtime_ns
        if known is not None and (known.size, known.mtime_ns) == (size, mtime_ns):
            return known
        return _Entry(size, mtime_ns, INSPECTOR.inspect(path, dataset))
    except EpisodeError as error:
        return _Entry(size, mtime_ns, None, error.code, str(error))
    except UnicodeEncodeError:
        reason = f"The name of {_shown(path.name)} is not UTF-8 text; rename the file."
    except OSError as error:
        reason = f"{path.name} cannot be opened: {error.strerror or error}."
    return _Entry(size, mtime_ns, None, "unreadable", reason)


def _shown(name: str) -> str:
    """A file name with what is not UTF-8 in it replaced."""
    return name.encode(errors="replace").decode()


def _read_cache(cache: Path, ref: DatasetRef, progress: Progress) -> dict[str, _Entry]:
    """What an earlier scan found, by file name. A cache that cannot be read is told and made anew."""
    if not cache.exists():
        return {}
    try:
        value = read_json(cache)
        if value["version"] != _CACHE_VERSION:
            return {}
        return {name: _Entry.from_json(entry) for name, entry in value["files"].items()}
    except (MvlaError, KeyError, TypeError, ValueError, AttributeError) as error:
        progress.note(f"The catalogue of {ref.name} in the cache was damaged and is made anew ({error}).", "warning")
        return {}


def _write_cache(cache: Path, entries: dict[str, _Entry], progress: Progress) -> None:
    """Keep what was found. On a disk that may not be written the data set can still be browsed, only slower."""
    try:
        write_json(
            cache, {"version": _CACHE_VERSION, "files": {name: entry.to_json() for name, entry in entries.items()}}
        )
    except OSError as error:
        progress.note(
            f"The catalogue cannot be kept in {cache.parent} ({error.strerror}); check who may write there.", "warning"
        )


def _catalogue(ref: DatasetRef, entries: dict[str, _Entry]) -> Catalogue:
    episodes: dict[str, EpisodeInfo] = {}
    findings = []
    for name, entry in sorted(entries.items()):
        if entry.episode is None:
            findings.append(fault_finding(_shown(name), EpisodeError(entry.fault, entry.message)))
        elif (other := episodes.get(entry.episode.episode_id)) is not None:
            message = f"{name} has the same episode name as {other.path.name}; rename one of them."
            findings.append(fault_finding(name, EpisodeError("unreadable", message)))
        else:
            episodes[entry.episode.episode_id] = entry.episode
    return Catalogue(ref.name, ref.folder, tuple(episodes[key] for key in sorted(episodes)), tuple(findings))
