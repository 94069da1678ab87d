"""An augmentation recipe: which transforms, how often, how many copies. Stored as JSON; its digest names what it makes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from mvla_core.datasets.augmentation.motion_transforms import Mirror, SpeedScale, TimeWarp
from mvla_core.datasets.augmentation.path_transform import PathPerturbation
from mvla_core.datasets.augmentation.picture_transforms import Blur, Crop, Light, Noise, Rotation, Shadow
from mvla_core.datasets.augmentation.settings import check_keys
from mvla_core.datasets.augmentation.transform import ActionLimits, Transform
from mvla_core.errors import RecipeError, did_you_mean
from mvla_core.files import check_identifier

FORMAT = 1
"""Counts up when a transform comes to mean something else: the digest changes with it, and cached pictures are made anew."""
MAX_COPIES = 20
MAX_STEPS = 20
_MAX_SEED = 2**31 - 1

TRANSFORMS: dict[str, type[Transform]] = {
    transform.name: transform
    for transform in (Light, Noise, Crop, Rotation, Blur, Shadow, Mirror, SpeedScale, PathPerturbation, TimeWarp)
}
"""What a recipe may hold, by name, in the order in which a form offers it."""


@dataclass(frozen=True)
class Step:
    """One transform, and the share of copies in which it is applied.

    Raises:
        RecipeError: The probability is not within 0 and 1.
    """

    transform: Transform
    probability: float = 1.0

    def __post_init__(self) -> None:
        number = isinstance(self.probability, int | float) and not isinstance(self.probability, bool)
        if not number or not 0 <= self.probability <= 1:
            raise RecipeError(
                f"The probability of {self.transform.name} cannot be {self.probability!r}: expected a number from 0 to 1."
            )
        object.__setattr__(self, "probability", float(self.probability))

    def to_json(self) -> dict[str, Any]:
        return {
            "transform": self.transform.name,
            "probability": self.probability,
            "settings": self.transform.settings_json(),
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        check_keys(value, ["transform", "probability", "settings"], "An augmentation step has no")
        name = value.get("transform")
        if name not in TRANSFORMS:
            raise RecipeError(
                f"There is no augmentation {name!r}: expected one of {', '.join(TRANSFORMS)}."
                f"{did_you_mean(str(name), TRANSFORMS)}"
            )
        settings = value.get("settings", {})
        return cls(TRANSFORMS[name].from_settings(settings), value.get("probability", 1.0))


@dataclass(frozen=True)
class AugmentationRecipe:
    """What is made of each training episode.

    Attributes:
        name: Of its file; says nothing about what it does.
        steps: Applied in this order.
        copies: Augmented copies of each episode, besides the episode itself.
        seed: Of all draws.
        limits: Of the robot; actions of copies are cut to them, and how many that are is checked before.

    Raises:
        UserInputError: The name cannot be a file name.
        RecipeError: A value is out of range.
    """

    name: str
    steps: tuple[Step, ...] = ()
    copies: int = 1
    seed: int = 0
    limits: ActionLimits = field(default_factory=ActionLimits)

    def __post_init__(self) -> None:
        check_identifier(self.name, "augmentation name")
        if len(self.steps) > MAX_STEPS:
            raise RecipeError(f"An augmentation takes at most {MAX_STEPS} steps; found {len(self.steps)}.")
        for what, value, low, high in (("copies", self.copies, 1, MAX_COPIES), ("seed", self.seed, 0, _MAX_SEED)):
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise RecipeError(
                    f"The {what} of the augmentation {self.name} cannot be {value!r}: expected a whole number from {low} "
                    f"to {high}."
                )

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of all that decides what comes out: everything but the name."""
        content = {key: value for key, value in self.to_json().items() if key != "name"}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "name": self.name,
            "copies": self.copies,
            "seed": self.seed,
            "limits": self.limits.to_json(),
            "steps": [step.to_json() for step in self.steps],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a recipe; keys that are left out, except the name, keep their default.

        Raises:
            RecipeError: A key is unknown (the nearest is suggested), a value cannot be used, or the format is another.
            UserInputError: The name cannot be a file name.
        """
        check_keys(
            value, ["format", "name", "copies", "seed", "limits", "steps"], "The augmentation recipe has no setting"
        )
        if value.get("format", FORMAT) != FORMAT:
            raise RecipeError(
                f"The augmentation recipe has the format {value['format']!r}; this program reads {FORMAT}. Make it anew."
            )
        steps = value.get("steps", [])
        if not isinstance(steps, list):
            raise RecipeError(f"The steps of an augmentation recipe are a list; found {steps!r:.60}.")
        return cls(
            value.get("name", ""),
            tuple(Step.from_json(step) for step in steps),
            value.get("copies", 1),
            value.get("seed", 0),
            ActionLimits.from_json(value.get("limits", {})),
        )
