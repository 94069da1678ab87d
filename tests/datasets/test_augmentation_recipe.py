"""Augmentation recipes: JSON both ways, nothing unknown is read, the digest names the effect, the store keeps what it is given."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from mvla_core.datasets.augmentation.motion_transforms import Mirror, SpeedScale
from mvla_core.datasets.augmentation.picture_transforms import Crop, Light
from mvla_core.datasets.augmentation.recipe import TRANSFORMS, AugmentationRecipe, Step
from mvla_core.datasets.augmentation.store import (
    delete_augmentation,
    list_augmentations,
    load_augmentation,
    read_augmentation,
    save_augmentation,
)
from mvla_core.datasets.augmentation.transform import ActionLimits
from mvla_core.errors import MvlaError, RecipeError, UserInputError
from mvla_core.layout import DataRoot

RECIPE = AugmentationRecipe(
    "evening",
    (Step(Light(brightness_percent=30)), Step(Mirror(), 0.5)),
    copies=3,
    seed=7,
    limits=ActionLimits(linear_x=1.15, linear_y=1.15),
)


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_recipes_survive_json(name: str) -> None:
    recipe = replace(RECIPE, steps=(*RECIPE.steps, Step(TRANSFORMS[name](), 0.25)))
    assert AugmentationRecipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert TRANSFORMS[name].name == name


def test_what_is_left_out_keeps_its_default() -> None:
    assert AugmentationRecipe.from_json({"name": "x", "steps": [{"transform": "mirror"}]}) == AugmentationRecipe(
        "x", (Step(Mirror()),)
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"name": "x", "copys": 2}, "no setting 'copys'. Did you mean 'copies'"),
        ({"name": "x", "copies": 21}, "expected a whole number from 1 to 20"),
        ({"name": "x", "copies": 1.5}, "expected a whole number"),
        ({"name": "x", "seed": -1}, "expected a whole number from 0"),
        ({"name": "x", "format": 99}, "has the format 99"),
        ({"name": "x", "steps": {}}, "steps of an augmentation recipe are a list"),
        ({"name": "x", "steps": [3]}, "expected an object with keys, found 3"),
        ({"name": "x", "steps": [{"transform": "miror"}]}, "no augmentation 'miror'.*Did you mean 'mirror'"),
        (
            {"name": "x", "steps": [{"transform": "mirror", "probabilty": 1}]},
            "step has no 'probabilty'. Did you mean 'probability'",
        ),
        ({"name": "x", "steps": [{"transform": "mirror", "probability": 2}]}, "expected a number from 0 to 1"),
        (
            {"name": "x", "steps": [{"transform": "light", "settings": {"brightness": 2}}]},
            "no setting 'brightness'. Did you mean 'brightness_percent'",
        ),
        (
            {"name": "x", "steps": [{"transform": "light", "settings": {"brightness_percent": 99}}]},
            "brightness_percent of the augmentation cannot be 99: expected a number from 0 to 60 %",
        ),
        ({"name": "x", "limits": {"linear_z": 1}}, "no limit for 'linear_z'. Did you mean"),
        ({"name": "x", "limits": {"linear_x": 0}}, "limit of linear_x cannot be 0"),
        ({"name": "x", "steps": [{"transform": "mirror"}] * 21}, "at most 20 steps"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_nearest(value: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        AugmentationRecipe.from_json(value)


def test_the_name_must_be_safe() -> None:
    for name in ("", "../x", "a b", ".bin"):
        with pytest.raises(UserInputError, match="augmentation name"):
            AugmentationRecipe(name)


def test_the_digest_is_that_of_the_effect() -> None:
    assert replace(RECIPE, name="other").digest == RECIPE.digest
    assert AugmentationRecipe.from_json(RECIPE.to_json()).digest == RECIPE.digest
    changed = (
        replace(RECIPE, copies=4),
        replace(RECIPE, seed=8),
        replace(RECIPE, limits=ActionLimits()),
        replace(RECIPE, steps=RECIPE.steps[::-1]),
        replace(RECIPE, steps=(Step(Light(brightness_percent=31)), RECIPE.steps[1])),
        replace(RECIPE, steps=(RECIPE.steps[0], Step(Mirror(), 0.6))),
    )
    assert len({RECIPE.digest, *(each.digest for each in changed)}) == 7
    assert Light(brightness_percent=30) == Light(brightness_percent=30.0)
    assert AugmentationRecipe("x", (Step(SpeedScale(percent=5), 1),)).digest == (
        AugmentationRecipe("y", (Step(SpeedScale(percent=5.0), 1.0),)).digest
    )


def test_the_store_keeps_lists_and_bins(root: DataRoot) -> None:
    assert list_augmentations(root) == []
    with pytest.raises(UserInputError, match="there are none yet"):
        load_augmentation(root, "evening")
    path = save_augmentation(root, RECIPE)
    assert path == root.augmentation("evening") == root.path / "augmentations" / "evening.json"
    save_augmentation(root, replace(RECIPE, name="another", steps=(Step(Crop()),)))
    assert load_augmentation(root, "evening") == RECIPE
    with pytest.raises(UserInputError, match="Did you mean 'evening'"):
        load_augmentation(root, "evenin")
    with pytest.raises(UserInputError, match="an augmentation 'evening' already"):
        save_augmentation(root, RECIPE, replace=False)
    with pytest.raises(UserInputError, match="augmentation name"):
        load_augmentation(root, "../evening")
    binned = delete_augmentation(root, "evening")
    assert binned.parent == root.path / "augmentations" / ".bin"
    assert read_augmentation(binned) == RECIPE
    assert [stored.name for stored in list_augmentations(root)] == ["another"]
    with pytest.raises(UserInputError, match="no augmentation 'evening'"):
        delete_augmentation(root, "evening")
    save_augmentation(root, RECIPE)
    assert delete_augmentation(root, "evening") != binned


def test_a_damaged_recipe_is_listed_with_its_fault(root: DataRoot) -> None:
    save_augmentation(root, RECIPE)
    root.augmentation("broken").write_text("{", encoding="utf-8")
    root.augmentation("strange").write_text('{"name": "strange", "copys": 1}', encoding="utf-8")
    found = {stored.name: stored for stored in list_augmentations(root)}
    assert found["evening"].recipe == RECIPE
    assert found["evening"].modified > 0
    assert found["broken"].recipe is None
    assert "cannot be read as JSON" in found["broken"].fault
    assert "strange.json holds no augmentation that can be used" in found["strange"].fault
    with pytest.raises(MvlaError):
        load_augmentation(root, "broken")


def test_the_package_loads_no_torch() -> None:
    code = (
        "import sys; import mvla_core.datasets.augmentation.store, mvla_core.datasets.augmentation.frame_check; "
        "import mvla_core.datasets.augmentation.label_check; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
