"""The form of a recipe, made from the one place where its settings are defined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.augmentation_choice import choose_augmentation, tell_augmentation
from app.augmentation_findings import usable_episodes
from app.session import KEPT
from mvla_core.datasets.split import make_split
from mvla_core.errors import MvlaError
from mvla_core.training.recipe import PRESETS, Preset, Recipe, recipe_fields
from mvla_core.training.settings import RecipeField

OFTEN_CHANGED = ("epochs", "patience", "learning_rate", "batch_size", "window_size", "chunk_size", "seed")
AUGMENTATION = "augmentation"
GROUP_TITLES = {
    "policy": ("Policy", ":material/neurology:"),
    "lora": ("LoRA", ":material/layers:"),
    "data": ("Windows and actions", ":material/view_week:"),
    "optimisation": ("Optimisation", ":material/trending_down:"),
    "machine": ("Machine", ":material/memory:"),
}
_COLUMNS = 4


def choose_preset() -> Preset:
    """Let the user choose a recipe to begin with."""
    names = list(PRESETS)
    name = st.radio(
        "Recipe",
        names,
        format_func=lambda name: PRESETS[name].title,
        captions=[PRESETS[name].description for name in names],
        key="preset",
        persist_state=KEPT,
    )
    return PRESETS[name]


def edit_recipe(preset: Preset, dataset: str | None = None) -> dict[str, Any]:
    """Show every setting with the preset's value and return those that were changed, by name.

    Values are within their ranges, but may contradict each other: `Recipe.changed` says so.

    Args:
        preset: The recipe to begin with.
        dataset: What is trained on, so that it can be said how many augmented episodes there will be; None leaves that open.
    """
    fields = {field.name: field for field in recipe_fields()}
    values = _inputs([fields[name] for name in OFTEN_CHANGED], preset)
    values[AUGMENTATION] = choose_augmentation(preset.recipe.augmentation, dataset, _key(preset, AUGMENTATION))
    line = st.container()
    rest = [field for field in fields.values() if field.name not in (*OFTEN_CHANGED, AUGMENTATION)]
    for group, (title, icon) in GROUP_TITLES.items():
        members = [field for field in rest if field.group == group]
        with st.expander(f"{title}: {len(members)} more", icon=icon):
            values |= _inputs(members, preset)
    recipe = preset.recipe.to_json()
    overrides = {name: value for name, value in values.items() if value != recipe[name]}
    with line:
        tell_augmentation(values[AUGMENTATION], _train_episodes(preset, dataset, overrides))
    return overrides


def tell_changes(preset: Preset, overrides: dict[str, Any]) -> None:
    """What differs from the preset, and a way back to it; nothing where nothing does."""
    if not overrides:
        return
    usual = preset.recipe.to_json()

    def take_back() -> None:
        for name in overrides:
            st.session_state[_key(preset, name)] = usual[name]

    with st.container(horizontal=True, vertical_alignment="center"):
        told = ", ".join(f"`{name}` {value}" for name, value in overrides.items())
        st.caption(f"Changed from the recipe: {told}.", width="content")
        st.button("Back to the recipe", key="recipe_reset", icon=":material/undo:", type="tertiary", on_click=take_back)


def _key(preset: Preset, name: str) -> str:
    return f"recipe_{preset.name}_{name}"


def _train_episodes(preset: Preset, dataset: str | None, overrides: dict[str, Any]) -> int | None:
    """How many episodes teach; None where the settings contradict each other or the data cannot be split, which the page tells."""
    if dataset is None:
        return None
    try:
        recipe = preset.recipe.changed(overrides)
        episodes = usable_episodes(dataset)
        return len(
            make_split(episodes, by=recipe.split_by, seed=recipe.seed, min_frames=recipe.window.minimum_frames).train
        )
    except MvlaError:
        return None


def _inputs(fields: Sequence[RecipeField], preset: Preset) -> dict[str, Any]:
    values = {}
    with st.grid(_COLUMNS, min_column_width=170):
        for field in fields:
            values[field.name] = _input(field, preset.recipe, _key(preset, field.name))
    return values


def _input(field: RecipeField, recipe: Recipe, key: str) -> Any:
    value = getattr(recipe, field.name)
    help_text = f"{field.help} From {field.allowed}." if field.minimum is not None else field.help
    label = f"{field.label} [{field.unit}]" if field.unit else field.label
    match field.kind:
        case "int":
            low, high = int(field.minimum or 0), int(field.maximum or 2**31 - 1)
            return int(st.number_input(label, low, high, value, key=key, help=help_text, persist_state=KEPT))
        case "float":
            least, most = float(field.minimum or 0.0), float(field.maximum or math.inf)
            return st.number_input(
                label, least, most, value, _step(value), format="%g", key=key, help=help_text, persist_state=KEPT
            )
        case "bool":
            return st.toggle(label, value, key=key, help=help_text, persist_state=KEPT)
        case "choice":
            choices = list(field.choices)
            explained = "\n".join(f"- `{name}`: {text}" for name, text in field.choices.items())
            return st.selectbox(
                label,
                choices,
                choices.index(value),
                key=key,
                help=f"{field.help}\n\n{explained}",
                persist_state=KEPT,
            )
        case _:
            return st.text_input(label, value, key=key, help=help_text, persist_state=KEPT)


def _step(value: float) -> float:
    """How much one click changes: a tenth of the value's magnitude, 0.05 where it is 0."""
    return 0.05 if value == 0 else 10.0 ** math.floor(math.log10(abs(value)) - 0.001)
