"""Data sets: folders of episode files, by name under the data root or by path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mvla_core.errors import UserInputError, did_you_mean
from mvla_core.files import IDENTIFIER
from mvla_core.layout import DataRoot


@dataclass(frozen=True)
class DatasetRef:
    """A data set that exists."""

    name: str
    """Safe as one path part."""
    folder: Path


def identifier_from(text: str, otherwise: str) -> str:
    """Return a name safe as one path part and as like `text` as can be, or `otherwise` where nothing of it is left."""
    name = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._-]+", "_", text)).lstrip("._-")[:100]
    return name if IDENTIFIER.fullmatch(name) else otherwise


def list_datasets(root: DataRoot) -> list[DatasetRef]:
    """Return all data sets under the root, by name. A folder that lost all its files is still listed."""
    if not root.episodes.is_dir():
        return []
    folders = (path for path in root.episodes.iterdir() if IDENTIFIER.fullmatch(path.name) and path.is_dir())
    return [DatasetRef(path.name, path) for path in sorted(folders)]


def named_dataset(root: DataRoot, name: str) -> DatasetRef:
    """Find a data set by its name alone: for names that come from a URL or a page.

    Raises:
        UserInputError: The name is not an identifier, or there is no such data set.
    """
    folder = root.dataset(name)
    if folder.is_dir():
        return DatasetRef(name, folder)
    known = [ref.name for ref in list_datasets(root)]
    there = f"there are {', '.join(known)}" if known else "there are none yet"
    raise UserInputError(
        f"The data set {name!r} does not exist under {root.episodes}: {there}.{did_you_mean(name, known)} "
        f"Import recordings with: python -m mvla_core import SOURCE --dataset {name}"
    )


def resolve_dataset(root: DataRoot, dataset: str) -> DatasetRef:
    """Find a data set by its name under the root or, for the command line, by the path of any folder.

    Raises:
        UserInputError: There is neither; the message names the closest known data set.
    """
    if IDENTIFIER.fullmatch(dataset) and (root.episodes / dataset).is_dir():
        return named_dataset(root, dataset)
    folder = Path(dataset).expanduser()
    if folder.is_dir():
        folder = folder.resolve()
        return DatasetRef(identifier_from(folder.name, "dataset"), folder)
    if IDENTIFIER.fullmatch(dataset):
        return named_dataset(root, dataset)
    raise UserInputError(
        f"The data set {dataset!r} does not exist: expected a name under {root.episodes} or the path of a folder."
    )
