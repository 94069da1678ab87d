"""How long an evaluation takes, and what it saves by encoding each picture once.

    python -m benchmarks.evaluation [--episodes 20] [--height 720] [--width 1280] [--suite quick] [--naive 4]

A compact policy with random weights (its speed is that of a trained one) is evaluated on held-out recordings of 18 frames. Printed:
seconds of each stage and of the whole, how often a picture was encoded, and the time of predicting the held-out windows with and
without each instruction and scene when features are kept, beside the naive way, which encodes the pictures anew for every ablation
(measured on a few episodes and given as a ratio). Processor time is what the evaluation needs of a core that it has to itself:
compare it where the machine is busy. Nothing is asserted: figures belong to the machine they were measured on.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.datasets.split import make_split
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.catalogue import load_sequences, scan
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.reader import open_known
from mvla_core.episodes.writer import write_episode
from mvla_core.evaluation.ablations import Policy, Subject, run_ablations
from mvla_core.evaluation.evaluate import evaluate_run
from mvla_core.evaluation.predict import predict
from mvla_core.evaluation.scale import ActionScale
from mvla_core.files import write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.adapter import LoadedPolicy, load_policy, save_policy
from mvla_core.policies.build import build_policy
from mvla_core.policies.compact import EfficientNetEncoder
from mvla_core.policies.spec import PolicySpec
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import ActionSpace, EpisodeInfo

FRAMES = 18
TRAIN, VALIDATION = 12, 4
SPACE = ActionSpace.default(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=20, help="held-out recordings (default: %(default)s)")
    parser.add_argument("--height", type=int, default=720, help="of a picture (default: %(default)s)")
    parser.add_argument("--width", type=int, default=1280, help="of a picture (default: %(default)s)")
    parser.add_argument("--suite", choices=("quick", "full"), default="quick", help="(default: %(default)s)")
    parser.add_argument("--naive", type=int, default=4, help="episodes of the comparison (default: %(default)s)")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        root = DataRoot(Path(folder))
        run = prepare(root, options.episodes, options.height, options.width)
        encoded = count_encoded()
        stages = Stages()
        began = time.process_time()
        seconds = seconds_of(lambda: evaluate_run(root, run.run_id, stages, suite=options.suite))
        worked = time.process_time() - began
        stages.end()
        print(
            f"suite {options.suite}: {options.episodes} held-out episodes of {FRAMES} frames of {options.height} x "
            f"{options.width} take {seconds:.1f} s ({worked:.1f} s of processor time); {encoded[0]:,} pictures were encoded"
        )
        compare(root, load_policy(run.adapter), options.naive)


def prepare(root: DataRoot, held_out: int, height: int, width: int) -> RunFolder:
    """Record episodes and leave a run as a training does."""
    count = TRAIN + VALIDATION + held_out
    for number in range(count):
        record(root, number, height, width)
    ref = named_dataset(root, "lab")
    episodes = scan(root, ref).episodes
    split = make_split(episodes, fractions=(TRAIN / count, VALIDATION / count, held_out / count))
    train = load_sequences([info for info in episodes if info.episode_id in split.train])
    run = root.run("timed")
    recipe = {"window_size": 4, "chunk_size": 10}
    made = {
        "run_id": "timed",
        "dataset": "lab",
        "dataset_folder": str(ref.folder),
        "preset": "compact",
        "recipe": recipe,
    }
    write_json(run.config, {**made, "seed": 0, "created": "2025-11-12T09:00:00+00:00"})
    write_json(run.split, split.to_json())
    spec = PolicySpec("compact", SPACE, ActionNormaliser.fit("mean_std", train), window_size=4, chunk_size=10)
    save_policy(build_policy(spec, seed=0), run.adapter, {"run_id": run.run_id})
    return run


def record(root: DataRoot, number: int, height: int, width: int) -> None:
    """Write one recording of blurred noise."""
    generator = np.random.default_rng(number)
    coarse = generator.integers(0, 256, (FRAMES, 12, 16, 3), dtype=np.uint8)
    frames = np.stack([cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC) for one in coarse])
    folder = root.dataset("lab")
    folder.mkdir(parents=True, exist_ok=True)
    actions = generator.choice([-1.15, 0.0, 1.15], (FRAMES, 2))
    told = f"Go past the box on the {('left', 'right')[number % 2]}."
    write_episode(folder / f"e{number:05d}.h5", frames, actions, action_space=SPACE, instruction=told)


class Stages(Progress):
    """Prints how long each stage took, in seconds and in processor time."""

    def __init__(self) -> None:
        super().__init__()
        self._now: tuple[str, float, float] | None = None

    def stage(self, name: str) -> None:
        self.end()
        self._now = (name, time.perf_counter(), time.process_time())

    def end(self) -> None:
        """Print the stage that is under way."""
        if self._now is not None:
            name, began, worked = self._now
            print(
                f"  {time.perf_counter() - began:6.1f} s  {time.process_time() - worked:6.1f} s of processor time  {name}"
            )


def count_encoded() -> list[int]:
    """Count the pictures that pass the encoder from now on."""
    counted, encode = [0], EfficientNetEncoder.encode

    def counting(self: EfficientNetEncoder, frames: Any) -> Any:
        counted[0] += len(frames)
        return encode(self, frames)

    EfficientNetEncoder.encode = counting  # type: ignore[method-assign]
    return counted


@dataclass(frozen=True)
class Naive:
    """A policy that keeps no feature: each answer decodes and encodes its pictures."""

    policy: LoadedPolicy

    def predict_episode(
        self, root: DataRoot, info: EpisodeInfo, last_frames: Any, instruction: str | None = None
    ) -> Any:
        with open_known(info) as reader:
            frames = reader.frames()
        return self.policy.predict_frames(frames, info.instruction if instruction is None else instruction, last_frames)

    def predict_frames(self, frames: Any, instruction: str, last_frames: Any) -> Any:
        return self.policy.predict_frames(frames, instruction, last_frames)


def compare(root: DataRoot, policy: LoadedPolicy, count: int) -> None:
    """Time the undisturbed predictions and the ablations that leave pictures alone, with features kept and without."""
    episodes = scan(root, named_dataset(root, "lab")).episodes[:count]
    sequences = load_sequences(episodes)
    scale, window = ActionScale.fit(sequences, SPACE), WindowSpec()
    with open_known(episodes[0]) as reader:
        first = reader.frame(0)

    def everything(asked: Policy) -> None:
        predictions = predict(root, asked, episodes, sequences, sequences, window)
        subjects = [Subject(info, each, first) for info, each in zip(episodes, predictions, strict=True)]
        run_ablations(root, asked, subjects, [info.instruction for info in episodes], 4, scale, SILENT)

    everything(policy)  # Reads the instructions once, which both ways keep.
    for path in (root.cache / "features").rglob("*.npy"):
        path.unlink()
    kept = seconds_of(lambda: everything(policy), time.process_time)
    naive = seconds_of(lambda: everything(Naive(policy)), time.process_time)
    print(
        f"{count} episodes, undisturbed and 6 ablations, processor time: features kept {kept:.2f} s, naive {naive:.2f} s, "
        f"{naive / kept:.1f} times"
    )


def seconds_of(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    work()
    return clock() - began


if __name__ == "__main__":
    main()
