"""Copies of a training episode in the test part are found by what they hold; different drives of one script are not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mvla_core.datasets.split import Split
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.looks import Looks
from mvla_core.episodes.writer import write_episode
from mvla_core.evaluation.split_check import check_split
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace


def checked(root: DataRoot, held_out: str, part: str = "train", **more: Any) -> dict[str, Any]:
    """The check of a split that holds one episode out, with every other one in the given part."""
    episodes = scan(root, resolve_dataset(root, "world")).episodes
    others = tuple(info.episode_id for info in episodes if info.episode_id != held_out)
    train, validation = (others, ()) if part == "train" else ((), others)
    return check_split(Split(train, validation, (held_out,), (), (), 0, "by hand", None), episodes, 14, **more)


def leaks(root: DataRoot, held_out: str) -> list[str]:
    """Why the held-out episode leaks, with every other one in the training part."""
    return [found["reason"] for found in checked(root, held_out)["leaks"]]


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


def keep(path: Path, frames: slice) -> None:
    """Cut an episode."""
    with h5py.File(path, "r+") as file:
        for name in ("actions", "images" if "images" in file else "observations/images"):
            data = file[name][()][frames]
            del file[name]
            file.create_dataset(name, data=data)
        for key, value in file.attrs.items():
            if np.ndim(value) == 0 and not isinstance(value, str) and value == 18:
                file.attrs[key] = len(range(18)[frames])


@pytest.mark.parametrize("frames", [slice(1, None), slice(None, -1), slice(4, 15)])
def test_a_copy_that_was_cut_leaks(root: DataRoot, folder: Path, frames: slice) -> None:
    shutil.copyfile(folder / "one.h5", folder / "copy.h5")
    keep(folder / "copy.h5", frames)
    count = len(range(18)[frames])
    begin = (frames.start or 0) + 1
    assert leaks(root, "copy") == [
        f"the same actions and pictures as one in {count} of its {count} frames, from frame {begin} of that one on"
    ]


def test_less_than_half_of_an_episode_is_no_copy_of_it(root: DataRoot, folder: Path) -> None:
    shutil.copyfile(folder / "one.h5", folder / "copy.h5")
    keep(folder / "copy.h5", slice(0, 8))
    assert leaks(root, "one") == []
    assert len(leaks(root, "copy")) == 1


def test_what_the_validation_part_knows_is_said_of_it(root: DataRoot, folder: Path) -> None:
    shutil.copyfile(folder / "one.h5", folder / "copy.h5")
    found = checked(root, "copy", "validation")
    assert (found["leaked"], found["leaked_training"], found["leaked_validation"]) == (1, 0, 1)


def test_an_episode_that_was_not_measured_leaks_into_nothing(root: DataRoot, folder: Path) -> None:
    shutil.copyfile(folder / "one.h5", folder / "copy.h5")
    assert checked(root, "copy", tested=["copy"])["leaked"] == 1
    assert checked(root, "copy", tested=[])["leaked"] == 0


def test_pictures_alone_leak_where_they_have_been_looked_at(root: DataRoot, folder: Path) -> None:
    """A copy with other actions: only its pictures give it away."""
    shutil.copyfile(folder / "one.h5", folder / "copy.h5")
    with h5py.File(folder / "copy.h5", "r+") as file:
        file["actions"][...] = file["actions"][()][::-1]
    generator = np.random.default_rng(5)
    of_one, of_other = (
        Looks(
            generator.normal(size=(18, 256)).astype(np.float16),
            generator.integers(0, 2**63, 18, dtype=np.uint64),
        )
        for _ in range(2)
    )
    unseen = checked(root, "copy", looks={"one": of_one, "copy": of_one})
    assert (unseen["pictures_checked"], unseen["pictures_unseen"]) == (False, 1)
    found = checked(root, "copy", looks={"one": of_one, "copy": of_one, "other": of_other})
    assert found["pictures_checked"]
    assert [leak["reason"] for leak in found["leaks"]] == ["100 % of its pictures are also in one"]
    assert checked(root, "other", looks={"one": of_one, "copy": of_one, "other": of_other})["clean"]


def test_the_same_pictures_with_other_actions_are_no_copy(root: DataRoot, folder: Path) -> None:
    shutil.copyfile(folder / "one.h5", folder / "copy.h5")
    with h5py.File(folder / "copy.h5", "r+") as file:
        file["actions"][0] = (0.5, 0.0)
    assert leaks(root, "copy") == []
