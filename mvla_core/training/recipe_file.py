"""A recipe that is read from a file: one's own, or that of a run. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvla_core.errors import RecipeError
from mvla_core.files import read_json
from mvla_core.training.recipe import PRESETS


@dataclass(frozen=True)
class RecipeFile:
    """What a file says.

    Attributes:
        preset: The one that its settings change.
        settings: Values that replace the preset's, by name.
    """

    preset: str
    settings: dict[str, Any]


def read_recipe_file(path: Path, preset: str | None = None) -> RecipeFile:
    """Read a JSON object of settings by name, all of a recipe's or some, or the config.json of a run, which holds one.

    Args:
        path: The file.
        preset: What its settings change; None takes the run's preset, or `compact` where the file is no run's.

    Raises:
        MvlaError: The file is missing or is no JSON.
        RecipeError: It holds no object, a setting that is unknown (the nearest is suggested), or a value that cannot be used.
    """
    value = read_json(path)
    of_run = isinstance(value, Mapping) and isinstance(value.get("recipe"), Mapping)
    settings = value["recipe"] if of_run else value
    if not isinstance(settings, Mapping):
        raise RecipeError(
            f'The file {path} holds no recipe: expected a JSON object of settings, for example {{"epochs": 30}}, or the '
            f"config.json of a run; found {value!r:.60}."
        )
    own = value.get("preset") if of_run else None
    begun_with = preset or (own if own in PRESETS else "compact")
    try:
        PRESETS[begun_with].recipe.changed(settings)
    except RecipeError as error:
        raise RecipeError(f"The recipe of the file {path} cannot be used: {error}") from error
    return RecipeFile(begun_with, dict(settings))
