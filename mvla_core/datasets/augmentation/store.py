"""Named augmentation recipes below the data root: listed, read, written whole, and deleted into a bin."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.errors import MvlaError, RecipeError, UserInputError, did_you_mean
from mvla_core.files import IDENTIFIER, read_json, write_json
from mvla_core.layout import DataRoot

_BINNED = re.compile(r"(?P<name>.+)\.(?P<deleted>\d{1,20})\.json")
_NS = 1e-9


@dataclass(frozen=True)
class BinnedAugmentation:
    """One deleted recipe in the bin.

    Attributes:
        file: Name of its file in the bin, which tells it from others of the same name.
        name: Its name before it was deleted.
        deleted: When, seconds since the epoch.
    """

    file: str
    name: str
    deleted: float


@dataclass(frozen=True)
class StoredAugmentation:
    """One stored recipe in a list.

    Attributes:
        name: Its name.
        recipe: What it holds; None where the file cannot be read.
        fault: Why not, in one sentence; "" where it can.
        modified: When it was written, seconds since the epoch.
    """

    name: str
    recipe: AugmentationRecipe | None
    fault: str
    modified: float


def list_augmentations(root: DataRoot) -> list[StoredAugmentation]:
    """Return all stored recipes by name; a damaged file is listed with its fault, and does not hide the others."""
    stored = []
    for path in sorted(root.augmentations.glob("*.json")):
        if not IDENTIFIER.fullmatch(path.stem) or not path.is_file():
            continue
        recipe, fault = None, ""
        try:
            recipe = load_augmentation(root, path.stem)
            modified = path.stat().st_mtime
        except FileNotFoundError:
            continue  # It was deleted while the list was made.
        except MvlaError as error:
            fault, modified = str(error), 0.0
        stored.append(StoredAugmentation(path.stem, recipe, fault, modified))
    return stored


def load_augmentation(root: DataRoot, name: str) -> AugmentationRecipe:
    """Read a stored recipe.

    Raises:
        UserInputError: The name is not safe, or there is no such recipe; the nearest is suggested.
        MvlaError: The file is damaged.
        RecipeError: It holds an unknown key or a value that cannot be used.
    """
    path = root.augmentation(name)
    if not path.is_file():
        known = [each.stem for each in root.augmentations.glob("*.json")]
        there = f"there are {', '.join(sorted(known))}" if known else "there are none yet"
        raise UserInputError(
            f"There is no augmentation {name!r} in {root.augmentations}: {there}.{did_you_mean(name, known)}"
        )
    return read_augmentation(path)


def read_augmentation(path: Path) -> AugmentationRecipe:
    """Read a recipe from a file, for example the one that a run was made with.

    Raises:
        MvlaError: The file is missing or damaged.
        RecipeError: It holds an unknown key or a value that cannot be used; the message names the file.
    """
    try:
        return AugmentationRecipe.from_json(read_json(path))
    except (RecipeError, UserInputError) as error:
        raise RecipeError(f"The file {path} holds no augmentation that can be used: {error}") from error


def save_augmentation(root: DataRoot, recipe: AugmentationRecipe, *, replace: bool = True) -> Path:
    """Write a recipe under its name, whole or not at all.

    Args:
        root: The data root.
        recipe: What to store.
        replace: Whether a stored recipe of this name may be replaced.

    Raises:
        UserInputError: There is one of this name already and it may not be replaced.
    """
    path = root.augmentation(recipe.name)
    if not replace and path.exists():
        raise UserInputError(f"There is an augmentation {recipe.name!r} already; choose another name.")
    write_json(path, recipe.to_json())
    return path


def delete_augmentation(root: DataRoot, name: str) -> Path:
    """Move a recipe into the bin and return where it lies there; runs that used it keep their own copy.

    Raises:
        UserInputError: There is no such recipe.
    """
    path = root.augmentation(name)
    root.augmentations_bin.mkdir(parents=True, exist_ok=True)
    binned = root.augmentations_bin / f"{name}.{time.time_ns()}.json"
    try:
        os.replace(path, binned)
    except FileNotFoundError:
        raise UserInputError(f"There is no augmentation {name!r} in {root.augmentations}; reload the list.") from None
    return binned


def list_binned(root: DataRoot) -> list[BinnedAugmentation]:
    """Return what lies in the bin, the last deleted first; files that this program did not put there are passed over."""
    found = []
    for path in root.augmentations_bin.glob("*.json"):
        match = _BINNED.fullmatch(path.name)
        if match and IDENTIFIER.fullmatch(match["name"]) and path.is_file():
            found.append(BinnedAugmentation(path.name, match["name"], int(match["deleted"]) * _NS))
    return sorted(found, key=lambda binned: (-binned.deleted, binned.file))


def restore_augmentation(root: DataRoot, file: str) -> str:
    """Take a recipe out of the bin and return its name.

    Args:
        root: The data root.
        file: `BinnedAugmentation.file`.

    Raises:
        UserInputError: It is not in the bin (any more), or there is another recipe of its name, which is never replaced.
    """
    binned = next((each for each in list_binned(root) if each.file == file), None)
    if binned is None:
        raise UserInputError(f"There is no augmentation {file[:60]!r} in the bin; reload the list.")
    path = root.augmentation(binned.name)
    try:
        # Claims the name: between a look and a move another tab could save a recipe, which the move would replace.
        path.touch(exist_ok=False)
    except FileExistsError:
        raise UserInputError(
            f"There is an augmentation {binned.name!r} again; delete it first, or keep its duplicate under another name."
        ) from None
    try:
        os.replace(root.augmentations_bin / file, path)
    except FileNotFoundError:
        path.unlink()
        raise UserInputError(f"There is no augmentation {file[:60]!r} in the bin; reload the list.") from None
    return binned.name
