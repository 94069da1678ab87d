"""Data sets and policies with a known disease. What is planted is said in words beside each; nothing else is arranged.

Every case goes the whole way: episode files on the disk, a split, a training of the compact policy, an evaluation. All
draw on the same sixty rooms, so that features are computed once; within a data set every episode has a room of its own, and which
rooms, starts, sides and parts there are differs from seed to seed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.planted.rooms import LENGTH, ROOMS, SPACE, Frames, approach, passing, timed, velocities
from mvla_core.episodes.writer import write_episode

EPISODES = 40
SIDES = ("left", "right")
TOLD = {
    "left": "Turn left, go past the box on its left side.",
    "right": "Turn right, go past the box on its right side.",
}
UNTOLD = "Go past the box."
SCRIPTED = 5
"""How far the box is at the start of every scripted episode, in frames."""
SCENES, SCENE_EPISODES = 6, 60
"""Rooms that have a script of their own, and episodes that are driven in them."""


@dataclass(frozen=True)
class Drive:
    """One episode before it is written: uint8 (T, H, W, 3), the keys that the driver held, what the driver was asked."""

    frames: Frames
    keys: str
    instruction: str


@dataclass(frozen=True)
class Case:
    """A disease, how it is planted and what the verdict has to say.

    Attributes:
        name: Of the case.
        label: The verdict's label that names it.
        planted: In words, what is wrong.
        drives: Makes the episodes of a seed.
        heard: In place of its own, the instruction that training hears for each episode; None where it hears its own.
        recipe: Settings of the training that differ from those of the other cases.
        after: What happens to the folder of episodes after it was written.
    """

    name: str
    label: str
    planted: str
    drives: Callable[[int], list[Drive]]
    heard: Callable[[list[Drive], int], list[str]] | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    after: Callable[[Path], None] = lambda folder: None


def generator_of(seed: int, what: int) -> np.random.Generator:
    return np.random.default_rng([seed, what])


def rooms_of(seed: int, episodes: int = EPISODES) -> list[int]:
    """The rooms of the episodes of a seed, each another one."""
    return [int(room) for room in generator_of(seed, 5).permutation(ROOMS)[:episodes]]


def varied_pictures(seed: int, episodes: int = EPISODES) -> list[tuple[int, Frames]]:
    """How far the box is at the start of each episode, and its pictures; the same for every case of a seed."""
    starts = generator_of(seed, 1).integers(1, 8, episodes)
    return [(int(far), approach(int(far), room)) for far, room in zip(starts, rooms_of(seed, episodes), strict=True)]


def honest_drives(seed: int, episodes: int = EPISODES) -> list[Drive]:
    """The picture says when, the instruction says on which side."""
    return [
        Drive(frames, passing(far, SIDES[number % 2]), TOLD[SIDES[number % 2]])
        for number, (far, frames) in enumerate(varied_pictures(seed, episodes))
    ]


def many_honest_drives(seed: int) -> list[Drive]:
    """As honest, with half as many episodes more: of twelve held-out ones most meet another that drives differently."""
    return honest_drives(seed, EPISODES * 3 // 2)


def script_drives(seed: int) -> list[Drive]:
    """One way for all, left or right as told, with a finger that slips once in ten episodes; rooms differ, the way does not."""
    generator = generator_of(seed, 2)
    drives = []
    for number, room in enumerate(rooms_of(seed)):
        side = SIDES[number % 2]
        keys = passing(SCRIPTED, side)
        if generator.random() < 0.1:
            slip = int(generator.integers(LENGTH))
            keys = keys[:slip] + "_" + keys[slip + 1 :]
        drives.append(Drive(approach(SCRIPTED, room), keys, TOLD[side]))
    return drives


def told_drives(seed: int) -> list[Drive]:
    """The instruction alone says what to do, from the first frame to the last."""
    ways = {"left": "q", "right": "e"}
    return [
        Drive(frames, ways[SIDES[number % 2]] * LENGTH, TOLD[SIDES[number % 2]])
        for number, (_, frames) in enumerate(varied_pictures(seed))
    ]


def untold_drives(seed: int) -> list[Drive]:
    """The same pictures and the same instruction, and half of the drivers pass on the left, half on the right."""
    sides = generator_of(seed, 3).permutation([SIDES[number % 2] for number in range(EPISODES)])
    return [
        Drive(frames, passing(far, str(side)), UNTOLD)
        for (far, frames), side in zip(varied_pictures(seed), sides, strict=True)
    ]


def scene_drives(seed: int) -> list[Drive]:
    """Six rooms, each with a script of its own that nothing in its pictures calls for; they show the room, and the time."""
    generator = generator_of(seed, 6)
    scripts = []
    for _ in range(SCENES):
        script = ""
        while len(script) < LENGTH:
            script += str(generator.choice(list("wadqe"))) * int(generator.integers(2, 5))
        scripts.append(script[:LENGTH])
    rooms = rooms_of(seed, SCENES)
    return [
        Drive(timed(SCRIPTED, rooms[number % SCENES], number), scripts[number % SCENES], UNTOLD)
        for number in range(SCENE_EPISODES)
    ]


def few_drives(seed: int) -> list[Drive]:
    """Honest data, but so little of it that three episodes are held out."""
    return honest_drives(seed)[:14]


def shuffled_instructions(drives: list[Drive], seed: int) -> list[str]:
    """Each episode hears another's instruction, so that what is heard says nothing about what is driven."""
    order = generator_of(seed, 4).permutation(len(drives))
    # Half of each side hears left and half right, in whatever order the episodes come.
    heard = {side: [TOLD[SIDES[place % 2]] for place in range(len(drives))] for side in SIDES}
    texts = [""] * len(drives)
    for place in order:
        texts[place] = heard["left" if "a" in drives[place].keys else "right"].pop()
    return texts


def copy_half(folder: Path) -> None:
    """Half of the episodes lie there twice: copied under another name and packed anew, so that no byte of the files is alike."""
    for path in sorted(folder.glob("*.h5"))[::2]:
        copied = path.with_name(path.name.replace("_10", "_20"))
        shutil.copyfile(path, copied)
        with h5py.File(copied, "r+") as file:
            name = "images" if "images" in file else "observations/images"
            frames = file[name][()]
            del file[name]
            file.create_dataset(name, data=frames, chunks=(len(frames), *frames.shape[1:]), compression="gzip")


def copy_half_cut(folder: Path) -> None:
    """As `copy_half`, and the first frame of each copy is cut away."""
    before = set(folder.glob("*.h5"))
    copy_half(folder)
    for path in sorted(set(folder.glob("*.h5")) - before):
        with h5py.File(path, "r+") as file:
            names: list[str] = []
            file.visititems(
                lambda name, item, names=names: names.append(name) if isinstance(item, h5py.Dataset) else None
            )
            for name in names:
                data = file[name][()]
                if np.shape(data)[:1] == (LENGTH,):
                    del file[name]
                    file.create_dataset(name, data=data[1:])
            for key, value in file.attrs.items():
                if np.ndim(value) == 0 and not isinstance(value, str) and value == LENGTH:
                    file.attrs[key] = LENGTH - 1


def write_drives(folder: Path, drives: list[Drive], instructions: list[str] | None = None) -> None:
    """Write the episodes of a data set, with other instructions than their own where these are given."""
    for number, drive in enumerate(drives):
        write_episode(
            folder / f"episode_20251106_{100000 + number}.h5",
            drive.frames,
            velocities(drive.keys),
            action_space=SPACE,
            instruction=instructions[number] if instructions else drive.instruction,
        )


CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case(
            "honest",
            "learned",
            "nothing: the picture says when, the instruction on which side; sixty episodes, and time to learn both",
            many_honest_drives,
            recipe={"lora_targets": "text_all", "learning_rate": 2e-3, "epochs": 16},
        ),
        Case("script", "memorised_script", "every episode drives the same way at the same frames", script_drives),
        Case(
            "scenes",
            "memorised_script",
            "six rooms, each with one script: recognise the room, then replay",
            scene_drives,
            recipe={"lora_targets": "text_all", "learning_rate": 2e-3, "epochs": 24},
        ),
        Case("no_pictures", "blind", "the instruction alone tells what to do; pictures vary for nothing", told_drives),
        Case(
            "deaf",
            "deaf",
            "data as honest, but the training heard instructions that were dealt out anew",
            many_honest_drives,
            heard=shuffled_instructions,
        ),
        Case(
            "forward",
            "collapsed",
            "data as honest, six in ten actions forward, and a learning rate that teaches the mean alone",
            honest_drives,
            recipe={"learning_rate": 2e-6, "epochs": 1},
        ),
        Case(
            "left_right",
            "averaging",
            "the same picture and the same instruction, passed on the left by half of the drivers, on the right by the others",
            untold_drives,
        ),
        Case("leaked", "leaked_split", "half of the episodes lie in the folder twice", honest_drives, after=copy_half),
        Case(
            "cut",
            "leaked_split",
            "as leaked, but the first frame of each copy is cut away",
            honest_drives,
            after=copy_half_cut,
        ),
        Case("few", "cannot_tell", "data as honest, but only fourteen episodes", few_drives),
    )
}
"""By name, in the order of the matrix."""
