"""How fast Kosmos-2 of the published size is trained: the naive loop beside `briefing-fast` and `top-layers`, in one run.

    python -m benchmarks.training [--base-model FOLDER] [--repeats 1]

Without a folder of weights, random ones of the published size are written first (3.3 GB in a temporary folder). Each way
trains in a process of its own, so that the peaks of memory are its own:

- naive: each window by itself, its four pictures through the vision tower and the language model every time, as transformers
  runs it, LoRA on the language model, as the briefing's loop;
- briefing-fast: pictures through the frozen tower once, then kept; eight windows share eleven frames;
- whole episodes: the same with `windows_per_item` 16, so that fifteen windows share eighteen frames: faster, but a
  step then averages fifteen windows instead of the briefing's eight;
- top-layers: LoRA on the last eight layers; what lies below is computed once and kept; fifteen windows share eighteen frames.

Printed for each: core-seconds (on a GPU seconds) a window of forward and backward, what is computed once a frame, the ratio to the
naive loop without it and with it spread over 20 epochs (a window's share is once a frame x frames / windows / epochs), peak memory,
arithmetic throughput (on a known GPU as a share of its peak: model FLOP utilisation), and the share of time spent waiting for data.
The gradients of the first eight windows are compared between the naive loop and `briefing-fast`: they differ by the rounding of
bf16 alone; the tests compare them to 1e-6 in 32 bits. Nothing is asserted: figures belong to the machine they were measured on.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.real_size import write_random_kosmos2
from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.datasets.windows import WindowSpec
from mvla_core.policies.build import build_policy
from mvla_core.policies.kosmos import Kosmos2Base, KosmosPolicy, PixelEncoder
from mvla_core.policies.spec import PolicySpec
from mvla_core.schema import ActionSequence, ActionSpace
from mvla_core.training.recipe import PRESETS
from mvla_core.training.segments import Collator, PreparedEpisode, Segment, cut_segments

WAYS = ("naive", "briefing-fast", "whole episodes", "top-layers")
INSTRUCTION = "Drive around the box on the left to the basket"
FRAMES = 18
COMPARED_WINDOWS = 8
EPOCHS = 20
"""Over which what is computed once a frame is spread."""
PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "RTX 4090": 165e12, "L40S": 362e12}
"""Dense bf16 operations a second, as the makers state."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-model", type=Path, help="folder of Kosmos-2 weights (default: random ones)")
    parser.add_argument(
        "--repeats", type=int, default=1, help="training steps timed of each way (default: %(default)s)"
    )
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--gradients", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.base_model, options.repeats, options.gradients)))
        return
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {os.cpu_count()} cores"
    print(f"{device}, load average {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as work:
        base = options.base_model or write_random_kosmos2(Path(work) / "kosmos2")
        found = {way: _in_own_process(way, base, options.repeats, Path(work)) for way in WAYS}
        _print(found)
        _print_gradients(Path(work))


def measure(way: str, base_model: Path, repeats: int, gradients: Path) -> dict[str, Any]:
    """Train some steps in one way and return its figures; gradients of `COMPARED_WINDOWS` windows go into a file."""
    recipe = PRESETS[way if way in PRESETS else "briefing-fast"].recipe
    space = ActionSpace.default(2)
    spec = PolicySpec(
        backbone="kosmos2",
        action_space=space,
        normaliser=ActionNormaliser("range", (0.0, 0.0), (1.15, 1.15)),
        base_model=str(base_model),
        window_size=recipe.window_size,
        chunk_size=recipe.chunk_size,
        lora_rank=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=0.0,
        lora_targets=recipe.lora_targets,
        lora_top_layers=recipe.lora_top_layers,
        head_hidden=recipe.head_hidden,
        base_dtype="bfloat16",
    )
    built = build_policy(spec, seed=0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = built.network.to(device)
    assert isinstance(built.policy, KosmosPolicy)
    _wake_updates(network)
    episode = _episode(space)
    frames = np.random.default_rng(1).integers(0, 255, (FRAMES, 224, 224, 3)).astype(np.uint8)
    encoder = built.training_encoder(INSTRUCTION)
    if way == "naive":
        base = Kosmos2Base(built.policy.backbone, built.policy.processor, "measured")
        features, once = PixelEncoder(base).encode(frames), 0.0
        built.policy.encode_frames = MethodType(_whole_model, built.policy)  # type: ignore[method-assign]
    else:
        encoder.encode(frames[:1])
        begin = _clock(device)
        features = encoder.encode(frames)
        once = (_clock(device) - begin) / FRAMES
    prepared = PreparedEpisode(episode, features)
    window = WindowSpec(recipe.window_size, recipe.chunk_size, "mask")
    per_item = {"naive": 1, "briefing-fast": COMPARED_WINDOWS}.get(way, 16)
    items = cut_segments([prepared], window, per_item, spec.normaliser)
    collate = Collator(built.encode_instructions)
    counted = items[:COMPARED_WINDOWS] if way == "naive" else items[:1]
    # In the first step kernels are chosen and memory is asked of the system: several seconds, which one step would bear alone.
    _step(network, collate, counted if device.type == "cuda" else counted[:1], device)
    network.zero_grad()
    begin, waited = _clock(device), 0.0
    for _ in range(repeats):
        network.zero_grad()
        waited += _step(network, collate, counted, device)
    seconds = _clock(device) - begin
    if way in WAYS[:2]:
        parts = [p.grad.float().flatten().cpu() for p in network.parameters() if p.requires_grad and p.grad is not None]
        np.save(gradients, torch.cat(parts).numpy())
    with FlopCounterMode(display=False) as flops:
        _step(network, collate, counted[:1], device)
    windows = sum(len(item.windows) for item in counted) * repeats
    return {
        "windows": windows,
        "windows_per_episode": sum(len(item.windows) for item in items),
        "seconds": seconds,
        "once_s": once,
        "waited_share": waited / seconds,
        "peak_bytes": torch.cuda.max_memory_allocated()
        if device.type == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "flops_per_window": flops.get_total_flops() / len(counted[0].windows),
        "trainable": sum(p.numel() for p in network.parameters() if p.requires_grad),
    }


def _whole_model(policy: KosmosPolicy, pixels: Tensor, instructions: tuple[Tensor, Tensor], index: Tensor) -> Tensor:
    """What a frame's vector is without any care for speed: one state of all that the whole model gives."""
    ids, mask = (tensor[index] for tensor in instructions)
    slots = torch.zeros_like(mask)
    slots[:, 2 : 2 + policy.picture_slots] = 1
    states = policy.backbone(
        pixel_values=policy.normalised_pixels(pixels),
        input_ids=ids,
        attention_mask=mask,
        image_embeds_position_mask=slots,
        use_cache=False,
    ).last_hidden_state
    vectors: Tensor = states[torch.arange(len(ids), device=ids.device), mask.sum(1) - 1]
    return vectors


def _step(network: torch.nn.Module, collate: Collator, items: list[Segment], device: torch.device) -> float:
    """Add up the gradients of some items; return the seconds in which the data was made ready."""
    waited = 0.0
    targets = sum(int(item.mask.sum()) for item in items) * 2
    for item in items:
        begin = _clock(device)
        batch = {key: value.to(device) for key, value in collate([item]).items()}
        waited += _clock(device) - begin
        network(**batch, num_items_in_batch=targets).loss.backward()
    return waited


def _wake_updates(network: torch.nn.Module) -> None:
    """Fresh low-rank updates begin at zero, and half of their gradients with them; a trained policy's do not."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.empty(parameter.shape).normal_(0.0, 0.01, generator=generator))
    network.eval()  # No dropout, so that the ways can be compared; it costs next to nothing.


def _episode(space: ActionSpace) -> ActionSequence:
    actions = np.random.default_rng(0).choice([-1.15, 0.0, 1.15], (FRAMES, len(space))).astype(np.float32)
    return ActionSequence("measured", actions, INSTRUCTION)


def _clock(device: torch.device) -> float:
    """Core-seconds of this process, or on a GPU wall seconds once it has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def _in_own_process(way: str, base: Path, repeats: int, work: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.training", "--way", way, "--base-model", str(base)]
    command += ["--repeats", str(repeats), "--gradients", str(work / f"{way.replace(' ', '_')}.npy")]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(finished.stdout.splitlines()[-1]))


def _print(found: dict[str, dict[str, Any]]) -> None:
    gpu = torch.cuda.is_available()
    unit = "s" if gpu else "core-s"
    naive = found["naive"]["seconds"] / found["naive"]["windows"]
    head = f"{'way':16}{unit + ' a window':>18}{'ratio':>9}{f'over {EPOCHS} epochs':>16}{'once a frame':>16}"
    print(f"{head}{'peak GiB':>10}{'waits':>8}{'GFLOP a window':>16}")
    for way, row in found.items():
        each = row["seconds"] / row["windows"]
        whole = each + row["once_s"] * FRAMES / row["windows_per_episode"] / EPOCHS
        line = f"{way:16}{each:18.3f}{naive / each:8.1f}x{naive / whole:15.1f}x{row['once_s']:14.3f} {unit[-1]}"
        line += f"{row['peak_bytes'] / 2**30:10.1f}{100 * row['waited_share']:7.1f}%"
        print(f"{line}{row['flops_per_window'] / 1e9:16.0f}")
        speed = row["flops_per_window"] / each
        peak = next((flops for name, flops in PEAK_FLOPS.items() if gpu and name in torch.cuda.get_device_name()), None)
        if gpu:
            used = f", {100 * speed / peak:.0f} % of its peak" if peak else ""
            print(f"{'':16}{1 / each:.1f} windows/s, {speed / 1e12:.1f} TFLOP/s{used}")


def _print_gradients(work: Path) -> None:
    one, other = (np.load(work / f"{way}.npy") for way in WAYS[:2])
    cosine = float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
    off = float(np.linalg.norm(one - other) / np.linalg.norm(one))
    print(
        f"gradient of {COMPARED_WINDOWS} windows, {WAYS[0]} against {WAYS[1]}: cosine {cosine:.6f}, apart by {100 * off:.2f} %"
    )


if __name__ == "__main__":
    main()
