"""Finding data sets by name and by path."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.episodes.dataset import identifier_from, list_datasets, named_dataset, resolve_dataset
from mvla_core.errors import UserInputError
from mvla_core.files import IDENTIFIER
from mvla_core.layout import DataRoot


def test_names_are_listed_without_hidden_folders_and_files(root: DataRoot) -> None:
    assert list_datasets(root) == []
    for name in ("tub", "basket", ".hidden"):
        (root.episodes / name).mkdir(parents=True)
    (root.episodes / "file").touch()
    assert [ref.name for ref in list_datasets(root)] == ["basket", "tub"]


def test_a_name_comes_before_a_folder_of_that_name(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    root.dataset("tub").mkdir(parents=True)
    (root.path / "tub").mkdir()
    monkeypatch.chdir(root.path)
    assert resolve_dataset(root, "tub").folder == root.dataset("tub")
    assert resolve_dataset(root, "./tub").folder == (root.path / "tub").resolve()


def test_a_folder_with_an_unusual_name_gets_a_safe_one(root: DataRoot, tmp_path: Path) -> None:
    folder = tmp_path / "내 기록 (1)"
    folder.mkdir()
    assert resolve_dataset(root, str(folder)).name == "1_"


def test_unknown_names_are_told_with_the_closest(root: DataRoot) -> None:
    with pytest.raises(UserInputError, match="there are none yet"):
        resolve_dataset(root, "basket")
    root.dataset("basket").mkdir(parents=True)
    with pytest.raises(UserInputError, match="there are basket. Did you mean 'basket'?"):
        resolve_dataset(root, "baskt")
    with pytest.raises(UserInputError, match="the path of a folder"):
        resolve_dataset(root, "../nowhere")


def test_a_name_from_a_page_is_never_a_path(root: DataRoot, tmp_path: Path) -> None:
    for name in ("..", "../data", str(tmp_path), ""):
        with pytest.raises(UserInputError, match="cannot be used"):
            named_dataset(root, name)


@given(st.text(max_size=200))
def test_identifiers_are_safe(text: str) -> None:
    name = identifier_from(text, "otherwise")
    assert IDENTIFIER.fullmatch(name)
    assert ".." not in name
    assert identifier_from(name, "otherwise") == name
