"""What can be measured of frames without knowing what they show: light, contrast, sharpness, change, and which colours lean.

Brightness, contrast, sharpness and difference are the same whether a frame is RGB or BGR, so they stay true when the colour order
of a data set is put right. The two colour shares change places then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import cv2
import numpy as np
import numpy.typing as npt

from mvla_core.schema import Frame

DARK_BRIGHTNESS = 50.0
"""Grey levels: a frame whose mean is below is dark."""
CORRUPT_CONTRAST = 5.0
"""Grey levels: a frame whose standard deviation is below shows nothing, whatever its colour."""
FROZEN_DIFFERENCE = 0.5
"""Grey levels: two pictures that differ less on average count as the same. Chosen, not measured: on 1,000 real frames of a moving
car every difference is 0 (a frame sent twice, never two in a row) or above 5.7, but a still camera's noise is not known."""
FROZEN_FRAMES = 3
"""This many times in a row the same picture as before: the camera hung. Fewer happen when a frame is sent twice."""

_COLOUR_WIDTH_PX = 64
_SATURATION, _VALUE = 64, 40
"""Of 255: a pixel greyer or darker than this has no colour worth counting."""
# OpenCV's hue is in steps of 2 degrees. Exchanging red and blue turns a hue h into 240 - h: the two ranges change places.
_WARM_HUES, _COLD_HUES = (5, 30), (90, 115)

Values = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PixelFacts:
    """Float32 (num_frames,) each; NaN throughout for a frame that could not be read."""

    brightness: Values
    """Mean of all pixels and channels, 0 to 255."""
    contrast: Values
    """Standard deviation of all pixels and channels, 0 to 127.5."""
    sharpness: Values
    """Variance of the Laplacian (3 x 3) of the green channel, from 0; it compares only frames of one size."""
    difference: Values
    """Mean absolute difference from the frame before, 0 to 255; NaN for the first frame and after one that could not be read."""
    warm: Values
    """0 to 1: share of the lower two thirds of the picture whose hue is 10 to 60 degrees (skin, wood, carton, lamp light)."""
    cold: Values
    """0 to 1: the same for 180 to 230 degrees (azure): what becomes of warm colours when red and blue are exchanged."""

    def __len__(self) -> int:
        return len(self.brightness)

    @property
    def unreadable(self) -> Flags:
        return np.isnan(self.brightness)

    @property
    def dark(self) -> Flags:
        return self.brightness < DARK_BRIGHTNESS

    @property
    def corrupt(self) -> Flags:
        return self.contrast < CORRUPT_CONTRAST

    @property
    def frozen(self) -> Flags:
        """Frames that repeat the one before them, in stretches of at least `FROZEN_FRAMES`; the robot may simply stand."""
        same = self.difference < FROZEN_DIFFERENCE
        flags = np.zeros(len(same), np.bool_)
        edges = np.flatnonzero(np.diff(np.concatenate(([0], same.view(np.int8), [0]))))
        for begin, end in edges.reshape(-1, 2):
            if end - begin >= FROZEN_FRAMES:
                flags[begin:end] = True
        return flags

    def cut(self, kept: slice) -> PixelFacts:
        """The facts of a stretch of frames. The difference of its first frame is not known within the stretch."""
        values = {field.name: getattr(self, field.name)[kept] for field in fields(self)}
        if kept.start and len(values["difference"]):
            values["difference"] = np.concatenate(([np.float32(np.nan)], values["difference"][1:]))
        return PixelFacts(**values)

    def channels_exchanged(self) -> PixelFacts:
        """The facts of the same frames with red and blue exchanged."""
        return PixelFacts(self.brightness, self.contrast, self.sharpness, self.difference, self.cold, self.warm)

    def to_bytes(self) -> bytes:
        """Little-endian float32, one fact after the other."""
        return np.stack([getattr(self, field.name) for field in fields(self)]).astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> PixelFacts:
        """The inverse of `to_bytes`; ValueError where the length does not fit."""
        return cls(*np.frombuffer(data, "<f4").astype(np.float32).reshape(len(fields(cls)), -1))


def pixel_facts(frames: Iterable[Frame | None]) -> PixelFacts:
    """Measure frames as they come; two are held at a time.

    Args:
        frames: Uint8 (height, width, 3), RGB, all of one size; None for a frame that cannot be read.
    """
    rows = []
    before: Frame | None = None
    for frame in frames:
        rows.append([np.nan] * len(fields(PixelFacts)) if frame is None else _facts(frame, before))
        before = frame
    columns = np.array(rows, np.float32).reshape(-1, len(fields(PixelFacts))).T
    return PixelFacts(*np.ascontiguousarray(columns))


def _facts(frame: Frame, before: Frame | None) -> list[float]:
    means, deviations = (values.ravel() for values in cv2.meanStdDev(frame))
    mean = float(means.mean())
    contrast = float(np.sqrt(max(0.0, float(np.mean(deviations**2 + means**2)) - mean**2)))
    _, edges = cv2.meanStdDev(cv2.Laplacian(cv2.extractChannel(frame, 1), cv2.CV_16S))
    difference = np.nan if before is None else cv2.norm(frame, before, cv2.NORM_L1) / frame.size
    return [mean, contrast, float(edges[0, 0]) ** 2, difference, *_colour_shares(frame)]


def _colour_shares(frame: Frame) -> tuple[float, float]:
    """The shares of warm and of cold pixels, without the upper third: there the sky is blue by right."""
    lower = frame[frame.shape[0] // 3 :]
    if lower.shape[1] > _COLOUR_WIDTH_PX:
        height = max(1, round(lower.shape[0] * _COLOUR_WIDTH_PX / lower.shape[1]))
        lower = np.asarray(cv2.resize(lower, (_COLOUR_WIDTH_PX, height), interpolation=cv2.INTER_AREA), np.uint8)
    hue, saturation, value = cv2.split(cv2.cvtColor(lower, cv2.COLOR_RGB2HSV))
    coloured = (saturation >= _SATURATION) & (value >= _VALUE)
    warm = coloured & (hue >= _WARM_HUES[0]) & (hue <= _WARM_HUES[1])
    cold = coloured & (hue >= _COLD_HUES[0]) & (hue <= _COLD_HUES[1])
    return float(warm.mean()), float(cold.mean())
