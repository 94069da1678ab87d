"""Writing an episode file: for the simulation and the importers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from mvla_core.errors import EpisodeError, UserInputError
from mvla_core.files import replacing
from mvla_core.schema import ActionSpace, Frame

_OWN_ATTRIBUTES = ("action_names", "action_units", "color_order", "num_frames")


def write_episode(
    path: Path,
    frames: Iterable[Frame],
    actions: npt.ArrayLike,
    *,
    action_space: ActionSpace,
    instruction: str = "",
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write one episode, whole or not at all. The same content gives the same bytes.

    Args:
        path: The file to make; it must not exist, as recordings are never overwritten.
        frames: One uint8 (height, width, 3) RGB frame for each action, as an array or one after the other.
        actions: Float (num_frames, num_dims), finite, in the units of `action_space`.
        action_space: The meaning of the columns.
        instruction: What the driver was asked to do; "" where nobody asked.
        attributes: Further attributes of the file; names and types as in `docs/formats.md`.

    Raises:
        UserInputError: The file exists, or an attribute is one that this function writes itself.
        EpisodeError: "shape_mismatch", "not_finite" or "stub"; nothing is left behind.
    """
    given = dict(attributes or {})
    if path.exists():
        raise UserInputError(f"{path} exists and recordings are never overwritten; choose another name.")
    if taken := sorted(set(given) & set(_OWN_ATTRIBUTES)):
        raise UserInputError(f"The attributes {taken} of {path.name} are written from the frames and the action space.")
    rows = _checked_actions(path.name, actions, action_space)
    with replacing(path) as temporary, h5py.File(temporary, "w", track_order=False) as file:
        _write_frames(path.name, file, iter(frames), len(rows))
        file.create_dataset("actions", data=rows, track_times=False)
        if instruction:
            text = h5py.string_dtype("utf-8")
            file.create_dataset("language_instruction", data=[instruction], dtype=text, track_times=False)
        file.attrs["action_names"] = list(action_space.names)
        file.attrs["action_units"] = list(action_space.units)
        file.attrs["color_order"] = "rgb"
        file.attrs["num_frames"] = len(rows)
        for name, value in sorted(given.items()):
            if value is not None:
                file.attrs[name] = value


def _checked_actions(name: str, actions: npt.ArrayLike, space: ActionSpace) -> npt.NDArray[np.float32]:
    rows = np.asarray(actions, np.float32)
    if rows.ndim != 2 or rows.shape[1] != len(space):
        raise EpisodeError(
            "shape_mismatch", f"{name}: actions have the shape {rows.shape}; expected (num_frames, {len(space)})."
        )
    if not len(rows):
        raise EpisodeError("stub", f"{name}: an episode needs at least one frame.")
    if not np.isfinite(rows).all():
        raise EpisodeError("not_finite", f"{name}: actions hold NaN or infinity.")
    return rows


def _write_frames(name: str, file: h5py.File, frames: Iterable[Frame], expected: int) -> None:
    """Write frames as they come. One frame is one chunk, so that each is read alone; a higher level of gzip is not worth it."""
    images, written = None, 0
    for frame in frames:
        if images is None:
            if frame.ndim != 3 or frame.shape[2] != 3:
                raise EpisodeError(
                    "shape_mismatch", f"{name}: a frame has the shape {frame.shape}; expected (H, W, 3)."
                )
            images = file.create_dataset(
                "images",
                (expected, *frame.shape),
                np.uint8,
                chunks=(1, *frame.shape),
                compression="gzip",
                compression_opts=1,
                track_times=False,
            )
        if written == expected or frame.shape != images.shape[1:] or frame.dtype != np.uint8:
            raise EpisodeError(
                "shape_mismatch",
                f"{name}: frame {written} is {frame.dtype} {frame.shape}; expected {expected} frames of uint8 {images.shape[1:]}.",
            )
        images[written] = frame
        written += 1
    if written != expected:
        raise EpisodeError(
            "shape_mismatch", f"{name}: found {written} frames for {expected} actions; expected one for each."
        )
