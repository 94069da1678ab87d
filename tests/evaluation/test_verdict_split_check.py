"""Copies of a training episode in the test part are found by what they hold; different drives of one script are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from mvla_core.datasets.split import Split
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.writer import write_episode
from mvla_core.evaluation.split_check import check_split
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace


def leaks(root: DataRoot, held_out: str) -> list[str]:
    """Why the held-out episode leaks, with every other one in the training part."""
    episodes = scan(root, resolve_dataset(root, "world")).episodes
    train = tuple(info.episode_id for info in episodes if info.episode_id != held_out)
    split = Split(train, (), (held_out,), (), (), 0, "by hand", None)
    return [found["reason"] for found in check_split(split, episodes, 14)["leaks"]]


@pytest.fixture
def folder(root: DataRoot) -> Path:
    generator = np.random.default_rng(0)
    actions = np.repeat([[1.15, 0.0], [0.0, 1.15]], 9, axis=0)
    for name in ("one", "other"):
        frames = generator.integers(0, 200, (18, 32, 48, 3), dtype=np.uint8)
        # Smooth scenes, as cameras see them: a mean over a block tells two of them apart.
        frames[:, :, : generator.integers(10, 40)] //= 3
        write_episode(root.dataset("world") / f"{name}.h5", frames, actions, action_space=ActionSpace.default(2))
    return root.dataset("world")


def pack_anew(path: Path, noise: int) -> None:
    """Another packing and a little noise: no byte of the pictures' storage stays."""
    with h5py.File(path, "r+") as file:
        name = "images" if "images" in file else "observations/images"
        frames = file[name][()].astype(int)
        shaken = frames + np.random.default_rng(1).integers(-noise, noise + 1, frames.shape)
        del file[name]
        file.create_dataset(name, data=np.clip(shaken, 0, 255).astype(np.uint8), compression="gzip")


def test_other_pictures_of_the_same_script_are_new(root: DataRoot, folder: Path) -> None:
    assert leaks(root, "other") == []


@pytest.mark.parametrize("noise", [0, 3])
def test_a_copy_that_was_packed_anew_leaks(root: DataRoot, folder: Path, noise: int) -> None:
    shutil.copyfile(folder / "one.h5", folder / "copy.h5")
    pack_anew(folder / "copy.h5", noise)
    assert leaks(root, "copy") == ["the same actions and pictures as one, in another file"]


def test_the_same_pictures_with_other_actions_are_no_copy(root: DataRoot, folder: Path) -> None:
    shutil.copyfile(folder / "one.h5", folder / "copy.h5")
    with h5py.File(folder / "copy.h5", "r+") as file:
        file["actions"][0] = (0.5, 0.0)
    assert leaks(root, "copy") == []
