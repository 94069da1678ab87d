"""Deleted augmentation recipes: listed in the bin, taken back, never over one that was made since."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mvla_core.datasets.augmentation.picture_transforms import Light
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe, Step
from mvla_core.datasets.augmentation.store import (
    delete_augmentation,
    list_augmentations,
    list_binned,
    load_augmentation,
    restore_augmentation,
    save_augmentation,
)
from mvla_core.errors import UserInputError
from mvla_core.layout import DataRoot

RECIPE = AugmentationRecipe("evening.2", (Step(Light(brightness_percent=30)),), copies=3)


def test_a_deleted_recipe_comes_back_whole(root: DataRoot) -> None:
    assert list_binned(root) == []
    save_augmentation(root, RECIPE)
    delete_augmentation(root, RECIPE.name)
    (binned,) = list_binned(root)
    assert (binned.name, binned.deleted > 1.7e9) == ("evening.2", True)
    assert restore_augmentation(root, binned.file) == "evening.2"
    assert load_augmentation(root, "evening.2") == RECIPE
    assert list_binned(root) == []


def test_the_last_deleted_comes_first_and_strange_files_are_passed_over(root: DataRoot) -> None:
    for copies in (1, 2):
        save_augmentation(root, replace(RECIPE, copies=copies))
        delete_augmentation(root, RECIPE.name)
    (root.augmentations_bin / "note.json").write_text("{}")
    (root.augmentations_bin / ".hidden.5.json").write_text("{}")
    newer, older = list_binned(root)
    restore_augmentation(root, newer.file)
    assert load_augmentation(root, RECIPE.name).copies == 2
    assert older.deleted < newer.deleted


def test_what_was_made_since_is_not_replaced(root: DataRoot) -> None:
    save_augmentation(root, RECIPE)
    delete_augmentation(root, RECIPE.name)
    save_augmentation(root, replace(RECIPE, copies=7))
    (binned,) = list_binned(root)
    with pytest.raises(UserInputError, match="There is an augmentation 'evening.2' again"):
        restore_augmentation(root, binned.file)
    assert load_augmentation(root, RECIPE.name).copies == 7
    assert list_binned(root) == [binned]


@pytest.mark.parametrize("file", ["gone.1.json", "../evening.1.json", ""])
def test_only_what_lies_in_the_bin_is_restored(root: DataRoot, file: str) -> None:
    with pytest.raises(UserInputError, match=r"in the bin; reload the list\.$"):
        restore_augmentation(root, file)
    assert list_augmentations(root) == []
