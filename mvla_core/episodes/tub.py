"""Reading a donkeycar tub (version 2): a folder with a manifest, catalogues of one JSON record a line, and JPEGs.

A record's `user/throttle` (forward positive) becomes `linear_x`, its `user/angle` (right positive) becomes `-angular_z`, both
without a scale. The camera runs at 20 Hz; the millisecond stamps of some tubs are artificial and are used for the day only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from mvla_core.episodes.archives import SkippedFile
from mvla_core.episodes.dataset import identifier_from
from mvla_core.episodes.names import moment_in_utc
from mvla_core.episodes.reader import MAX_FRAME_BYTES
from mvla_core.errors import UserInputError
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import NORMALISED, ActionSpace, Frame

ACTION_SPACE = ActionSpace.from_names(("linear_x", "angular_z"), (NORMALISED, NORMALISED))
FRAME_RATE_HZ = 20.0
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class TubRecord:
    """One frame of a tub."""

    index: int
    """Place in the tub's recording; a hole in the indexes is a hole in time."""
    session: str
    image: Path
    size: tuple[int, int]
    """Width and height in pixels."""
    linear_x: float
    """-1 to 1, forward positive."""
    angular_z: float
    """-1 to 1, left positive."""
    time_s: float | None
    """Seconds since the epoch, or None where it was not recorded."""


@dataclass(frozen=True)
class Tub:
    """A tub's usable records by index, and what is missing from it."""

    name: str
    """Safe as one path part."""
    recording: str
    """Names the recording by when it was begun: the same wherever the tub lies and whatever it is called there."""
    records: tuple[TubRecord, ...]
    skipped: tuple[SkippedFile, ...]

    def stretches(self, length: int) -> Iterator[tuple[TubRecord, ...]]:
        """Cut into stretches of at most `length` consecutive records of one session and picture size, losing none."""
        stretch: list[TubRecord] = []
        for record in self.records:
            last = stretch[-1] if stretch else record
            follows = record.index == last.index + 1 and (record.session, record.size) == (last.session, last.size)
            if stretch and (len(stretch) == length or not follows):
                yield tuple(stretch)
                stretch = []
            stretch.append(record)
        if stretch:
            yield tuple(stretch)


def is_tub(folder: Path) -> bool:
    return (folder / MANIFEST).is_file() and any(path.name[0] != "." for path in folder.glob("*.catalog"))


def read_tub(folder: Path, name: str, progress: Progress = SILENT) -> Tub:
    """Read the records of a tub, and decode each picture once to find those that are damaged.

    Args:
        folder: The folder with `manifest.json`.
        name: What to call the tub in names and messages.
        progress: Told the records; the user may stop.

    Raises:
        UserInputError: The manifest is not one of a tub of version 2.
    """
    manifest = _read_manifest(folder / MANIFEST, name)
    records: dict[int, TubRecord] = {}
    skipped = []
    lines = list(_lines(folder, name, manifest.catalogs))
    for done, (where, line) in enumerate(lines):
        try:
            value = json.loads(line)
            index = _index(value)
            if index in records:
                raise ValueError(f"the index {index} is there twice")
            if index not in manifest.deleted:
                records[index] = _read_record(folder, index, value)
        except (ValueError, TypeError, KeyError, OSError) as error:
            skipped.append(SkippedFile(where, f"not a usable record ({error})"))
        progress.update(done + 1, len(lines), f"Looked at {where}")
    if manifest.deleted:
        reason = f"{len(manifest.deleted)} frames are marked as deleted in the tub"
        skipped.append(SkippedFile(f"{name}/{MANIFEST}", reason))
    ordered = tuple(records[index] for index in sorted(records))
    plain_name = identifier_from(name, "tub")
    began = manifest.created_s or next((record.time_s for record in ordered if record.time_s), None)
    recording = f"tub_{moment_in_utc(began):%Y%m%dT%H%M%S}" if began else plain_name
    return Tub(plain_name, recording, ordered, tuple(skipped))


def read_picture(path: Path) -> Frame:
    """Decode a picture: uint8 (height, width, 3), RGB.

    Raises:
        ValueError: It is damaged, cut short, or larger than a frame may be.
        OSError: It cannot be read.
    """
    data = path.read_bytes()
    _check_header(data)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError(f"the picture {path.name} is damaged")
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def _check_header(data: bytes) -> None:
    """Refuse before decoding: a few bytes can claim a huge picture. Raises ValueError."""
    try:
        with Image.open(BytesIO(data), formats=("JPEG", "PNG")) as picture:
            width, height = picture.size
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise ValueError(f"the picture is damaged: {error}") from error
    if width * height * 3 > MAX_FRAME_BYTES:
        raise ValueError(f"the picture claims {width} x {height} pixels")
    # OpenCV fills what is missing of a JPEG with grey, and says nothing.
    if data[:2] == b"\xff\xd8" and not data.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise ValueError("the picture is cut short")


@dataclass(frozen=True)
class _Manifest:
    created_s: float | None
    catalogs: tuple[str, ...]
    deleted: frozenset[int]


def _read_manifest(path: Path, name: str) -> _Manifest:
    """Read lines 4 and 5: when the tub was made, its catalogues in order, and the indexes of deleted records."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        created, catalogs, deleted = lines[3].get("created_at"), lines[4]["paths"], lines[4]["deleted_indexes"]
        if any(not isinstance(one, str) or Path(one).name != one or not one.endswith(".catalog") for one in catalogs):
            raise ValueError("a catalogue lies outside the tub")
        return _Manifest(_moment_s(created), tuple(catalogs), frozenset(int(index) for index in deleted))
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise UserInputError(
            f"{name}/{MANIFEST} is not the manifest of a donkeycar tub of version 2 ({error}); convert older tubs first."
        ) from error


def _moment_s(seconds: Any) -> float | None:
    """A time in seconds since the epoch; None for what is not one, as robots without a clock write."""
    return float(seconds) if isinstance(seconds, int | float) and 0 < seconds < 2**33 else None


def _lines(folder: Path, name: str, catalogs: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each record's place, for messages, and its text. A catalogue that is missing gives one line that is no record."""
    for catalog in catalogs:
        try:
            text = (folder / catalog).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            yield f"{name}/{catalog}", json.dumps(f"missing: {error.strerror}")
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip("\0 "):
                yield f"{name}/{catalog}:{number}", line


def _index(value: Any) -> int:
    if not isinstance(value, dict):
        raise ValueError(f"found {str(value)[:80]}")
    index = value["_index"]
    if not isinstance(index, int) or not 0 <= index < 2**53:
        raise ValueError(f"the index is {index!r}")
    return index


def _read_record(folder: Path, index: int, value: dict[str, Any]) -> TubRecord:
    """Check one record and its picture. Raises ValueError, TypeError, KeyError or OSError."""
    image, throttle, angle = value["cam/image_array"], float(value["user/throttle"]), float(value["user/angle"])
    if not isinstance(image, str) or Path(image).name != image or image.startswith("."):
        raise ValueError("its picture lies outside the tub")
    if not (math.isfinite(throttle) and math.isfinite(angle)):
        raise ValueError("its throttle or angle is not a finite number")
    path = folder / "images" / image
    # A picture that cannot be decoded must not be found only in the middle of an episode.
    height, width, _ = read_picture(path).shape
    stamp_ms = value.get("_timestamp_ms")
    return TubRecord(
        index=index,
        session=str(value.get("_session_id", "")),
        image=path,
        size=(width, height),
        linear_x=throttle,
        angular_z=-angle,
        time_s=_moment_s(stamp_ms / 1000) if isinstance(stamp_ms, int | float) else None,
    )
