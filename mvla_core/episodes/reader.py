"""One episode file, read a frame at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mvla_core.episodes.hdf5_faults import unsafe
from mvla_core.episodes.inspection import INSPECTOR, stamp_of
from mvla_core.episodes.names import TIMES_OF_DAY, merged, parse_moment, parse_name, scenario_from_text, time_of_day
from mvla_core.episodes.safe_dataset import MIB, SafeDataset
from mvla_core.episodes.safe_hdf5 import SafeFile
from mvla_core.errors import EpisodeError, UserInputError
from mvla_core.schema import Actions, ActionSpace, ColorOrder, EpisodeInfo, Frame, Scenario

IMAGE_KEYS = ("images", "observations/images")
MAX_FRAME_BYTES = 64 * MIB
"""A frame of 4,000 x 5,000 pixels."""
MAX_FRAMES = 200_000
MAX_INSTRUCTION_CHARACTERS = 2000
_KEPT_BYTES = 128 * MIB
"""Frames that share a chunk are unpacked together and kept, if they are no more than this."""
_ATTRIBUTES = (
    "action_names",
    "action_units",
    "color_order",
    "frame_rate_hz",
    "recording_id",
    "recording_start",
    "simulated",
    "collection_datetime",
    "time_period",
    "scenario",
    "obstacle_layout_type",
    *(name for name in vars(Scenario())),
)


@contextmanager
def open_episode(
    path: Path, dataset: str, *, color_order: ColorOrder | None = None, trim: tuple[int, int] | None = None
) -> Iterator[EpisodeReader]:
    """Open an episode file, after another process has shown that it is safe and whole.

    Args:
        path: The HDF5 file.
        dataset: Name of the data set it belongs to, for `EpisodeInfo.dataset`.
        color_order: Of the stored channels, where it is known better than the file tells.
        trim: First and last stored frame to keep: the episode is read as if it held no others.

    Raises:
        EpisodeError: The file cannot be used; `code` is one of `FILE_FAULTS`. "shape_mismatch" where it lacks frames of the trim.
    """
    reader = open_reader(path, dataset, color_order=color_order, trim=trim)
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def open_known(info: EpisodeInfo) -> Iterator[EpisodeReader]:
    """Open an episode as it is catalogued and curated: with the trim and the colour order of `info`.

    Raises:
        EpisodeError: As `open_episode`.
    """
    with open_episode(info.path, info.dataset, color_order=info.color_order, trim=info.trim) as reader:
        yield reader


def open_reader(
    path: Path, dataset: str, *, color_order: ColorOrder | None = None, trim: tuple[int, int] | None = None
) -> EpisodeReader:
    """As `open_episode`, for those who keep readers open; the caller closes it.

    Raises:
        EpisodeError: The file cannot be used, or keeps changing.
    """
    for _ in range(3):
        INSPECTOR.vouch(path, dataset)
        reader = EpisodeReader(path, dataset, color_order=color_order, trim=trim)
        if INSPECTOR.has_read(path, stamp_of(reader.status)):
            return reader
        reader.close()  # It changed between the two looks.
    raise EpisodeError("unreadable", f"{path.name} keeps changing; open it when its recording has ended.")


class EpisodeReader:
    """An open episode. Several threads may read at once; nobody may read after `close`.

    Use `open_episode`: this class by itself trusts the HDF5 library with the file. Frames are counted from the first one
    that the trim keeps; nothing outside the trim can be seen through a reader.

    Attributes:
        info: What is known without decoding a picture.
        status: Size and time of change of the file that was opened.
    """

    def __init__(
        self,
        path: Path,
        dataset: str,
        *,
        color_order: ColorOrder | None = None,
        trim: tuple[int, int] | None = None,
    ) -> None:
        self._file = SafeFile(path)
        self.status = self._file.status
        try:
            self._images, image_key = _find_images(self._file)
            self._stored_actions = _find_actions(self._file)
            self._check_images()
            self._actions = self._checked_actions()
            self.info = _as_curated(self._read_info(dataset, image_key), color_order, trim)
        except BaseException:
            self._file.close()
            raise
        self._kept: tuple[int, np.ndarray[Any, Any]] | None = None

    def close(self) -> None:
        self._kept = None
        self._file.close()

    def actions(self) -> Actions:
        """Return the actions, float32 (num_frames, num_dims), finite, in the units of `info.action_space`."""
        return self._actions[self.info.kept].copy()

    def frame(self, index: int) -> Frame:
        """Decode one frame: uint8 (height, width, 3), RGB, a new array.

        Raises:
            UserInputError: There is no such frame.
            EpisodeError: The frame is damaged; others may still be read.
        """
        if not 0 <= index < self.info.num_frames:
            raise UserInputError(
                f"Frame {index} of {self.info.episode_id} does not exist: expected 0 to {self.info.num_frames - 1}."
            )
        stored = self._stored_frame(index + (self.info.kept.start or 0))
        return np.ascontiguousarray(stored[..., ::-1]) if self.info.color_order == "bgr" else stored

    def frames(self, indices: Iterable[int] | None = None) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Decode several frames, or all: uint8 (N, height, width, 3), RGB. They lie in memory together."""
        chosen = range(self.info.num_frames) if indices is None else list(indices)
        out = np.empty((len(chosen), self.info.height, self.info.width, 3), np.uint8)
        for position, index in enumerate(chosen):
            out[position] = self.frame(index)
        return out

    def event_types(self) -> list[str] | None:
        """Return one of "episode_start", "start_action", "stop_action" for each frame, or None where it was not recorded."""
        stored = self._file.dataset("action_event_types")
        if stored is None:
            return None
        name = self._file.path.name
        if not stored.is_text or stored.shape != self._images.shape[:1]:
            raise _misfit(name, f"action_event_types has the shape {stored.shape} for {self._images.shape[0]} frames")
        return stored.read_texts()[self.info.kept]

    def _stored_frame(self, index: int) -> Frame:
        """A new array in the stored order of channels."""
        together = self._images.chunks[0] if self._images.chunks else 1
        first = index - index % together
        last = min(first + together, self._images.shape[0])
        if together == 1 or (last - first) * self.info.height * self.info.width * 3 > _KEPT_BYTES:
            single: Frame = self._images.read(index, index + 1)[0]
            return single
        kept = self._kept  # Read once: another thread may replace it meanwhile.
        if kept is None or kept[0] != first:
            kept = (first, self._images.read(first, last))
            self._kept = kept
        frame: Frame = kept[1][index - first].copy()
        return frame

    def _check_images(self) -> None:
        name, images = self._file.path.name, self._images
        if not images.shape or images.shape[0] == 0:
            raise EpisodeError("stub", f"{name} holds no frames.")
        if len(images.shape) != 4 or images.shape[3] != 3 or 0 in images.shape:
            raise _misfit(name, f"frames have the shape {images.shape}; expected (num_frames, height, width, 3)")
        if images.dtype != np.uint8:
            raise _misfit(name, "frames are not stored as unsigned bytes; expected uint8")
        if images.shape[0] > MAX_FRAMES:
            raise unsafe(self._file.path, f"it claims {images.shape[0]:,} frames; at most {MAX_FRAMES:,}")
        frame_bytes = images.shape[1] * images.shape[2] * 3
        if frame_bytes > MAX_FRAME_BYTES:
            raise unsafe(self._file.path, f"its frames claim {frame_bytes / 1e6:,.0f} MB each")
        images.check_written()

    def _checked_actions(self) -> Actions:
        name, stored, num_frames = self._file.path.name, self._stored_actions, self._images.shape[0]
        if len(stored.shape) != 2 or stored.shape[0] != num_frames or stored.shape[1] not in (2, 3):
            raise _misfit(
                name,
                f"actions have the shape {stored.shape}; expected ({num_frames}, 2) or ({num_frames}, 3), one row a frame",
            )
        if stored.dtype is None or stored.dtype.kind != "f":
            raise _misfit(name, "actions are not stored as floats; expected float32 or float64")
        stored.check_written()
        with np.errstate(over="ignore", invalid="ignore"):  # A float64 beyond float32 becomes infinite: found below.
            actions: Actions = stored.read(0, num_frames).astype(np.float32)
        wrong = np.flatnonzero(~np.isfinite(actions).all(axis=1))
        if len(wrong):
            raise EpisodeError(
                "not_finite",
                f"{name} holds NaN or infinite actions in {len(wrong)} of {num_frames} frames, first in {wrong[0]}.",
            )
        return actions

    def _read_info(self, dataset: str, image_key: str) -> EpisodeInfo:
        path, status = self._file.path, self.status
        num_frames, height, width, _ = self._images.shape
        given = self._file.attributes(_ATTRIBUTES)
        parsed = parse_name(path.stem)
        recorded_at = parse_moment(given["collection_datetime"]) if _is_text(given, "collection_datetime") else None
        recorded_at = recorded_at or parsed.recorded_at
        written = self._written_instruction()
        return EpisodeInfo(
            dataset=dataset,
            episode_id=path.stem,
            path=path,
            num_frames=num_frames,
            height=height,
            width=width,
            action_space=_action_space(path.name, given, self._stored_actions.shape[1]),
            instruction=written or parsed.instruction,
            instruction_source="file" if written else "file_name" if parsed.instruction else "none",
            scenario=merged(
                _scenario(given),
                parsed.scenario,
                Scenario(time_of_day=time_of_day(recorded_at) if recorded_at else None),
            ),
            recorded_at=recorded_at.isoformat(timespec="seconds") if recorded_at else None,
            frame_rate_hz=_frame_rate(path.name, given),
            color_order=_color_order(path.name, given),
            recording_id=str(given["recording_id"]) if "recording_id" in given else None,
            recording_start=_recording_start(path.name, given),
            simulated=bool(given.get("simulated", False)),
            file_size=status.st_size,
            file_mtime_ns=status.st_mtime_ns,
            image_key=image_key,
        )

    def _written_instruction(self) -> str:
        stored = self._file.dataset("language_instruction")
        if stored is None:
            return ""
        if not stored.is_text or stored.shape not in ((), (1,)):
            raise _misfit(self._file.path.name, f"language_instruction has the shape {stored.shape}; expected one text")
        text = stored.read_texts()[0].strip()
        if len(text) > MAX_INSTRUCTION_CHARACTERS:
            raise unsafe(self._file.path, f"its instruction has {len(text):,} characters")
        return text


def _as_curated(info: EpisodeInfo, color_order: ColorOrder | None, trim: tuple[int, int] | None) -> EpisodeInfo:
    """Apply what is known better than the file tells; the only place where a reader learns of it."""
    chosen = info if color_order is None else replace(info, color_order=color_order)
    try:
        return chosen if trim is None else chosen.trimmed(*trim)
    except UserInputError as error:
        raise _misfit(info.path.name, f"{error} It is shorter than when it was trimmed") from error


def _find_images(file: SafeFile) -> tuple[SafeDataset, str]:
    for key in IMAGE_KEYS:
        if (images := file.dataset(key)) is not None:
            return images, key
    raise EpisodeError(
        "missing_key", f"{file.path.name} has no frames: expected the data set {' or '.join(IMAGE_KEYS)}."
    )


def _find_actions(file: SafeFile) -> SafeDataset:
    if (actions := file.dataset("actions")) is not None:
        return actions
    raise EpisodeError("missing_key", f"{file.path.name} has frames but no data set 'actions'.")


def _misfit(name: str, reason: str) -> EpisodeError:
    return EpisodeError("shape_mismatch", f"{name} cannot be used: {reason}.")


def _is_text(given: dict[str, Any], name: str) -> bool:
    return isinstance(given.get(name), str)


def _texts(name: str, given: dict[str, Any], key: str) -> list[str] | None:
    if key not in given:
        return None
    value = given[key]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise _misfit(name, f"the attribute {key} is {value!r}; expected a list of texts")


def _action_space(name: str, given: dict[str, Any], num_dims: int) -> ActionSpace:
    names, units = _texts(name, given, "action_names"), _texts(name, given, "action_units")
    chosen = names if names is not None else list(ActionSpace.default(num_dims).names)
    if len(chosen) != num_dims:
        raise _misfit(name, f"action_names lists {len(chosen)} dimensions for {num_dims} columns of actions")
    try:
        return ActionSpace.from_names(chosen, units)
    except UserInputError as error:
        raise EpisodeError("shape_mismatch", f"{name} cannot be used. {error}") from error


def _color_order(name: str, given: dict[str, Any]) -> Any:
    order = given.get("color_order", "rgb")
    if not isinstance(order, str) or order.lower() not in ("rgb", "bgr"):
        raise _misfit(name, f"the attribute color_order is {order!r}; expected 'rgb' or 'bgr'")
    return order.lower()


def _frame_rate(name: str, given: dict[str, Any]) -> float | None:
    rate = given.get("frame_rate_hz")
    if rate is None:
        return None
    if isinstance(rate, str | list) or not 0 < float(rate) < 10_000:
        raise _misfit(name, f"the attribute frame_rate_hz is {rate!r}; expected a number above 0")
    return float(rate)


def _recording_start(name: str, given: dict[str, Any]) -> int | None:
    start = given.get("recording_start")
    if start is None:
        return None
    if isinstance(start, str | list) or start != start or not 0 <= start < 2**53:
        raise _misfit(name, f"the attribute recording_start is {start!r}; expected a whole number from 0")
    return int(start)


def _scenario(given: dict[str, Any]) -> Scenario:
    """What the attributes say: single fields first, then the combined texts of the robot's recorder."""
    single: dict[str, Any] = {}
    for key in ("goal", "layout", "side", "pattern", "distance", "time_of_day"):
        single[key] = given[key] if _is_text(given, key) and given[key] else None
    single["boxes"] = given["boxes"] if isinstance(given.get("boxes"), int) else None
    if _is_text(given, "time_period") and given["time_period"] in TIMES_OF_DAY:
        single["time_of_day"] = single["time_of_day"] or given["time_period"]
    texts = [given[key] for key in ("scenario", "obstacle_layout_type") if _is_text(given, key)]
    return merged(Scenario(**single), *map(scenario_from_text, texts))
