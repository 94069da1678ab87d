"""Bringing recordings into a data set: HDF5 files are copied as they are, tubs are cut into episodes.

Nothing is overwritten: what is there already is told as a duplicate, and another recording of the same name gets a new one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mvla_core.episodes import tub
from mvla_core.episodes.archives import ARCHIVE_SUFFIXES, SkippedFile, extract, is_archive, is_junk
from mvla_core.episodes.catalogue import EPISODE_SUFFIXES, episode_files, scan
from mvla_core.episodes.dataset import DatasetRef, identifier_from
from mvla_core.episodes.inspection import INSPECTOR
from mvla_core.episodes.names import moment_in_utc
from mvla_core.episodes.uploads import discard_source, is_uploaded
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import EpisodeError, MvlaError, UserInputError
from mvla_core.files import replacing, sha256_file
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress

MAX_EPISODE_LENGTH = 10_000


@dataclass(frozen=True)
class ImportSummary:
    """What an import brought."""

    dataset: str
    episodes: int
    frames: int
    skipped: tuple[SkippedFile, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "episodes": self.episodes,
            "frames": self.frames,
            "skipped": [file.to_json() for file in self.skipped],
        }


def import_recordings(
    source: Path, root: DataRoot, dataset: str, *, episode_length: int = 50, progress: Progress = SILENT
) -> ImportSummary:
    """Import recordings into a new data set or add them to one.

    Args:
        source: An .h5 or .hdf5 file, a donkeycar tub, a folder that holds either at any depth, or an archive of one.
        root: The data root.
        dataset: Name of the data set.
        episode_length: Frames of an episode that is cut from a tub; the rest of a stretch becomes a shorter one.
        progress: Told each file; the user may stop, and what was imported until then stays.

    Returns:
        The episodes and frames that were added now, and each file that was not, with the reason.

    Raises:
        UserInputError: The source does not exist or holds no recording, or a value is out of range.
    """
    folder = root.dataset(dataset)
    if not 1 <= episode_length <= MAX_EPISODE_LENGTH:
        raise UserInputError(
            f"Episodes of {episode_length} frames cannot be cut; expected 1 to {MAX_EPISODE_LENGTH:,}."
        )
    source = source.expanduser()
    if not source.exists():
        raise UserInputError(
            f"The source {source} does not exist; give a folder, an HDF5 file or an archive of recordings."
        )
    uploaded = is_uploaded(root, source)
    importing = _Import(DatasetRef(dataset, folder), root, episode_length, progress)
    try:
        importing.source(source.resolve(), uploaded)
    except OSError as error:
        raise MvlaError(
            f"Importing {source.name} failed after {importing.episodes} episodes ({error}); "
            f"check the free space and who may write in {root.path}, then import again: what is there is not imported twice."
        ) from error
    if uploaded:
        discard_source(root, source)
    if not importing.found:
        raise UserInputError(
            f"{source.name if uploaded else source} holds no recordings: expected HDF5 episodes or a donkeycar tub "
            "(a folder with manifest.json, *.catalog and images)."
        )
    return ImportSummary(dataset, importing.episodes, importing.frames, tuple(importing.skipped))


class _Import:
    """One import: counts what was added and collects what was not."""

    def __init__(self, ref: DatasetRef, root: DataRoot, episode_length: int, progress: Progress) -> None:
        self._ref, self._root, self._episode_length, self._progress = ref, root, episode_length, progress
        self.found = False
        self.episodes, self.frames = 0, 0
        self.skipped: list[SkippedFile] = []
        self._by_size: dict[int, list[Path]] = {}
        for path in episode_files(ref.folder):
            with contextlib.suppress(FileNotFoundError):  # A link to a file that is gone has no twin.
                self._by_size.setdefault(path.stat().st_size, []).append(path)

    def source(self, source: Path, owned: bool = False) -> None:
        """Import whatever the source is; `owned` recordings are moved instead of copied."""
        if source.is_dir():
            self._folder(source, source.name, owned)
        elif source.suffix.lower() in EPISODE_SUFFIXES:
            self._recording(source, source.name, owned)
            self._progress.update(1, 1, f"Imported {source.name}")
        elif is_archive(source):
            self._archive(source)
        else:
            raise UserInputError(
                f"{source.name} cannot be imported: expected a folder, a file ending in {', '.join(EPISODE_SUFFIXES)}, "
                f"or an archive ending in {', '.join(ARCHIVE_SUFFIXES)}."
            )

    def _archive(self, archive: Path) -> None:
        """Unpack beside the data, so that files can be moved in, and remove what is left however it ends."""
        self._root.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="import-", dir=self._root.cache) as temporary:
            unpacked = Path(temporary) / "unpacked"
            unpacked.mkdir()
            self._progress.stage(f"Unpacking {archive.name}")
            self.skipped += extract(archive, unpacked, self._progress)
            name = archive.name[: -len(next(end for end in ARCHIVE_SUFFIXES if archive.name.lower().endswith(end)))]
            self._folder(unpacked, name, owned=True)

    def _folder(self, top: Path, name: str, owned: bool = False) -> None:
        """Import all tubs and HDF5 files below a folder.

        Args:
            top: The folder.
            name: What to call it in messages and, if it is a tub itself, in episode names.
            owned: The files are ours to move instead of copying them.
        """
        self._progress.stage(f"Looking for recordings in {name}")
        files, tubs = self._find(top)
        self._progress.stage(f"Importing into {self._ref.name}")
        for done, path in enumerate(files):
            self._recording(path, path.relative_to(top).as_posix(), owned)
            self._progress.update(done + 1, len(files), f"Imported {path.name}")
        for path in tubs:
            self._tub(path, name if path == top else path.name)

    def _find(self, top: Path) -> tuple[list[Path], list[Path]]:
        files, tubs = [], []
        for place, folders, names in os.walk(top):
            folders[:] = sorted(folder for folder in folders if not is_junk(folder))
            if tub.is_tub(Path(place)):
                tubs.append(Path(place))
                folders.clear()
                continue
            for path in (Path(place) / name for name in sorted(names) if not is_junk(name)):
                if path.suffix.lower() in EPISODE_SUFFIXES:
                    files.append(path)
                elif is_archive(path):
                    where = path.relative_to(top).as_posix()
                    self.skipped.append(SkippedFile(where, "an archive inside the source; import it by itself"))
            self._progress.check()
        return files, tubs

    def _recording(self, path: Path, where: str, owned: bool = False) -> None:
        """Import one HDF5 file under its own name, or a free one like it."""
        self.found = True
        try:
            info = INSPECTOR.inspect(path, self._ref.name).info
            twin = self._twin(path)
        except EpisodeError as error:
            self.skipped.append(SkippedFile(where, str(error)))
            return
        except OSError as error:
            self.skipped.append(SkippedFile(where, f"cannot be read: {error.strerror or error}"))
            return
        if twin is not None:
            self.skipped.append(SkippedFile(where, f"a duplicate of {twin.name}, which is in the data set already"))
            return
        target = self._free_name(identifier_from(path.stem, "episode"))
        if owned:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
        else:
            with replacing(target) as temporary:
                shutil.copyfile(path, temporary)
        self._added(target, info.num_frames)

    def _tub(self, folder: Path, name: str) -> None:
        self.found = True
        self._progress.stage(f"Reading the tub {name}")
        try:
            read = tub.read_tub(folder, name, self._progress)
        except UserInputError as error:
            self.skipped.append(SkippedFile(name, str(error)))
            return
        self.skipped += read.skipped
        present = self._present(read.recording)
        done = 0
        for stretch in read.stretches(self._episode_length):
            first, last = stretch[0].index, stretch[-1].index
            if any(first < stop and start <= last for start, stop in present):
                reason = f"duplicates: frames {first} to {last} of {read.recording} are in the data set already"
                self.skipped.append(SkippedFile(name, reason))
            else:
                self._write_stretch(read, stretch)
            done += len(stretch)
            self._progress.update(done, len(read.records), f"Imported frames up to {last} of {name}")

    def _write_stretch(self, read: tub.Tub, stretch: tuple[tub.TubRecord, ...]) -> None:
        target = self._free_name(f"{read.name}_{stretch[0].index:06d}")
        time_s = stretch[0].time_s
        write_episode(
            target,
            (tub.read_picture(record.image) for record in stretch),
            np.array([(record.linear_x, record.angular_z) for record in stretch], np.float32),
            action_space=tub.ACTION_SPACE,
            attributes={
                "frame_rate_hz": tub.FRAME_RATE_HZ,
                "recording_id": read.recording,
                "recording_start": stretch[0].index,
                "collection_datetime": moment_in_utc(time_s).isoformat(timespec="seconds") if time_s else None,
            },
        )
        self._added(target, len(stretch))

    def _present(self, recording: str) -> list[tuple[int, int]]:
        """The ranges of frames, end exclusive, that the data set already has of a recording."""
        episodes = scan(self._root, self._ref).episodes
        return [
            (info.recording_start, info.recording_start + info.num_frames)
            for info in episodes
            if info.recording_id == recording and info.recording_start is not None
        ]

    def _twin(self, path: Path) -> Path | None:
        """A file of the data set with the same bytes."""
        alike = self._by_size.get(path.stat().st_size, [])
        digest = sha256_file(path) if alike else ""
        return next((other for other in alike if sha256_file(other) == digest), None)

    def _free_name(self, stem: str) -> Path:
        """A path in the data set that no episode has yet: "name", else "name-2", "name-3", ..."""
        number = 1
        while True:
            name = stem if number == 1 else f"{stem}-{number}"
            if not any((self._ref.folder / f"{name}{suffix}").exists() for suffix in EPISODE_SUFFIXES):
                return self._ref.folder / f"{name}.h5"
            number += 1

    def _added(self, path: Path, frames: int) -> None:
        self.episodes += 1
        self.frames += frames
        self._by_size.setdefault(path.stat().st_size, []).append(path)
