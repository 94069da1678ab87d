"""One case and seed, the whole way: write the episodes, train, evaluate; what the verdict said and how long it took."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.planted.cases import Case, write_drives
from mvla_core.evaluation.evaluate import evaluate_run
from mvla_core.files import read_json, replacing, write_json
from mvla_core.layout import DataRoot
from mvla_core.policies.compact import EfficientNetEncoder
from mvla_core.progress import SILENT
from mvla_core.training.launch import prepare_run
from mvla_core.training.train import train_run

RECIPE: dict[str, Any] = {
    "window_size": 2,
    "chunk_size": 4,
    "epochs": 12,
    "patience": 0,
    "batch_size": 2,
    "learning_rate": 3e-3,
    "head_dropout": 0.1,
    "feature_dropout": 0.1,
    "lora_dropout": 0.0,
    "warmup_steps": 5,
    "lora_targets": "text_qv",
    "head_hidden": 64,
    "visual_channels": 16,
}
"""Of every case, where it does not say otherwise: the compact policy, small and short."""


@contextmanager
def remembered_features(kept: Path | None = None) -> Iterator[None]:
    """Encode each different picture once while this lasts, whichever data set, run or experiment asks for it.

    The encoder is the product's own; a picture's features depend on nothing but the picture.

    Args:
        kept: A file that holds the features from one time to the next; made at the end.
    """
    known: dict[str, npt.NDArray[np.float16]] = {}
    if kept is not None and kept.is_file():
        with np.load(kept, allow_pickle=False) as stored:
            known.update(stored)
    before = len(known)
    encode = EfficientNetEncoder.encode

    def remembered(self: EfficientNetEncoder, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
        keys = [hashlib.blake2b(np.ascontiguousarray(frame), digest_size=16).hexdigest() for frame in frames]
        new = {key: place for place, key in enumerate(keys) if key not in known}
        if new:
            known.update(zip(new, encode(self, frames[list(new.values())]), strict=True))
        return np.stack([known[key] for key in keys])

    EfficientNetEncoder.encode = remembered  # type: ignore[method-assign]
    try:
        yield
    finally:
        EfficientNetEncoder.encode = encode  # type: ignore[method-assign]
        if kept is not None and len(known) > before:
            with replacing(kept) as temporary, open(temporary, "wb") as file:
                np.savez(file, **known)


def run_trial(case: Case, seed: int, folder: Path) -> dict[str, Any]:
    """Plant a disease, train, evaluate.

    Args:
        case: What to plant.
        seed: Of the episodes, the split and the training.
        folder: An empty one for the data root; removed at the end.

    Returns:
        JSON values: `case`, `seed`, `results` (what `results.json` holds, with the verdict) and `seconds` by stage.
    """
    began = time.perf_counter()
    root = DataRoot(folder)
    drives = case.drives(seed)
    write_drives(root.dataset("world"), drives)
    case.after(root.dataset("world"))
    run = prepare_run(root, "world", "compact", {**RECIPE, **case.recipe}, seed)
    written = time.perf_counter()
    if case.heard is None:
        train_run(root, run, SILENT)
    else:
        # The training hears other instructions than the test; nothing else differs.
        heard = folder / "heard" / "world"
        write_drives(heard, drives, case.heard(drives, seed))
        config = read_json(run.config)
        write_json(run.config, {**config, "dataset_folder": str(heard)})
        train_run(root, run, SILENT)
        write_json(run.config, config)
    trained = time.perf_counter()
    results = evaluate_run(root, run.run_id, SILENT)
    judged = time.perf_counter()
    record = {
        "case": case.name,
        "seed": seed,
        "results": results,
        "seconds": {
            "write": round(written - began, 2),
            "train": round(trained - written, 2),
            "evaluate": round(judged - trained, 2),
        },
    }
    shutil.rmtree(folder)
    return record
