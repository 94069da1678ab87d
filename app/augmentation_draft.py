"""Augmentation recipes that are being edited: kept for the session beside the stored ones, so that nothing is lost unasked.

A draft is the truth; its widgets are given its values before they are drawn, and what they hold is taken into it before anything
else is done in a run. Widgets go by the draft's generation, so that one that is begun anew never meets the old ones' values.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import streamlit as st

from app.session import data_root
from mvla_core.datasets.augmentation.recipe import TRANSFORMS, AugmentationRecipe, Step
from mvla_core.datasets.augmentation.store import list_augmentations
from mvla_core.datasets.augmentation.transform import ActionLimits
from mvla_core.schema import KNOWN_DIMS

_DRAFTS = "augmentation_drafts"
_numbers = itertools.count(1)
"""For generations and steps: unique in this server, so that no two tabs of a browser need to agree."""


@dataclass(frozen=True)
class DraftStep:
    """A step with a number of its own, which it keeps when it is moved."""

    number: int
    step: Step


@dataclass(frozen=True)
class Draft:
    """A recipe while it is edited.

    Attributes:
        recipe: As it stands, but for its steps.
        steps: Its steps.
        stored: The recipe on the disk when the draft was last the same; None for one that was never saved.
        generation: Part of its widgets' keys.
    """

    recipe: AugmentationRecipe
    steps: tuple[DraftStep, ...]
    stored: AugmentationRecipe | None
    generation: int

    @classmethod
    def of(cls, recipe: AugmentationRecipe, stored: AugmentationRecipe | None) -> Draft:
        """Begin with a recipe."""
        steps = tuple(DraftStep(next(_numbers), step) for step in recipe.steps)
        return cls(recipe, steps, stored, next(_numbers))

    @property
    def name(self) -> str:
        return self.recipe.name

    @property
    def whole(self) -> AugmentationRecipe:
        """The recipe with its steps."""
        return replace(self.recipe, steps=tuple(each.step for each in self.steps))

    @property
    def unsaved(self) -> bool:
        return self.whole != self.stored

    def key(self, *parts: str | int) -> str:
        """Key of one of its widgets."""
        return "_".join(["augmentation", str(self.generation), *map(str, parts)])

    def with_widgets(self) -> Draft:
        """The draft with what its widgets hold; one that was not drawn leaves its value as it is."""
        steps = []
        for each in self.steps:
            transform = each.step.transform
            values = {name: self._given(value, each.number, name) for name, value in transform.settings_json().items()}
            probability = self._given(each.step.probability, each.number, "probability")
            steps.append(DraftStep(each.number, Step(type(transform).from_settings(values), probability)))
        limits = {name: getattr(self.recipe.limits, name) for name in KNOWN_DIMS}
        recipe = replace(
            self.recipe,
            copies=int(st.session_state.get(self.key("copies"), self.recipe.copies)),
            seed=int(st.session_state.get(self.key("seed"), self.recipe.seed)),
            limits=ActionLimits(
                **{name: st.session_state.get(self.key("limit", name), value) for name, value in limits.items()}
            ),
        )
        return replace(self, recipe=recipe, steps=tuple(steps))

    def _given(self, value: float, *parts: str | int) -> float:
        """What a slider holds; 0.30000000000000004 becomes the 0.3 that it shows, and what nobody moved stays as it was."""
        given = st.session_state.get(self.key(*parts), value)
        return value if given == value else round(float(given), 6)

    def added(self, transform: str) -> Draft:
        return replace(self, steps=(*self.steps, DraftStep(next(_numbers), Step(TRANSFORMS[transform]()))))

    def removed(self, number: int) -> Draft:
        return replace(self, steps=tuple(each for each in self.steps if each.number != number))

    def moved(self, number: int, by: int) -> Draft:
        """With one step earlier (-1) or later (1); at the end of the row it stays."""
        steps = list(self.steps)
        at = next(place for place, each in enumerate(steps) if each.number == number)
        to = min(max(at + by, 0), len(steps) - 1)
        steps.insert(to, steps.pop(at))
        return replace(self, steps=tuple(steps))


def step_width(minimum: float, maximum: float) -> float:
    """How far one step of a slider goes: about a hundredth of its range, as a round number."""
    return next(size for size in (0.001, 0.01, 0.1, 0.5, 1.0, 5.0) if (maximum - minimum) / size <= 125)


def drafts() -> dict[str, Draft]:
    """All recipes by name, stored ones and new ones, as this session has them now; those that cannot be read are left out.

    A stored one that nobody edits here follows its file; one that is edited keeps its changes, and its name while the file is gone.
    """
    on_disk = {each.name: each.recipe for each in list_augmentations(data_root()) if each.recipe is not None}
    known: dict[str, Draft] = st.session_state.get(_DRAFTS, {})
    found = {}
    for name, draft in known.items():
        edited = draft.with_widgets()
        if edited.unsaved:
            found[name] = replace(edited, stored=on_disk.get(name))
        elif name in on_disk:
            found[name] = edited if edited.stored == on_disk[name] else Draft.of(on_disk[name], on_disk[name])
    for name, recipe in on_disk.items():
        found.setdefault(name, Draft.of(recipe, recipe))
    st.session_state[_DRAFTS] = dict(sorted(found.items()))
    return dict(st.session_state[_DRAFTS])


def keep(draft: Draft) -> None:
    """Put a draft in the place of the one of its name."""
    st.session_state[_DRAFTS] = {**st.session_state.get(_DRAFTS, {}), draft.name: draft}


def drop(name: str) -> None:
    """Forget a draft; a stored recipe of its name is shown as it is on the disk."""
    st.session_state[_DRAFTS] = {
        known: draft for known, draft in st.session_state.get(_DRAFTS, {}).items() if known != name
    }
