"""Small recorded worlds with a known answer, and policies with a known disease. Real episode files, no network.

A picture of these worlds shows what comes: its first row of pixels spells the next actions of the way past the box on the
left, its second row those on the right, and one pixel of the third row is a clock. A policy that looks reads the right row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.split import make_split
from mvla_core.episodes.catalogue import load_sequences, scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.reader import open_episode
from mvla_core.episodes.writer import write_episode
from mvla_core.files import append_json_line, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.metrics.predictors import Constant, InstructionClock
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo

SPACE = ActionSpace.default(2)
SPEED = 1.15
KEYS = {"_": (0, 0), "w": (1, 0), "a": (0, 1), "d": (0, -1), "q": (1, 1), "e": (1, -1)}
NAMES = tuple(KEYS)
VELOCITIES = np.array(list(KEYS.values()), dtype=np.float32) * SPEED
MIRROR = str.maketrans("adqe", "daeq")
LENGTH, CHUNK, WINDOW = 18, 10, 4
INSTRUCTIONS = {"left": "Go past the box on the left.", "right": "Go past the box on the right."}
_STEP = 40

Chunks = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]


def varied_keys(generator: np.random.Generator) -> str:
    """A way past the box on the left that starts, turns and ends at its own times."""
    straight, side, along = generator.integers(1, 9), generator.integers(1, 5), generator.integers(2, 6)
    return ("_" + "w" * straight + "a" * side + "q" * along + "w" * generator.integers(1, 6) + "e" * 12)[:LENGTH]


def scripted_keys(generator: np.random.Generator) -> str:
    """The briefing's script, with a finger's jitter in one place."""
    return "_wwwwaqqqqqqqwwwwe" if generator.random() < 0.7 else "_wwwaaqqqqqqqwwwww"


def steady_keys(generator: np.random.Generator) -> str:
    """One key all the way: only the instruction says which."""
    return "q" * LENGTH


def picture(keys: str, frame: int) -> Frames:
    shown = np.full((4, CHUNK, 3), 10, dtype=np.uint8)
    for row, way in enumerate((keys, keys.translate(MIRROR))):
        for ahead in range(CHUNK):
            key = way[min(frame + ahead, len(way) - 1)]
            shown[row, ahead] = _STEP * NAMES.index(key)
    shown[2, 0] = frame
    return shown


def record(
    root: DataRoot, dataset: str, make_keys: Callable[[np.random.Generator], str], count: int, *, sides: int = 2
) -> None:
    """Write `count` episodes, left and right in turn (or all left with `sides` = 1)."""
    generator = np.random.default_rng(7)
    for number in range(count):
        side = ("left", "right")[number % sides]
        keys = make_keys(generator)
        driven = keys if side == "left" else keys.translate(MIRROR)
        frames = np.stack([picture(keys, frame) for frame in range(LENGTH)])
        frames[:, 3] = generator.integers(0, 255, frames[:, 3].shape)  # A wall that nobody needs.
        write_episode(
            root.dataset(dataset) / f"episode_{20251106}_{100000 + number}.h5",
            frames,
            VELOCITIES[[NAMES.index(key) for key in driven]],
            action_space=SPACE,
            instruction=INSTRUCTIONS[side] if sides == 2 else "",
        )


def prepare(root: DataRoot, dataset: str, run_id: str = "planted") -> RunFolder:
    """Make a run folder as a training leaves it, without adapter."""
    run = root.run(run_id)
    ref = resolve_dataset(root, dataset)
    split = make_split(scan(root, ref).episodes, seed=0)
    recipe = {"window_size": WINDOW, "chunk_size": CHUNK, "learning_rate": 0.0003}
    write_json(
        run.config,
        {
            "run_id": run_id,
            "dataset": dataset,
            "dataset_folder": str(ref.folder),
            "preset": "compact",
            "recipe": recipe,
            "seed": 0,
            "created": "2025-11-12T09:00:00+00:00",
        },
    )
    write_json(run.split, split.to_json())
    write_json(run.provenance, {"commit": "0" * 40, "python": "3.11.9", "hardware": {"cpu": "2 cores", "gpu": None}})
    for epoch in range(1, 13):
        train, val = 0.42 * 0.8**epoch + 0.012, 0.4 * 0.83**epoch + 0.03 + 0.002 * (epoch % 3)
        append_json_line(
            run.progress,
            {"event": "epoch", "time": 1762938000.0 + 9 * epoch, "epoch": epoch, "epochs": 12, "train_loss": train}
            | {"val_loss": val, "val_rmse": val**0.5, "best_epoch": epoch, "eta_seconds": 0},
        )
    write_json(run.result, {"status": "succeeded", "message": "", "best_epoch": 12})
    return run


def train_sequences(root: DataRoot, run: RunFolder, dataset: str) -> list[ActionSequence]:
    import json

    names = set(json.loads(run.split.read_text())["train"])
    episodes = scan(root, resolve_dataset(root, dataset)).episodes
    return load_sequences([info for info in episodes if info.episode_id in names])


@dataclass(frozen=True)
class PlantedPolicy:
    """Answers each window from its last picture and the instruction.

    Attributes:
        answer: From a picture uint8 (4, 10, 3) and an instruction to a chunk float (10, 2), m/s.
        noise: Standard deviation of what is added to it, m/s.
    """

    answer: Callable[[Frames, str], npt.NDArray[Any]]
    noise: float = 0.0

    def predict_episode(
        self, root: DataRoot, info: EpisodeInfo, last_frames: npt.NDArray[np.int64], instruction: str | None = None
    ) -> Chunks:
        with open_episode(Path(info.path), info.dataset) as reader:
            frames = reader.frames()
        return self.predict_frames(frames, info.instruction if instruction is None else instruction, last_frames)

    def predict_frames(self, frames: Frames, instruction: str, last_frames: npt.NDArray[np.int64]) -> Chunks:
        chunks = []
        for last in last_frames:
            noise = np.random.default_rng([int(last), int(frames[last].sum())]).normal(size=(CHUNK, 2))
            chunks.append(self.answer(frames[last], instruction) + self.noise * noise)
        return np.stack(chunks).astype(np.float32)


def _read(picture: Frames, row: int) -> npt.NDArray[Any]:
    return VELOCITIES[np.clip(picture[row, :, 0] // _STEP, 0, len(NAMES) - 1)].astype(float)


def _rows(instruction: str) -> tuple[int, ...]:
    if "left" in instruction:
        return (0,)
    return (1,) if "right" in instruction else (0, 1)


def sighted(noise: float = 0.25) -> PlantedPolicy:
    """Looks, and listens: without an instruction it averages both ways."""
    return PlantedPolicy(lambda seen, told: np.mean([_read(seen, row) for row in _rows(told)], axis=0), noise)


def deaf() -> PlantedPolicy:
    """Looks, but always takes the way on the left."""
    return PlantedPolicy(lambda seen, told: _read(seen, 0), 0.1)


def averaging() -> PlantedPolicy:
    """Drives the mean of both ways: straight into the box."""
    return PlantedPolicy(lambda seen, told: np.mean([_read(seen, 0), _read(seen, 1)], axis=0), 0.1)


def collapsed() -> PlantedPolicy:
    return PlantedPolicy(lambda seen, told: np.tile(VELOCITIES[NAMES.index("w")], (CHUNK, 1)), 0.05)


def told_only() -> PlantedPolicy:
    """Never looks: left when told left."""
    way = {0: VELOCITIES[NAMES.index("q")], 1: VELOCITIES[NAMES.index("e")]}
    return PlantedPolicy(lambda seen, told: np.tile(np.mean([way[row] for row in _rows(told)], axis=0), (CHUNK, 1)))


def recites(train: list[ActionSequence], noise: float = 0.12) -> PlantedPolicy:
    """Uses its eyes to read the clock only, and recites the mean of the training episodes of the instruction."""
    clock = InstructionClock.fit(train)

    def answer(seen: Frames, told: str) -> npt.NDArray[Any]:
        asked = ActionSequence("", train[0].actions, told)
        return clock.predict(asked, np.array([int(seen[2, 0, 0])]), CHUNK)[0]

    return PlantedPolicy(answer, noise)


def guesses(train: list[ActionSequence]) -> PlantedPolicy:
    """The mean action and much noise: what an unfinished training leaves."""
    mean = Constant.fit(train).mean
    return PlantedPolicy(lambda seen, told: np.tile(mean, (CHUNK, 1)), 0.4)
