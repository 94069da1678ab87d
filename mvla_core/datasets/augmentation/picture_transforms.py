"""Transforms that change the picture and leave the label as it is. Each says up to where that is right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from mvla_core.datasets.augmentation.settings import setting
from mvla_core.datasets.augmentation.transform import Drawn, Seed, Transform
from mvla_core.schema import Frame

_MIDDLE_GREY = 128.0


@dataclass(frozen=True)
class DrawnLight(Drawn):
    brightness_percent: float
    contrast_percent: float

    def describe(self) -> str:
        return f"brightness {self.brightness_percent:+.0f} %, contrast {self.contrast_percent:+.0f} %"

    def picture(self, frame: Frame, seed: Seed) -> Frame:
        levels = np.arange(256.0) - _MIDDLE_GREY
        levels = levels * (1 + self.contrast_percent / 100) + _MIDDLE_GREY + 2.55 * self.brightness_percent
        return np.asarray(cv2.LUT(frame, _bytes(levels)), dtype=np.uint8)


@dataclass(frozen=True)
class Light(Transform):
    """Brightness is added, contrast is stretched about middle grey; both as shares of the full range."""

    name: ClassVar[str] = "light"
    title: ClassVar[str] = "Light"
    help: ClassVar[str] = "Makes a copy brighter or darker, and flatter or harder, by the same amount in every frame."
    assumption: ClassVar[str] = "What the robot does depends on shapes, not on how bright they are."

    brightness_percent: float = setting(
        20.0, "Brightness", "Added or taken away at most, of the full range.", unit="%", between=(0, 60)
    )
    contrast_percent: float = setting(
        20.0, "Contrast", "Stretched or flattened at most, about middle grey.", unit="%", between=(0, 80)
    )

    def draw(self, generator: np.random.Generator) -> DrawnLight:
        return DrawnLight(
            _either_way(generator, self.brightness_percent), _either_way(generator, self.contrast_percent)
        )


@dataclass(frozen=True)
class DrawnNoise(Drawn):
    levels: float

    def describe(self) -> str:
        return f"noise of {self.levels:.1f} levels"

    def picture(self, frame: Frame, seed: Seed) -> Frame:
        noise = np.random.default_rng(list(seed)).standard_normal(frame.shape, dtype=np.float32)
        return _bytes(frame + noise * np.float32(self.levels))


@dataclass(frozen=True)
class Noise(Transform):
    """Gaussian noise, independent in each pixel, channel and frame."""

    name: ClassVar[str] = "noise"
    title: ClassVar[str] = "Sensor noise"
    help: ClassVar[str] = "Adds the grain of a weak sensor; its strength is that of the copy, its pattern of the frame."
    assumption: ClassVar[str] = "What matters in the picture is larger than a pixel."

    levels: float = setting(8.0, "Noise", "Largest standard deviation.", unit="levels of 255", between=(0, 40))

    def draw(self, generator: np.random.Generator) -> DrawnNoise:
        return DrawnNoise(float(generator.uniform(0, self.levels)))


@dataclass(frozen=True)
class DrawnCrop(Drawn):
    kept_percent: float
    right_percent: float
    """How far the centre moves to the right, of the picture width; negative is left."""
    down_percent: float
    """The same downward, of the picture height."""

    def describe(self) -> str:
        side = "right" if self.right_percent >= 0 else "left"
        return f"cropped to {self.kept_percent:.0f} %, centre {abs(self.right_percent):.1f} % to the {side}"

    def picture(self, frame: Frame, seed: Seed) -> Frame:
        height, width = frame.shape[:2]
        kept = self.kept_percent / 100
        left = width * ((1 - kept) / 2 + self.right_percent / 100)
        top = height * ((1 - kept) / 2 + self.down_percent / 100)
        # Pixel centres lie at halves: output column u shows the column left + (u + 0.5) * kept - 0.5.
        shown = np.array([[kept, 0, left + 0.5 * kept - 0.5], [0, kept, top + 0.5 * kept - 0.5]])
        return _warped(frame, shown)


@dataclass(frozen=True)
class Crop(Transform):
    """A window of the picture, enlarged to the picture's size."""

    name: ClassVar[str] = "crop"
    title: ClassVar[str] = "Crop"
    help: ClassVar[str] = "Shows a window of the picture in full size: a little nearer, and a little to the side."
    assumption: ClassVar[str] = (
        "The window's centre moves so little sideways that the robot would steer as before; the action is not corrected."
    )

    zoom_percent: float = setting(8.0, "Zoom", "Cut away at most, of width and height.", unit="%", between=(0, 40))
    shift_percent: float = setting(
        2.0,
        "Shift",
        "How far the centre moves at most, of width and height; never beyond the edge, so at most half the zoom.",
        unit="%",
        between=(0, 20),
    )

    def draw(self, generator: np.random.Generator) -> DrawnCrop:
        cut = float(generator.uniform(0, self.zoom_percent))
        reach = min(self.shift_percent, cut / 2)
        return DrawnCrop(100 - cut, _either_way(generator, reach), _either_way(generator, reach))


@dataclass(frozen=True)
class DrawnRotation(Drawn):
    degrees: float
    """Counter-clockwise, as seen."""

    def describe(self) -> str:
        return f"tilted {self.degrees:+.1f}°"

    def picture(self, frame: Frame, seed: Seed) -> Frame:
        height, width = frame.shape[:2]
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -self.degrees, 1.0)
        return _warped(frame, np.asarray(matrix, dtype=np.float64))


@dataclass(frozen=True)
class Rotation(Transform):
    """A turn about the picture's centre, as of a camera that is mounted askew or of a floor that is not level."""

    name: ClassVar[str] = "rotation"
    title: ClassVar[str] = "Tilt"
    help: ClassVar[str] = "Turns the picture about its centre by a small angle; corners repeat the edge."
    assumption: ClassVar[str] = "The camera tilts sideways and goes on looking ahead, so the action stays."

    degrees: float = setting(2.0, "Angle", "Largest turn, either way.", unit="°", between=(0, 30))

    def draw(self, generator: np.random.Generator) -> DrawnRotation:
        return DrawnRotation(_either_way(generator, self.degrees))


@dataclass(frozen=True)
class DrawnBlur(Drawn):
    gaussian_percent: float
    motion_percent: float
    motion_degrees: float

    def describe(self) -> str:
        return f"blur {self.gaussian_percent:.1f} %, motion blur {self.motion_percent:.1f} % of the width"

    def picture(self, frame: Frame, seed: Seed) -> Frame:
        width = frame.shape[1]
        sigma, length = width * self.gaussian_percent / 100, round(width * self.motion_percent / 100)
        if sigma > 0.1:
            frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), dtype=np.uint8)
        if length > 1:
            frame = np.asarray(cv2.filter2D(frame, -1, _streak(length, self.motion_degrees)), dtype=np.uint8)
        return frame


@dataclass(frozen=True)
class Blur(Transform):
    """A lens out of focus (gaussian) and a camera that moves while it exposes (a streak)."""

    name: ClassVar[str] = "blur"
    title: ClassVar[str] = "Blur"
    help: ClassVar[str] = "Softens a copy as a lens out of focus does, and smears it as a moving camera does."
    assumption: ClassVar[str] = "What matters in the picture is larger than the blur."

    gaussian_percent: float = setting(
        0.4, "Out of focus", "Largest deviation of the blur, of the picture width.", unit="%", between=(0, 3)
    )
    motion_percent: float = setting(
        1.0, "Motion", "Longest streak, of the picture width, in any direction.", unit="%", between=(0, 6)
    )

    def draw(self, generator: np.random.Generator) -> DrawnBlur:
        return DrawnBlur(
            float(generator.uniform(0, self.gaussian_percent)),
            float(generator.uniform(0, self.motion_percent)),
            float(generator.uniform(0, 180)),
        )


@dataclass(frozen=True)
class DrawnShadow(Drawn):
    darker_percent: float
    corners: tuple[tuple[float, float], ...]
    """As shares of width and height, in order."""

    def describe(self) -> str:
        return f"a shadow {self.darker_percent:.0f} % darker"

    def picture(self, frame: Frame, seed: Seed) -> Frame:
        dark = cv2.LUT(frame, _bytes(np.arange(256.0) * (1 - self.darker_percent / 100)))
        inside = _inside(self.corners, frame.shape[0], frame.shape[1])
        return np.asarray(np.where(inside, dark, frame), dtype=np.uint8)


@dataclass(frozen=True)
class Shadow(Transform):
    """A darker band from the upper edge to the lower one."""

    name: ClassVar[str] = "shadow"
    title: ClassVar[str] = "Shadow"
    help: ClassVar[str] = "Darkens a band of the picture, at the same place in all frames of a copy."
    assumption: ClassVar[str] = (
        "A band that does not move with the room is accepted as a shadow; it moves with the robot, as its own shadow does."
    )

    darker_percent: float = setting(50.0, "Darkness", "How much darker it is at most.", unit="%", between=(0, 90))

    def draw(self, generator: np.random.Generator) -> DrawnShadow:
        upper, lower = np.sort(generator.uniform(0, 1, 2)), np.sort(generator.uniform(0, 1, 2))
        corners = ((upper[0], 0.0), (upper[1], 0.0), (lower[1], 1.0), (lower[0], 1.0))
        darker = float(generator.uniform(0, self.darker_percent))
        return DrawnShadow(darker, tuple((float(x), float(y)) for x, y in corners))


def _either_way(generator: np.random.Generator, most: float) -> float:
    return float(generator.uniform(-most, most))


def _bytes(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def _warped(frame: Frame, shown: npt.NDArray[np.float64]) -> Frame:
    """`shown` (2, 3) takes an output position to the position in `frame` that it shows."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (frame.shape[1], frame.shape[0])
    return np.asarray(cv2.warpAffine(frame, shown, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


@lru_cache(maxsize=8)
def _streak(length: int, degrees: float) -> npt.NDArray[np.float32]:
    kernel = np.zeros((length, length), dtype=np.float32)
    middle, reach = (length - 1) / 2, (length - 1) / 2
    for along in np.linspace(-reach, reach, 2 * length + 1):
        x = middle + along * math.cos(math.radians(degrees))
        y = middle - along * math.sin(math.radians(degrees))
        kernel[round(y), round(x)] += 1
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


@lru_cache(maxsize=4)
def _inside(corners: tuple[tuple[float, float], ...], height: int, width: int) -> npt.NDArray[np.bool_]:
    """Bool (height, width, 1)."""
    mask = np.zeros((height, width), dtype=np.uint8)
    scaled = np.rint(np.array(corners) * (width - 1, height - 1)).astype(np.int32)
    cv2.fillConvexPoly(mask, scaled, 1)
    return mask[..., None].astype(bool)
