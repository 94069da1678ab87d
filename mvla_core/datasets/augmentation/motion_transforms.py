"""Transforms whose picture asks for another action: the action, and for the mirror the words, change with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.augmentation.settings import setting
from mvla_core.datasets.augmentation.sides import swap_sides
from mvla_core.datasets.augmentation.transform import Drawn, EpisodeLabels, Index, Seed, Transform
from mvla_core.schema import Frame

MIRRORED_DIMS = ("linear_y", "angular_z")
"""What changes its sign when left and right are exchanged."""
_OTHER_SIDE = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class DrawnMirror(Drawn):
    def describe(self) -> str:
        return "mirrored"

    def picture(self, frame: Frame, seed: Seed) -> Frame:
        return np.ascontiguousarray(frame[:, ::-1])

    def relabel(self, labels: EpisodeLabels) -> EpisodeLabels:
        signs = np.array([-1 if name in MIRRORED_DIMS else 1 for name in labels.space.names], dtype=np.float32)
        side = labels.scenario.side
        return replace(
            labels,
            actions=labels.actions * signs + np.float32(0),  # + 0 makes -0 a plain 0.
            instruction=swap_sides(labels.instruction),
            scenario=replace(labels.scenario, side=_OTHER_SIDE.get(side, side) if side else side),
        )


@dataclass(frozen=True)
class Mirror(Transform):
    """Left and right exchanged in picture, action, instruction and scenario. It has no settings."""

    name: ClassVar[str] = "mirror"
    title: ClassVar[str] = "Mirror"
    help: ClassVar[str] = (
        "Exchanges left and right: in the picture, in the sideways and turning action, and in the words."
    )
    assumption: ClassVar[str] = (
        "Robot, camera and task are the same left and right: the camera looks straight ahead from the middle, and no sign or "
        "text must be read."
    )
    changes_label: ClassVar[bool] = True

    def draw(self, generator: np.random.Generator) -> Drawn:
        return DrawnMirror()


@dataclass(frozen=True)
class DrawnSpeed(Drawn):
    factor: float

    def describe(self) -> str:
        return f"speed ×{self.factor:.2f}"

    def relabel(self, labels: EpisodeLabels) -> EpisodeLabels:
        return replace(labels, actions=(labels.actions * np.float32(self.factor)).astype(np.float32))


@dataclass(frozen=True)
class SpeedScale(Transform):
    """The same way driven faster or slower: the same pictures, every velocity times one factor."""

    name: ClassVar[str] = "speed"
    title: ClassVar[str] = "Speed"
    help: ClassVar[str] = "Drives the same way faster or slower: the same pictures, every velocity times one factor."
    assumption: ClassVar[str] = (
        "The robot would have taken the same path at that speed, and the time between two frames shrinks as the speed grows, so "
        "that frames lie equally far apart on the way."
    )
    changes_label: ClassVar[bool] = True

    percent: float = setting(
        10.0, "Speed", "Faster or slower at most, of the recorded speed.", unit="%", between=(0, 60)
    )

    def draw(self, generator: np.random.Generator) -> DrawnSpeed:
        return DrawnSpeed(1 + float(generator.uniform(-self.percent, self.percent)) / 100)


@dataclass(frozen=True)
class DrawnTimeWarp(Drawn):
    share: float
    """Deviation of the local rate from 1, at its largest."""
    waves: int
    phase: float

    def describe(self) -> str:
        return f"time warped by up to {100 * self.share:.0f} %"

    def sources(self, num_frames: int) -> Index:
        when = np.arange(num_frames, dtype=np.float64)
        if num_frames > 2:
            turns = 2 * np.pi * self.waves
            angle = turns * when / (num_frames - 1) + self.phase
            when = when + self.share * (num_frames - 1) / turns * (np.sin(angle) - np.sin(self.phase))
        return np.clip(np.rint(when), 0, max(num_frames - 1, 0)).astype(np.int64)

    def rates(self, num_frames: int) -> npt.NDArray[np.float64]:
        """Return how fast the recording passes at each frame, float64 (num_frames,), about 1 in the mean."""
        if num_frames <= 2:
            return np.ones(num_frames)
        angle = 2 * np.pi * self.waves * np.arange(num_frames) / (num_frames - 1) + self.phase
        return np.asarray(1 + self.share * np.cos(angle))

    def relabel(self, labels: EpisodeLabels) -> EpisodeLabels:
        count = len(labels.actions)
        scaled = labels.actions[self.sources(count)] * self.rates(count)[:, None]
        return replace(labels, actions=scaled.astype(np.float32))


@dataclass(frozen=True)
class TimeWarp(Transform):
    """The way is driven now faster, now slower, in the same time as before.

    Frame u shows the recording at w(u) = u + s (n - 1) / (2 pi k) (sin(2 pi k u / (n - 1) + p) - sin p), rounded to the nearest
    stored frame, and velocities are multiplied by the derivative 1 + s cos(...). The way that is covered stays the same,
    because the integral of v(w(u)) w'(u) du is that of v dw. It needs no frame rate: all of it is relative to the recording's.
    """

    name: ClassVar[str] = "time_warp"
    title: ClassVar[str] = "Time warp"
    help: ClassVar[str] = (
        "Passes through the recording now faster, now slower; velocities follow, and begin and end stay."
    )
    assumption: ClassVar[str] = (
        "Frames were taken at even times, and the robot would have taken the same path at the changed speed; the nearest stored "
        "frame is shown, so a picture may be late or early by half a frame."
    )
    changes_label: ClassVar[bool] = True

    percent: float = setting(
        20.0, "Rate", "How much faster or slower the recording passes at most.", unit="%", between=(0, 60)
    )

    def draw(self, generator: np.random.Generator) -> DrawnTimeWarp:
        share = float(generator.uniform(0, self.percent)) / 100
        return DrawnTimeWarp(share, int(generator.integers(1, 4)), float(generator.uniform(0, 2 * np.pi)))
