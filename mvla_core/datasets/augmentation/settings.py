"""How one setting of a transform is declared, read and checked: forms, checks and documents are made from it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

from mvla_core.errors import RecipeError, did_you_mean


@dataclass(frozen=True)
class StepSetting:
    """One number of a transform, as a form sees it.

    Attributes:
        name: Key in files.
        label: Short name for a form.
        help: One sentence.
        unit: "" where it has none.
        minimum: Smallest value that is allowed.
        maximum: Largest one.
        default: The value of a transform made without it.
    """

    name: str
    label: str
    help: str
    unit: str
    minimum: float
    maximum: float
    default: float


def setting(default: float, label: str, help: str, *, unit: str = "", between: tuple[float, float]) -> Any:
    """Declare a number of a transform: the only place where its help, unit and range are written."""
    described = StepSetting("", label, help, unit, *between, default)
    return dataclasses.field(default=default, metadata={"setting": described})


class Settings:
    """Base of frozen dataclasses all of whose fields are declared with `setting`.

    Raises:
        RecipeError: A value is no number or out of its range.
    """

    def __post_init__(self) -> None:
        for described in settings_of(type(self)):
            value = getattr(self, described.name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or not described.minimum <= value <= described.maximum:
                unit = f" {described.unit}" if described.unit else ""
                raise RecipeError(
                    f"The setting {described.name} of the augmentation cannot be {value!r}: expected a number from "
                    f"{described.minimum:g} to {described.maximum:g}{unit}."
                )
            # 20 and 20.0 are one setting, and must give one digest.
            object.__setattr__(self, described.name, float(value))

    def settings_json(self) -> dict[str, float]:
        return {described.name: getattr(self, described.name) for described in settings_of(type(self))}

    @classmethod
    def from_settings(cls, value: Mapping[str, Any]) -> Self:
        """Read settings; those that are left out keep their default.

        Raises:
            RecipeError: A key is unknown (the nearest is suggested) or a value cannot be used.
        """
        check_keys(value, [described.name for described in settings_of(cls)], "The augmentation step has no setting")
        return cls(**value)


def settings_of(of: type[Settings]) -> tuple[StepSetting, ...]:
    """Return the settings of a transform in the order of its form; empty where it has none."""
    fields = dataclasses.fields(cast(Any, of))
    return tuple(dataclasses.replace(each.metadata["setting"], name=each.name) for each in fields)


def check_keys(value: Any, known: list[str], complaint: str) -> None:
    """Raise `RecipeError` where `value` is no mapping or holds a key that is not known."""
    if not isinstance(value, Mapping):
        raise RecipeError(f"An augmentation recipe cannot be read: expected an object with keys, found {value!r:.60}.")
    for name in value:
        if name not in known:
            raise RecipeError(f"{complaint} {name!r}.{did_you_mean(str(name), known)}")
