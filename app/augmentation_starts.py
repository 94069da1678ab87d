"""Recipes to begin with: a starting point for the user's own, never used unless the user saves one."""

from __future__ import annotations

from mvla_core.datasets.augmentation.motion_transforms import Mirror, SpeedScale
from mvla_core.datasets.augmentation.path_transform import PathPerturbation
from mvla_core.datasets.augmentation.picture_transforms import Blur, Crop, Light, Noise, Rotation, Shadow
from mvla_core.datasets.augmentation.recipe import Step

EMPTY = "empty"
STARTS: dict[str, tuple[int, tuple[Step, ...]]] = {
    "light-and-noise": (1, (Step(Light(brightness_percent=25, contrast_percent=20)), Step(Noise(levels=8)))),
    "mirror": (1, (Step(Mirror()),)),
    "robust": (
        3,
        (
            Step(Light(brightness_percent=25, contrast_percent=25)),
            Step(Shadow(darker_percent=45), 0.4),
            Step(Blur(gaussian_percent=0.3, motion_percent=0.8), 0.4),
            Step(Crop(zoom_percent=8, shift_percent=2), 0.6),
            Step(Rotation(degrees=2), 0.5),
            Step(Mirror(), 0.5),
            Step(SpeedScale(percent=5), 0.5),
            Step(PathPerturbation(shift_m=0.05, turn_deg=2), 0.4),
            Step(Noise(levels=6), 0.6),
        ),
    ),
    EMPTY: (1, ()),
}
"""By the name that is offered: copies and steps. Noise comes last, because a sensor adds it last."""
