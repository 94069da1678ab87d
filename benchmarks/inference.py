"""How long a driving policy takes from a new frame to its next chunk: past frames kept, beside encoding the window anew.

    python -m benchmarks.inference [--steps 8] [--base-model FOLDER] [--backbones compact kosmos2]

Kosmos-2 is of the published size; without a folder of weights, random ones are written first (3.3 GB in a temporary folder). Each
policy is saved and loaded as a robot would load it, then sees frames one by one. Both ways have taken a window's number of steps
before any is timed. Printed: the middle (p50) and the slowest step of each way, the ratio of the middles, and how many pictures
each way encodes. From a hundred steps on p99 is printed in place of the slowest: of fewer there is none. Both ways answer the same.
Nothing is asserted: figures belong to the machine they were measured on.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.real_size import write_random_kosmos2
from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.policies.adapter import LoadedPolicy, load_policy, save_policy
from mvla_core.policies.build import build_policy
from mvla_core.policies.live import LivePolicy
from mvla_core.policies.spec import PolicySpec
from mvla_core.schema import ActionSpace
from mvla_core.training.recipe import PRESETS

INSTRUCTION = "Drive around the box on the left to the basket"
ENOUGH_FOR_P99 = 100
PRESET_OF = {"compact": "compact", "kosmos2": "briefing-fast"}

Chunk = npt.NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8, help="steps timed of each way (default: %(default)s)")
    parser.add_argument("--base-model", type=Path, help="folder of Kosmos-2 weights (default: random ones)")
    parser.add_argument("--backbones", nargs="+", choices=PRESET_OF, default=list(PRESET_OF))
    options = parser.parse_args()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {os.cpu_count()} cores"
    print(f"{device}, load average {os.getloadavg()[0]:.1f}, window of 4 frames, {options.steps} steps")
    slow = "p99" if options.steps >= ENOUGH_FOR_P99 else "slowest"
    print(f"{'policy':10}{'kept p50':>12}{slow:>10}{'window anew p50':>18}{slow:>10}{'ratio':>8}{'pictures':>11}")
    with tempfile.TemporaryDirectory() as work:
        for backbone in options.backbones:
            base = None
            if backbone == "kosmos2":
                base = options.base_model or write_random_kosmos2(Path(work) / "kosmos2")
            _print(backbone, _policy(backbone, base, Path(work) / backbone), options.steps)


def _policy(backbone: str, base: Path | None, folder: Path) -> LoadedPolicy:
    """Build, save and load a policy that nobody has trained: its speed is that of a trained one."""
    recipe = PRESETS[PRESET_OF[backbone]].recipe
    spec = PolicySpec(
        backbone=recipe.backbone,
        action_space=ActionSpace.default(2),
        normaliser=ActionNormaliser("range", (0.0, 0.0), (1.15, 1.15)),
        base_model=None if base is None else str(base),
        window_size=recipe.window_size,
        chunk_size=recipe.chunk_size,
        lora_rank=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_targets=recipe.lora_targets,
        head_hidden=recipe.head_hidden,
        visual_channels=recipe.visual_channels,
        base_dtype="bfloat16" if base is not None else "float32",
    )
    save_policy(build_policy(spec, seed=0), folder, {})
    return load_policy(folder)


def _print(backbone: str, policy: LoadedPolicy, steps: int) -> None:
    window = policy.spec.window_size
    frames = np.random.default_rng(0).integers(0, 255, (2 * window + steps, 224, 224, 3)).astype(np.uint8)
    live = LivePolicy(policy)

    def kept(place: int) -> Chunk:
        return live.step(frames[place], INSTRUCTION)

    def anew(place: int) -> Chunk:
        seen: npt.NDArray[np.uint8] = frames[place - window + 1 : place + 1]
        return policy.predict_frames(seen, INSTRUCTION, np.array([window - 1]))[0]

    for place in range(window):
        kept(place)
    for place in range(window, 2 * window):
        kept(place)
        anew(place)
    places = range(2 * window, 2 * window + steps)
    answers, times = _timed(kept, places)
    same, naive = _timed(anew, places)
    apart = max(float(np.abs(one - other).max()) for one, other in zip(answers, same, strict=True))
    slow = 99 if steps >= ENOUGH_FOR_P99 else 100
    p50, slowest = np.percentile(times, [50, slow])
    naive50, naive_slowest = np.percentile(naive, [50, slow])
    row = f"{backbone:10}{p50:9.0f} ms{slowest:7.0f} ms{naive50:15.0f} ms{naive_slowest:7.0f} ms{naive50 / p50:7.1f}x"
    print(f"{row}{f'1 to {window}':>11}   answers apart by at most {apart:.2g}")


def _timed(step: Callable[[int], Chunk], places: range) -> tuple[list[Chunk], list[float]]:
    answers, times = [], []
    for place in places:
        began = time.perf_counter()
        answers.append(step(place))
        times.append(1000 * (time.perf_counter() - began))
    return answers, times


if __name__ == "__main__":
    main()
