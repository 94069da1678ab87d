"""What the transforms of an augmentation, their settings and what they drew are called, in both languages.

English is the core's own text; the Korean stands in `augmentation_ko.toml`, by the names of transforms and settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mvla_core.datasets.augmentation.copies import EpisodeCopy
from mvla_core.datasets.augmentation.recipe import TRANSFORMS, AugmentationRecipe
from mvla_core.datasets.augmentation.settings import StepSetting, settings_of
from mvla_core.schema import Finding
from mvla_core.wording import Language, read_catalog, signed


@dataclass(frozen=True)
class AugmentationWords:
    """The words in one language."""

    language: Language

    def title(self, transform: str) -> str:
        return TRANSFORMS[transform].title if self.language == "en" else self._known(transform)["title"]

    def help(self, transform: str) -> str:
        return TRANSFORMS[transform].help if self.language == "en" else self._known(transform)["help"]

    def assumption(self, transform: str) -> str:
        """What must hold for its label to be right."""
        return TRANSFORMS[transform].assumption if self.language == "en" else self._known(transform)["assumption"]

    def settings(self, transform: str) -> tuple[StepSetting, ...]:
        """Its settings, with label, help and unit in the language."""
        described = settings_of(TRANSFORMS[transform])
        if self.language == "en":
            return described
        known = self._known(transform)["settings"]
        units = self._catalog["units"]
        return tuple(
            replace(each, label=known[each.name][0], help=known[each.name][1], unit=units.get(each.unit, each.unit))
            for each in described
        )

    def drawn(self, copy: EpisodeCopy, recipe: AugmentationRecipe) -> dict[int, str]:
        """What each step that is applied in a copy drew, by the step's place in the recipe."""
        if self.language == "en":
            places = [place for place, _ in copy.drawn]
            return dict(zip(places, copy.description, strict=True))
        return {
            parameters["step"]: self._drawn(recipe.steps[parameters["step"]].transform.name, parameters)
            for parameters in copy.parameters
        }

    def finding(self, finding: Finding) -> Finding:
        """The same finding, found at a name that a reader of the language knows."""
        where = self.title(finding.where) if finding.where in TRANSFORMS else self.place(finding.where)
        return replace(finding, where=where)

    def place(self, where: str) -> str:
        """A place of a finding that is no transform: the limits, or the recipe's own name."""
        return where if self.language == "en" else self._catalog["places"].get(where, where)

    def _drawn(self, transform: str, parameters: Mapping[str, Any]) -> str:
        values = {name: _told(name, value) for name, value in parameters.items()}
        sides = {
            f"{name}_side": self._catalog["sides"]["right" if (value >= 0) == (name == "right_percent") else "left"]
            for name, value in parameters.items()
            if name in _SIDED
        }
        template: str = self._known(transform)["drawn"]
        return template.format(**values, **sides)

    def _known(self, transform: str) -> dict[str, Any]:
        known: dict[str, Any] = self._catalog["transforms"][transform]
        return known

    @property
    def _catalog(self) -> dict[str, Any]:
        return read_catalog("app", f"augmentation_{self.language}")


_SIDED = ("right_percent", "left_m", "turned_deg")
"""Numbers whose sign is a side: their size is told, and the side beside it."""
_WITH_SIGN = ("brightness_percent", "contrast_percent", "degrees")
_DIGITS = {
    "levels": 1,
    "right_percent": 1,
    "degrees": 1,
    "gaussian_percent": 1,
    "motion_percent": 1,
    "factor": 2,
    "left_m": 2,
    "turned_deg": 1,
}


def _told(name: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return ""
    if name == "share":
        value = 100 * value
    if name in _SIDED:
        value = abs(value)
    text = signed(value, _DIGITS.get(name, 0))
    return f"+{text}" if name in _WITH_SIGN and value >= 0 else text
